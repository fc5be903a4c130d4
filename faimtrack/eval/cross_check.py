"""py-motmetrics beside TrackEval on the same rows, and where the two pair differently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from faimtrack.eval.matching_input import IOU_THRESHOLD, MatchingInput
from faimtrack.eval.scores import CrossCheck

MOTMETRICS_NAMES = (
    "idf1", "idp", "idr", "recall", "precision", "num_unique_objects", "mostly_tracked",
    "partially_tracked", "mostly_lost", "num_false_positives", "num_misses", "num_switches",
    "num_fragmentations", "mota", "motp", "num_transfer", "num_ascend", "num_migrate",
)  # fmt: skip
"""The columns of py-motmetrics' MOTChallenge table."""
_PARTS = ("num_detections", "num_objects", "num_predictions", "idtp", "idfp", "idfn")
_EPSILON = float(np.finfo(np.float64).eps)

_PAIR_EVENTS = ("MATCH", "SWITCH")

Pairs = list[dict[int, int]]
"""For each frame, the result that each object is paired with; ids from 0."""


@lru_cache(maxsize=1)
def _host() -> Any:
    # It brings pandas along: only those who cross-check pay for it.
    import motmetrics

    return motmetrics.metrics.create()


def check_sequence(sequence: MatchingInput) -> CrossCheck:
    """Ask py-motmetrics about one class of one sequence, after the same preprocessing."""
    accumulator = accumulate(sequence)
    # A sequence without results has neither precision nor distance: py-motmetrics says NaN.
    values = _host().compute(
        accumulator, metrics=[*MOTMETRICS_NAMES, *_PARTS], return_dataframe=False
    )
    own_pairs = trackeval_pairs(sequence)
    differing = _differing(sequence.frames, own_pairs, motmetrics_pairs(sequence, accumulator))
    unexplained: list[int] = []
    if differing:
        forgetful = motmetrics_pairs(sequence, accumulate(sequence, forget=True))
        unexplained = _differing(sequence.frames, own_pairs, forgetful)
    return CrossCheck(
        motmetrics=_plain(values),
        frame_count=len(sequence.frames),
        differing_frame_count=len(differing),
        first_differing_frame=differing[0] if differing else None,
        unexplained_frame_count=len(unexplained),
        by_motmetrics_rules=count_by_motmetrics_rules(sequence, own_pairs),
    )


def combine_checks(parts: Sequence[CrossCheck]) -> CrossCheck:
    """All sequences together: py-motmetrics' `OVERALL` row."""
    values = _host().compute_overall(
        [part.motmetrics for part in parts],
        metrics=[*MOTMETRICS_NAMES, *_PARTS],
        return_dataframe=False,
    )
    if any(np.isnan(part.motmetrics["motp"]) for part in parts):
        # A sequence without a single match has no mean distance, and would spoil the others'.
        matched = [part.motmetrics for part in parts if part.motmetrics["num_detections"]]
        values["motp"] = np.nan
        if matched:
            total = sum(part["motp"] * part["num_detections"] for part in matched)
            values["motp"] = total / values["num_detections"]
    return CrossCheck(
        motmetrics=_plain(values),
        frame_count=sum(part.frame_count for part in parts),
        differing_frame_count=sum(part.differing_frame_count for part in parts),
        first_differing_frame=None,
        unexplained_frame_count=sum(part.unexplained_frame_count for part in parts),
        by_motmetrics_rules={
            name: sum(part.by_motmetrics_rules[name] for part in parts)
            for name in parts[0].by_motmetrics_rules
        },
    )


def _differing(frames: range, first: Pairs, second: Pairs) -> list[int]:
    return [frame for frame, a, b in zip(frames, first, second, strict=True) if a != b]


def accumulate(sequence: MatchingInput, *, forget: bool = False) -> Any:
    """A filled `MOTAccumulator`.

    Args:
        sequence: Objects and results.
        forget: Whether an object's partner is forgotten once it is not there for a frame. It is
            not py-motmetrics' way: this is how its pairs are told apart from TrackEval's.
    """
    import motmetrics

    accumulator = motmetrics.MOTAccumulator(auto_id=False)
    for frame, objects, found, overlaps in zip(
        sequence.frames,
        sequence.ground_truth_ids,
        sequence.result_ids,
        sequence.similarities,
        strict=True,
    ):
        # Its own `distances` module does not run on numpy 2.
        distances = np.where(overlaps >= IOU_THRESHOLD, 1.0 - overlaps, np.nan)
        accumulator.update(objects, found, distances, frameid=frame)
        if forget and len(objects) and len(found):
            accumulator.m = {
                object_id: result_id
                for object_id, result_id in accumulator.m.items()
                if accumulator.last_match[object_id] == frame
            }
    return accumulator


def motmetrics_pairs(sequence: MatchingInput, accumulator: Any) -> Pairs:
    """The pairs that an accumulator counts."""
    events = accumulator.mot_events
    events = events[events.Type.isin(_PAIR_EVENTS)]
    pairs: Pairs = [{} for _ in sequence.frames]
    frames = events.index.get_level_values("FrameId")
    for frame, object_id, result_id in zip(frames, events.OId, events.HId, strict=True):
        pairs[int(frame) - sequence.frames.start][int(object_id)] = int(result_id)
    return pairs


def trackeval_pairs(sequence: MatchingInput) -> Pairs:
    """The pairs that TrackEval's CLEAR counts; it does not give them away, so they are retraced.

    One assignment a frame, in which last frame's pairs come first and then the largest overlaps.
    A frame without objects or without results is passed over: the pairs before it stay "last".
    """
    last: NDArray[np.int64] = np.full(sequence.ground_truth_id_count, -1)
    pairs: Pairs = []
    for objects, found, overlaps in zip(
        sequence.ground_truth_ids, sequence.result_ids, sequence.similarities, strict=True
    ):
        if not len(objects) or not len(found):
            pairs.append({})
            continue
        gains = 1000.0 * (found[None, :] == last[objects][:, None]) + overlaps
        gains[overlaps < IOU_THRESHOLD - _EPSILON] = 0.0
        rows, columns = linear_sum_assignment(gains, maximize=True)
        matched = gains[rows, columns] > _EPSILON
        rows, columns = objects[rows[matched]], found[columns[matched]]
        last[:] = -1
        last[rows] = columns
        pairs.append(dict(zip(rows.tolist(), columns.tolist(), strict=True)))
    return pairs


def count_by_motmetrics_rules(sequence: MatchingInput, pairs: Pairs) -> dict[str, int]:
    """`Frag`, `MT`, `PT` and `ML` of given pairs by py-motmetrics' definitions.

    A track is mostly tracked from 80 % on (TrackEval: above 80 %). A fragmentation is a change
    from found to missed, between the first and last frame in which the object is found, in the
    frames that it is present in.
    """
    found: list[list[bool]] = [[] for _ in range(sequence.ground_truth_id_count)]
    for objects, paired in zip(sequence.ground_truth_ids, pairs, strict=True):
        for object_id in objects.tolist():
            found[object_id].append(object_id in paired)
    ratios = np.array([sum(flags) / len(flags) for flags in found])
    fragmentations = 0
    for flags in found:
        if any(flags):
            span = flags[flags.index(True) :]
            # The last change, into a loss for good, is not one.
            losses = sum(a and not b for a, b in pairwise(span))
            fragmentations += losses - (not span[-1])
    return {
        "Frag": fragmentations,
        "MT": int((ratios >= 0.8).sum()),
        "PT": int(((ratios >= 0.2) & (ratios < 0.8)).sum()),
        "ML": int((ratios < 0.2).sum()),
    }


def _plain(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}
