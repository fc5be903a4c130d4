"""All tracks of a sequence as rows of one table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Tracks


@dataclass(frozen=True, eq=False)
class TrackRows:
    """The answers of a tracker for a whole sequence, sorted by frame and then by id.

    Rows may be given in any order; they are copied and sorted.

    Attributes:
        frames: `(R,)` int64, numbers of the full sequence, from 1.
        ids: `(R,)` int64; an id comes once in a frame.
        boxes: `(R, 4)` float64 corners ``x1 y1 x2 y2`` in pixels.
        scores: `(R,)` float64.
        class_ids: `(R,)` int64.
        detection_indices: `(R,)` int64 as in `Tracks`; −1 where there was no detection.

    Raises:
        ValueError: A column has another length or shape, a number is not finite, corners are the
            wrong way round, or an id comes twice in a frame.
    """

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    detection_indices: NDArray[np.int64]

    def __post_init__(self) -> None:
        frames = np.array(self.frames, dtype=np.int64).reshape(-1)
        # The checks are those of one frame's tracks, but for ids, which may come again later.
        rows = Tracks(
            np.arange(len(frames)), self.boxes, self.scores, self.class_ids, self.detection_indices
        )
        ids = np.array(self.ids, dtype=np.int64)
        if ids.shape != frames.shape or len(rows) != len(frames):
            raise ValueError(
                f"ids: expected one for each of {len(frames)} frame numbers, got {ids.shape}"
            )
        if len(frames) and frames.min() < 1:
            raise ValueError(f"frames: expected numbers from 1, got {int(frames.min())}")
        order = np.lexsort([ids, frames])
        frames, ids = frames[order], ids[order]
        twins = np.flatnonzero((np.diff(frames) == 0) & (np.diff(ids) == 0))
        if len(twins):
            raise ValueError(
                f"ids: expected each once in a frame, got {ids[twins[0]]} twice in frame "
                f"{frames[twins[0]]}"
            )
        rows = rows[order]
        for name, value in (
            ("frames", frames), ("ids", ids), ("boxes", rows.boxes), ("scores", rows.scores),
            ("class_ids", rows.class_ids), ("detection_indices", rows.detection_indices),
        ):  # fmt: skip
            object.__setattr__(self, name, value)

    @classmethod
    def from_tracks(cls, tracks_by_frame: Iterable[tuple[int, Tracks]]) -> TrackRows:
        """The rows of all frames, as a pipeline has them: frame number and its tracks."""
        pairs = [(frame, tracks) for frame, tracks in tracks_by_frame if len(tracks)]
        if not pairs:
            pairs = [(1, Tracks.empty())]
        columns = [
            np.concatenate([getattr(tracks, each.name) for _, tracks in pairs])
            for each in fields(Tracks)
        ]
        lengths = [len(tracks) for _, tracks in pairs]
        return cls(np.repeat([frame for frame, _ in pairs], lengths), *columns)

    def tracks_by_frame(self) -> Iterator[tuple[int, Tracks]]:
        """Number and tracks of every frame that has any, in order."""
        numbers, starts = np.unique(self.frames, return_index=True)
        ends = [*starts[1:].tolist(), len(self)][: len(starts)]
        for frame, start, end in zip(numbers.tolist(), starts.tolist(), ends, strict=True):
            rows = slice(start, end)
            yield (
                frame,
                Tracks(
                    self.ids[rows],
                    self.boxes[rows],
                    self.scores[rows],
                    self.class_ids[rows],
                    self.detection_indices[rows],
                ),
            )

    def __len__(self) -> int:
        return len(self.frames)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> TrackRows:
        """Some of the rows."""
        return TrackRows(*(getattr(self, each.name)[rows] for each in fields(self)))

    def rows_by_track(self) -> list[NDArray[np.int64]]:
        """For each id, from the smallest on, which rows are its own, by frame."""
        order = np.lexsort([self.frames, self.ids])
        ends = np.flatnonzero(np.diff(self.ids[order])) + 1
        return [rows for rows in np.split(order, ends) if len(rows)]
