"""From an image to a YOLOX's input, and where its anchors lie: numpy only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Image

STRIDES = (8, 16, 32)
PADDING = 114
"""What the margins of an image are filled with."""
MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]
"""ImageNet's, `(3, 1, 1)` of RGB from 0 to 1: what legacy inputs are normalised by."""


def fill_input(
    image: Image,
    convention: Literal["current", "legacy"],
    out: NDArray[np.float32],
) -> float:
    """Fill a network's input with its view of an image.

    Args:
        image: `(height, width, 3)` uint8 RGB, of any size.
        convention: `current`: BGR 0 to 255; `legacy`: RGB, normalised as ImageNet.
        out: `(3, H, W)` float32; all of it is written.

    Returns:
        Pixels of the input to a pixel of the image.
    """
    small, ratio = letterbox(image, (out.shape[1], out.shape[2]))
    planes = small.transpose(2, 0, 1)
    if convention == "current":
        out[:] = planes[::-1]
    else:
        np.divide(planes, np.float32(255), out=out, dtype=np.float32)
        out -= MEAN
        out /= DEVIATION
    return ratio


def letterbox(image: Image, size: tuple[int, int]) -> tuple[Image, float]:
    """Scale an image into `size` (height, width), padded with grey at the right and the bottom.

    Returns:
        `(height, width, 3)` uint8 in the image's channel order, and the scale: pixels of the
        result to a pixel of the image.
    """
    import cv2

    height, width = size
    ratio = min(height / image.shape[0], width / image.shape[1])
    # Whole pixels rounded down, as YOLOX does it; boxes are still divided by the exact ratio.
    scaled = max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio))
    padded = np.full((height, width, 3), PADDING, np.uint8)
    padded[: scaled[1], : scaled[0]] = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR)
    return padded, ratio


def anchor_grid(
    size: tuple[int, int], strides: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """YOLOX's anchors, level by level and row by row.

    Args:
        size: Height and width of the input in pixels.
        strides: Cell sizes of the levels in pixels.

    Returns:
        `(A, 2)` left top corners ``x y`` of the cells in pixels, and `(A,)` cell sizes.
    """
    corners, cells = [], []
    for stride in strides:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1) * float(stride))
        cells.append(np.full(rows.size, float(stride)))
    return np.concatenate(corners), np.concatenate(cells)
