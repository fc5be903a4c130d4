"""What every tracker is: fed the detections of a frame, it answers with the frame's tracks."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import box_areas, clip_boxes
from faimtrack.config import PresetConfig
from faimtrack.structures import AffineTransform, Detections, Frame, Tracks
from faimtrack.trackers.appearance import AppearanceMemory
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
        ValueError: It is no `(2, 3)` of finite numbers, flattens the picture or bursts it.
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
        and abs(a * d - b * c) >= _SMALLEST_DETERMINANT
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


class Candidates:
    """The detections of a frame that a tracker works with.

    Attributes:
        boxes: `(N, 4)` corners in pixels, clipped to the image if asked for.
        scores: `(N,)`.
        class_ids: `(N,)`.
        indices: `(N,)` rows in the frame's detections.
    """

    __slots__ = ("_looks", "boxes", "class_ids", "indices", "scores")

    def __init__(
        self,
        boxes: NDArray[np.float64],
        scores: NDArray[np.float64],
        class_ids: NDArray[np.int64],
        indices: NDArray[np.int64],
        looks: NDArray[np.float32] | None = None,
    ) -> None:
        """Name them; `looks` are the embeddings of **all** detections of the frame."""
        self.boxes, self.scores, self.class_ids, self.indices = boxes, scores, class_ids, indices
        self._looks = looks

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Candidates(
            self.boxes.take(rows, axis=0),
            self.scores.take(rows),
            self.class_ids.take(rows),
            self.indices.take(rows),
            self._looks,
        )

    @property
    def embeddings(self) -> NDArray[np.float32] | None:
        """`(N, D)` as the detections have them, or None where nobody looks.

        They are gathered when asked for: long vectors are not copied at each selection of rows.
        """
        return None if self._looks is None else self._looks.take(self.indices, axis=0)

    def unseen(self) -> Candidates:
        """The same without embeddings."""
        return Candidates(self.boxes, self.scores, self.class_ids, self.indices)

    @classmethod
    def of(cls, detections: Detections, frame: Frame | None, *, clip: bool) -> Candidates:
        """All detections of a frame that have an area.

        Args:
            detections: The frame's.
            frame: Knows the image's size.
            clip: Whether to cut boxes to the image.

        Raises:
            ValueError: Boxes are to be clipped, but the image's size is unknown.
        """
        boxes = detections.boxes
        if clip and len(boxes):
            if frame is None or frame.size is None:
                raise ValueError("clip_boxes: expected frames of a known size, got none")
            boxes = clip_boxes(boxes, *frame.size)
        candidates = cls(
            boxes,
            detections.scores,
            detections.class_ids,
            np.arange(len(boxes), dtype=np.int64),
            detections.embeddings,
        )
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return candidates if solid.all() else candidates[solid]


class RowTracker:
    """What trackers over structured rows share: ids, clock, looks, output filter and state.

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
        self._appearance = AppearanceMemory()
        self.reset()

    @property
    def frame_rate(self) -> float:
        """Nominal frames per second."""
        return self._clock.frame_rate

    @property
    def appearance_threshold(self) -> float | None:
        """The lowest score of a detection whose embedding is looked at; None: none is."""
        return None

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
        self._appearance.reset()
        self._last_id = 0
        for each in self.row_lists:
            setattr(self, each, np.zeros(0, self.row_type))

    def _candidates(self, detections: Detections, frame: Frame | None) -> Candidates:
        """The detections that the tracker works with, with embeddings if it looks at them.

        Raises:
            ValueError: The embeddings are of another kind than those before, or boxes are to be
                clipped and the image's size is unknown.
        """
        candidates = Candidates.of(detections, frame, clip=self.config.clip_boxes)
        if detections.embeddings is None:
            return candidates
        if self.appearance_threshold is None or not len(detections):
            return candidates.unseen()
        self._appearance.expect(detections.embedding_name, detections.embeddings.shape[1])
        return candidates

    def _remember(self, ids: NDArray[np.int64], taken: Candidates) -> None:
        """Blend what detections look like into what their tracks did."""
        embeddings = taken.embeddings
        if embeddings is not None and len(ids):
            self._appearance.remember(ids, embeddings, self.config.appearance_keep)

    def _forget_dead(self) -> None:
        """Let go of the looks of tracks that are no more."""
        if self._appearance.name is not None:
            alive = [getattr(self, each)["id"] for each in self.row_lists]
            self._appearance.keep_only(np.concatenate(alive))

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
            **self._appearance.state(),
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
            tracker._clock.restore(dict(state))
            if "appearance.name" in state:  # older states have none
                tracker._appearance.restore(state)
            tracker._last_id = int(state["last_id"])
            for each in cls.row_lists:
                name = each.lstrip("_")
                rows = np.zeros(len(state[f"{name}.id"]), tracker.row_type)
                for field_name in tracker.row_type.names or ():
                    rows[field_name] = state[f"{name}.{field_name}"]
                setattr(tracker, each, rows)
        except KeyError as error:
            raise ValueError(f"state: expected an entry {error}, got none") from None
        except TypeError as error:
            raise ValueError(
                f"state: expected values of {cls.name}, got others: {error}"
            ) from None
        return tracker
