"""OC-SORT: SORT that trusts observations more than its own estimates.

Cao et al., "Observation-Centric SORT: Rethinking SORT for Robust Multi-Object Tracking", CVPR
2023.
Three changes to SORT: observation-centric re-update (ORU) repairs the filter of a track found
again, momentum (OCM) prefers matches in the direction a track was going, and recovery (OCR)
matches who is left by the places where they were last seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.config import parameter
from faimtrack.structures import AffineTransform, Detections, Frame, Tracks
from faimtrack.trackers.assignment import left_over
from faimtrack.trackers.base import TRACK_FIELDS, Rows, camera_motion_of, joined
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.motion import STATE_FIELDS, XYSR, warp_boxes
from faimtrack.trackers.sort import LIFE_FIELDS, SortConfig, SortFamily

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "use_appearance": False,
    "class_matching": "agnostic",
    "lost_buffer_frames": 30,
    "minimum_area": 100.0,
    "maximum_aspect": 1.6,
    "solver": "lapjv",
}


_NEVER = np.iinfo(np.int64).min  # an age that no track asks for
_TINY = 1e-6  # px; keeps what does not move from being divided by nothing


@dataclass(frozen=True, kw_only=True)
class OcSortConfig(SortConfig):
    """Parameters of OC-SORT: those of SORT, and its own."""

    lost_buffer_frames: int | None = parameter(
        None, "The same in frames; if given, it counts instead.", unit="frames", low=0
    )
    direction_gap: int = parameter(
        3, "A track's direction is taken between observations this far apart (the paper's Δt).",
        unit="frames", low=1,
    )  # fmt: skip
    direction_weight: float = parameter(
        0.2, "What a match in that direction counts beside its IoU (the paper's λ).", low=0
    )
    use_weak: bool = parameter(
        False, "Match who is left with the weak detections too, as ByteTrack does."
    )
    low_threshold: float = parameter(
        0.1, "Detections up to this score are no weak ones either.", unit="score", low=0, high=1
    )

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": {"detection_threshold": 0.4, "clip_boxes": True},
        "reference": _REFERENCE,
        "reference-mot20": _REFERENCE | {"detection_threshold": 0.4},
    }


class OcSort(SortFamily):
    """SORT with observation-centric re-update, momentum and recovery."""

    name = "ocsort"
    config: OcSortConfig
    config_class = OcSortConfig

    def __init__(self, config: OcSortConfig | None = None, *, frame_rate: float = 30.0) -> None:
        """Make a tracker at its beginning; see `RowTracker`."""
        # A configuration of another kind is refused by the base class.
        gap = getattr(config or OcSortConfig(), "direction_gap", 1)
        self.row_type = np.dtype(
            [
                *TRACK_FIELDS,
                *LIFE_FIELDS,
                *STATE_FIELDS,
                ("age", "i8"),  # frames since the first detection
                ("matched", "?"),  # has an observation beside the first detection
                ("direction", "f8", (2,)),  # unit vector y, x; zero if unknown
                ("observation", "f8", (4,)),  # last box, corners in pixels
                ("observation_age", "i8"),
                ("recent", "f8", (gap, 4)),  # boxes of the last frames, at age modulo gap
                ("recent_age", "i8", (gap,)),
                ("frozen_mean", "f8", (2, 4)),  # the state as it was first missed
                ("frozen_covariance", "f8", (3, 4)),
            ]
        )
        super().__init__(config, frame_rate=frame_rate)

    def update(self, detections: Detections, frame: Frame | None = None) -> Tracks:
        """Take the detections of the next frame and answer with its tracks.

        Args:
            detections: The frame's detections.
            frame: Index, time, size and camera motion of the frame; None means the frame after
                the last one.

        Raises:
            ValueError: The frame does not come after the last one, its camera motion is none, or
                the embeddings are of another kind than those before.
        """
        config = self.config
        camera_motion = camera_motion_of(frame)
        candidates = self._candidates(detections, frame)
        skipped = self._is_skipped(candidates)
        steps = 0.0 if skipped else self._clock.advance(frame, one_step=config.published_quirks)
        if camera_motion is not None:
            self._warp(camera_motion)
        if skipped:
            return Tracks.empty()
        strong = self._strong(candidates)
        predicted = self._predict(steps)
        self._tracks["age"] += 1

        # First round: overlap with the prediction, and momentum (OCM).
        overlaps = self._overlaps(self._tracks, predicted, strong)
        bonus = self._momentum(strong)
        likeness = self._likeness(overlaps, strong)
        if likeness is not None:
            bonus += likeness
        rows, columns = self._match(overlaps, bonus)
        self._observe(rows, strong[columns])
        missed = left_over(len(self._tracks), rows)
        strong = strong[left_over(len(strong), columns)]

        if config.use_weak:
            scores = candidates.scores
            is_weak = (scores > config.low_threshold) & (scores < config.detection_threshold)
            weak = candidates[is_weak].unseen()  # what weak ones look like is not trusted
            missed, _ = self._rematch(missed, predicted[missed], weak)

        # Last round: overlap with where a track was last seen (OCR).
        matched = self._tracks["matched"][missed]
        last_seen = np.where(matched[:, None], self._tracks["observation"][missed], -1.0)
        missed, strong = self._rematch(missed, last_seen, strong)

        self._freeze(missed)
        self._tracks = joined(self._tracks, self._begin(strong))
        shown = self._tracks[self._shown()]
        answer = self._answer(shown, shown["observation"].copy())
        self._expire()
        return answer

    def _warp(self, transform: AffineTransform) -> None:
        """Move all that is remembered of tracks as the camera moved the picture."""
        super()._warp(transform)
        tracks = self._tracks
        if not len(tracks):
            return
        # What is frozen of the others is over: moved for ever, it would leave the range of
        # numbers.
        lost = np.flatnonzero(tracks["observation_age"] < tracks["age"])
        frozen = self._thawed(lost)
        self._motion.warp(frozen, transform)
        tracks["frozen_mean"][lost] = frozen["mean"]
        tracks["frozen_covariance"][lost] = frozen["covariance"]
        # Likewise older observations than any direction is taken from.
        recent = tracks["recent_age"] > tracks["age"][:, None] - self.config.direction_gap
        tracks["recent"][recent] = self._warp_seen(tracks["recent"][recent], transform)
        tracks["observation"] = self._warp_seen(tracks["observation"], transform)
        self._turn_directions(transform)

    def _warp_seen(
        self, boxes: NDArray[np.float64], transform: AffineTransform
    ) -> NDArray[np.float64]:
        """Boxes of earlier detections, `(N, 4)` corners, as the camera moved them."""
        return warp_boxes(boxes, transform)

    def _turn_directions(self, transform: AffineTransform) -> None:
        tracks = self._tracks
        turned = tracks["direction"][:, ::-1] @ transform[:, :2].T  # y, x → x, y
        length = np.hypot(turned[:, :1], turned[:, 1:])
        tracks["direction"] = turned[:, ::-1] / np.where(length > 0.0, length, 1.0)

    def _is_skipped(self, candidates: Candidates) -> bool:
        """Whether the authors' loop would not call its tracker: there is nothing at all."""
        some = (candidates.scores >= self.config.low_threshold).any()
        return self.config.published_quirks and not some

    def _begin(self, candidates: Candidates) -> Rows:
        begun = super()._begin(candidates)
        begun["observation"] = candidates.boxes
        begun["recent_age"] = _NEVER
        return begun

    def _earlier(self, rows: NDArray[np.int64] | slice) -> NDArray[np.float64]:
        """Where tracks were `direction_gap` frames ago, or as soon after it as was seen.

        Returns:
            `(N, 4)` corners; the last observation where nothing nearer is remembered.
        """
        tracks = self._tracks[rows]
        earlier = tracks["observation"].copy()
        gap = self.config.direction_gap
        everyone = np.arange(len(tracks))
        for frames_ago in range(1, gap + 1):  # the later in this loop, the better
            age = tracks["age"] - frames_ago
            slot = age % gap
            seen = (tracks["recent_age"][everyone, slot] == age) & tracks["matched"]
            earlier[seen] = tracks["recent"][everyone, slot][seen]
        return earlier

    def _momentum(self, candidates: Candidates) -> NDArray[np.float64]:
        """OCM: how well each match goes on in the track's direction, `(N, M)`."""
        tracks = self._tracks
        # Column by column: vectors of two would be the slowest of all shapes.
        x, y = _centres(candidates.boxes)
        from_x, from_y = _centres(self._earlier(slice(None)))
        move_x, move_y = x - from_x[:, None], y - from_y[:, None]
        cosine = move_x * tracks["direction"][:, 1:]
        cosine += move_y * tracks["direction"][:, :1]
        np.square(move_x, out=move_x)
        np.square(move_y, out=move_y)
        move_x += move_y
        length = np.sqrt(move_x, out=move_x)
        length += _TINY
        cosine /= length
        angle = np.arccos(np.clip(cosine, -1.0, 1.0, out=cosine), out=cosine)
        agreement: NDArray[np.float64] = np.subtract(np.pi / 2, angle, out=angle)
        agreement *= tracks["matched"][:, None] * (self.config.direction_weight / np.pi)
        agreement *= candidates.scores
        return agreement

    def _rematch(
        self,
        missed: NDArray[np.int64],
        boxes: NDArray[np.float64],
        candidates: Candidates,
    ) -> tuple[NDArray[np.int64], Candidates]:
        """A round for who is left, by the given boxes; returns who is left then."""
        overlaps = self._overlaps(self._tracks[missed], boxes, candidates)
        if not overlaps.size or overlaps.max() <= self.config.iou_threshold:
            return missed, candidates
        rows, columns = self._match(overlaps, shortcut=False)
        self._observe(missed[rows], candidates[columns])
        return (
            missed[left_over(len(missed), rows)],
            candidates[left_over(len(candidates), columns)],
        )

    def _observe(self, rows: NDArray[np.int64], taken: Candidates) -> None:
        """Give each of some tracks its detection: direction, filter and memory."""
        if not len(rows):
            return
        tracks, boxes = self._tracks, taken.boxes
        known = tracks["matched"][rows]
        directions = _directions(self._earlier(rows), boxes)
        tracks["direction"][rows[known]] = directions[known]
        self._correct(rows, boxes, known & (tracks["last"][rows] < self._clock.previous))
        self._hit(rows, taken)
        self._remember(tracks["id"][rows], taken)
        age = tracks["age"][rows]
        tracks["observation"][rows], tracks["observation_age"][rows] = boxes, age
        tracks["recent"][rows, age % self.config.direction_gap] = boxes
        tracks["recent_age"][rows, age % self.config.direction_gap] = age
        tracks["matched"][rows] = True

    def _correct(
        self, rows: NDArray[np.int64], boxes: NDArray[np.float64], lost: NDArray[np.bool_]
    ) -> None:
        """Correct the filters of some tracks; first, those that were lost along a virtual path."""
        if lost.any():
            self._reupdate(rows[lost], boxes[lost])
        XYSR.update(self._tracks, rows, XYSR.measure(boxes))

    def _freeze(self, missed: NDArray[np.int64]) -> None:
        """Remember the state of tracks in the first frame that misses them."""
        first = missed[self._tracks["last"][missed] == self._clock.previous]
        self._tracks["frozen_mean"][first] = self._tracks["mean"][first]
        self._tracks["frozen_covariance"][first] = self._tracks["covariance"][first]

    def _thawed(self, rows: NDArray[np.int64]) -> Rows:
        """A copy of some tracks with the states in which they were first missed."""
        tracks: Rows = self._tracks[rows]
        tracks["mean"], tracks["covariance"] = tracks["frozen_mean"], tracks["frozen_covariance"]
        return tracks

    def _reupdate(self, rows: NDArray[np.int64], boxes: NDArray[np.float64]) -> None:
        """ORU: go back to where the tracks were lost, and along a straight line to `boxes`."""
        tracks = self._thawed(rows)
        frames = tracks["age"] - tracks["observation_age"]
        steps = ((self._clock.now - tracks["last"]) / frames)[:, None]
        # Corners move as straight as centres and sizes do.
        start = self._path_start(tracks)
        stride = (boxes - start) / frames[:, None]
        for passed in range(1, int(frames.max()) + 1):
            active = np.flatnonzero(frames >= passed)
            self._replay_update(tracks, active, start[active] + passed * stride[active])
            ongoing = np.flatnonzero(frames > passed)
            moving = tracks[ongoing]
            self._replay_predict(moving, steps[ongoing])
            tracks[ongoing] = moving
        self._tracks["mean"][rows] = tracks["mean"]
        self._tracks["covariance"][rows] = tracks["covariance"]

    def _path_start(self, tracks: Rows) -> NDArray[np.float64]:
        """`(N, 4)` corners where the virtual paths of tracks begin."""
        observations: NDArray[np.float64] = tracks["observation"]
        return observations

    def _replay_update(
        self, tracks: Rows, rows: NDArray[np.int64], boxes: NDArray[np.float64]
    ) -> None:
        """Correct some tracks by `boxes` on their virtual paths."""
        XYSR.update(tracks, rows, XYSR.measure(boxes))

    def _replay_predict(self, tracks: Rows, steps: NDArray[np.float64]) -> None:
        """Move tracks on along their virtual paths by `(N, 1)` nominal frames."""
        XYSR.predict(tracks, steps)


def _centres(boxes: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centres of `(N, 4)` boxes: x and y, `(N,)` each."""
    return (boxes[:, 0] + boxes[:, 2]) / 2, (boxes[:, 1] + boxes[:, 3]) / 2


def _directions(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors (y, x) between the centres of `(N, 4)` boxes; zero if nothing moved."""
    (from_x, from_y), (x, y) = _centres(start), _centres(end)
    moved = np.stack([y - from_y, x - from_x], axis=1)
    length = np.sqrt((moved * moved).sum(axis=1)) + _TINY
    directions: NDArray[np.float64] = moved / length[:, None]
    return directions
