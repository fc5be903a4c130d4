"""What every tracker is: fed the detections of a frame, it answers with the frame's tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import box_areas
from faimtrack.config import PresetConfig
from faimtrack.structures import AffineTransform, Detections, Frame, Tracks
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.clock import Clock
from faimtrack.trackers.config import RowTrackerConfig

State: TypeAlias = dict[str, "NDArray[Any] | str | int | float | bool | None"]
"""A tracker at rest: a flat dict of arrays and JSON scalars, with a `format_version`."""

Rows: TypeAlias = NDArray[np.void]
"""Tracks as a structured array: one row a track, one field a property."""

STATE_FORMAT_VERSION = 1

TRACK_FIELDS: list[tuple[str, str] | tuple[str, str, tuple[int, ...]]] = [
    ("id", "i8"),
    ("class_id", "i8"),
    ("score", "f8"),
    ("detection_index", "i8"),  # in the frame of the last update
]
"""What each tracker's rows have."""


@runtime_checkable
class Tracker(Protocol):
    """A multi-object tracker.

    Ids, clocks and random generators belong to the instance. Inputs are never modified, memory is
    bounded, and nothing is remembered outside the instance.

    Attributes:
        config: The frozen dataclass of its parameters.
    """

    config: Any

    def update(self, detections: Detections, frame: Frame | None = None) -> Tracks:
        """Take the detections of the next frame and answer with its tracks.

        Args:
            detections: The frame's detections; an empty frame is given as empty detections.
            frame: Index and time of the frame, and its pixels for trackers that look at them. None
                means the frame after the last one.

        Raises:
            ValueError: The frame does not come after the last one.
        """
        ...

    def reset(self) -> None:
        """Forget everything, as before a new sequence; ids start again from 1."""
        ...

    def state(self) -> State:
        """All that the tracker remembers; its own copy."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Tracker:
        """A tracker that goes on exactly where the one that gave `state` stood.

        Raises:
            ValueError: The state is of another tracker or of a format this version cannot read.
        """
        ...


# Beyond this no two frames show the same scene, and a few such steps leave the range of numbers.
_LARGEST_STRETCH, _LONGEST_SHIFT_PX, _SMALLEST_DETERMINANT = 1e3, 1e9, 1e-6


def camera_motion_of(frame: Frame | None) -> AffineTransform | None:
    """The camera motion of a frame, seen to be one; None if nobody knows it.

    Raises:
        ValueError: It is no `(2, 3)` of finite numbers, or it flattens, mirrors or bursts the
            picture.
    """
    if frame is None or frame.camera_motion is None:
        return None
    transform: AffineTransform = np.asarray(frame.camera_motion, dtype=np.float64)
    where = f"camera_motion of frame {frame.index}"
    if transform.shape != (2, 3):
        raise ValueError(f"{where}: expected shape (2, 3), got {transform.shape}")
    (a, b, x), (c, d, y) = transform.tolist()
    if not (
        np.isfinite(transform).all()
        and max(map(abs, (a, b, c, d))) <= _LARGEST_STRETCH
        and max(abs(x), abs(y)) <= _LONGEST_SHIFT_PX
        and a * d - b * c >= _SMALLEST_DETERMINANT
    ):
        raise ValueError(
            f"{where}: expected finite numbers that turn, scale and shift, got "
            f"{transform.tolist()}"
        )
    return transform


def joined(*rows: Rows) -> Rows:
    """Structured arrays of one type, one after the other.

    `np.concatenate` first looks for a type that fits them all, field by field, which at ten
    tracks takes longer than all the Kalman filters: as plain bytes they need none.
    """
    row_type = rows[0].dtype
    as_bytes = f"V{row_type.itemsize}"
    return np.concatenate([each.view(as_bytes) for each in rows]).view(row_type)


class RowTracker:
    """What trackers over structured rows share: ids, clock, output filter and state.

    A subclass names its row fields and its lists of rows (attributes), and says how it updates.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[RowTrackerConfig]]
    row_type: np.dtype[np.void]
    row_lists: ClassVar[tuple[str, ...]]

    def __init__(self, config: PresetConfig | None = None, *, frame_rate: float = 30.0) -> None:
        """Make a tracker at its beginning.

        Args:
            config: Its parameters; None for the default preset.
            frame_rate: Nominal frames per second, which turns times into frames.
        """
        self.config: Any = self.config_class() if config is None else config
        if not isinstance(self.config, self.config_class):
            raise TypeError(
                f"config: expected {self.config_class.__name__}, got {type(config).__name__}"
            )
        self._clock = Clock(frame_rate)
        self.reset()

    @property
    def frame_rate(self) -> float:
        """Nominal frames per second."""
        return self._clock.frame_rate

    @property
    def _buffer_frames(self) -> float:
        """How long a track may go without a detection, in nominal frames."""
        if self.config.lost_buffer_frames is not None:
            return float(self.config.lost_buffer_frames)
        frames = self.config.lost_buffer_s * self.frame_rate
        # The originals cut off to whole frames.
        return float(int(frames)) if self.config.published_quirks else float(frames)

    def reset(self) -> None:
        """Forget everything, as before a new sequence; ids start again from 1."""
        self._clock.reset()
        self._last_id = 0
        for each in self.row_lists:
            setattr(self, each, np.zeros(0, self.row_type))

    def _new_rows(self, candidates: Candidates) -> Rows:
        """Rows for new tracks, with the next ids; motion and counts are the caller's."""
        rows = np.zeros(len(candidates), self.row_type)
        rows["id"] = np.arange(self._last_id + 1, self._last_id + 1 + len(rows))
        self._last_id += len(rows)
        self._note(rows, slice(None), candidates)
        return rows

    @staticmethod
    def _note(rows: Rows, which: NDArray[np.int64] | slice, candidates: Candidates) -> None:
        """Write down which detection each of some rows took."""
        rows["score"][which] = candidates.scores
        rows["class_id"][which] = candidates.class_ids
        rows["detection_index"][which] = candidates.indices

    def _answer(self, rows: Rows, boxes: NDArray[np.float64]) -> Tracks:
        """The tracks of some rows that pass the output filter of the configuration."""
        minimum_area, maximum_aspect = self.config.minimum_area, self.config.maximum_aspect
        if minimum_area is not None or maximum_aspect is not None:
            shown = np.ones(len(rows), dtype=bool)
            if minimum_area is not None:
                shown &= box_areas(boxes) > minimum_area
            if maximum_aspect is not None:
                widths, heights = (boxes[:, 2:] - boxes[:, :2]).T
                shown &= widths <= maximum_aspect * heights
            if not shown.all():
                rows, boxes = rows[shown], boxes[shown]
        answer: Tracks = Tracks._unchecked(
            ids=rows["id"].copy(),
            boxes=boxes,
            scores=rows["score"].copy(),
            class_ids=rows["class_id"].copy(),
            detection_indices=rows["detection_index"].copy(),
        )
        return answer

    def state(self) -> State:
        """All that the tracker remembers; its own copy."""
        state: State = {
            "format_version": STATE_FORMAT_VERSION,
            "tracker": self.name,
            "config": json.dumps(asdict(self.config)),
            "last_id": self._last_id,
            **self._clock.state(),
        }
        for each in self.row_lists:
            rows = getattr(self, each)
            for field_name in self.row_type.names or ():
                state[f"{each.lstrip('_')}.{field_name}"] = rows[field_name].copy()
        return state

    @classmethod
    def from_state(cls, state: Mapping[str, Any], **networks: Any) -> Any:
        """A tracker that goes on exactly where the one that gave `state` stood.

        Args:
            state: What it gave.
            networks: What such a tracker is made with besides, for they are no part of a state.

        Raises:
            ValueError: The state is of another tracker or of a format this version cannot read.
        """
        came = (state.get("tracker"), state.get("format_version"))
        if came != (cls.name, STATE_FORMAT_VERSION):
            raise ValueError(
                f"state: expected {cls.name}, format {STATE_FORMAT_VERSION}, "
                f"got {came[0]}, format {came[1]}"
            )
        try:
            tracker = cls(cls.config_class(**json.loads(state["config"])), **networks)
            tracker._restore(state)
        except KeyError as error:
            raise ValueError(f"state: expected an entry {error}, got none") from None
        except TypeError as error:
            raise ValueError(
                f"state: expected values of {cls.name}, got others: {error}"
            ) from None
        return tracker

    def _restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave.

        Raises:
            KeyError: An entry is missing.
        """
        self._clock.restore(dict(state))
        self._last_id = int(state["last_id"])
        for each in self.row_lists:
            name = each.lstrip("_")
            rows = np.zeros(len(state[f"{name}.id"]), self.row_type)
            for field_name in self.row_type.names or ():
                rows[field_name] = state[f"{name}.{field_name}"]
            setattr(self, each, rows)
