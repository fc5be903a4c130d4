"""What tells whether two boxes of consecutive frames show the same object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, overlapping_pairs

PAIR_FEATURES = ("centre_distance", "height_ratio", "iou", "width_ratio")
"""The columns of `pair_features`, in their order."""

_FARTHEST = 10.0


def pair_features(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """How alike each pair of boxes is in place and shape.

    The location and geometry of REPP (Sabater et al., IROS 2020, section III), written from the
    paper:

    - ``centre_distance``: between the centres, in mean diagonals of the two boxes, so that it
      depends neither on the size of the picture nor on that of the object; at most 10.
    - ``height_ratio``, ``width_ratio``: the smaller by the greater, in [0, 1]; 1 where both are 0.
    - ``iou``: their intersection over union.

    Args:
        first: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels.
        second: `(M, 4)`, likewise.

    Returns:
        `(N, M, 4)`, the last axis as in `PAIR_FEATURES`; always finite.
    """
    features = np.zeros((len(first), len(second), len(PAIR_FEATURES)))
    sides, others = first[:, 2:] - first[:, :2], second[:, 2:] - second[:, :2]
    centres, targets = first[:, :2] + sides / 2, second[:, :2] + others / 2
    apart = np.hypot(*(centres[:, None, axis] - targets[None, :, axis] for axis in (0, 1)))
    scale = (np.hypot(*sides.T)[:, None] + np.hypot(*others.T)) / 2
    limit = _FARTHEST * scale
    is_near = apart < limit  # nowhere where both boxes are points
    np.divide(apart, scale, out=features[..., 0], where=is_near)
    features[..., 0][~is_near & (apart > 0)] = _FARTHEST
    for column, axis in ((1, 1), (3, 0)):
        features[..., column] = _ratios(sides[:, axis, None], others[None, :, axis])
    rows, columns, overlaps = overlapping_pairs(first, second)
    features[rows, columns, 2] = overlaps
    return features


def _ratios(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    larger = np.maximum(first, second)
    ratios = np.ones(larger.shape)
    np.divide(np.minimum(first, second), larger, out=ratios, where=larger > 0)
    return ratios
