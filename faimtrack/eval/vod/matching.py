"""Which detection finds which object: greedy matching by score, for all frames at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes

Rows = NDArray[np.int64]

_BLOCK_PAIRS = 1 << 20
"""Pairs that are looked at together; some 100 MB of temporary arrays."""


def frame_blocks(detection_frames: Rows, truth_frames: Rows) -> Iterator[tuple[slice, slice]]:
    """Cut sorted frames of detections `(D,)` and objects `(G,)` into blocks of whole frames.

    Yields:
        Rows of the detections and of the objects of a block, which has about a million pairs, or
        one frame if that has more. Together they cover all detections.
    """
    if not len(detection_frames):
        return
    ends = np.append(np.flatnonzero(np.diff(detection_frames)) + 1, len(detection_frames))
    starts = np.append(0, ends[:-1])
    frames = detection_frames[starts]
    first = np.searchsorted(truth_frames, frames, side="left")
    last = np.searchsorted(truth_frames, frames, side="right")
    # A frame without objects costs something too.
    costs = np.cumsum((ends - starts) * np.maximum(1, last - first))
    begin = 0
    while begin < len(frames):
        done = costs[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(costs, done + _BLOCK_PAIRS, side="right")))
        yield (
            slice(int(starts[begin]), int(ends[end - 1])),
            slice(int(first[begin]), int(last[end - 1])),
        )
        begin = end


def pairs_by_frame(detection_frames: Rows, truth_frames: Rows) -> tuple[Rows, Rows]:
    """All pairs of a detection and an object of the same frame, `(P,)` rows of each.

    Args:
        detection_frames: `(D,)`.
        truth_frames: `(G,)` in rising order.

    Returns:
        Sorted by detection, then by object.

    >>> pairs_by_frame(np.array([4, 5, 5]), np.array([5, 5, 6]))
    (array([1, 1, 2, 2]), array([0, 1, 0, 1]))
    """
    first = np.searchsorted(truth_frames, detection_frames, side="left")
    counts = np.searchsorted(truth_frames, detection_frames, side="right") - first
    detections = np.repeat(np.arange(len(detection_frames)), counts)
    offsets = np.cumsum(counts) - counts
    truths = np.arange(len(detections)) + np.repeat(first - offsets, counts)
    return detections, truths


def touching_pairs(
    first: Boxes, second: Boxes, first_rows: Rows, second_rows: Rows
) -> tuple[Rows, Rows]:
    """Those of some pairs that share a pixel; in a crowd one of a hundred.

    Args:
        first: `(N, 4)` corners that name whole pixels.
        second: `(M, 4)`, likewise.
        first_rows: `(P,)`.
        second_rows: `(P,)`.

    Returns:
        The rows of each of those, in their order.
    """
    for low, high in ((0, 2), (1, 3)):
        near = np.minimum(first[:, high][first_rows], second[:, high][second_rows])
        near -= np.maximum(first[:, low][first_rows], second[:, low][second_rows])
        kept = np.flatnonzero(near + 1 > 0)
        first_rows, second_rows = first_rows[kept], second_rows[kept]
    return first_rows, second_rows


def paired_ious(
    first: Boxes, first_rows: Rows, second: Boxes, second_rows: Rows
) -> NDArray[np.float64]:
    """IoU of pairs of boxes as ILSVRC measures them: corners name whole pixels, both included."""
    own, others = _columns(first, first_rows), _columns(second, second_rows)
    widths = np.minimum(own[2], others[2]) - np.maximum(own[0], others[0]) + 1
    heights = np.minimum(own[3], others[3]) - np.maximum(own[1], others[1]) + 1
    shared = np.maximum(widths, 0) * np.maximum(heights, 0)
    area = (own[2] - own[0] + 1) * (own[3] - own[1] + 1)
    area += (others[2] - others[0] + 1) * (others[3] - others[1] + 1)
    ious: NDArray[np.float64] = shared / (area - shared)
    return ious


def paired_coco_ious(
    first: Boxes, first_rows: Rows, second: Boxes, second_rows: Rows
) -> NDArray[np.float64]:
    """IoU of pairs of boxes as COCO measures them, to the last bit as pycocotools has it.

    Its boxes are left, top, width and height: a right side is a left one plus a width, which is
    not always the corner that the width came from.
    """
    own, others = _columns(first, first_rows), _columns(second, second_rows)
    own_width, own_height = own[2] - own[0], own[3] - own[1]
    width, height = others[2] - others[0], others[3] - others[1]
    widths = np.minimum(own[0] + own_width, others[0] + width) - np.maximum(own[0], others[0])
    heights = np.minimum(own[1] + own_height, others[1] + height) - np.maximum(own[1], others[1])
    shared = np.maximum(widths, 0) * np.maximum(heights, 0)
    union = own_width * own_height + width * height - shared
    # Two boxes without area share none: 0 of 0.
    ious: NDArray[np.float64] = np.divide(
        shared, union, out=np.zeros(len(shared)), where=shared > 0
    )
    return ious


def _columns(boxes: Boxes, rows: Rows) -> Boxes:
    """`(4, P)` of some rows; arithmetic on whole rows is three times faster."""
    return np.take(np.ascontiguousarray(boxes.T), rows, axis=1)


def greedy_matches(
    detections: Rows,
    truths: Rows,
    ious: NDArray[np.float64],
    *,
    counts: tuple[int, int],
    last_of_equals: bool,
) -> Rows:
    """Give each detection, in their order, the object of highest IoU that is still free.

    One after the other, as the protocols tell it, would be a loop over all detections. The result
    is the stable matching between detections that prefer by IoU and objects that all prefer the
    earlier detection, so each detection can ask its favourite at once, and whoever is turned away
    asks the next (Gale and Shapley, 1962): a few rounds for all frames together.

    Args:
        detections: `(P,)` rows of the pairs that may be made; a lower row has a say before.
        truths: `(P,)` rows of objects.
        ious: `(P,)`.
        counts: Number of detections and of objects.
        last_of_equals: Of objects of equal IoU the last one is taken (COCO), or the first (VID).

    Returns:
        `(D,)` the object of each detection, −1 for none.
    """
    detection_count, truth_count = counts
    order = np.lexsort((-truths if last_of_equals else truths, -ious, detections))
    wishes = truths[order]
    places = np.searchsorted(detections[order], np.arange(detection_count + 1))
    asking, ends = places[:-1].copy(), places[1:]
    nobody = detection_count
    holders = np.full(truth_count, nobody)
    free = np.flatnonzero(asking < ends)
    while len(free):
        wanted = wishes[asking[free]]
        before = holders[wanted]
        np.minimum.at(holders, wanted, free)
        now = holders[wanted]
        displaced = before[(before != now) & (before != nobody)]
        turned_away = np.unique(np.concatenate([free[now != free], displaced]))
        asking[turned_away] += 1
        free = turned_away[asking[turned_away] < ends[turned_away]]
    matches = np.full(detection_count, -1)
    held = np.flatnonzero(holders != nobody)
    matches[holders[held]] = held
    return matches
