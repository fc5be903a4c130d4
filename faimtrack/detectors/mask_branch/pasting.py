"""From masks on grids over boxes to masks of whole frames; no torch here."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from faimtrack.run_lengths import encode_window
from faimtrack.structures import RunLengthMask

THRESHOLD = 0.5
"""A pixel is the object where that is at least so probable."""


def paste_masks(
    probabilities: NDArray[np.float32],
    boxes: NDArray[np.float64],
    size: tuple[int, int],
    threshold: float = THRESHOLD,
) -> tuple[RunLengthMask, ...]:
    """Lay masks over their boxes in a frame.

    A pixel's probability is read between the four cells nearest to its centre; pixels whose
    centres lie outside of the box are not the object.

    Args:
        probabilities: `(P, M, M)`, 0 to 1.
        boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the frame; they may reach out of it.
        size: Height and width of the frame in pixels.
        threshold: From which probability on a pixel is the object.
    """
    pasted = []
    for grid, box in zip(probabilities, boxes, strict=True):
        left, top, right, bottom = box.tolist()
        rows, from_rows = _readings(top, bottom, size[0], grid.shape[0])
        columns, from_columns = _readings(left, right, size[1], grid.shape[1])
        covered = from_rows @ grid.astype(np.float64) @ from_columns.T >= threshold
        pasted.append(encode_window(size, (rows, columns), covered))
    return tuple(pasted)


def _readings(
    low: float, high: float, length: int, cells: int
) -> tuple[slice, NDArray[np.float64]]:
    """The pixels of an axis that lie in a box, and `(pixels, cells)` how each reads the cells."""
    first = min(max(math.ceil(low - 0.5), 0), length)
    last = max(min(math.ceil(high - 0.5), length), first)
    centres = np.arange(first, last) + 0.5
    places = ((centres - low) / max(high - low, 1e-9) * cells - 0.5).clip(0, cells - 1)
    return slice(first, last), (1 - abs(places[:, None] - np.arange(cells))).clip(min=0)
