"""ByteTrack: associate every detection box, the weak ones in a second round.

Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import overlapping_pairs
from faimtrack.config import parameter
from faimtrack.structures import Detections, Frame, Tracks
from faimtrack.trackers.assignment import NO_PAIRS, Pairs, assign_pairs, left_over
from faimtrack.trackers.base import TRACK_FIELDS, Rows, camera_motion_of, joined
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.config import EmbeddingTrackerConfig
from faimtrack.trackers.embedding_tracker import EmbeddingTracker
from faimtrack.trackers.motion import STATE_FIELDS, XYAH, RowMotion

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "use_appearance": False,
    "class_matching": "agnostic",
    "minimum_area": 100.0,
    "maximum_aspect": 1.6,
    "solver": "lapjv",
}


@dataclass(frozen=True, kw_only=True)
class ByteTrackConfig(EmbeddingTrackerConfig):
    """Parameters of ByteTrack."""

    track_threshold: float = parameter(
        0.6, "Detections from this score on are strong.", unit="score", low=0, high=1
    )
    low_threshold: float = parameter(
        0.1, "Detections up to this score are dropped.", unit="score", low=0, high=1
    )
    new_track_threshold: float = parameter(
        0.7, "A strong detection that nobody takes starts a track from this score on.",
        unit="score", low=0, high=1,
    )  # fmt: skip
    match_threshold: float = parameter(
        0.9, "Largest cost of a match with a strong detection.", unit="1 − IoU", low=0, high=1
    )
    low_match_threshold: float = parameter(
        0.5, "Largest cost of a match with a weak detection.", unit="1 − IoU", low=0, high=1
    )
    new_match_threshold: float = parameter(
        0.7, "Largest cost of the match that confirms a new track.", unit="1 − IoU", low=0, high=1
    )
    duplicate_threshold: float = parameter(
        0.15, "A tracked and a lost track nearer than this are one: the younger goes.",
        unit="1 − IoU", low=0, high=1,
    )  # fmt: skip
    pixel_offset: float = parameter(
        1.0, "Added to widths and heights in the IoU; 1 counts the pixels at both ends.",
        unit="px", low=0,
    )  # fmt: skip
    fuse_score: bool = parameter(
        True, "Multiply the IoU with a strong detection by its score (off for MOT20)."
    )
    proximity_threshold: float = parameter(
        0.5, "Looks count only where track and detection are at most so far apart.",
        unit="1 − IoU", low=0, high=1,
    )  # fmt: skip
    appearance_match_threshold: float = parameter(
        0.25, "Looks count only where they are at most so different.",
        unit="(1 − cosine) / 2", low=0, high=1,
    )  # fmt: skip
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": {"fuse_score": False, "clip_boxes": True},
        "reference": _REFERENCE,
        "reference-mot20": _REFERENCE | {"fuse_score": False},
    }


TWO_ROUND_FIELDS: list[tuple[str, str]] = [
    ("confirmed", "?"),  # matched at least once since it began
    ("expired", "?"),  # was given up once: the published code never forgets that
    ("first", "f8"),  # clock of the first detection
    ("last", "f8"),  # clock of the last detection
]
"""What ByteTrack and its kin keep of each track's life."""


class ByteTrack(EmbeddingTracker):
    """Tracks by two rounds of IoU matching: strong detections first, weak ones for who is left.

    Where strong detections carry embeddings, near ones that look like a track cost as little as
    they look like it; and where the camera's motion is known, tracks move along. Both are
    BoT-SORT's and not in ByteTrack's paper.
    """

    name = "bytetrack"
    config: ByteTrackConfig
    config_class = ByteTrackConfig
    row_type = np.dtype([*TRACK_FIELDS, *TWO_ROUND_FIELDS, *STATE_FIELDS])
    row_lists = ("_tracked", "_lost")
    _tracked: Rows
    _lost: Rows

    @property
    def _motion(self) -> RowMotion:
        """How boxes move."""
        return XYAH

    @property
    def appearance_threshold(self) -> float | None:
        """The lowest score of a detection whose embedding is looked at; None: none is."""
        return self.config.track_threshold if self.config.use_appearance else None

    def update(self, detections: Detections, frame: Frame | None = None) -> Tracks:
        """Take the detections of the next frame and answer with its tracks.

        Args:
            detections: Weak ones too: they are what the second round is for.
            frame: Index, time, size and camera motion of the frame; None means the frame after
                the last one.

        Raises:
            ValueError: The frame does not come after the last one, its camera motion is none, or
                the embeddings are of another kind than those before.
        """
        config = self.config
        camera_motion = camera_motion_of(frame)
        candidates = self._candidates(detections, frame)
        steps = self._clock.advance(frame, one_step=config.published_quirks)
        strong, weak = self._split(candidates)

        is_confirmed = self._tracked["confirmed"]
        confirmed, newborn = self._tracked[is_confirmed], self._tracked[~is_confirmed]
        pool = joined(confirmed, self._lost)
        self._predict(pool, len(confirmed), newborn, steps)
        if camera_motion is not None:
            self._motion.warp(pool, camera_motion)
            self._motion.warp(newborn, camera_motion)

        # First round: everyone known against the strong detections.
        rows, columns = self._match(
            pool, strong, config.match_threshold, fuse_score=config.fuse_score
        )
        self._take(pool, rows, strong[columns])
        found = rows[rows >= len(confirmed)]
        strong = strong[left_over(len(strong), columns)]

        # Second round: who was seen in the last frame but not now, against the weak ones.
        missed = left_over(len(pool), rows)
        missed = missed[missed < len(confirmed)]
        rows, columns = self._match(pool.take(missed), weak, config.low_match_threshold)
        self._take(pool, missed[rows], weak[columns])
        missed = missed[left_over(len(missed), rows)]

        # Tracks of one detection must be seen again at once, or they were none.
        rows, columns = self._match(
            newborn, strong, config.new_match_threshold, fuse_score=config.fuse_score
        )
        self._take(newborn, rows, strong[columns])
        strong = strong[left_over(len(strong), columns)]

        kept = left_over(len(confirmed), missed)
        self._tracked = joined(
            pool.take(kept), newborn.take(rows), self._begin(strong), pool.take(found)
        )
        waiting = left_over(len(self._lost), found - len(confirmed)) + len(confirmed)
        self._lost = self._expire(joined(pool.take(waiting), pool.take(missed)))
        self._drop_duplicates()
        self._forget_dead()

        shown = self._shown()
        return self._answer(shown, self._motion.boxes(shown))

    def _shown(self) -> Rows:
        """The tracks that are part of the answer."""
        confirmed: Rows = self._tracked[self._tracked["confirmed"]]
        return confirmed

    def _split(self, candidates: Candidates) -> tuple[Candidates, Candidates]:
        """Strong and weak detections; what weak ones look like is not trusted."""
        scores, threshold = candidates.scores, self.config.track_threshold
        weak = (scores > self.config.low_threshold) & (scores < threshold)
        # In the authors' code a score equal to the threshold belongs to neither side.
        strong = scores > threshold if self.config.published_quirks else scores >= threshold
        return candidates[strong], candidates[weak].unseen()

    def _predict(self, pool: Rows, tracked_count: int, newborn: Rows, steps: float) -> None:
        """Move the tracks on; those lost (from `tracked_count` on) neither grow nor shrink."""
        self._motion.stop_growing(pool[tracked_count:])
        self._motion.predict(pool, steps)
        if not self.config.published_quirks:
            self._motion.predict(newborn, steps)

    def _match(
        self, tracks: Rows, candidates: Candidates, limit: float, *, fuse_score: bool = False
    ) -> Pairs:
        """Pairs of tracks and detections of least total cost."""
        if not len(tracks) or not len(candidates):
            return NO_PAIRS
        rows, columns, similarity = self._overlaps(self._motion.boxes(tracks), candidates.boxes)
        if self.config.class_matching == "strict":
            same = tracks["class_id"][rows] == candidates.class_ids[columns]
            rows, columns, similarity = rows[same], columns[same], similarity[same]
        shape = (len(tracks), len(candidates))
        looks = self._looks(tracks, candidates, (rows, columns), similarity)
        if fuse_score:
            similarity *= candidates.scores.take(columns)
        cost = np.subtract(1.0, similarity, out=similarity)
        if looks is not None:
            np.minimum(cost, looks, out=cost)
        return assign_pairs(rows, columns, cost, shape, limit, solver=self.config.solver)

    def _looks(
        self, tracks: Rows, candidates: Candidates, pairs: Pairs, overlaps: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """What pairs cost by their looks: half the cosine distance, if near and alike, or else 1.

        None where nobody looks. Aharon et al. 2022, equations 12 and 13.
        """
        embeddings = candidates.embeddings
        if embeddings is None or not len(self._appearance):
            return None
        rows, columns = pairs
        near = np.flatnonzero(1.0 - overlaps <= self.config.proximity_threshold)
        cosine = self._appearance.pair_similarity(
            tracks["id"], embeddings, rows[near], columns[near]
        )
        distance = np.maximum(0.0, 1.0 - cosine) / 2.0
        alike = distance <= self.config.appearance_match_threshold  # not so if one is unknown
        cost = np.ones(len(rows))
        cost[near[alike]] = distance[alike]
        return cost

    def _overlaps(
        self, first: NDArray[np.float64], second: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        return overlapping_pairs(first, second, pixel_offset=self.config.pixel_offset)

    def _take(self, tracks: Rows, rows: NDArray[np.int64], taken: Candidates) -> None:
        """Give each of some tracks its detection."""
        if not len(rows):
            return
        self._motion.update(tracks, rows, self._motion.measure(taken.boxes))
        self._note(tracks, rows, taken)
        self._remember(tracks["id"][rows], taken)
        tracks["last"][rows] = self._clock.now
        tracks["confirmed"][rows] = True

    def _begin(self, candidates: Candidates) -> Rows:
        """New tracks; those of the first frame are believed at once."""
        candidates = candidates[candidates.scores >= self.config.new_track_threshold]
        begun = self._new_rows(candidates)
        self._motion.start(begun, candidates.boxes)
        self._remember(begun["id"], candidates)
        begun["first"] = begun["last"] = self._clock.now
        begun["confirmed"] = self._clock.updates == 1
        return begun

    def _expire(self, lost: Rows) -> Rows:
        """Give up the tracks that have been lost for too long."""
        if not self.config.published_quirks:
            return lost[self._clock.now - lost["last"] <= self._buffer_frames]
        # The authors' code looks at the list of the given-up before it adds to it: a track has one
        # frame more than its buffer, and one found in that frame is dropped at its next loss.
        lost = lost[~lost["expired"]]
        lost["expired"] = self._clock.now - lost["last"] > self._buffer_frames
        return lost

    def _drop_duplicates(self) -> None:
        """Of a tracked and a lost track in the same place, keep the one that has lived longer."""
        tracked, lost = self._tracked, self._lost
        if not len(tracked) or not len(lost):
            return
        rows, columns, overlaps = self._overlaps(
            self._motion.boxes(tracked), self._motion.boxes(lost)
        )
        near = 1.0 - overlaps < self.config.duplicate_threshold
        if not near.any():
            return
        rows, columns = rows[near], columns[near]
        age = tracked["last"] - tracked["first"]
        lost_age = lost["last"] - lost["first"]
        tracked_wins = age[rows] > lost_age[columns]
        self._tracked = tracked[left_over(len(tracked), rows[~tracked_wins])]
        self._lost = lost[left_over(len(lost), columns[tracked_wins])]
