"""What a frame and its detections get between the detector and the tracker."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from faimtrack.appearance.embedding import embed_detections
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.interfaces import CameraMotion, Embedder
from faimtrack.structures import Detections, Frame

_MOVES_SCORE = 0.3
"""Who is detected this surely moves by himself; weaker boxes may well be a still background."""


class Enricher(Protocol):
    """Adds something to a frame or to its detections.

    Attributes:
        stage: What its time is told under.
        needs_images: Whether it looks at the pixels.
    """

    stage: str
    needs_images: bool

    def enrich(self, frame: Frame, detections: Detections) -> Detections:
        """Take the next frame of a sequence.

        Args:
            frame: The frame; only its `camera_motion` may be set.
            detections: What was found in it; they stay as they are.

        Returns:
            The detections with what is added to them.
        """
        ...


class MotionEnricher:
    """Tells each frame how the picture moved.

    Attributes:
        frames: How many it has told.
    """

    stage = "motion"

    def __init__(self, motion: CameraMotion) -> None:
        """Ask `motion`, which nobody else may have asked about another sequence."""
        self._motion = motion
        self.needs_images = motion.needs_images
        self.frames = 0

    def enrich(self, frame: Frame, detections: Detections) -> Detections:
        """Set `frame.camera_motion`."""
        boxes = detections.boxes[detections.scores >= _MOVES_SCORE]
        frame.camera_motion = self._motion.estimate(frame, boxes)
        self.frames += 1
        return detections

    @property
    def failures(self) -> int:
        """Frames of which nothing could be told."""
        return self._motion.failures


class EmbeddingEnricher:
    """Adds to each detection how it looks."""

    stage = "embed"
    needs_images = True

    def __init__(self, embedder: Embedder, minimum_score: float) -> None:
        """Ask `embedder` about detections that score `minimum_score` or more."""
        self._embedder = embedder
        self._minimum_score = minimum_score

    def enrich(self, frame: Frame, detections: Detections) -> Detections:
        """The detections with embeddings."""
        return embed_detections(self._embedder, frame, detections, self._minimum_score)


class RecordedEmbeddings:
    """Adds to each detection how it looked when somebody embedded it before."""

    stage = "embed"
    needs_images = False

    def __init__(self, recorded: RecordedDetections) -> None:
        """Answer from the same detections, recorded with embeddings."""
        self._recorded = recorded

    def enrich(self, frame: Frame, detections: Detections) -> Detections:
        """The detections with embeddings.

        Raises:
            ValueError: The recorded detections are others.
        """
        found = self._recorded.answer(frame.index)
        if not is_same_boxes(found, detections):
            raise ValueError(
                f"{self._recorded.table.path}: expected embeddings of the {len(detections)} "
                f"detections of frame {frame.index}, got those of {len(found)} others"
            )
        return replace(
            detections, embeddings=found.embeddings, embedding_name=found.embedding_name
        )


def is_same_boxes(one: Detections, other: Detections) -> bool:
    """Whether two frames have the same boxes and scores, in the same order."""
    return np.array_equal(one.boxes, other.boxes) and np.array_equal(one.scores, other.scores)
