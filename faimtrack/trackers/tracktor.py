"""Tracktor: a detector's second stage, shown where people were, says where they are.

Bergmann et al., "Tracking without bells and whistles", ICCV 2019, with the camera motion,
re-identification and motion model of its Tracktor++, in the order in which MMTracking runs them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, box_iou
from faimtrack.interfaces import BoxRegressor, Embedder
from faimtrack.nms import suppress_overlaps
from faimtrack.structures import AffineTransform, Detections, Frame, Tracks
from faimtrack.trackers.assignment import (
    NO_PAIRS,
    Pairs,
    assign_below,
    assign_most_similar,
    left_over,
)
from faimtrack.trackers.base import (
    TRACK_FIELDS,
    Rows,
    RowTracker,
    State,
    camera_motion_of,
    joined,
)
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.embedding_history import EmbeddingHistory, Embeddings
from faimtrack.trackers.motion import warp_boxes
from faimtrack.trackers.networks import (
    embed_boxes,
    regress_boxes,
    regressor_classes,
    require_regressor,
)
from faimtrack.trackers.tracktor_boxes import centres_of, is_solid, warp_corners
from faimtrack.trackers.tracktor_config import TracktorConfig

_FAR = 1e6  # what MMTracking takes for a distance that cannot be


class Tracktor(RowTracker):
    """Tracks by regressing each box of the last frame onto this one.

    It needs nothing but a `BoxRegressor`, which may be another network than the one that the
    detections are from. With an `Embedder` it finds lost tracks again; without, they are over.
    `Frame.camera_motion` is used where it is set. Embeddings of detections are not looked at,
    since most boxes here come from no detection.
    """

    name = "tracktor"
    config: TracktorConfig
    config_class = TracktorConfig
    row_type = np.dtype(
        [
            *TRACK_FIELDS,
            ("regressor_class", "i8"),  # the class in the regressor's numbering
            ("last", "f8"),  # clock of the frame in which it was last seen
            ("box", "f8", (4,)),  # corners; a lost track's is where it should be now
            ("velocity", "f8", (2,)),  # of the centre, in pixels per nominal frame
        ]
    )
    row_lists = ("_tracks", "_lost")
    needs_images: ClassVar[bool] = True
    _tracks: Rows
    _lost: Rows

    def __init__(
        self,
        config: TracktorConfig | None = None,
        *,
        regressor: BoxRegressor | None = None,
        embedder: Embedder | None = None,
        frame_rate: float = 30.0,
    ) -> None:
        """Make a tracker at its beginning.

        Args:
            config: Its parameters; None for the default preset.
            regressor: Says where people are; needed. The detector itself, if it can.
            embedder: Says who they are, where `use_appearance` is on; None: a lost track is never
                found again.
            frame_rate: Nominal frames per second, which turns times into frames.

        Raises:
            ValueError: `regressor` cannot regress boxes.
        """
        self._regressor = require_regressor(self.name, regressor)
        super().__init__(config, frame_rate=frame_rate)
        self._embedder = embedder if self.config.use_appearance else None

    def reset(self) -> None:
        """Forget everything, as before a new sequence; ids start again from 1."""
        super().reset()
        self._history = EmbeddingHistory(self.config.reid_samples)

    def update(self, detections: Detections, frame: Frame | None = None) -> Tracks:
        """Take the detections of the next frame and answer with its tracks.

        Args:
            detections: The detector's own, or public ones (`public_detections`).
            frame: With pixels, as far as the networks look at them; None only as long as there
                was nothing to look at.

        Raises:
            ValueError: The frame does not come after the last one, it is missing or has no
                pixels, or a network's answer is not what it should be.
        """
        if frame is None and len(self._tracks) + len(detections):
            raise ValueError("frame: expected one, for Tracktor looks at its pixels, got none")
        motion = camera_motion_of(frame)
        classes = regressor_classes(self._regressor, detections)
        candidates = Candidates.of(detections, frame, clip=self.config.clip_boxes)
        steps = self._clock.advance(frame, one_step=self.config.published_quirks)

        # Where everyone should be: carried along by the camera, and by their own speed.
        tracks, lost = (self._moved(rows, motion, steps) for rows in (self._tracks, self._lost))
        boxes, scores, candidates = self._regress(tracks, candidates, classes, frame)
        candidates = self._strong(candidates)

        # A track lives on where its regressed box is good, and no better one's is in its place.
        alive = self._survivors(boxes, scores, tracks["class_id"])
        followed = self._follow(tracks[alive], boxes[alive], scores[alive], steps)
        lost = self._expire(_by_age(lost, tracks[left_over(len(tracks), alive)]))
        candidates = self._uncovered(candidates, followed)

        # Of the detections that belong to nobody, some show who was lost; the rest are new.
        boxes = np.concatenate([followed["box"], candidates.boxes])
        looks, new_looks = np.split(self._embed(boxes, frame), [len(followed)])
        rows, columns = self._recognise(lost, candidates, new_looks)
        found, others = lost[rows], left_over(len(candidates), columns)
        self._place(found, candidates[columns], classes)
        begun = self._new_rows(candidates[others])
        self._place(begun, candidates[others], classes)

        self._lost = lost[left_over(len(lost), rows)]
        self._tracks = _by_age(followed, found, begun)
        self._history.append(followed["id"], looks)
        self._history.append(found["id"], new_looks[columns])
        self._history.append(begun["id"], new_looks[others])
        self._history.keep_only(joined(self._tracks, self._lost)["id"])
        return self._answer(self._tracks, self._tracks["box"].copy())

    def _is_good(self, scores: NDArray[np.float64], threshold: float) -> NDArray[np.bool_]:
        # In MMTracking's code a score equal to the threshold is too low.
        return scores > threshold if self.config.published_quirks else scores >= threshold

    def _moved(self, rows: Rows, motion: AffineTransform | None, steps: float) -> Rows:
        """Tracks of the last frame as they should be in this one."""
        rows = rows.copy()
        if motion is not None:
            warp = warp_corners if self.config.published_quirks else warp_boxes
            rows["box"] = warp(rows["box"], motion)
            rows["velocity"] = rows["velocity"] @ motion[:, :2].T
        if self.config.linear_motion:
            rows["box"] += np.tile(rows["velocity"] * steps, 2)
        return rows

    def _regress(
        self,
        tracks: Rows,
        candidates: Candidates,
        classes: NDArray[np.int64],
        frame: Frame | None,
    ) -> tuple[Boxes, NDArray[np.float64], Candidates]:
        """Ask the regressor, once a frame: about the tracks, and about public detections.

        Returns:
            `(N, 4)` boxes and `(N,)` scores of the tracks, and the candidates.
        """
        asked, class_ids, count = tracks["box"], tracks["regressor_class"], len(tracks)
        if self.config.public_detections:
            asked = np.concatenate([asked, candidates.boxes])
            class_ids = np.concatenate([class_ids, classes[candidates.class_ids]])
        boxes, scores = regress_boxes(self._regressor, frame, asked, class_ids)
        if self.config.public_detections:  # they are no longer the rows that came
            nowhere = np.full(len(candidates), -1, np.int64)
            candidates = Candidates(boxes[count:], scores[count:], candidates.class_ids, nowhere)
        return boxes[:count], scores[:count], candidates

    def _strong(self, candidates: Candidates) -> Candidates:
        """The detections that are believed."""
        config = self.config
        candidates = candidates[self._is_good(candidates.scores, config.detection_threshold)]
        if not config.public_detections:
            return candidates
        candidates = candidates[is_solid(candidates.boxes)]
        class_ids = self._divided(candidates.class_ids)
        best = suppress_overlaps(
            candidates.boxes, candidates.scores, class_ids, config.public_nms_threshold
        )
        return candidates[best[: config.public_limit]]

    def _survivors(
        self, boxes: Boxes, scores: NDArray[np.float64], class_ids: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """Rows of the tracks that go on, ascending."""
        config = self.config
        rows = np.flatnonzero(self._is_good(scores, config.regression_threshold) & is_solid(boxes))
        kinds = self._divided(class_ids[rows])
        best = suppress_overlaps(boxes[rows], scores[rows], kinds, config.nms_threshold)
        return np.sort(rows[best])

    def _divided(self, class_ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Classes that know nothing of each other; all one where they do."""
        return class_ids if self.config.class_matching == "strict" else np.zeros_like(class_ids)

    def _may_meet(self, first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`(N, M)` or `(1, 1)`: whether the classes allow that two boxes are one object."""
        same: NDArray[np.bool_] = first[:, None] == second
        return same if self.config.class_matching == "strict" else np.ones((1, 1), dtype=bool)

    def _follow(
        self, tracks: Rows, boxes: Boxes, scores: NDArray[np.float64], steps: float
    ) -> Rows:
        """Set tracks on their regressed boxes."""
        velocity = (centres_of(boxes) - centres_of(tracks["box"])) / steps
        # What is measured from a box that was moved on already comes on top of that motion.
        tracks["velocity"] = velocity + tracks["velocity"] * self.config.linear_motion
        tracks["box"], tracks["score"], tracks["detection_index"] = boxes, scores, -1
        tracks["last"] = self._clock.now
        return tracks

    def _expire(self, lost: Rows) -> Rows:
        """Give up the tracks that have been lost for too long."""
        return lost[self._clock.now - lost["last"] <= self._buffer_frames]

    def _uncovered(self, candidates: Candidates, tracks: Rows) -> Candidates:
        """The detections in whose place no track is."""
        covered = box_iou(candidates.boxes, tracks["box"]) >= self.config.cover_threshold
        covered &= self._may_meet(candidates.class_ids, tracks["class_id"])
        return candidates[np.flatnonzero(~covered.any(axis=1))]

    def _embed(self, boxes: Boxes, frame: Frame | None) -> Embeddings:
        """What boxes look like; of no dimension where there is no embedder."""
        if self._embedder is None:
            return np.zeros((len(boxes), 0), np.float32)
        return embed_boxes(self._embedder, frame, boxes)

    def _recognise(self, lost: Rows, candidates: Candidates, looks: Embeddings) -> Pairs:
        """Pairs of lost tracks and the detections that show them again."""
        if self._embedder is None or not len(lost) or not len(candidates):
            return NO_PAIRS
        threshold, solver = self.config.reid_threshold, self.config.solver
        is_near = box_iou(lost["box"], candidates.boxes) >= self.config.reid_iou_threshold
        is_near &= self._may_meet(lost["class_id"], candidates.class_ids)
        distances = self._history.distances(lost["id"], looks)
        if not self.config.published_quirks:
            distances[~is_near] = np.inf
            return assign_below(distances, np.nextafter(threshold, np.inf), solver=solver)
        # MMTracking solves first and looks at the threshold then: fewer may be found.
        distances = np.where(is_near, np.minimum(distances, _FAR), _FAR)
        rows, columns = assign_most_similar(-distances, solver=solver)
        is_like = distances[rows, columns] <= threshold
        return rows[is_like], columns[is_like]

    def _place(self, tracks: Rows, candidates: Candidates, classes: NDArray[np.int64]) -> None:
        """Set tracks, new or found again, on detections."""
        self._note(tracks, slice(None), candidates)
        tracks["regressor_class"] = classes[candidates.class_ids]
        tracks["box"], tracks["velocity"] = candidates.boxes, 0.0
        tracks["last"] = self._clock.now

    def state(self) -> State:
        """All that the tracker remembers; its own copy. Networks and pixels are no part of it."""
        return super().state() | self._networks() | self._history.state()

    def _networks(self) -> dict[str, str | None]:
        """What must be the same when a state is gone on from."""
        return {
            "regressor.class_names": json.dumps(list(self._regressor.class_names)),
            "embedder.name": None if self._embedder is None else self._embedder.name,
        }

    @classmethod
    def from_state(  # type: ignore[override]  # which networks, the base class leaves open
        cls,
        state: Mapping[str, Any],
        *,
        regressor: BoxRegressor | None = None,
        embedder: Embedder | None = None,
    ) -> Tracktor:
        """A tracker that goes on exactly where the one that gave `state` stood.

        Args:
            state: Of a Tracktor.
            regressor: As that one had.
            embedder: As that one had; None if it had none.

        Raises:
            ValueError: The state is of another tracker or of a format this version cannot read,
                or the networks are others.
        """
        networks = {"regressor": regressor, "embedder": embedder}
        tracker: Tracktor = super().from_state(state, **networks)
        return tracker

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        self._history.restore(state)
        for key, came in self._networks().items():
            if state[key] != came:
                raise ValueError(f"state: expected {key} {state[key]}, as before, got {came}")


def _by_age(*rows: Rows) -> Rows:
    """Tracks in the order of their ids, so that of two with one score the older is preferred."""
    tracks = joined(*rows)
    return tracks[np.argsort(tracks["id"])]
