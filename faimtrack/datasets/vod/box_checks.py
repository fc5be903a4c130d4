"""Which boxes of a data set can be learnt from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.datasets.vod.faults import Faults

_FARTHEST_PX = 1e9


def usable_boxes(
    boxes: Boxes, sizes: NDArray[np.int64], where: Callable[[int], str], faults: Faults
) -> NDArray[np.bool_]:
    """Which boxes have an area; those that are inside out or not finite are faults.

    Args:
        boxes: `(N, 4)` corners `x1 y1 x2 y2` in pixels.
        sizes: `(N, 2)` height and width of each box's image in pixels; 0 where nobody says.
        where: Names the place of a box, for messages.
        faults: Told of what is wrong; of boxes that reach out of their images if it counts.

    Raises:
        ValueError: A box is inside out or not finite, and nobody counts faults.
    """
    is_finite = np.asarray((np.abs(boxes) <= _FARTHEST_PX).all(axis=1))
    is_inverted = is_finite & np.asarray((boxes[:, 2:] < boxes[:, :2]).any(axis=1))
    is_flat = is_finite & ~is_inverted & np.asarray((boxes[:, 2:] <= boxes[:, :2]).any(axis=1))
    for kind, expected, wrong in (
        ("numbers that are not finite", "four finite numbers", ~is_finite),
        ("boxes of negative sides", "corners x1 <= x2 and y1 <= y2", is_inverted),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = ", ".join(f"{value:g}" for value in boxes[row])
            faults.error(kind, f"{where(row)}: expected {expected}, got {shown}", int(wrong.sum()))
    if is_flat.any():
        first = where(int(np.flatnonzero(is_flat)[0]))
        faults.leave_out("boxes of no area", first, int(is_flat.sum()))
    is_usable = is_finite & ~is_inverted & ~is_flat
    if faults.report is not None:
        _count_outside(boxes, sizes, is_usable, where, faults)
    return is_usable


def _count_outside(
    boxes: Boxes,
    sizes: NDArray[np.int64],
    is_usable: NDArray[np.bool_],
    where: Callable[[int], str],
    faults: Faults,
) -> None:
    far = sizes[:, ::-1]  # width, height
    is_sized = is_usable & np.asarray((sizes > 0).all(axis=1))
    is_out = is_sized & np.asarray(((boxes[:, 2:] <= 0) | (boxes[:, :2] >= far)).any(axis=1))
    is_cut = (
        is_sized & ~is_out & np.asarray(((boxes[:, :2] < 0) | (boxes[:, 2:] > far)).any(axis=1))
    )
    for kind, found in (("boxes wholly outside", is_out), ("boxes partly outside", is_cut)):
        if found.any():
            faults.remark(kind, where(int(np.flatnonzero(found)[0])), int(found.sum()))
