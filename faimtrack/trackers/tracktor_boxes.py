"""Box arithmetic of a tracker without a filter."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import AffineTransform


def centres_of(boxes: Boxes) -> NDArray[np.float64]:
    """`(N, 2)` centres."""
    centres: NDArray[np.float64] = (boxes[:, :2] + boxes[:, 2:]) / 2
    return centres


def is_solid(boxes: Boxes) -> NDArray[np.bool_]:
    """`(N,)`: whether a box has an area; one regressed out of the picture has none."""
    solid: NDArray[np.bool_] = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
    return solid


def warp_corners(boxes: Boxes, motion: AffineTransform) -> Boxes:
    """Boxes between their left top and right bottom corners, both moved, as in MMTracking.

    Under a rotation this changes a tall box's width, by its height times the sine.
    """
    corners = boxes.reshape(-1, 2, 2) @ motion[:, :2].T + motion[:, 2]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)
