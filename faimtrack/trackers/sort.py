"""SORT: predict by a Kalman filter, match by IoU, keep what was matched.

Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import box_iou
from faimtrack.config import parameter
from faimtrack.structures import AffineTransform, Detections, Frame, Tracks
from faimtrack.trackers.assignment import Pairs, assign_most_similar, left_over
from faimtrack.trackers.base import TRACK_FIELDS, Rows, camera_motion_of, joined
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.config import EmbeddingTrackerConfig
from faimtrack.trackers.embedding_tracker import EmbeddingTracker
from faimtrack.trackers.motion import STATE_FIELDS, XYSR, RowMotion

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "use_appearance": False,
    "class_matching": "agnostic",
    "solver": "lapjv",
}


@dataclass(frozen=True, kw_only=True)
class SortConfig(EmbeddingTrackerConfig):
    """Parameters of SORT."""

    detection_threshold: float = parameter(
        0.6, "Detections below this score are dropped.", unit="score", low=0, high=1
    )
    iou_threshold: float = parameter(
        0.3, "Smallest overlap of a track with its detection.", unit="IoU", low=0, high=1
    )
    min_hits: int = parameter(
        3, "Matches in a row before a track is shown (not in the first frames).",
        unit="frames", low=0,
    )  # fmt: skip
    lost_buffer_frames: int | None = parameter(
        1, "The same in frames; if given, it counts instead.", unit="frames", low=0
    )
    appearance_weight: float = parameter(
        0.75, "What a cosine counts beside the IoU, for pairs that overlap enough to match.",
        low=0,
    )  # fmt: skip

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": {"detection_threshold": 0.4, "clip_boxes": True},
        "reference": _REFERENCE,
        "reference-mot20": _REFERENCE | {"detection_threshold": 0.4},
    }


LIFE_FIELDS: list[tuple[str, str]] = [
    ("streak", "i8"),  # matches in a row, the first detection not counted
    ("last", "f8"),  # clock of the last detection
]
"""What the life cycle of SORT and of its kin keeps of each track."""


class SortFamily(EmbeddingTracker):
    """The life cycle that SORT and its kin share.

    A track is shown while it is being matched; it dies when it has gone without for too long.
    Embeddings and camera motion count where there are any, though no paper of the family has them.
    """

    row_lists = ("_tracks",)
    _tracks: Rows

    @property
    def _motion(self) -> RowMotion:
        """How boxes move."""
        return XYSR

    @property
    def appearance_threshold(self) -> float | None:
        """The lowest score of a detection whose embedding is looked at; None: none is."""
        return self.config.detection_threshold if self.config.use_appearance else None

    def _strong(self, candidates: Candidates) -> Candidates:
        """The detections that may start and hold tracks."""
        threshold = self.config.detection_threshold
        if self.config.published_quirks:  # a score equal to the threshold is too low
            return candidates[candidates.scores > threshold]
        return candidates[candidates.scores >= threshold]

    def _warp(self, transform: AffineTransform) -> None:
        """Move all tracks as the camera moved the picture."""
        self._motion.warp(self._tracks, transform)

    def _predict(self, steps: float) -> NDArray[np.float64]:
        """Move all tracks on; forget those that have become impossible.

        Returns:
            `(N, 4)` their boxes, as corners in pixels.
        """
        tracks = self._tracks
        tracks["streak"][tracks["last"] < self._clock.previous] = 0
        self._move_on(steps)
        boxes = self._motion.boxes(tracks)
        possible = np.isfinite(boxes).all(axis=1)
        self._tracks = tracks[possible]
        return boxes[possible]

    def _move_on(self, steps: float) -> None:
        """Move all tracks on; none to an area below zero."""
        mean = self._tracks["mean"]
        vanishing = mean[:, 0, 2] + mean[:, 1, 2] * steps <= 0
        mean[vanishing, 1, 2] = 0.0
        XYSR.predict(self._tracks, steps)

    def _hit(self, rows: NDArray[np.int64], taken: Candidates) -> None:
        """Write down which detection each of some tracks took."""
        self._note(self._tracks, rows, taken)
        self._tracks["last"][rows] = self._clock.now
        self._tracks["streak"][rows] += 1

    def _begin(self, candidates: Candidates) -> Rows:
        begun = self._new_rows(candidates)
        self._motion.start(begun, candidates.boxes)
        self._remember(begun["id"], candidates)
        begun["last"] = self._clock.now
        return begun

    def _shown(self) -> NDArray[np.bool_]:
        """Which tracks are part of the answer."""
        shown: NDArray[np.bool_] = self._tracks["last"] == self._clock.now
        if self._clock.updates > self.config.min_hits:
            shown &= self._tracks["streak"] >= self.config.min_hits
        return shown

    def _expire(self) -> None:
        out_of_sight = self._clock.now - self._tracks["last"]
        self._tracks = self._tracks[out_of_sight <= self._buffer_frames]
        self._forget_dead()

    def _overlaps(
        self, tracks: Rows, boxes: NDArray[np.float64], candidates: Candidates
    ) -> NDArray[np.float64]:
        """IoU of `(N, 4)` boxes of tracks with detections; −1 where the classes forbid a match."""
        overlaps = box_iou(boxes, candidates.boxes)
        if self.config.class_matching == "strict":
            overlaps[tracks["class_id"][:, None] != candidates.class_ids] = -1.0
        return overlaps

    def _likeness(
        self, overlaps: NDArray[np.float64], candidates: Candidates
    ) -> NDArray[np.float64] | None:
        """What looks add to the IoU, `(N, M)`; None where nobody looks.

        As Deep OC-SORT adds them, but only for pairs whose boxes overlap enough to be made: a
        look must not lead a track to where the threshold then forbids it, and lose both partners.
        """
        embeddings = candidates.embeddings
        if embeddings is None or not len(self._appearance):
            return None
        rows, columns = np.nonzero(overlaps >= self.config.iou_threshold)
        cosine = self._appearance.pair_similarity(self._tracks["id"], embeddings, rows, columns)
        likeness = np.zeros(overlaps.shape)
        # Somebody unknown, or quite unlike, is left to the IoU.
        likeness[rows, columns] = self.config.appearance_weight * np.fmax(cosine, 0.0)
        return likeness

    def _match(
        self,
        overlaps: NDArray[np.float64],
        bonus: NDArray[np.float64] | None = None,
        *,
        shortcut: bool = True,
    ) -> Pairs:
        """Pairs of greatest total overlap (and bonus), of which those that hardly overlap go."""
        threshold = self.config.iou_threshold
        near = overlaps > threshold
        if shortcut and near.any() and near.sum(axis=0).max() == 1 and near.sum(axis=1).max() == 1:
            # Everyone has one possible partner: there is nothing to solve.
            rows, columns = np.nonzero(near)
            return rows, columns
        similarity = overlaps if bonus is None else overlaps + bonus
        if overlaps.size and overlaps.min() < 0.0:  # no bonus outweighs another class
            similarity = np.where(overlaps < 0.0, -1e3, similarity)
        rows, columns = assign_most_similar(similarity, solver=self.config.solver)
        good = overlaps[rows, columns] >= threshold
        return rows[good], columns[good]


class Sort(SortFamily):
    """Tracks by one round of IoU matching between predictions and detections."""

    name = "sort"
    config: SortConfig
    config_class = SortConfig
    row_type = np.dtype([*TRACK_FIELDS, *LIFE_FIELDS, *STATE_FIELDS])

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
        camera_motion = camera_motion_of(frame)
        candidates = self._strong(self._candidates(detections, frame))
        steps = self._clock.advance(frame, one_step=self.config.published_quirks)
        if camera_motion is not None:
            self._warp(camera_motion)
        predicted = self._predict(steps)
        overlaps = self._overlaps(self._tracks, predicted, candidates)
        rows, columns = self._match(overlaps, self._likeness(overlaps, candidates))
        taken = candidates[columns]
        XYSR.update(self._tracks, rows, XYSR.measure(taken.boxes))
        self._hit(rows, taken)
        self._remember(self._tracks["id"][rows], taken)
        begun = self._begin(candidates[left_over(len(candidates), columns)])
        self._tracks = joined(self._tracks, begun)
        shown = self._tracks[self._shown()]
        answer = self._answer(shown, XYSR.boxes(shown))
        self._expire()
        return answer
