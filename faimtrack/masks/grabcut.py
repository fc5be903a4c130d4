"""Masks from colours alone: OpenCV's GrabCut, the nearest person first."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.masks.config import GrabCutConfig
from faimtrack.masks.segmenter import Segment
from faimtrack.structures import Image

_SEED = 0
_FEWEST_PIXELS = 8
_BACKGROUND_ROUND_BOX_PX = 2


class GrabCutSegmenter:
    """Separates the colours inside of a box from those around it.

    GrabCut itself knows of one object and its surroundings. Two things make it fit for crowds: a
    narrow ellipse in the middle of the box surely is the person, for the colours inside and
    outside are often the same; and people are taken in the order in which they hide each other,
    the lowest feet first, so that what belongs to a nearer person is background to all others.
    The quality is the share of a person's ellipse that no nearer one has taken.
    """

    def __init__(self, config: GrabCutConfig | None = None) -> None:
        """Segment with these parameters; None takes the defaults."""
        self._config = config or GrabCutConfig()

    def segment(self, image: Image, boxes: NDArray[np.int64]) -> Sequence[Segment | None]:
        """As `Segmenter.segment`."""
        taken = np.zeros(image.shape[:2], dtype=bool)
        segments: list[Segment | None] = [None] * len(boxes)
        heights = boxes[:, 3] - boxes[:, 1]
        for row in np.lexsort([-heights, -boxes[:, 3]]).tolist():
            x1, y1, x2, y2 = boxes[row].tolist()
            hidden = taken[y1:y2, x1:x2]
            figure = _ellipse(y2 - y1, x2 - x1, 1, 1)
            pixels = self._cut(image, (x1, y1, x2, y2), figure, hidden)
            if not pixels.any():
                pixels = figure & ~hidden
            visible = float((figure & ~hidden).sum()) / max(1.0, float(figure.sum()))
            segments[row] = Segment(pixels, visible)
            hidden |= pixels & figure
        return segments

    def _cut(
        self,
        image: Image,
        box: tuple[int, int, int, int],
        figure: NDArray[np.bool_],
        hidden: NDArray[np.bool_],
    ) -> NDArray[np.bool_]:
        """The pixels of one box; none if there is nothing to tell colours apart by."""
        x1, y1, x2, y2 = box
        core = _ellipse(y2 - y1, x2 - x1, self._config.core_height, self._config.core_width)
        guess = np.where(figure, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        guess[core] = cv2.GC_FGD
        guess[hidden] = cv2.GC_BGD
        left, top, right, bottom = self._surroundings(image, box)
        crop = image[top:bottom, left:right]
        labels = np.full(crop.shape[:2], cv2.GC_BGD, np.uint8)
        inside = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
        labels[inside] = guess
        crop, labels = self._smaller(crop, labels)
        is_figure = labels & 1 == 1
        if min(np.count_nonzero(is_figure), np.count_nonzero(~is_figure)) < _FEWEST_PIXELS:
            return np.zeros(figure.shape, dtype=bool)
        cv2.setRNGSeed(_SEED)
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(crop, labels, None, *models, self._config.iterations, cv2.GC_INIT_WITH_MASK)
        found = labels & 1
        if found.shape != (bottom - top, right - left):
            found = cv2.resize(
                found, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST
            )
        pixels: NDArray[np.bool_] = (found[inside] == 1) & ~hidden
        return pixels

    def _surroundings(
        self, image: Image, box: tuple[int, int, int, int]
    ) -> tuple[int, int, int, int]:
        """The box with its margins, cut at the image's borders."""
        x1, y1, x2, y2 = box
        height, width = image.shape[:2]
        across = int(np.ceil((x2 - x1) * self._config.margin)) + _BACKGROUND_ROUND_BOX_PX
        along = int(np.ceil((y2 - y1) * self._config.margin)) + _BACKGROUND_ROUND_BOX_PX
        return (
            max(0, x1 - across),
            max(0, y1 - along),
            min(width, x2 + across),
            min(height, y2 + along),
        )

    def _smaller(self, crop: Image, labels: NDArray[np.uint8]) -> tuple[Image, NDArray[np.uint8]]:
        """Both at the size that is worked at; OpenCV wants memory without gaps."""
        scale = self._config.longest_side / max(crop.shape[:2])
        if scale >= 1:
            return np.ascontiguousarray(crop), labels
        size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
        return (
            cv2.resize(crop, size, interpolation=cv2.INTER_AREA),
            cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST),
        )


def _ellipse(height: int, width: int, tall: float, wide: float) -> NDArray[np.bool_]:
    """The ellipse in the middle of a box that has these shares of its height and width."""
    y = (np.arange(height) + 0.5) / height * 2 - 1
    x = (np.arange(width) + 0.5) / width * 2 - 1
    if not tall or not wide:
        return np.zeros((height, width), dtype=bool)
    inside: NDArray[np.bool_] = (y[:, None] / tall) ** 2 + (x[None] / wide) ** 2 <= 1
    return inside
