"""Camera motion from ORB features that are found again."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.camera_motion.agreement import agreed_motion
from faimtrack.camera_motion.picture_motion import Grey


@dataclass(frozen=True)
class OrbView:
    """The features of a picture.

    Attributes:
        points: `(N, 2)` float32 `x y`.
        descriptors: `(N, 32)` uint8, 256 bits each.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


class OrbMatcher:
    """ORB (Rublee et al., 2011), pairs that are each other's nearest, and RANSAC."""

    def __init__(self, *, features: int, minimum_inliers: int, affine: bool) -> None:
        """Describe at most `features` points, of which `minimum_inliers` must agree."""
        # One level of the pyramid: between two frames sizes hardly change, and the places of
        # features on coarse levels are three times as far off.
        self._orb = cv2.ORB.create(nfeatures=features, nlevels=1)
        self._matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
        self._minimum_inliers = minimum_inliers
        self._affine = affine

    def look(self, grey: Grey, free: Grey) -> OrbView | None:
        """As `Matcher.look`: features whose middle lies on a person are left out."""
        points, descriptors = self._orb.detectAndCompute(grey, free)
        if descriptors is None or len(points) < self._minimum_inliers:
            return None
        return OrbView(np.array([point.pt for point in points], np.float32), descriptors)

    def motion(self, last: OrbView, now: OrbView) -> NDArray[np.float64] | None:
        """As `Matcher.motion`."""
        pairs = self._matcher.match(last.descriptors, now.descriptors)
        rows = np.array([(pair.queryIdx, pair.trainIdx) for pair in pairs], int).reshape(-1, 2)
        return agreed_motion(
            last.points[rows[:, 0]],
            now.points[rows[:, 1]],
            affine=self._affine,
            minimum_inliers=self._minimum_inliers,
        )
