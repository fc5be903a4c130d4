"""How fast objects move: the motion IoU of FGFA, and the groups slow, medium and fast.

Source: Zhu et al., "Flow-Guided Feature Aggregation for Video Object Detection", ICCV 2017,
section 5.1: an object's speed is measured "by its averaged intersection-over-union (IoU) scores
with its corresponding instances in the nearby frames (±10 frames)", slow above 0.9, fast below
0.7. The numbers published with its code (a file of one motion IoU for each of the 273,505 objects
of the validation videos, used by YOLOV too) show what the sentence leaves open: values of 10⁻¹⁰/n
for objects that overlap none of their n neighbours prove that the object itself is not among
them, and that n (4 to 20) counts only frames in which the object is annotated; an object that is
annotated in no nearby frame stands there as 1.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.eval.vod.matching import paired_ious
from faimtrack.eval.vod.videos import VideoTruth

SLOW, MEDIUM, FAST, UNKNOWN = range(4)
"""Numbers of the motion groups; of an object that nobody follows nothing is known."""


def motion_ious(truth: VideoTruth, *, window: int) -> NDArray[np.float64]:
    """The mean IoU of each object's box with its boxes in the frames around.

    Boxes are taken as the VID protocol does, +1 pixel.

    Args:
        truth: The video; it needs no objects.
        window: How many frames before and after count.

    Returns:
        `(N,)`, NaN for objects that are not followed or not annotated in any frame around.
    """
    means = np.full(len(truth), np.nan)
    if truth.track_ids is None:
        return means
    order = np.lexsort((truth.frames, truth.track_ids))
    order = order[truth.track_ids[order] >= 0]
    tracks, frames, boxes = truth.track_ids[order], truth.frames[order], truth.boxes[order]
    sums, counts = np.zeros(len(order)), np.zeros(len(order), np.int64)
    for step in itertools.count(1):  # each object with the one `step` rows later
        gaps = frames[step:] - frames[:-step]
        near = (tracks[step:] == tracks[:-step]) & (gaps <= window)
        if not near.any():
            break
        first = np.flatnonzero(near & (gaps > 0))
        _add_pairs(boxes, first, first + step, sums, counts)
    known = counts > 0
    means[order[known]] = sums[known] / counts[known]
    return means


def _add_pairs(
    boxes: Boxes,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    ious = paired_ious(boxes, first, boxes, second)
    for rows in (first, second):  # no row twice within one of them
        sums[rows] += ious
        counts[rows] += 1


def motion_groups(
    truth: VideoTruth, *, window: int, slow_above: float, fast_below: float
) -> tuple[NDArray[np.int64], int]:
    """The motion group of each object.

    Returns:
        `(N,)` of `SLOW`, `MEDIUM`, `FAST` and, for objects that nobody follows, `UNKNOWN`; and how
        many objects are followed but in no frame around, which count as slow.
    """
    if truth.track_ids is None:
        return np.full(len(truth), UNKNOWN), 0
    ious = motion_ious(truth, window=window)
    followed = truth.track_ids >= 0
    alone = followed & np.isnan(ious)
    ious = np.where(alone, 1.0, ious)
    groups = np.full(len(truth), MEDIUM)
    groups[ious > slow_above] = SLOW
    groups[ious < fast_below] = FAST
    groups[~followed] = UNKNOWN
    return groups, int(alone.sum())
