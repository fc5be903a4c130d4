"""Scoring of many videos, one after the other, in little memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from faimtrack.eval.vod.average_precision import (
    all_point_average_precision,
    sampled_average_precision,
)
from faimtrack.eval.vod.config import VodConfig
from faimtrack.eval.vod.motion import FAST, MEDIUM, SLOW, UNKNOWN, motion_groups
from faimtrack.eval.vod.outcomes import (
    BEYOND_LIMIT,
    COCO_THRESHOLDS,
    FalseAlarms,
    Outcomes,
    empty_shares,
    video_outcomes,
)
from faimtrack.eval.vod.scores import MOTION_GROUPS, ClassScores, VodScores
from faimtrack.eval.vod.videos import VideoDetections, VideoTruth

_NUMBERS = dict(zip(MOTION_GROUPS, (SLOW, MEDIUM, FAST), strict=True))
_COCO_PLACES = {"ap50": 0, "ap75": 5}


def score_videos(
    videos: Iterable[tuple[VideoTruth, VideoDetections]],
    class_names: Sequence[str],
    config: VodConfig | None = None,
) -> VodScores:
    """Score detections of videos, each looked at once; see `VideoScorer`.

    Raises:
        ValueError: No class, no video or no object is given, or a class id is none.
    """
    scorer = VideoScorer(class_names, config)
    for truth, detections in videos:
        scorer.add(truth, detections)
    return scorer.finish()


class VideoScorer:
    """Takes videos one by one and scores them all in the end.

    Detections of equal scores count in the order of videos, frames and rows.
    """

    def __init__(self, class_names: Sequence[str], config: VodConfig | None = None) -> None:
        """Begin.

        Args:
            class_names: What class ids mean.
            config: None takes the published protocols.

        Raises:
            ValueError: There is no class.
        """
        if not class_names:
            raise ValueError("class_names: expected at least one class, got none")
        self._names, self._config = tuple(class_names), config or VodConfig()
        self._outcomes: list[Outcomes] = []
        self._false_alarms = FalseAlarms()
        self._counts = np.zeros((len(class_names), UNKNOWN + 1), np.int64)
        self._videos = self._frames = self._empty_frames = self._alone = 0
        self._most_objects = 0
        self._without_tracks: list[str] = []

    def add(self, truth: VideoTruth, detections: VideoDetections) -> None:
        """Match a video's detections with its objects; neither is kept.

        Raises:
            ValueError: A class id is none of the classes'.
        """
        for ids, what in ((truth.class_ids, "truth"), (detections.class_ids, "detections")):
            wrong = np.flatnonzero((ids < 0) | (ids >= len(self._names)))
            if len(wrong):
                raise ValueError(
                    f"{truth.name}: expected class_ids of {what} from 0 to "
                    f"{len(self._names) - 1}, got {ids[wrong[0]]}"
                )
        groups, alone = motion_groups(
            truth,
            window=self._config.motion_window,
            slow_above=self._config.slow_above,
            fast_below=self._config.fast_below,
        )
        outcomes = video_outcomes(
            truth, groups, detections,
            class_count=len(self._names), config=self._config, false_alarms=self._false_alarms,
        )  # fmt: skip
        self._outcomes.append(outcomes)
        np.add.at(self._counts, (truth.class_ids, groups), 1)
        self._videos += 1
        self._frames += len(truth.frame_numbers)
        self._empty_frames += len(truth.frame_numbers) - len(np.unique(truth.frames))
        self._alone += alone
        if len(truth):
            kinds = truth.frames * len(self._names) + truth.class_ids
            counts = np.unique(kinds, return_counts=True)[1]
            self._most_objects = max(self._most_objects, int(counts.max()))
        if truth.track_ids is None and len(truth):
            self._without_tracks.append(truth.name)

    def finish(self) -> VodScores:
        """The scores of all videos so far.

        Raises:
            ValueError: There is nothing to be found in them.
        """
        if not self._counts.any():
            raise ValueError(
                f"ground truth: expected objects to be found, got none in {self._videos} videos"
            )
        reason = self._no_groups_because()
        shares = empty_shares(self._counts.sum(axis=0), self._empty_frames)
        weights = None if reason else self._false_alarms.weights(shares)
        return VodScores(
            classes=tuple(self._class_scores(number, weights) for number in
            range(len(self._names))), videos=self._videos,
            frames=self._frames,
            coco_detections=self._config.coco_detections,
            most_objects=self._most_objects,
            no_groups_because=reason,
            alone=self._alone,
            not_followed=int(self._counts[:, UNKNOWN].sum()),
        )  # fmt: skip

    def _no_groups_because(self) -> str | None:
        if self._without_tracks:
            count, first = len(self._without_tracks), self._without_tracks[0]
            return (
                "motion is measured along tracks, and the ground truth has none in "
                f"{first}{f' and {count - 1} others' if count > 1 else ''}"
            )
        followed = int(self._counts.sum() - self._counts[:, UNKNOWN].sum())
        if 2 * self._alone >= followed:
            return (
                f"{self._alone:,} of {followed:,} objects with a track are annotated in no frame "
                f"within {self._config.motion_window} around: how they move is not known"
            )
        return None

    def _class_scores(self, number: int, weights: NDArray[np.float64] | None) -> ClassScores:
        parts = [(each, each.of_class(number)) for each in self._outcomes]
        scores = np.concatenate([each.scores[rows] for each, rows in parts])
        order = np.argsort(-scores, kind="stable")
        coco = np.concatenate([each.coco[rows] for each, rows in parts])[order]
        vid = np.concatenate([each.vid[rows] for each, rows in parts])[order]
        counts = self._counts[number]
        by_motion = {name: int(counts[group]) for name, group in _NUMBERS.items()}
        values, precisions = _vid_values(vid, counts, weights)
        return ClassScores(
            name=self._names[number],
            truths=int(counts.sum()),
            truths_by_motion=None if weights is None else by_motion,
            detections=len(scores),
            values={**values, **_coco_values(coco, int(counts.sum()))},
            precisions=precisions,
        )


def _vid_values(
    vid: NDArray[np.int32], counts: NDArray[np.int64], weights: NDArray[np.float64] | None
) -> tuple[dict[str, float | None], NDArray[np.float64] | None]:
    """The VID protocol's values, of all objects and by group, and the curve of all."""
    values: dict[str, float | None] = dict.fromkeys(("vid", *_NUMBERS))
    truths = int(counts.sum())
    if not truths:
        return values, None
    is_hit = vid < 0
    values["vid"], precisions = all_point_average_precision(
        is_hit, (~is_hit).astype(np.float64), truths
    )
    for name, group in _NUMBERS.items():
        if weights is not None and counts[group]:
            alarms = np.where(is_hit, 0.0, weights[:, group][np.maximum(vid, 0)])
            values[name], _ = all_point_average_precision(
                vid == -1 - group, alarms, int(counts[group])
            )
    return values, precisions


def _coco_values(coco: NDArray[np.uint16], truths: int) -> dict[str, float | None]:
    if not truths:
        return dict.fromkeys((*_COCO_PLACES, "ap"))
    seen = coco[coco != BEYOND_LIMIT]
    areas = [
        sampled_average_precision((seen >> step) & 1 == 1, truths)
        for step in range(len(COCO_THRESHOLDS))
    ]
    values: dict[str, float | None] = {name: areas[at] for name, at in _COCO_PLACES.items()}
    return {**values, "ap": float(np.mean(areas))}
