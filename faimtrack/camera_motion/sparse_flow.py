"""Camera motion from corners that are followed by optical flow."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.camera_motion.agreement import agreed_motion
from faimtrack.camera_motion.picture_motion import Grey

_QUALITY = 0.01
_BETWEEN_CORNERS_PX = 8
_WINDOW_PX = (15, 15)
_LEVELS = 3
_STOP = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 10, 0.03)
"""After ten steps, or one of less than 0.03 px."""


@dataclass(frozen=True)
class FlowView:
    """A picture, where nothing moves by itself in it, and its corners.

    Attributes:
        corners: `(N, 2)` float32 `x y`.
    """

    grey: Grey
    free: Grey
    corners: NDArray[np.float32]


class SparseFlowMatcher:
    """Shi and Tomasi's corners, Lucas and Kanade's flow in pyramids (Bouguet), and RANSAC."""

    def __init__(self, *, features: int, minimum_inliers: int, affine: bool) -> None:
        """Follow at most `features` corners, of which `minimum_inliers` must agree."""
        self._features = features
        self._minimum_inliers = minimum_inliers
        self._affine = affine

    def look(self, grey: Grey, free: Grey) -> FlowView | None:
        """As `Matcher.look`: the corners are sought where nothing moves by itself."""
        corners = cv2.goodFeaturesToTrack(
            grey, self._features, _QUALITY, _BETWEEN_CORNERS_PX, mask=free
        )
        if corners is None or len(corners) < self._minimum_inliers:
            return None
        return FlowView(grey, free, corners.reshape(-1, 2))

    def motion(self, last: FlowView, now: FlowView) -> NDArray[np.float64] | None:
        """As `Matcher.motion`; corners that come to lie on a person are left out."""
        went, found, _ = cv2.calcOpticalFlowPyrLK(
            last.grey, now.grey, last.corners[:, None], None,
            winSize=_WINDOW_PX, maxLevel=_LEVELS, criteria=_STOP,
        )  # fmt: skip
        went = went.reshape(-1, 2)
        nearest = np.rint(went).astype(int)
        height, width = now.grey.shape
        kept = found.ravel().astype(bool)
        kept &= (nearest >= 0).all(axis=1) & (nearest < [width, height]).all(axis=1)
        kept[kept] = now.free[nearest[kept, 1], nearest[kept, 0]] > 0
        return agreed_motion(
            last.corners[kept],
            went[kept],
            affine=self._affine,
            minimum_inliers=self._minimum_inliers,
        )
