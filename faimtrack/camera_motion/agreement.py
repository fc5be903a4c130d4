"""The motion that most pairs of points agree on."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

_FARTHEST_PX = 1.0
_LEAST_SHARE = 0.2
"""Of the pairs: fewer that agree may do so by chance, as after a cut."""


def agreed_motion(
    last: NDArray[np.float32], now: NDArray[np.float32], *, affine: bool, minimum_inliers: int
) -> NDArray[np.float64] | None:
    """The map that RANSAC finds between pairs of points.

    Args:
        last: `(N, 2)` points in pixels.
        now: `(N, 2)` where they went.
        affine: Whether any affine map will do, or only one that turns, shifts and zooms.
        minimum_inliers: So many must agree.

    Returns:
        `(2, 3)`, or None if too few agree.
    """
    if len(last) < minimum_inliers:
        return None
    estimate = cv2.estimateAffine2D if affine else cv2.estimateAffinePartial2D
    motion, inliers = estimate(last, now, method=cv2.RANSAC, ransacReprojThreshold=_FARTHEST_PX)
    if motion is None:
        return None
    agreeing = int(np.count_nonzero(inliers))
    if agreeing < max(minimum_inliers, _LEAST_SHARE * len(last)):
        return None
    return np.asarray(motion, dtype=np.float64)
