"""What a detector would see of a crowd: misses, jitter, doubles and false alarms.

Every number is a whole number and is drawn from the simulator's own integers. What a detector
does to one figure changes slowly from frame to frame, as with a real one: all noise of a figure
is an autoregressive series of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE, Annotations
from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.false_alarms import false_alarms
from faimtrack.datasets.crowd.integers import Draws, Integers, interpolate
from faimtrack.datasets.crowd.kinds import KINDS
from faimtrack.datasets.crowd.scene import CameraPath

# The score, in 1/1000, that a detector gives to a figure of which so many 1/1000 are visible,
# and how far it strays from it. Tuned on the first half of MOT20-01, then made harder: its
# detector had seen those frames.
_SCORE = ((0, 220), (60, 400), (150, 620), (300, 770), (500, 845), (750, 885), (1000, 910))
_SCORE_STRAYS = ((0, 270), (150, 200), (300, 130), (600, 60), (1000, 28))
# How far boxes stray: (visible 1/1000, 1/1000 of the box's side).
_STRAYS = (
    ((0, 105), (150, 80), (500, 58), (1000, 44)),  # centre, of the width
    ((0, 68), (150, 44), (500, 29), (1000, 18)),  # centre, of the height
    ((0, 140), (150, 112), (500, 90), (1000, 72)),  # width
    ((0, 105), (150, 70), (500, 44), (1000, 28)),  # height
)
_LOWEST_SCORE = 20  # In 1/1000: what is below is not reported.
_SUPPRESSION_PERMILLE = 700  # Overlap above which the lower score of two is dropped.
_SMALL_PX = 24  # Figures less high than this lose score.


@dataclass(frozen=True, kw_only=True)
class PublicDetections:
    """Detections of all frames, by frame and, in a frame, by falling score.

    Attributes:
        frames: `(N,)` int64 from 1.
        boxes_xywh: `(N, 4)` int64 left, top, width, height in 1/10 pixel.
        scores: `(N,)` int64 in 1/100.
    """

    frames: Integers
    boxes_xywh: Integers
    scores: Integers

    def __len__(self) -> int:
        return len(self.frames)

    def rows_of(self, frame: int) -> slice:
        """The rows of one frame."""
        first, end = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(end))


def no_detections() -> PublicDetections:
    """What is seen of a scene that the simulated detector does not know."""
    nothing = np.zeros(0, dtype=np.int64)
    return PublicDetections(
        frames=nothing, boxes_xywh=np.zeros((0, 4), dtype=np.int64), scores=nothing
    )


class _Wanderings:
    """Six slowly changing numbers for every track id, of mean 0 and deviation 1024."""

    def __init__(self, draws: Draws, count: int) -> None:
        self._draws = draws
        self._ids = np.arange(count, dtype=np.int64)
        self.values = np.stack([draws.bell(f"stray {n}", self._ids) for n in range(6)])

    def step(self, frame: int) -> Integers:
        """`(6, count)` the values of the next frame; the sixth changes slowest."""
        for series in range(6):
            fresh = self._draws.bell(f"stray {series}", self._ids, frame)
            old = self.values[series]
            slow = (31 * old + 8 * fresh) // 32
            self.values[series] = slow if series == 5 else (7 * old + 4 * fresh) // 8
        return self.values


def detect(
    config: CrowdConfig, annotations: Annotations, camera: CameraPath, draws: Draws
) -> PublicDetections:
    """Simulate a person detector on all frames."""
    count = int(annotations.track_ids.max(initial=0)) + 1
    wanderings = _Wanderings(draws, count)
    frames, boxes, scores = [], [], []
    for frame in range(1, config.frames + 1):
        rows = annotations.rows_of(frame)
        strays = wanderings.step(frame)[:, annotations.track_ids[rows]]
        seen, confidence = _figures_seen(annotations, rows, strays, frame, draws)
        extra, doubt = false_alarms(config, annotations, rows, camera, frame, draws)
        found = np.concatenate([seen, extra])
        sure = np.concatenate([confidence, doubt])
        found, sure = _finish(found, sure, (config.width, config.height))
        frames.append(np.full(len(found), frame, dtype=np.int64))
        boxes.append(found)
        scores.append(sure)
    return PublicDetections(
        frames=np.concatenate(frames),
        boxes_xywh=np.concatenate(boxes),
        scores=np.concatenate(scores),
    )


def _figures_seen(
    annotations: Annotations, rows: slice, strays: Integers, frame: int, draws: Draws
) -> tuple[Integers, Integers]:
    """Boxes `(N, 4)` `x1 y1 x2 y2` in 1/10 px and scores in 1/1000 of the figures not missed."""
    visible = annotations.visibility[rows] * 1000 // VISIBILITY_ONE
    box = annotations.boxes_xywh[rows]
    likely = np.array([kind.detected_permille for kind in KINDS])[annotations.class_ids[rows]]
    wobble = (strays[4] + 3 * strays[5]) * 1024 // 3238  # sqrt(1 + 9) * 1024: deviation 1024.
    score = interpolate(visible, _SCORE)
    score += interpolate(visible, _SCORE_STRAYS) * wobble // 1024
    score -= np.maximum(_SMALL_PX - box[:, 3], 0) * 14
    score = np.minimum(score, 960 - np.abs(strays[4]) // 40) * likely // 1000
    blink = draws.between("blink", annotations.track_ids[rows], 0, 999, frame) < 6
    kept = (score >= _LOWEST_SCORE) & ~blink
    sides = [2, 3, 2, 3]
    errors = [
        10 * box[:, sides[n]] * interpolate(visible, _STRAYS[n]) * strays[n] // (1000 * 1024)
        for n in range(4)
    ]
    width = np.maximum(10 * box[:, 2] + errors[2], 20)
    height = np.maximum(10 * box[:, 3] + errors[3], 20)
    left = 10 * box[:, 0] + (10 * box[:, 2] - width) // 2 + errors[0]
    top = 10 * box[:, 1] + (10 * box[:, 3] - height) // 2 + errors[1]
    corners = np.stack([left, top, left + width, top + height], axis=1)
    return corners[kept], score[kept]


def _finish(
    corners: Integers, score: Integers, size: tuple[int, int]
) -> tuple[Integers, Integers]:
    """Cut at the image, sort by score, suppress overlaps; boxes as `x y w h`, scores in 1/100."""
    limit = 10 * np.array([*size, *size])
    corners = np.clip(corners, 0, limit)
    score = (score + 5) // 10
    visible = ((corners[:, 2:] - corners[:, :2]) >= 10).all(axis=1) & (score >= 1)
    rows = np.flatnonzero(visible)
    rows = rows[np.argsort(-score[rows], kind="stable")]
    corners, score = corners[rows], score[rows]
    kept = _suppress(corners)
    corners = corners[kept]
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    return boxes, score[kept]


def _suppress(corners: Integers) -> Integers:
    """Rows that no better kept row (rows are sorted) overlaps too much."""
    left, top, right, bottom = corners.T
    beside = (left[:, None] < right[None, :]) & (right[:, None] > left[None, :])
    one, other = np.nonzero(np.triu(beside, k=1))
    wide = np.minimum(right[one], right[other]) - np.maximum(left[one], left[other])
    tall = np.minimum(bottom[one], bottom[other]) - np.maximum(top[one], top[other])
    shared = wide * np.maximum(tall, 0)
    area = (right - left) * (bottom - top)
    union = area[one] + area[other] - shared
    over = shared * 1000 > union * _SUPPRESSION_PERMILLE
    kept = np.ones(len(corners), dtype=bool)
    # Pairs come by their better row, whose own fate is known when its pairs are looked at.
    for better, worse in zip(one[over].tolist(), other[over].tolist(), strict=True):
        if kept[better]:
            kept[worse] = False
    return np.flatnonzero(kept)
