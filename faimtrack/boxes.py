"""Box arithmetic on arrays; boxes are corners ``x1 y1 x2 y2`` in pixels unless named otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float64]


def box_xywh_to_xyxy(boxes_xywh: Boxes) -> Boxes:
    """Turn `(N, 4)` boxes of left, top, width, height into corners, pixel for pixel (no −1)."""
    boxes = np.array(boxes_xywh, dtype=np.float64)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


def box_xyxy_to_xywh(boxes: Boxes) -> Boxes:
    """Turn `(N, 4)` corners into left, top, width, height."""
    boxes_xywh = np.array(boxes, dtype=np.float64)
    boxes_xywh[:, 2:] -= boxes_xywh[:, :2]
    return boxes_xywh


def box_areas(boxes: Boxes, *, pixel_offset: float = 0.0) -> NDArray[np.float64]:
    """Areas of `(N, 4)` boxes in square pixels, `(N,)`.

    Args:
        boxes: `(N, 4)` corners.
        pixel_offset: 0 for continuous coordinates; 1 where corners name whole pixels, both
            included.
    """
    widths = boxes[:, 2] - boxes[:, 0] + pixel_offset
    heights = boxes[:, 3] - boxes[:, 1] + pixel_offset
    areas: NDArray[np.float64] = widths * heights
    return areas


def overlapping_pairs(
    first: Boxes, second: Boxes, *, pixel_offset: float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """The pairs of boxes that share an area, and their intersection over union.

    In a crowd few of all pairs touch: finding those by comparisons alone and doing the arithmetic
    for them only takes a quarter of the time of whole matrices, most of which goes into fresh
    memory.

    Args:
        first: `(N, 4)` corners in pixels.
        second: `(M, 4)` corners in pixels.
        pixel_offset: As in `box_iou`.

    Returns:
        Rows of `first`, rows of `second` and the IoU of the `K` pairs, `(K,)` each, sorted by the
        first.
    """
    # Rows of their own, since comparing along strided columns is three times slower.
    lefts, tops, rights, bottoms = second.T.copy()
    touching = first[:, None, 0] - pixel_offset < rights
    touching &= first[:, None, 2] + pixel_offset > lefts
    touching &= first[:, None, 1] - pixel_offset < bottoms
    touching &= first[:, None, 3] + pixel_offset > tops
    rows, columns = np.divmod(np.flatnonzero(touching), max(len(second), 1))
    left, right = first.take(rows, axis=0), second.take(columns, axis=0)
    shared = np.minimum(left[:, 2:], right[:, 2:])
    shared -= np.maximum(left[:, :2], right[:, :2])
    if pixel_offset:
        shared += pixel_offset
    intersections = shared[:, 0] * shared[:, 1]
    unions = box_areas(left, pixel_offset=pixel_offset)
    unions += box_areas(right, pixel_offset=pixel_offset)
    unions -= intersections
    # A line that crosses a line: both without an area, and so is what they share.
    unions[unions == 0.0] = 1.0
    intersections /= unions
    return rows, columns, intersections


def box_iou(first: Boxes, second: Boxes, *, pixel_offset: float = 0.0) -> Boxes:
    """Intersection over union of each pair of boxes.

    Args:
        first: `(N, 4)` corners in pixels.
        second: `(M, 4)` corners in pixels.
        pixel_offset: 0 for continuous coordinates. 1 is the convention of PASCAL VOC's code and of
            the Cython helper that ByteTrack calls: a box from 0 to 9 is ten pixels wide.

    Returns:
        `(N, M)`, each in [0, 1]; 0 where neither box has an area.
    """
    overlaps = np.zeros((len(first), len(second)))
    rows, columns, values = overlapping_pairs(first, second, pixel_offset=pixel_offset)
    overlaps[rows, columns] = values
    return overlaps


def clip_boxes(boxes: Boxes, width: float, height: float) -> Boxes:
    """Cut `(N, 4)` boxes to `width` × `height` pixels; one outside becomes empty on the border."""
    clipped = np.array(boxes, dtype=np.float64)
    np.clip(clipped[:, 0::2], 0.0, width, out=clipped[:, 0::2])
    np.clip(clipped[:, 1::2], 0.0, height, out=clipped[:, 1::2])
    return clipped
