"""Scoring of tables that are in memory: one sequence, or several and all together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from faimtrack.eval import trackeval_adapter
from faimtrack.eval.cross_check import check_sequence, combine_checks
from faimtrack.eval.matching_input import matching_input
from faimtrack.eval.rules import EvaluationRules
from faimtrack.eval.scores import Failure, Report, Scores, SequenceScores
from faimtrack.motfile import MotTable


def evaluate_sequence(
    ground_truth: MotTable,
    results: MotTable,
    frames: range,
    rules: EvaluationRules,
    *,
    name: str | None = None,
    rules_reason: str = "as asked for",
    cross_check: bool = False,
) -> SequenceScores:
    """Score the results on one sequence.

    Args:
        ground_truth: Annotations with the full sequence's frame numbers; those outside `frames`
            are not looked at.
        results: Tracks with the full sequence's frame numbers; none is a valid answer.
        frames: Frames to evaluate.
        rules: Which rows count.
        name: The sequence's; the ground truth's file name if not given.
        rules_reason: Why these rules, for the report.
        cross_check: Whether to ask py-motmetrics too.

    Raises:
        ValueError: There is nothing to evaluate in `frames`, a result lies outside them, an id
            comes twice in a frame, or a class is not one that the rules know.
    """
    check_tables(ground_truth, results, frames)
    by_class: dict[int | None, Scores] = {}
    removed = objects = 0
    for class_id in rules.class_ids or (None,):
        prepared = matching_input(ground_truth, results, frames, rules, class_id)
        checked = check_sequence(prepared) if cross_check else None
        by_class[class_id] = Scores.from_fields(trackeval_adapter.score(prepared), checked)
        removed += prepared.removed_row_count
        objects += prepared.ground_truth_row_count
    refuse_nothing(objects, ground_truth, frames, rules)
    return SequenceScores(
        name=name or Path(ground_truth.path).stem,
        frames=frames,
        rules=rules,
        rules_reason=rules_reason,
        scores=_over_classes(list(by_class.values())),
        by_class=by_class,
        removed_row_count=removed,
    )


def evaluate_sequences(
    sequences: Iterable[SequenceScores],
    *,
    failures: Iterable[Failure] = (),
    notes: Iterable[str] = (),
) -> Report:
    """Put the scores of several sequences together.

    Args:
        sequences: What `evaluate_sequence` gave for each.
        failures: Sequences that could not be scored; the combined row leaves them out and the
            report says so.
        notes: Lines for the reader.

    Raises:
        ValueError: The sequences were evaluated with different lists of classes, one comes
            twice, or results of some were made online and of others offline.
    """
    scored = tuple(sequences)
    names = [sequence.name for sequence in scored]
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"sequences: expected each once, got {twice} twice")
    _refuse_mixture(scored)
    by_class = _combined_by_class(scored)
    return Report(
        sequences=scored,
        failures=tuple(failures),
        combined=_over_classes(list(by_class.values())) if by_class else None,
        combined_by_class=by_class,
        notes=tuple(notes),
    )


def check_tables(ground_truth: MotTable, results: MotTable, frames: range) -> None:
    """Refuse what `read_mot` refuses in files, for tables that were made in memory.

    Raises:
        ValueError: As `evaluate_sequence`.
    """
    if len(frames) == 0 or frames.step != 1:
        raise ValueError(f"frames: expected at least one, in steps of 1, got {frames}")
    outside = (results.frames < frames.start) | (results.frames >= frames.stop)
    if outside.any():
        raise ValueError(
            f"{results.path}: expected frames {frames.start} to {frames.stop - 1}, got frame "
            f"{results.frames[outside][0]}"
        )
    for table in (ground_truth, results):
        if len(table) and not np.isfinite(table.boxes_xywh).all():
            raise ValueError(f"{table.path}: expected finite boxes, got NaN or infinity")
        if (np.diff(table.frames) < 0).any():
            raise ValueError(f"{table.path}: expected rows sorted by frame")
        keys = np.stack([table.frames, table.ids], axis=1)
        unique, counts = np.unique(keys, axis=0, return_counts=True)
        if (counts > 1).any():
            frame, row_id = unique[counts > 1][0]
            raise ValueError(
                f"{table.path}, frame {frame}: expected id {row_id} once, got it "
                f"{counts.max()} times"
            )


def refuse_nothing(
    object_count: int, ground_truth: MotTable, frames: range, rules: EvaluationRules
) -> None:
    """Refuse to score where there is no object.

    Raises:
        ValueError: There is none.
    """
    if not object_count:
        raise ValueError(
            f"{ground_truth.path}: expected ground truth that counts under the rules "
            f"{rules.name} in frames {frames.start} to {frames.stop - 1}, got none"
        )


def _refuse_mixture(sequences: Sequence[SequenceScores]) -> None:
    """Refuse to put results together of which only some know later frames.

    Raises:
        ValueError: They are such.
    """
    first = {sequence.mode: sequence.name for sequence in reversed(sequences)}
    if {"online", "offline"} <= first.keys():
        raise ValueError(
            f"results: expected all online or all offline, got {first['online']} online and "
            f"{first['offline']} offline: score them apart"
        )


def _over_classes(scores: Sequence[Scores]) -> Scores:
    """The one class's scores as they are, or the mean over classes."""
    if len(scores) == 1:
        return scores[0]
    return Scores.from_fields(trackeval_adapter.average_classes([s.fields() for s in scores]))


def _combined_by_class(sequences: Sequence[SequenceScores]) -> dict[int | None, Scores]:
    if not sequences:
        return {}
    # A pedestrian is class 1 under some benchmarks and without a class under others.
    single = all(len(sequence.by_class) == 1 for sequence in sequences)
    classes = tuple(sequences[0].by_class)
    if not single and any(tuple(sequence.by_class) != classes for sequence in sequences):
        raise ValueError("sequences: expected the same classes in each")
    combined: dict[int | None, Scores] = {}
    for position, class_id in enumerate(classes):
        parts = [list(sequence.by_class.values())[position] for sequence in sequences]
        checks = [part.cross_check for part in parts if part.cross_check is not None]
        combined[class_id] = Scores.from_fields(
            trackeval_adapter.combine_sequences([part.fields() for part in parts]),
            combine_checks(checks) if len(checks) == len(parts) else None,
        )
    return combined
