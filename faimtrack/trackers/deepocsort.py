"""Deep OC-SORT: OC-SORT that moves with the camera and knows people by their looks.

Maggiolino et al., "Deep OC-SORT: Multi-Pedestrian Tracking by Adaptive Re-Identification", ICIP
2023.
Three additions to OC-SORT: everything that is remembered of a track goes where the camera takes it
(camera motion compensation), a sure detection teaches more about a track's look than a doubtful
one (dynamic appearance), and a look counts more where it tells people apart (adaptive weighting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.config import parameter
from faimtrack.structures import AffineTransform
from faimtrack.trackers.adaptive_weights import adaptive_weights
from faimtrack.trackers.area_filter import AreaFilter, PublishedAreaFilter
from faimtrack.trackers.base import Rows
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.motion import RowMotion
from faimtrack.trackers.ocsort import OcSort, OcSortConfig
from faimtrack.trackers.size_filter import PublishedSizeFilter, SizeFilter

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "class_matching": "agnostic",
    "lost_buffer_frames": 30,
    "minimum_area": 10.0,
    "maximum_aspect": 1.6,
    "solver": "lapjv",
}


@dataclass(frozen=True, kw_only=True)
class DeepOcSortConfig(OcSortConfig):
    """Parameters of Deep OC-SORT: those of OC-SORT, and its own."""

    motion_model: Literal["size", "area"] = parameter(
        "area", "What the Kalman filter follows: width and height, or area and aspect."
    )
    appearance_weight: float = parameter(
        0.75, "What a cosine counts beside the IoU (the paper's a_w).", low=0
    )
    adaptive_weights: bool = parameter(
        True, "Let a look count more where the best match stands out from the second best."
    )
    distinct_limit: float = parameter(
        0.5, "Standing out by more than this counts no more (the paper's ε).",
        unit="cosine", low=0, high=2,
    )  # fmt: skip
    appearance_keep: float = parameter(
        0.95, "What stays of a track's look at a match with the surest of detections; with one at "
        "the threshold all of it stays (the paper's α_f).",
        low=0, high=1,
    )  # fmt: skip

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": {"detection_threshold": 0.4, "clip_boxes": True},
        "reference": _REFERENCE,
        "reference-mot20": _REFERENCE | {"detection_threshold": 0.4},
    }


class DeepOcSort(OcSort):
    """OC-SORT that follows the camera and knows looks; without the two it is hardly another."""

    name = "deepocsort"
    config: DeepOcSortConfig
    config_class = DeepOcSortConfig

    def __init__(
        self, config: DeepOcSortConfig | None = None, *, frame_rate: float = 30.0
    ) -> None:
        """Make a tracker at its beginning; see `RowTracker`."""
        super().__init__(config, frame_rate=frame_rate)
        filters: dict[tuple[str, bool], type[SizeFilter]] = {
            ("size", False): SizeFilter,
            ("area", False): AreaFilter,
            ("size", True): PublishedSizeFilter,
            ("area", True): PublishedAreaFilter,
        }
        self._filter = filters[self.config.motion_model, self.config.published_quirks]()
        size = self._filter.size
        own: list[Any] = [
            ("mean", "f8", (size,)),
            ("covariance", "f8", (size, size)),
            ("frozen_mean", "f8", (size,)),
            ("frozen_covariance", "f8", (size, size)),
            ("anchor", "f8", (4,)),  # where the published code begins virtual paths, corners
        ]
        names = {name for name, *_ in own}
        kept = [(name, self.row_type[name]) for name in self.row_type.names or ()]
        self.row_type = np.dtype([*(each for each in kept if each[0] not in names), *own])
        self.reset()

    @property
    def _motion(self) -> RowMotion:
        """How boxes move."""
        return self._filter

    def _is_skipped(self, candidates: Candidates) -> bool:
        # The authors' loop skips frames without any detection; whether they are given is up to
        # the caller here, since the camera's motion in them would be lost.
        return False

    def _warp(self, transform: AffineTransform) -> None:
        super()._warp(transform)
        if self.config.published_quirks and len(self._tracks):
            self._warp_as_published(transform)

    def _warp_as_published(self, transform: AffineTransform) -> None:
        """The rest of `_warp` in the authors' code."""
        tracks, motion = self._tracks, self._filter
        # It takes the anchor along only from the second frame without a detection on.
        lost = np.flatnonzero(tracks["last"] < self._clock.previous)
        tracks["anchor"][lost] = motion.warp_anchor(tracks["anchor"][lost], transform)
        # The last observation and its entry in the list of all are one array there: as long as
        # the list's end is moved, it is moved twice.
        twice = tracks["age"] - tracks["observation_age"] <= self.config.direction_gap
        again = motion.warp_seen(tracks["observation"][twice], transform)
        tracks["observation"][twice] = again
        same = tracks["recent_age"] == tracks["observation_age"][:, None]
        tracks["recent"][same] = motion.warp_seen(tracks["recent"][same], transform)

    def _warp_seen(
        self, boxes: NDArray[np.float64], transform: AffineTransform
    ) -> NDArray[np.float64]:
        return self._filter.warp_seen(boxes, transform)

    def _turn_directions(self, transform: AffineTransform) -> None:
        if not self.config.published_quirks:
            super()._turn_directions(transform)

    def _move_on(self, steps: float) -> None:
        self._filter.keep_possible(self._tracks, steps)
        self._filter.keep_size(self._tracks, self._tracks["last"] < self._clock.previous)
        self._filter.predict(self._tracks, steps)

    def _likeness(
        self, overlaps: NDArray[np.float64], candidates: Candidates
    ) -> NDArray[np.float64] | None:
        """What looks add to the IoU, `(N, M)`; None where nobody looks.

        Unlike OC-SORT's own, it knows all pairs: only so is it seen whether a look stands out.
        """
        config, embeddings = self.config, candidates.embeddings
        if embeddings is None or not overlaps.size:
            return None
        cosine = self._appearance.similarity(self._tracks["id"], embeddings)
        cosine[overlaps < 0.0] = 0.0  # another class
        if not config.adaptive_weights:
            return cosine * config.appearance_weight
        return cosine * (
            config.appearance_weight + adaptive_weights(cosine, config.distinct_limit)
        )

    def _observe(self, rows: NDArray[np.int64], taken: Candidates) -> None:
        super()._observe(rows, taken)
        self._tracks["anchor"][rows] = taken.boxes

    def _remember(self, ids: NDArray[np.int64], taken: Candidates) -> None:
        """Dynamic appearance: the surer a detection, the more of its look is taken over."""
        if taken.embeddings is None or not len(ids):
            return
        threshold, keep = self.config.detection_threshold, self.config.appearance_keep
        span = 1.0 - threshold
        trust = np.clip((taken.scores - threshold) / span, 0.0, 1.0) if span > 0.0 else 1.0
        self._appearance.remember(ids, taken.embeddings, keep + (1.0 - keep) * (1.0 - trust))

    def _correct(
        self, rows: NDArray[np.int64], boxes: NDArray[np.float64], lost: NDArray[np.bool_]
    ) -> None:
        """Correct the filters of some tracks; of those that were lost, along a virtual path."""
        variances = self._filter.measurement_variances(self._tracks["mean"][rows])
        measured = self._filter.measure(boxes)
        if lost.any():
            self._reupdate(rows[lost], boxes[lost])
        if not self.config.published_quirks:
            # The path has ended at the detection: to correct by it again would count it twice.
            rows, measured, variances = rows[~lost], measured[~lost], variances[~lost]
        self._filter.correct(self._tracks, rows, measured, variances)

    def _path_start(self, tracks: Rows) -> NDArray[np.float64]:
        published = self.config.published_quirks
        start: NDArray[np.float64] = tracks["anchor" if published else "observation"]
        return start

    def _replay_update(
        self, tracks: Rows, rows: NDArray[np.int64], boxes: NDArray[np.float64]
    ) -> None:
        self._filter.replay_update(tracks, rows, self._filter.measure(boxes))

    def _replay_predict(self, tracks: Rows, steps: NDArray[np.float64]) -> None:
        self._filter.replay_predict(tracks, steps)
