"""How large a frame is for a Faster R-CNN; no torch here."""

from __future__ import annotations


def scaled_size(size: tuple[int, int], sides: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image whose short or long side fits `sides`, one pixel at least.

    Args:
        size: Height and width of the image in pixels.
        sides: Wanted length of the short side, and the most that the long one may have.
    """
    scale = min(sides[0] / min(size), sides[1] / max(size))
    return max(1, int(size[0] * scale)), max(1, int(size[1] * scale))
