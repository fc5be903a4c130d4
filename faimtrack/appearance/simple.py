"""Embedders without weights: one that embeds nothing, and one of colours as a control."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.appearance.rectangles import pixel_rectangles
from faimtrack.boxes import Boxes
from faimtrack.structures import Frame
from faimtrack.vectors import unit_vectors

_STRIPES = 6
_MIDDLE = 0.2, 0.8  # of a box's width: beside it is mostly background
_GREY = 127.5


class NoEmbedder:
    """Knows nothing of looks: a null object, so that callers need no `if`.

    Attributes:
        name: ``none``.
        dimension: 0.
    """

    name = "none"
    dimension = 0

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """Vectors of no numbers, `(N, 0)`; the frame is not looked at."""
        return np.zeros((len(boxes), 0), np.float32)


class ColourEmbedder:
    """Mean colours of six stripes from head to feet: what any network has to beat.

    Each is measured from grey, for otherwise all people would look alike.

    Attributes:
        name: ``colours-6``.
        dimension: 18.
    """

    name = f"colours-{_STRIPES}"
    dimension = 3 * _STRIPES

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """One vector a box, as in `faimtrack.interfaces.Embedder`."""
        boxes = np.asarray(boxes, np.float64)
        vectors = np.zeros((len(boxes), self.dimension), np.float32)
        if not len(boxes):
            return vectors
        image = frame.image
        rectangles = pixel_rectangles(boxes, image.shape[1], image.shape[0])
        for row, (x1, y1, x2, y2) in enumerate(rectangles.tolist()):
            if x1 == x2:
                continue
            left, right = (int((1 - share) * x1 + share * x2) for share in _MIDDLE)
            middle = image[y1:y2, left : max(right, left + 1)].astype(np.float32)
            stripes = cv2.resize(middle, (1, _STRIPES), interpolation=cv2.INTER_AREA)
            vectors[row] = stripes.reshape(-1) - _GREY
        return unit_vectors(vectors).astype(np.float32)
