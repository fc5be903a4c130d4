"""Seq-NMS: the paths of greatest total score through a video, one after the other.

Han et al., "Seq-NMS for Video Object Detection", arXiv 1602.08465, section 3; written from the
paper. Each removal changes few of the best sums, so only those that stood on what was removed are
computed again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, overlapping_pairs
from faimtrack.detectors.video.linking.config import SeqNmsConfig
from faimtrack.structures import Detections

_NOBODY = -1


def link_seq_nms(
    frames: Sequence[Detections], config: SeqNmsConfig, is_followed: NDArray[np.bool_]
) -> list[Detections]:
    """Find paths, rescore them and suppress what overlaps them, until no box has a link left.

    A path is a box in each of several consecutive frames, each linked with the next: one class,
    and an IoU of at least `link_iou`. The path of two boxes or more with the greatest sum of
    scores is taken first; its boxes get the average or the maximum of their scores, and the
    others of their class that overlap them by `suppress_iou` or more are removed from their
    frames. Boxes that are on no path in the end stay as they are: their own frame's NMS is the
    detector's business.

    Of paths with equal sums the one goes first that ends in the earliest frame, there in the
    earliest row; and of equal ways to a box the one through the earliest row. Sums are added up
    from the first frame to the last.

    Args:
        frames: The detections of all frames.
        config: The parameters.
        is_followed: `(F − 1,)` whether each frame may be linked with the next.
    """
    scores = np.concatenate([np.zeros(0), *(frame.scores for frame in frames)])
    starts = np.cumsum([0, *(len(frame) for frame in frames)])
    linked = _links(frames, starts, is_followed, config.link_iou)
    rivals = _rivals(frames, starts, config.suppress_iou)
    is_alive = [True] * len(scores)
    rescored = scores.copy()
    paths = _BestPaths(scores.tolist(), linked)
    while (path := paths.best()) is not None:
        values = scores[path]
        rescored[path] = values.mean() if config.rescore == "average" else values.max()
        removed = [rival for node in path for rival in rivals[node] if paths.is_there[rival]]
        on_path = set(path)
        for rival in removed:
            if rival not in on_path:
                is_alive[rival] = False
        paths.remove(on_path.union(removed))
    kept = np.array(is_alive, dtype=bool)
    return [
        _chosen(frame, kept[start:end], rescored[start:end])
        for frame, start, end in zip(frames, starts[:-1], starts[1:], strict=True)
    ]


def _chosen(frame: Detections, kept: NDArray[np.bool_], scores: NDArray[np.float64]) -> Detections:
    selected: Detections = frame[kept]
    return replace(selected, scores=scores[kept])


def _links(
    frames: Sequence[Detections],
    starts: NDArray[np.int64],
    is_followed: NDArray[np.bool_],
    least_iou: float,
) -> list[list[int]]:
    """For each box, over all frames, those of the frame before that it is linked with, rising."""
    before: list[list[int]] = [[] for _ in range(int(starts[-1]))]
    for place in np.flatnonzero(is_followed).tolist():
        pairs = _pairs_of_a_class(frames[place], frames[place + 1], least_iou)
        for first, second in pairs:
            before[starts[place + 1] + second].append(int(starts[place]) + first)
    for each in before:
        each.sort()
    return before


def _rivals(
    frames: Sequence[Detections], starts: NDArray[np.int64], least_iou: float
) -> list[list[int]]:
    """For each box those of its frame that it would suppress; it may be among them itself."""
    beside: list[list[int]] = [[] for _ in range(int(starts[-1]))]
    for frame, start in zip(frames, starts[:-1].tolist(), strict=True):
        for first, second in _pairs_of_a_class(frame, frame, least_iou):
            beside[start + first].append(start + second)
    return beside


def _pairs_of_a_class(
    first: Detections, second: Detections, least_iou: float
) -> Iterator[tuple[int, int]]:
    """Rows of the pairs of one class that overlap at least so much."""
    for kind in np.intersect1d(first.class_ids, second.class_ids).tolist():
        mine, others = _rows_of(first, kind), _rows_of(second, kind)
        rows, columns, overlaps = overlapping_pairs(
            _boxes_of(first, mine), _boxes_of(second, others)
        )
        near = overlaps >= least_iou
        yield from zip(mine[rows[near]].tolist(), others[columns[near]].tolist(), strict=True)


def _rows_of(frame: Detections, kind: int) -> NDArray[np.int64]:
    return np.flatnonzero(frame.class_ids == kind)


def _boxes_of(frame: Detections, rows: NDArray[np.int64]) -> Boxes:
    return frame.boxes[rows]


class _BestPaths:
    """For each box the greatest sum of a path that ends in it, kept right as boxes go.

    Boxes are numbered through all frames, so that links lead from smaller numbers to greater. A
    path is followed back as long as that does not lower its sum, which scores below 0 would.

    Attributes:
        is_there: Whether each box is still there.
    """

    def __init__(self, scores: list[float], before: list[list[int]]) -> None:
        self._scores, self._before = scores, before
        self.is_there = [True] * len(scores)
        self._via = [_NOBODY] * len(scores)  # the best box before
        self._gains = [0.0] * len(scores)  # the greatest sum of a path that ends in that one
        self._users: list[set[int]] = [set() for _ in scores]  # to whom a box is the best before
        self._waiting: list[tuple[float, int]] = []
        for node in range(len(scores)):
            if before[node]:
                self._look_back(node)

    def best(self) -> list[int] | None:
        """The boxes of the best path of two or more, by frame; None if there is none."""
        while self._waiting:
            negative, node = self._waiting[0]
            is_current = -negative == self._scores[node] + self._gains[node]
            if self.is_there[node] and self._via[node] >= 0 and is_current:
                path = [node, self._via[node]]
                while self._continues(path[-1]):
                    path.append(self._via[path[-1]])
                return path[::-1]
            heapq.heappop(self._waiting)
        return None

    def _continues(self, node: int) -> bool:
        return self._via[node] >= 0 and self._gains[node] >= 0

    def _sum(self, node: int) -> float:
        """The greatest sum of a path of any length that ends in a box."""
        return self._scores[node] + (self._gains[node] if self._continues(node) else 0.0)

    def remove(self, nodes: set[int]) -> None:
        """Take boxes away, and compute again what stood on them."""
        queue: list[int] = []
        for node in nodes:
            self.is_there[node] = False
            if self._via[node] >= 0:
                self._users[self._via[node]].discard(node)
            queue.extend(self._users[node])
        # Sums only fall, so that a way that was not the best does not become it by itself. Each
        # box is the user of one other, so that none comes twice.
        heapq.heapify(queue)
        while queue:
            node = heapq.heappop(queue)
            if not self.is_there[node]:
                continue
            sum_before = self._sum(node)
            self._look_back(node)
            if self._sum(node) != sum_before:
                for user in self._users[node]:
                    heapq.heappush(queue, user)

    def _look_back(self, node: int) -> None:
        """Find the best box before anew, and let what leads through it wait to be chosen."""
        best, via = 0.0, _NOBODY
        for each in self._before[node]:
            if self.is_there[each]:
                value = self._sum(each)
                if via < 0 or value > best:
                    best, via = value, each
        self._gains[node] = best
        if self._via[node] != via:
            if self._via[node] >= 0:
                self._users[self._via[node]].discard(node)
            if via >= 0:
                self._users[via].add(node)
            self._via[node] = via
        if via >= 0:
            heapq.heappush(self._waiting, (-(self._scores[node] + best), node))
