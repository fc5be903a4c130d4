"""Camera motion from pixels: what all methods that compare two pictures have in common."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import AffineTransform, Frame, Image

Grey = NDArray[np.uint8]
"""`(height, width)` uint8 at the size that is worked at."""

_MARGIN_PX = 2
_LEAST_SIDE_PX = 16
_LARGEST_SCALE = 2.0


class Matcher(Protocol):
    """How two pictures are compared, in pixels of the size that is worked at."""

    def look(self, grey: Grey, free: Grey) -> Any | None:
        """What is kept of a picture; None if there is nothing in it to compare.

        Args:
            grey: The picture.
            free: Of the same size, 255 where nothing moves by itself, else 0.
        """
        ...

    def motion(self, last: Any, now: Any) -> NDArray[np.float64] | None:
        """`(2, 3)` from centres of the last picture's pixels to this one's; None if unclear."""
        ...


class PictureMotion:
    """Compares each frame with the one before, small, grey and without the people.

    Where nothing can be told the answer is the identity and the frame is counted. A picture that
    shows nothing (a black one) is passed over: the next is compared with the last one that showed
    something, so that the motion over both is not lost.

    Attributes:
        needs_images: Yes.
        failures: How many frames since the last `reset` nothing could be told of; the first
            frame is not among them.
    """

    needs_images = True

    def __init__(self, matcher: Matcher, longest_side: int) -> None:
        """Compare with `matcher` pictures of at most `longest_side` pixels."""
        self._matcher = matcher
        self._longest_side = longest_side
        self.reset()

    def reset(self) -> None:
        """Forget the last frame and the failures, as before a new sequence."""
        self.failures = 0
        self._has_started = False
        self._last: Any | None = None
        self._last_size: tuple[int, int] | None = None

    def estimate(self, frame: Frame, boxes: Boxes) -> AffineTransform:
        """As `CameraMotion.estimate`, in pixels of the frame."""
        found = self._compare(frame.image, boxes)
        if found is None:
            self.failures += self._has_started
            found = np.eye(2, 3)
        self._has_started = True
        return found

    def _compare(self, image: Image, boxes: Boxes) -> AffineTransform | None:
        """The motion from the last picture that showed something; None if it cannot be told."""
        height, width = image.shape[:2]
        grey = self._small(image)
        scale = np.array([grey.shape[1] / width, grey.shape[0] / height])
        free = _free(boxes, scale, grey.shape)
        now = self._matcher.look(grey, free) if min(grey.shape) >= _LEAST_SIDE_PX else None
        if now is None:
            return None
        last, last_size = self._last, self._last_size
        self._last, self._last_size = now, (width, height)
        if last is None or last_size != (width, height):
            return None
        found = self._matcher.motion(last, now)
        if found is None or not _is_plausible(found, grey.shape):
            return None
        return _at_full_size(found, scale)

    def _small(self, image: Image) -> Grey:
        grey: Grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        scale = self._longest_side / max(grey.shape)
        if scale >= 1:
            return grey
        size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
        small: Grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        return small


def _free(boxes: Boxes, scale: NDArray[np.float64], shape: tuple[int, ...]) -> Grey:
    """255 outside of all boxes, which get a narrow margin."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    if not np.isfinite(boxes).all():
        raise ValueError("boxes: expected finite corners for camera motion")
    free = np.full(shape[:2], 255, np.uint8)
    ends = np.array([shape[1], shape[0]])
    first = np.clip(np.floor(boxes[:, :2] * scale) - _MARGIN_PX, 0, ends).astype(int)
    end = np.clip(np.ceil(boxes[:, 2:] * scale) + _MARGIN_PX, 0, ends).astype(int)
    for (x1, y1), (x2, y2) in zip(first.tolist(), end.tolist(), strict=True):
        free[y1:y2, x1:x2] = 0
    return free


def _is_plausible(motion: NDArray[np.float64], shape: tuple[int, ...]) -> bool:
    """Whether a camera can do that between two frames, and be followed."""
    if not np.isfinite(motion).all() or np.linalg.det(motion[:, :2]) <= 0:
        return False
    scales = np.linalg.svd(motion[:, :2], compute_uv=False)
    if scales[0] > _LARGEST_SCALE or scales[1] < 1 / _LARGEST_SCALE:
        return False
    size = np.array([shape[1], shape[0]])
    moved = motion @ [*(size / 2), 1] - size / 2
    return bool((np.abs(moved) <= size / 2).all())


def _at_full_size(motion: NDArray[np.float64], scale: NDArray[np.float64]) -> AffineTransform:
    """The same motion in the frame's pixels, whose corners are where boxes count from.

    A matcher's points are at the centres of small pixels: half a pixel is added before the
    sizes are changed, and none remains.
    """
    linear = motion[:, :2]
    shift = motion[:, 2] + 0.5 - linear @ [0.5, 0.5]
    return np.column_stack([linear * scale[None] / scale[:, None], shift / scale])
