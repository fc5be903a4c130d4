"""Camera motion from all pixels: the map with the greatest correlation."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.camera_motion.picture_motion import Grey

_BLUR_PX = 5
_LEAST_CONTRAST = 2.0
_LEAST_FREE_SHARE = 0.02
_LEAST_CORRELATION = 0.5


@dataclass(frozen=True)
class EccView:
    """A picture and where nothing moves by itself in it."""

    grey: Grey
    free: Grey


class EccMatcher:
    """Enhanced correlation coefficient (Evangelidis and Psarakis, 2008), as Tracktor uses it."""

    def __init__(self, *, iterations: int, epsilon: float, affine: bool) -> None:
        """Go at most `iterations` steps, until one gains less than `epsilon`."""
        both = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
        self._criteria = (both, iterations, epsilon)
        self._kind = cv2.MOTION_AFFINE if affine else cv2.MOTION_EUCLIDEAN

    def look(self, grey: Grey, free: Grey) -> EccView | None:
        """As `Matcher.look`: there must be some contrast where nothing moves by itself."""
        if np.count_nonzero(free) < _LEAST_FREE_SHARE * free.size:
            return None
        _, deviation = cv2.meanStdDev(grey, mask=free)
        return EccView(grey, free) if deviation.item() >= _LEAST_CONTRAST else None

    def motion(self, last: EccView, now: EccView) -> NDArray[np.float64] | None:
        """As `Matcher.motion`; where people were or are does not count."""
        start = np.eye(2, 3, dtype=np.float32)
        # The one mask that OpenCV takes is the second picture's. Between two frames people hardly
        # move, so that where they were may be left out of it too.
        free = cv2.bitwise_and(last.free, now.free)
        try:
            correlation, motion = cv2.findTransformECC(
                last.grey, now.grey, start, self._kind, self._criteria, free, _BLUR_PX
            )
        except cv2.error as error:
            if error.code != cv2.Error.StsNoConv:
                raise
            return None
        if not correlation >= _LEAST_CORRELATION:
            return None
        return np.asarray(motion, dtype=np.float64)
