"""A video's ground truth and detections, as plain arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoTruth:
    """The annotated frames of a video and their objects, in any order.

    Attributes:
        name: For messages.
        frame_numbers: `(F,)` whole numbers of the annotated frames, rising; a frame without an
            object may be among them. Only these are scored.
        frames: `(N,)` the frame number of each object.
        boxes: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels.
        class_ids: `(N,)` whole numbers from 0.
        track_ids: `(N,)` whole numbers, the same for the same object in several frames, negative
            where nobody follows it; None: the video has no tracks.

    Raises:
        ValueError: Shapes differ, a number is not finite, corners are the wrong way round, or an
            object lies in a frame that is not annotated.
    """

    name: str
    frame_numbers: NDArray[np.int64]
    frames: NDArray[np.int64]
    boxes: Boxes
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        _check_rows(self.name, "truth", self.frames, self.boxes, self.class_ids)
        numbers = _column(self.name, "frame_numbers", self.frame_numbers)
        if np.any(numbers[1:] <= numbers[:-1]):
            raise ValueError(f"{self.name}: expected frame_numbers to rise, got others")
        outside = np.flatnonzero(~is_among(numbers, self.frames))
        if len(outside):
            raise ValueError(
                f"{self.name}: expected objects in annotated frames, got one in frame "
                f"{self.frames[outside[0]]}"
            )
        if self.track_ids is not None:
            _column(self.name, "track_ids", self.track_ids, len(self.frames))

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.frames)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoDetections:
    """What was found in a video; of equal scores in a frame the earlier row comes first.

    Attributes:
        name: For messages.
        frames: `(N,)` the frame number of each.
        boxes: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels.
        scores: `(N,)`.
        class_ids: `(N,)` whole numbers from 0.

    Raises:
        ValueError: Shapes differ, a number is not finite, or corners are the wrong way round.
    """

    name: str
    frames: NDArray[np.int64]
    boxes: Boxes
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]

    def __post_init__(self) -> None:
        _check_rows(self.name, "detections", self.frames, self.boxes, self.class_ids)
        if self.scores.shape != (len(self.frames),) or not np.isfinite(self.scores).all():
            raise ValueError(
                f"{self.name}: expected {len(self.frames)} finite scores, "
                f"got {self.scores.shape}{'' if np.isfinite(self.scores).all() else ', others'}"
            )

    def __len__(self) -> int:
        """Number of detections."""
        return len(self.frames)

    @classmethod
    def none(cls, name: str) -> VideoDetections:
        """Nothing was found."""
        nothing = np.zeros(0, np.int64)
        return cls(
            name=name, frames=nothing, boxes=np.zeros((0, 4)), scores=np.zeros(0),
            class_ids=nothing,
        )  # fmt: skip


def is_among(numbers: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of `values` `(N,)` are among the rising `numbers` `(F,)`."""
    if not len(numbers):
        return np.zeros(len(values), bool)
    places = np.minimum(np.searchsorted(numbers, values), len(numbers) - 1)
    among: NDArray[np.bool_] = numbers[places] == values
    return among


def _column(
    where: str, name: str, values: NDArray[np.int64], count: int | None = None
) -> NDArray[np.int64]:
    if values.ndim != 1 or values.dtype.kind not in "iu" or len(values) != (count or len(values)):
        wanted = "" if count is None else f"{count} "
        raise ValueError(
            f"{where}: expected {name} to be {wanted}whole numbers, got {values.shape} "
            f"{values.dtype}"
        )
    return values


def _check_rows(
    where: str,
    what: str,
    frames: NDArray[np.int64],
    boxes: Boxes,
    class_ids: NDArray[np.int64],
) -> None:
    _column(where, f"frames of {what}", frames)
    if class_ids.shape != frames.shape or class_ids.dtype.kind not in "iu":
        raise ValueError(
            f"{where}: expected class_ids of {what} to be {len(frames)} whole numbers, got "
            f"{class_ids.shape} {class_ids.dtype}"
        )
    if boxes.shape != (len(frames), 4):
        raise ValueError(
            f"{where}: expected boxes of {what} of shape ({len(frames)}, 4), got {boxes.shape}"
        )
    wrong = ~np.isfinite(boxes).all(axis=1) | np.any(boxes[:, 2:] < boxes[:, :2], axis=1)
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"{where}: expected corners x1 y1 x2 y2 of {what}, finite and x1 <= x2, y1 <= y2, got "
            f"{boxes[row].tolist()} in frame {frames[row]}"
        )
