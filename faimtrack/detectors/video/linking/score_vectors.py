"""Boxes with a score a class, made from rows that have one class each, and back again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import Detections


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredBoxes:
    """The boxes of one frame, each with a vector of scores.

    Attributes:
        boxes: `(B, 4)` corners in pixels.
        scores: `(B, K)`, one a class; 0 where the detector said nothing.
        first_rows: `(B,)` the first row of the detections that each box was made of.
        rows: `(B, K)` which row each score came from; −1 where there was none.
    """

    boxes: Boxes
    scores: NDArray[np.float64]
    first_rows: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.boxes)


def gather_classes(detections: Detections, minimum_score: float) -> ScoredBoxes:
    """Make one box of the rows that have the very same box and different classes.

    A detector that answers with all classes of a box gives such rows; one that answers with the
    best class only gives vectors of one number that is not 0. Where a class comes twice for the
    same box, the second row belongs to a second box.

    Args:
        detections: Of one frame.
        minimum_score: Rows below are left out.

    Returns:
        Boxes in the order of their first rows.
    """
    kept = np.flatnonzero(detections.scores >= minimum_score)
    kinds = detections.class_ids[kept]
    owners = _owners(detections.boxes[kept], kinds)
    count = int(owners.max(initial=-1)) + 1
    shape = (count, len(detections.class_names))
    scores, rows = np.zeros(shape), np.full(shape, -1)
    scores[owners, kinds] = detections.scores[kept]
    rows[owners, kinds] = kept
    first_rows = np.full(count, len(detections))
    np.minimum.at(first_rows, owners, kept)
    return ScoredBoxes(
        boxes=detections.boxes[first_rows], scores=scores, first_rows=first_rows, rows=rows
    )


def _owners(boxes: Boxes, kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """`(R,)` which box each row belongs to, numbered by their first rows."""
    if not len(boxes):
        return np.zeros(0, np.int64)
    _, places = np.unique(boxes, axis=0, return_inverse=True)
    places = places.reshape(-1)  # some versions of numpy 2 give it another shape
    order = np.lexsort([kinds, places])
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(places[order]) != 0) | (np.diff(kinds[order]) != 0)
    run_starts = np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))
    times = np.empty(len(order), np.int64)  # how often the row came before
    times[order] = np.arange(len(order)) - run_starts
    _, first, owners = np.unique(
        places * len(order) + times, return_index=True, return_inverse=True
    )
    ranks = np.empty(len(first), np.int64)
    ranks[np.argsort(first)] = np.arange(len(first))
    return np.asarray(ranks[owners.reshape(-1)])


def spread_classes(
    scored: ScoredBoxes, minimum_score: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """The rows that boxes with score vectors become: one for each class with score enough.

    Args:
        scored: The boxes, with the scores that count.
        minimum_score: Classes below are left out; so are those of score 0.

    Returns:
        For each row its box, its class, and which row of the detections it descends from: the one
        of its box and class or, where the detector gave none, the first of its box. Sorted by
        that; new classes come after those that the detector gave, by class.
    """
    is_kept = (scored.scores >= minimum_score) & ((scored.scores > 0) | (scored.rows >= 0))
    boxes, kinds = np.nonzero(is_kept)
    own = scored.rows[boxes, kinds]
    sources = np.where(own >= 0, own, scored.first_rows[boxes])
    order = np.lexsort([kinds, own < 0, sources])
    return boxes[order], kinds[order], sources[order]
