"""Square crops of objects in frames of a colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Image

_MARGIN = 0.2
_EMPTY = 128
_FRAME = 4


def crop_window(box: NDArray[np.float64], size: int) -> tuple[float, float, float]:
    """Left, top and scale of a square that holds a box with a margin.

    Args:
        box: `(4,)` corners in pixels.
        size: Of the square when it is shown, in pixels.
    """
    side = max(float(box[2] - box[0]), float(box[3] - box[1]), 4.0) * (1 + 2 * _MARGIN)
    left = float(box[0] + box[2]) / 2 - side / 2
    top = float(box[1] + box[3]) / 2 - side / 2
    return left, top, size / side


def crop_of(
    image: Image, box: NDArray[np.float64], *, size: int, colour: tuple[int, int, int]
) -> Image:
    """The surroundings of a box, enlarged, with the box drawn in white, in a frame of a colour.

    Args:
        image: `(H, W, 3)` RGB; not modified.
        box: `(4,)` corners in pixels.
        size: Of the crop in pixels.
        colour: Of its frame.
    """
    import cv2

    left, top, scale = crop_window(box, size)
    crop = warped(image, left, top, scale, size)
    x1, y1, x2, y2 = np.rint((box - np.array([left, top, left, top])) * scale).astype(int).tolist()
    cv2.rectangle(crop, (x1, y1), (x2, y2), (255, 255, 255), 1)
    cv2.rectangle(crop, (0, 0), (size - 1, size - 1), colour, _FRAME)
    return crop


def warped(image: Image, left: float, top: float, scale: float, size: int) -> Image:
    """A square of an image, enlarged; grey where it reaches out of the image."""
    import cv2

    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    flags = cv2.INTER_LINEAR if scale >= 1 else cv2.INTER_AREA
    return np.asarray(
        cv2.warpAffine(
            np.ascontiguousarray(image), matrix, (size, size), flags=flags,
            borderMode=cv2.BORDER_CONSTANT, borderValue=(_EMPTY, _EMPTY, _EMPTY),
        ),
        dtype=np.uint8,
    )  # fmt: skip
