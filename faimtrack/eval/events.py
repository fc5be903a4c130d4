"""What CLEAR counts, box by box: hits, misses, false alarms and identity switches."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.eval.cross_check import trackeval_pairs
from faimtrack.eval.evaluate import check_tables, refuse_nothing
from faimtrack.eval.matching_input import MatchingInput, matching_input
from faimtrack.eval.rules import EvaluationRules
from faimtrack.motfile import MotTable

Rows = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class EventCounts:
    """How often each kind of event came.

    Attributes:
        hits: Results that are paired with an object, those of `switches` too: `CLR_TP`.
        misses: Objects without a result: `CLR_FN`.
        false_alarms: Results without an object: `CLR_FP`.
        switches: Hits whose object had another id when it was last found: `IDSW`.
        removed: Results on distractors, which count as nothing.
    """

    hits: int = 0
    misses: int = 0
    false_alarms: int = 0
    switches: int = 0
    removed: int = 0

    def __add__(self, other: EventCounts) -> EventCounts:
        return EventCounts(
            hits=self.hits + other.hits,
            misses=self.misses + other.misses,
            false_alarms=self.false_alarms + other.false_alarms,
            switches=self.switches + other.switches,
            removed=self.removed + other.removed,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameEvents:
    """What CLEAR counts in one frame.

    Attributes:
        frame: Its number.
        hits: `(H,)` rows of the results that are paired with an object.
        misses: `(M,)` rows of the ground truth.
        false_alarms: `(F,)` rows of the results.
        switches: `(S,)` rows of the results; all of them are hits.
        previous_ids: `(S,)` int64, the result id that each switch's object had before.
        removed: `(D,)` rows of the results that match a distractor and count as nothing.
    """

    frame: int
    hits: Rows
    misses: Rows
    false_alarms: Rows
    switches: Rows
    previous_ids: NDArray[np.int64]
    removed: Rows

    @property
    def counts(self) -> EventCounts:
        """How many of each there are."""
        return EventCounts(
            hits=len(self.hits),
            misses=len(self.misses),
            false_alarms=len(self.false_alarms),
            switches=len(self.switches),
            removed=len(self.removed),
        )


def find_events(
    ground_truth: MotTable, results: MotTable, frames: range, rules: EvaluationRules
) -> list[FrameEvents]:
    """Say of each box what CLEAR takes it for; the sums are `evaluate_sequence`'s.

    Objects and results are paired as TrackEval does: at an overlap of at least 0.5, last frame's
    pairs first, then the largest overlaps, after results on distractors have been taken away. A
    switch is counted whenever an object is found again under another id, however long it was
    lost.

    Args:
        ground_truth: Annotations with the full sequence's frame numbers.
        results: Tracks with the full sequence's frame numbers.
        frames: Frames to look at.
        rules: Which rows count. Where they have several classes, each is paired by itself.

    Returns:
        One entry a frame, in order.

    Raises:
        ValueError: There is nothing to find in `frames`, a result lies outside them, an id comes
            twice in a frame, or a class is not one that the rules know.
    """
    check_tables(ground_truth, results, frames)
    by_class = [
        _events_of_class(matching_input(ground_truth, results, frames, rules, class_id), results)
        for class_id in rules.class_ids or (None,)
    ]
    events = [_joined(parts) for parts in zip(*by_class, strict=True)]
    counts = total_counts(events)
    refuse_nothing(counts.hits + counts.misses, ground_truth, frames, rules)
    return events


def total_counts(events: Iterable[FrameEvents]) -> EventCounts:
    """The sums over frames."""
    return sum((each.counts for each in events), EventCounts())


def _events_of_class(sequence: MatchingInput, results: MotTable) -> list[FrameEvents]:
    last_ids: dict[int, int] = {}
    return [
        _events_of_frame(sequence, place, pairs, results.ids, last_ids)
        for place, pairs in enumerate(trackeval_pairs(sequence))
    ]


def _events_of_frame(
    sequence: MatchingInput,
    place: int,
    pairs: dict[int, int],
    names: NDArray[np.int64],
    last_ids: dict[int, int],
) -> FrameEvents:
    """One frame's events.

    Args:
        sequence: Objects and results of one class.
        place: Which of its frames.
        pairs: The result of each object that is found; ids from 0.
        names: `(R,)` the ids of all rows of the results.
        last_ids: By object, the id that it was last found under; brought up to date.
    """
    objects, found = sequence.ground_truth_ids[place], sequence.result_ids[place]
    row_of = dict(zip(found.tolist(), sequence.result_rows[place].tolist(), strict=True))
    is_hit = np.isin(found, list(pairs.values()))
    switches, previous = [], []
    for object_id, result_id in pairs.items():
        row = row_of[result_id]
        name = int(names[row])
        if last_ids.setdefault(object_id, name) != name:
            switches.append(row)
            previous.append(last_ids[object_id])
            last_ids[object_id] = name
    return FrameEvents(
        frame=sequence.frames[place],
        hits=sequence.result_rows[place][is_hit],
        misses=sequence.ground_truth_rows[place][~np.isin(objects, list(pairs))],
        false_alarms=sequence.result_rows[place][~is_hit],
        switches=np.array(switches, dtype=np.int64),
        previous_ids=np.array(previous, dtype=np.int64),
        removed=sequence.removed_rows[place],
    )


def _joined(parts: tuple[FrameEvents, ...]) -> FrameEvents:
    """One frame's events over classes."""
    if len(parts) == 1:
        return parts[0]

    def together(name: str) -> NDArray[np.int64]:
        rows: NDArray[np.int64] = np.concatenate([getattr(part, name) for part in parts])
        return rows

    return FrameEvents(
        frame=parts[0].frame,
        hits=together("hits"),
        misses=together("misses"),
        false_alarms=together("false_alarms"),
        switches=together("switches"),
        previous_ids=together("previous_ids"),
        removed=together("removed"),
    )
