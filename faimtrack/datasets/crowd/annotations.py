"""Ground truth of a crowd: boxes, classes, visibility and how figures stand."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.figure import Figures
from faimtrack.datasets.crowd.integers import Integers, divide_rounded

VISIBILITY_ONE = 100_000
"""What stands for a visibility of 1 in `Annotations.visibility`."""


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Ground truth of all frames, by frame and, in a frame, by track id.

    Attributes:
        frames: `(N,)` int64 from 1.
        track_ids: `(N,)` int64 from 1.
        boxes_xywh: `(N, 4)` int64 left, top, width, height in pixels, cut at the image borders
            as MOT20's are, not at what hides a figure.
        class_ids: `(N,)` int64 indices into `KINDS`, or of a scene of objects `OBJECT_KINDS`.
        considered: `(N,)` bool: whether the evaluation counts the row.
        visibility: `(N,)` int64 in 1/100000: the share of the box's pixels that no box of a
            nearer object covers.
        figures: How each of them stands, for drawing; empty in a scene of objects, of which
            `Crowd.objects` says it.
        distance: `(N,)` int64 micrometres from the camera: larger is farther.
    """

    frames: Integers
    track_ids: Integers
    boxes_xywh: Integers
    class_ids: Integers
    considered: NDArray[np.bool_]
    visibility: Integers
    figures: Figures
    distance: Integers

    def __len__(self) -> int:
        return len(self.frames)

    def rows_of(self, frame: int) -> slice:
        """The rows of one frame."""
        first, end = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(end))


def visibility(corners: Integers, distance: Integers, size: tuple[int, int]) -> Integers:
    """Which share of each box no nearer box covers.

    Args:
        corners: `(N, 4)` `x1 y1 x2 y2` in whole pixels inside the image.
        distance: `(N,)` the nearest box has the smallest.
        size: Height and width of the image in pixels.

    Returns:
        `(N,)` int64 in 1/100000, rounded to the nearest.
    """
    covered = np.zeros(size, dtype=bool)
    result = np.zeros(len(corners), dtype=np.int64)
    for row in np.argsort(distance, kind="stable").tolist():
        left, top, right, bottom = corners[row].tolist()
        box = covered[top:bottom, left:right]
        area = (right - left) * (bottom - top)
        result[row] = area - np.count_nonzero(box)
        box[:] = True
    areas = np.prod(corners[:, 2:] - corners[:, :2], axis=1)
    return divide_rounded(result * VISIBILITY_ONE, np.maximum(areas, 1))


def join_annotations(parts: list[Annotations]) -> Annotations:
    """The annotations of all frames as one table."""
    joined: dict[str, object] = {}
    for entry in fields(Annotations):
        if entry.name != "figures":
            joined[entry.name] = np.concatenate([getattr(part, entry.name) for part in parts])
    joined["figures"] = Figures(
        **{
            entry.name: np.concatenate([getattr(part.figures, entry.name) for part in parts])
            for entry in fields(Figures)
        }
    )
    return Annotations(**joined)  # type: ignore[arg-type]
