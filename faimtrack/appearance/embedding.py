"""Embedders at work: on a frame's detections, and on many boxes of many frames."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.interfaces import Embedder
from faimtrack.structures import Detections, Frame


def embed_detections(
    embedder: Embedder, frame: Frame, detections: Detections, minimum_score: float = 0.0
) -> Detections:
    """The same detections with how they look.

    Args:
        embedder: One of dimension 0 leaves them as they are.
        frame: The frame, with pixels; not needed without detections that count.
        detections: Without embeddings, or with this embedder's, which they keep.
        minimum_score: Detections below it get a row of zeros, which is faster.

    Raises:
        ValueError: They have embeddings of another name, or as `Embedder.embed`.
    """
    if not embedder.dimension:
        return detections
    if detections.embedding_name is not None:
        if detections.embedding_name != embedder.name:
            raise ValueError(
                f"frame {frame.index}: expected detections without embeddings or with those of "
                f"{embedder.name}, got those of {detections.embedding_name}"
            )
        return detections
    vectors = np.zeros((len(detections), embedder.dimension), np.float32)
    rows = np.flatnonzero(detections.scores >= minimum_score)
    if len(rows):
        vectors[rows] = embedder.embed(frame, detections.boxes[rows])
    return replace(detections, embeddings=vectors, embedding_name=embedder.name)


def embed_views(
    embedder: Embedder, views: Iterable[tuple[Frame, Boxes]]
) -> tuple[NDArray[np.float32], float]:
    """Vectors of boxes in many frames.

    Args:
        embedder: What embeds them.
        views: Frames, each with `(N, 4)` corners in pixels; a frame's pixels are let go of before
            the next one comes.

    Returns:
        `(sum of N, D)` vectors in the order of the boxes, and the seconds that embedding took,
        without decoding.

    Raises:
        As `Embedder.embed`.
    """
    found, seconds = [np.zeros((0, embedder.dimension), np.float32)], 0.0
    for frame, boxes in views:
        _ = frame.image  # decoded outside of what is timed
        started = time.perf_counter()
        found.append(embedder.embed(frame, boxes))
        seconds += time.perf_counter() - started
        frame.release()
    return np.concatenate(found), seconds
