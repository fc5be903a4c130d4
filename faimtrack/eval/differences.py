"""Where TrackEval and py-motmetrics differ, by how much, and the reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from faimtrack.eval.scores import CrossCheck, Report, Scores

_COUNTERPARTS = {
    "MOTA": "mota",
    "MOTP": "motp",
    "CLR_Re": "recall",
    "CLR_Pr": "precision",
    "CLR_FP": "num_false_positives",
    "CLR_FN": "num_misses",
    "IDSW": "num_switches",
    "Frag": "num_fragmentations",
    "MT": "mostly_tracked",
    "PT": "partially_tracked",
    "ML": "mostly_lost",
    "IDF1": "idf1",
    "IDP": "idp",
    "IDR": "idr",
}
_ROUNDING = 1e-9

PAIRS_REASON = (
    "pairs: py-motmetrics gives an object its last partner back whenever the two overlap, however "
    "long they were apart; TrackEval prefers the previous frame's partner only, then the largest "
    "overlaps"
)
UNEXPLAINED_REASON = (
    "pairs: where partners are free, py-motmetrics first makes as many pairs as it can and "
    "TrackEval the largest sum of overlaps; equal overlaps may fall either way"
)
DEFINITION_REASONS = {
    "Frag": (
        "definition: TrackEval counts every new beginning, also after the object itself was away, "
        "and passes over frames without any result; py-motmetrics counts losses while the object "
        "is there"
    ),
    "MT": "definition: tracked for exactly 80 % is mostly tracked in py-motmetrics only",
    "PT": "definition: tracked for exactly 80 % is partially tracked in TrackEval only",
}
_NOTHING_REASON = "nothing was matched or found: py-motmetrics has no value, TrackEval says 0"
_UNKNOWN_REASON = "unknown: both solve the same assignment of whole tracks; please report it"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One metric in which the two packages differ.

    Attributes:
        row: The sequence, or `COMBINED`.
        metric: TrackEval's name.
        trackeval: Its value.
        motmetrics: The other's value in TrackEval's meaning; NaN if it has none.
        by_definition: What a different definition adds on the same pairs (counts only).
        by_pairs: What different pairs of objects and results add.
        reasons: A sentence for each cause.
    """

    row: str
    metric: str
    trackeval: float
    motmetrics: float
    by_definition: float = 0.0
    by_pairs: float = 0.0
    reasons: tuple[str, ...]


def differences(report: Report) -> list[Difference]:
    """All differences of a report that was made with a cross-check; empty without one."""
    found: list[Difference] = []
    for sequence in report.sequences:
        for class_id, scores in sequence.by_class.items():
            label = _label(sequence.name, class_id, len(sequence.by_class))
            found += _differences_of(label, scores)
    for class_id, scores in report.combined_by_class.items():
        label = _label("COMBINED", class_id, len(report.combined_by_class))
        found += _differences_of(label, scores)
    return found


def _label(name: str, class_id: int | None, class_count: int) -> str:
    return name if class_count == 1 else f"{name} class {class_id}"


def _differences_of(row: str, scores: Scores) -> Iterator[Difference]:
    check = scores.cross_check
    if check is None:
        return
    summary = scores.summary
    for metric, counterpart in _COUNTERPARTS.items():
        own, other = summary[metric], check.motmetrics[counterpart]
        if metric == "MOTP":
            other = 1.0 - other
        if not abs(own - other) <= _ROUNDING:
            yield _difference(row, metric, own, other, check)


def _difference(row: str, metric: str, own: float, other: float, check: CrossCheck) -> Difference:
    by_definition = by_pairs = 0.0
    if math.isnan(other):
        reasons = [_NOTHING_REASON]
    elif metric in {"IDF1", "IDP", "IDR"}:
        reasons = [_UNKNOWN_REASON]
    else:
        if metric in check.by_motmetrics_rules:
            by_definition = check.by_motmetrics_rules[metric] - own
        by_pairs = other - own - by_definition
        reasons = [DEFINITION_REASONS.get(metric, _UNKNOWN_REASON)] if by_definition else []
        if by_pairs:
            reasons += pairs_reasons(check)
    return Difference(
        row=row,
        metric=metric,
        trackeval=own,
        motmetrics=other,
        by_definition=by_definition,
        by_pairs=by_pairs,
        reasons=tuple(reasons),
    )


def pairs_reasons(check: CrossCheck) -> list[str]:
    """Why the pairs differ; which of the causes is at work is measured, not assumed."""
    reasons = []
    if check.differing_frame_count > check.unexplained_frame_count:
        reasons.append(PAIRS_REASON)
    if check.unexplained_frame_count:
        reasons.append(UNEXPLAINED_REASON)
    return reasons or [_UNKNOWN_REASON]
