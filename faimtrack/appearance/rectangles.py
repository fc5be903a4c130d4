"""The pixels that a box covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes

_FEWEST_PX = 1.0


def pixel_rectangles(boxes: Boxes, width: int, height: int) -> NDArray[np.int64]:
    """Whole pixels of boxes, cut to an image: edges go to the nearest border between pixels.

    >>> pixel_rectangles(np.array([[-5.0, 2.4, 7.5, 9.0], [90.0, 1.0, 99.0, 8.0]]), 20, 10)
    array([[0, 2, 8, 9],
           [0, 0, 0, 0]])

    Args:
        boxes: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels; they may lie outside.
        width: Of the image in pixels.
        height: Of the image in pixels.

    Returns:
        `(N, 4)` rectangles ``x1 y1 x2 y2``, so that ``image[y1:y2, x1:x2]`` is the content; zeros
        where less than a pixel of the box's width or height lies within the image.

    Raises:
        ValueError: The boxes have another shape, or a corner is not finite.
    """
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {boxes.shape}")
    finite = np.isfinite(boxes).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        raise ValueError(f"boxes: expected finite corners, got {boxes[row].tolist()} in row {row}")
    limits = np.array([width, height, width, height], np.float64)
    inside = np.clip(boxes, 0.0, limits)
    extents = inside[:, 2:] - inside[:, :2]
    hides = np.minimum(extents[:, 0], extents[:, 1]) < _FEWEST_PX
    # Not np.rint: it would take 1.5 and 2.5 to the same border.
    rectangles = np.floor(inside + 0.5).astype(np.int64)
    rectangles[hides] = 0
    return rectangles
