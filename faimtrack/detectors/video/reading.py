"""From the refined scores of proposals to detections in pixels of the image: numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.yolox.reading import suppress_and_cut
from faimtrack.structures import Detections


def read_proposals(
    boxes: Boxes,
    objectness: NDArray[np.float32],
    class_scores: NDArray[np.float32],
    config: VideoDetectorConfig,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    kept_classes: NDArray[np.int64] | None = None,
) -> Detections:
    """The detections among a frame's proposals, the highest score first.

    Args:
        boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the image.
        objectness: `(P,)` of the base detector.
        class_scores: `(P, K)` refined probabilities.
        config: Thresholds, and whether a proposal has one label or many.
        size: Height and width of the image; boxes are cut to it.
        class_names: All classes of the network.
        kept_classes: Numbers of the classes to keep; None keeps all.

    Raises:
        ValueError: A kept proposal holds a number that is not finite.
    """
    scores = objectness[:, None] * class_scores
    is_wanted = ~(scores < config.score_threshold)  # NaN stays, to be seen
    if config.labels == "best" and len(scores):
        is_best = np.zeros_like(is_wanted)
        is_best[np.arange(len(scores)), class_scores.argmax(axis=1)] = True
        is_wanted &= is_best
    if kept_classes is not None:
        is_wanted &= np.isin(np.arange(scores.shape[1]), kept_classes)
    rows, class_ids = np.nonzero(is_wanted)
    return suppress_and_cut(
        boxes[rows],
        scores[rows, class_ids].astype(np.float64),
        class_ids.astype(np.int64),
        config,
        size=size,
        class_names=class_names,
    )
