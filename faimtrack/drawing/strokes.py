"""Boxes and labels on an image, in lines that fit its size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.drawing.lettering import Colour, ink_on, text_size, text_thickness
from faimtrack.structures import Image


@dataclass(frozen=True)
class Style:
    """Sizes that fit an image: at 360 rows a line of one pixel, at 1080 one of three."""

    line_width: int
    font_scale: float
    padding: int

    @classmethod
    def of(cls, image: Image) -> Style:
        """The sizes for an image `(H, W, 3)`."""
        scale = min(image.shape[0] / 1080, image.shape[1] / 1440)
        return cls(
            max(1, round(2.6 * scale)), min(1.6, max(0.32, 0.63 * scale)), max(1, round(4 * scale))
        )


def on_pixels(boxes: NDArray[np.float64]) -> NDArray[np.int64]:
    """`(N, 4)` corners in whole pixels, as far out as OpenCV can draw."""
    corners: NDArray[np.int64] = np.clip(np.rint(boxes), -32000, 32000).astype(np.int64)
    return corners


def draw_box(
    image: Image, corners: list[int], colour: Colour, is_whole: bool, style: Style
) -> None:
    """A rectangle, or its four corners alone."""
    import cv2

    left, top, right, bottom = corners
    if is_whole:
        cv2.rectangle(image, (left, top), (right, bottom), colour, style.line_width)
        return
    arm_x, arm_y = (right - left) // 4, (bottom - top) // 4
    for x, step_x in ((left, arm_x), (right, -arm_x)):
        for y, step_y in ((top, arm_y), (bottom, -arm_y)):
            cv2.line(image, (x, y), (x + step_x, y), colour, style.line_width)
            cv2.line(image, (x, y), (x, y + step_y), colour, style.line_width)


def draw_label(
    image: Image, corners: list[int], colour: Colour, label: tuple[str, str], style: Style
) -> None:
    """A tag on the box's upper edge: the long text if the box is about as wide, else the short."""
    import cv2

    left, top, right, bottom = corners
    if right < 0 or bottom < 0 or left >= image.shape[1] or top >= image.shape[0]:
        return
    text, size = label[0], text_size(label[0], style.font_scale)
    if not text or size[0] + 2 * style.padding > 1.2 * (right - left):
        text, size = label[1], text_size(label[1], style.font_scale)
    width, height = size[0] + 2 * style.padding, size[1] + 2 * style.padding
    x = min(max(left, 0), max(image.shape[1] - width, 0))
    y = top - height if top >= height else max(top, 0)
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), colour, cv2.FILLED)
    cv2.putText(
        image, text, (x + style.padding, y + height - style.padding - 1),
        cv2.FONT_HERSHEY_SIMPLEX, style.font_scale, ink_on(colour),
        text_thickness(style.font_scale), cv2.LINE_AA,
    )  # fmt: skip
