"""From a YOLOX's rows to detections in pixels of the image: numpy only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import clip_boxes
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.nms import suppress_overlaps
from faimtrack.structures import Detections

Grid = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Left top corners `(A, 2)` and sizes `(A,)` of the anchors' cells, in pixels of the input."""


def read_rows(
    rows: NDArray[np.float32],
    config: YoloxReading,
    *,
    ratio: float,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    grid: Grid | None = None,
    kept_classes: NDArray[np.int64] | None = None,
) -> Detections:
    """The detections in one image's rows, the highest score first.

    Args:
        rows: `(A, 5 + classes)`: centre ``x y``, width and height in pixels of the network's
            input, objectness, and a score a class.
        config: Thresholds.
        ratio: Pixels of the input to a pixel of the image.
        size: Height and width of the image; boxes are cut to it.
        class_names: All classes of the network.
        grid: Where the rows' anchors lie, if their boxes are offsets from their cells' corners
            and logarithms of sizes, both in cells; None if they are pixels.
        kept_classes: Numbers of the classes to keep; None keeps all.

    Raises:
        ValueError: A kept row holds a number that is not finite.
    """
    # A class score is 1 at most: who fails by objectness alone fails.
    chosen = np.flatnonzero(~(rows[:, 4] < config.score_threshold))  # NaN stays, to be seen
    class_scores = rows[chosen, 5:]
    best = class_scores.argmax(axis=1)
    scores = rows[chosen, 4] * class_scores[np.arange(len(chosen)), best]
    is_kept = ~(scores < config.score_threshold)
    if kept_classes is not None:
        is_kept &= np.isin(best, kept_classes)
    chosen = chosen[is_kept]
    boxes = _corners(rows[chosen, :4].astype(np.float64), chosen, grid) / ratio
    kept_scores = scores[is_kept].astype(np.float64)
    class_ids = best[is_kept].astype(np.int64)
    return suppress_and_cut(
        boxes, kept_scores, class_ids, config, size=size, class_names=class_names
    )


def suppress_and_cut(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    config: YoloxReading,
    *,
    size: tuple[int, int],
    class_names: tuple[str, ...],
) -> Detections:
    """What is left of boxes of one image when the weaker ones of each heap are gone.

    Args:
        boxes: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels of the image.
        scores: `(N,)`.
        class_ids: `(N,)`.
        config: Which boxes suppress each other.
        size: Height and width of the image; boxes are cut to it, those beside it left out.
        class_names: All classes of the network.

    Returns:
        The highest score first.

    Raises:
        ValueError: A box or score is not finite.
    """
    _require_finite(boxes, scores)
    rivals = class_ids if config.nms_per_class else np.zeros_like(class_ids)
    kept = suppress_overlaps(boxes, scores, rivals, config.nms_threshold)
    return _inside(boxes[kept], scores[kept], class_ids[kept], size, class_names)


def read_suppressed_rows(
    rows: NDArray[np.float32],
    score_threshold: float,
    *,
    ratio: float,
    size: tuple[int, int],
    class_names: tuple[str, ...],
    kept_classes: NDArray[np.int64] | None = None,
) -> Detections:
    """The detections in one image's rows of a network that suppresses overlaps itself.

    Args:
        rows: `(N, 6)`: corners ``x1 y1 x2 y2`` in pixels of the network's input, score, class.
        score_threshold: Which of them to keep.
        ratio: Pixels of the input to a pixel of the image.
        size: Height and width of the image; boxes are cut to it.
        class_names: All classes of the network.
        kept_classes: Numbers of the classes to keep; None keeps all.

    Returns:
        The highest score first.

    Raises:
        ValueError: A kept row holds a number that is not finite.
    """
    rows = rows[~(rows[:, 4] < score_threshold)]  # NaN stays, to be seen
    if kept_classes is not None:
        rows = rows[np.isin(rows[:, 5], kept_classes)]
    numbers = rows[np.argsort(-rows[:, 4], kind="stable")].astype(np.float64)
    _require_finite(numbers[:, :4], numbers[:, 4])
    class_ids = numbers[:, 5].astype(np.int64)
    return _inside(numbers[:, :4] / ratio, numbers[:, 4], class_ids, size, class_names)


def _inside(
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    size: tuple[int, int],
    class_names: tuple[str, ...],
) -> Detections:
    """Detections cut to the image; those beside it are left out."""
    boxes = clip_boxes(boxes, size[1], size[0])
    is_inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(boxes[is_inside], scores[is_inside], class_ids[is_inside], class_names)


def _corners(
    boxes: NDArray[np.float64], anchors: NDArray[np.int64], grid: Grid | None
) -> NDArray[np.float64]:
    """Corners ``x1 y1 x2 y2`` in pixels of the input."""
    centres, sizes = boxes[:, :2], boxes[:, 2:]
    if grid is not None:
        corners, cells = grid[0][anchors], grid[1][anchors, None]
        centres = centres * cells + corners
        sizes = np.exp(np.minimum(sizes, 20.0)) * cells
    return np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1)


def _require_finite(boxes: NDArray[np.float64], scores: NDArray[np.float64]) -> None:
    if not (np.isfinite(boxes).all() and np.isfinite(scores).all()):
        raise ValueError("the network gave a box or score that is not a finite number")
