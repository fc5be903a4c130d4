"""Colours that tell ids apart, and text that can be read on them."""

from __future__ import annotations

import colorsys
from functools import lru_cache
from typing import TypeAlias

Colour: TypeAlias = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

INK: Colour = (20, 20, 20)
PAPER: Colour = (245, 245, 245)
_GOLDEN_RATIO = 0.618033988749895


@lru_cache(maxsize=4096)
def colour_of(number: int) -> Colour:
    """The colour of a track or a class, RGB: always the same, and far from its neighbours'.

    Hues step by the golden ratio, so that any run of ids is spread over the circle; brightness
    and saturation take turns.
    """
    hue = (number * _GOLDEN_RATIO) % 1.0
    saturation, value = ((0.85, 1.0), (0.55, 1.0), (1.0, 0.78))[number % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def ink_on(colour: Colour) -> Colour:
    """Dark or light, whichever is easier to read on `colour` (by its luminance)."""
    red, green, blue = colour
    return INK if 0.299 * red + 0.587 * green + 0.114 * blue > 130 else PAPER


@lru_cache(maxsize=4096)
def text_size(text: str, font_scale: float) -> tuple[int, int]:
    """Width and height in pixels; the height is that of digits."""
    import cv2

    thickness = text_thickness(font_scale)
    width = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, font_scale, thickness)[0][0]
    height = cv2.getTextSize("0", cv2.FONT_HERSHEY_SIMPLEX, font_scale, thickness)[0][1]
    return int(width), int(height)


def text_thickness(font_scale: float) -> int:
    """Width of the strokes in pixels."""
    return 2 if font_scale >= 0.9 else 1
