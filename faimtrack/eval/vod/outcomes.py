"""What became of each detection of a video under both protocols, in fourteen bytes each.

The VID protocol's motion groups follow the published evaluation of FGFA (its Python code, which
YOLOV uses too). All objects may be matched; in the score of a group, a detection that has found an
object of another group is neither hit nor miss. A detection that has found none is a false alarm
of the group whose object overlaps it most, objects of all classes counted. Where groups tie (none
overlaps it, above all) it counts in each tying group with the share of the frame's objects that do
*not* belong to the group, and in a frame without objects with the group's share of all objects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.eval.vod.config import VodConfig
from faimtrack.eval.vod.matching import (
    Rows,
    frame_blocks,
    greedy_matches,
    paired_coco_ious,
    paired_ious,
    pairs_by_frame,
    touching_pairs,
)
from faimtrack.eval.vod.motion import FAST, UNKNOWN
from faimtrack.eval.vod.videos import VideoDetections, VideoTruth, is_among

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
BEYOND_LIMIT = 1 << 15
"""The bit of a detection that COCO does not look at; the lower ones are its hits, a threshold
each."""
_GROUPS = UNKNOWN + 1
_MOST_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """What became of the detections of a video, sorted by class, frame and falling score.

    Attributes:
        starts: `(C + 1,)` the first row of each class.
        scores: `(N,)`.
        coco: `(N,)` uint16, bit t for a hit at `COCO_THRESHOLDS[t]`, or `BEYOND_LIMIT`.
        vid: `(N,)` int32, −1 − the group of the object that was found; else, for a false alarm,
            the place of its weights among `FalseAlarms.weights`.
    """

    starts: Rows
    scores: NDArray[np.float64]
    coco: NDArray[np.uint16]
    vid: NDArray[np.int32]

    def of_class(self, number: int) -> slice:
        """The rows of a class."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))


class FalseAlarms:
    """Kinds of false alarms: which groups' objects are nearest, and how many a frame has of each.

    A number a kind instead of a weight a group: of kinds there are few, of false alarms many.
    """

    def __init__(self) -> None:
        self._mixtures: dict[tuple[int, ...], int] = {}

    def numbers_of_mixtures(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """A number for each row of `(F, 4)` counts of a frame's objects by group."""
        unique, inverse = np.unique(counts, axis=0, return_inverse=True)
        known = [
            self._mixtures.setdefault(tuple(row), len(self._mixtures)) for row in unique.tolist()
        ]
        return np.array(known, np.int64)[inverse.reshape(-1)]

    def weights(self, empty_shares: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much a false alarm of each kind counts in each group.

        Args:
            empty_shares: `(4,)` the weights in a frame without objects.

        Returns:
            `(K, 4)`.
        """
        counts = np.array(list(self._mixtures), np.int64).reshape(-1, 1, _GROUPS)
        nearest = (np.arange(1 << _GROUPS)[:, None] >> np.arange(_GROUPS)) & 1  # (16, 4)
        total = counts.sum(axis=2, keepdims=True)
        shares = (total - counts) / np.maximum(1, total)
        alone = nearest.sum(axis=1, keepdims=True) == 1
        weights = np.where(nearest == 1, np.where(alone, 1.0, shares), 0.0)
        weights = np.where(total == 0, empty_shares, weights)
        return weights.reshape(-1, _GROUPS)


def video_outcomes(
    truth: VideoTruth,
    groups: NDArray[np.int64],
    detections: VideoDetections,
    *,
    class_count: int,
    config: VodConfig,
    false_alarms: FalseAlarms,
) -> Outcomes:
    """Match the detections in annotated frames with the objects.

    Args:
        truth: The objects.
        groups: `(G,)` the motion group of each.
        detections: What was found; frames that are not annotated are passed over.
        class_count: Number of classes.
        config: Thresholds.
        false_alarms: Gets to know the video's kinds.
    """
    order = np.lexsort((-detections.scores, detections.class_ids, detections.frames))
    order = order[is_among(truth.frame_numbers, detections.frames)[order]]
    frames, classes = detections.frames[order], detections.class_ids[order]
    boxes = detections.boxes[order]
    by_frame = np.argsort(truth.frames, kind="stable")
    objects = _Objects(
        truth.frames[by_frame], truth.boxes[by_frame], truth.class_ids[by_frame], groups[by_frame]
    )
    coco = np.zeros(len(order), np.uint16)
    vid = np.zeros(len(order), np.int32)
    beyond = _ranks(frames, classes) >= config.coco_detections
    counts = _frame_counts(truth, objects)
    mixtures = false_alarms.numbers_of_mixtures(counts)
    present = ((counts > 0) << np.arange(_GROUPS)).sum(axis=1)
    for rows, object_rows in frame_blocks(frames, objects.frames):
        block = _Block(frames[rows], boxes[rows], classes[rows], objects.some(object_rows))
        coco[rows] = block.coco(beyond[rows])
        places = np.searchsorted(truth.frame_numbers, frames[rows])
        vid[rows] = block.vid(mixtures[places], present[places], config.pixel_tolerance)
    by_class = np.argsort(classes, kind="stable")
    return Outcomes(
        starts=np.searchsorted(classes[by_class], np.arange(class_count + 1)),
        scores=detections.scores[order][by_class],
        coco=coco[by_class],
        vid=vid[by_class],
    )


def _ranks(frames: Rows, classes: Rows) -> Rows:
    """The place of each row, from 0, in its run of equal frame and class."""
    places = np.arange(len(frames))
    is_first = np.ones(len(frames), bool)
    is_first[1:] = (frames[1:] != frames[:-1]) | (classes[1:] != classes[:-1])
    ranks: Rows = places - np.maximum.accumulate(np.where(is_first, places, 0))
    return ranks


def _frame_counts(truth: VideoTruth, objects: _Objects) -> NDArray[np.int64]:
    """How many objects of each group an annotated frame has, `(F, 4)`."""
    counts = np.zeros((len(truth.frame_numbers), _GROUPS), np.int64)
    places = np.searchsorted(truth.frame_numbers, objects.frames)
    np.add.at(counts, (places, objects.groups), 1)
    return counts


@dataclass(frozen=True, eq=False)
class _Objects:
    """Columns of objects, sorted by frame."""

    frames: Rows
    boxes: Boxes
    classes: Rows
    groups: Rows

    def some(self, rows: slice) -> _Objects:
        return _Objects(self.frames[rows], self.boxes[rows], self.classes[rows], self.groups[rows])


class _Block:
    """The detections and the objects of some frames, and the pairs of them that touch."""

    def __init__(self, frames: Rows, boxes: Boxes, classes: Rows, objects: _Objects) -> None:
        self._boxes, self._objects = boxes, objects
        self._counts = len(boxes), len(objects.frames)
        self._detections, self._truths = touching_pairs(
            boxes, objects.boxes, *pairs_by_frame(frames, objects.frames)
        )
        self._alike = classes[self._detections] == objects.classes[self._truths]

    def coco(self, beyond: NDArray[np.bool_]) -> NDArray[np.uint16]:
        """The bits of `Outcomes.coco`; all thresholds are matched together, as blocks apart."""
        # Those beyond the limit come last, and take nothing from others.
        detections, truths = self._detections[self._alike], self._truths[self._alike]
        ious = paired_coco_ious(self._boxes, detections, self._objects.boxes, truths)
        near = np.flatnonzero(ious >= COCO_THRESHOLDS[0])
        detections, truths, ious = detections[near], truths[near], ious[near]
        layers, pairs = np.nonzero(ious >= COCO_THRESHOLDS[:, None])
        detection_count, truth_count = self._counts
        steps = len(COCO_THRESHOLDS)
        matches = greedy_matches(
            detections[pairs] + layers * detection_count,
            truths[pairs] + layers * truth_count,
            ious[pairs],
            counts=(steps * detection_count, steps * truth_count),
            last_of_equals=True,
        )
        hits = matches.reshape(steps, detection_count) >= 0
        bits = (hits << np.arange(steps)[:, None]).sum(axis=0)
        return np.where(beyond, BEYOND_LIMIT, bits).astype(np.uint16)

    def vid(self, mixtures: Rows, present: Rows, tolerance: float) -> NDArray[np.int32]:
        """The numbers of `Outcomes.vid`.

        Args:
            mixtures: `(D,)` the number of the mixture in each detection's frame.
            present: `(D,)` a bit for each group that its frame has.
            tolerance: As `size_dependent_thresholds` takes it.
        """
        objects = self._objects
        ious = paired_ious(self._boxes, self._detections, objects.boxes, self._truths)
        thresholds = size_dependent_thresholds(objects.boxes, tolerance)
        pairs = np.flatnonzero(self._alike & (ious >= thresholds[self._truths]))
        matches = greedy_matches(
            self._detections[pairs], self._truths[pairs], ious[pairs],
            counts=self._counts, last_of_equals=False,
        )  # fmt: skip
        alarms = mixtures * (1 << _GROUPS) + self._nearest_groups(ious, present)
        if not len(objects.groups):
            return alarms.astype(np.int32)
        found = np.where(matches >= 0, -1 - objects.groups[matches], alarms)
        return found.astype(np.int32)

    def _nearest_groups(self, ious: NDArray[np.float64], present: Rows) -> Rows:
        """A bit for each group that has an object of the detection's largest IoU, `(D,)`.

        Who touches none has an IoU of 0 with all.
        """
        nearest = present.copy()
        if not len(ious):
            return nearest
        rows, starts = np.unique(self._detections, return_index=True)
        best = np.repeat(np.maximum.reduceat(ious, starts), np.diff([*starts, len(ious)]))
        bits = np.where(ious == best, 1 << self._objects.groups[self._truths], 0)
        nearest[rows] = np.bitwise_or.reduceat(bits, starts)
        return nearest


def size_dependent_thresholds(boxes: Boxes, tolerance: float) -> NDArray[np.float64]:
    """The IoU at which an object counts as found: ``min(0.5, wh / ((w + 10)(h + 10)))``.

    Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015, section
    4.3: of small objects a few pixels decide. Sides are +1 pixel, as in the devkit.

    Args:
        boxes: `(G, 4)` corners in pixels.
        tolerance: The 10.

    >>> size_dependent_thresholds(np.array([[0.0, 0, 9, 9], [0, 0, 99, 99]]), 10)
    array([0.25, 0.5 ])
    """
    widths = boxes[:, 2] - boxes[:, 0] + 1
    heights = boxes[:, 3] - boxes[:, 1] + 1
    grown = (widths + tolerance) * (heights + tolerance)
    thresholds: NDArray[np.float64] = np.minimum(_MOST_THRESHOLD, widths * heights / grown)
    return thresholds


def empty_shares(counts: NDArray[np.int64], empty_frames: int) -> NDArray[np.float64]:
    """The share of each group among all objects, `(4,)`, from how many `counts` `(4,)` each has.

    In the published code a frame without objects counts as one fast object here (it reads its
    lack of a motion IoU as 0).
    """
    filled = counts.astype(np.float64)
    filled[FAST] += empty_frames
    shares: NDArray[np.float64] = filled / max(1.0, float(filled.sum()))
    return shares
