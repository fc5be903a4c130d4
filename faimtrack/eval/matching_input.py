"""One sequence as the metrics want it: distractors gone, ids from 0, overlaps frame by frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from faimtrack.boxes import box_iou, box_xywh_to_xyxy
from faimtrack.eval.rules import EvaluationRules
from faimtrack.motfile import MotTable

IOU_THRESHOLD = 0.5
_EPSILON = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False, kw_only=True)
class MatchingInput:
    """The objects and results of one class in one sequence.

    Attributes:
        frames: The frame numbers that are evaluated; the lists have one entry a frame.
        ground_truth_ids: `(G,)` int64 each, contiguous from 0 over the sequence.
        result_ids: `(R,)` int64 each, contiguous from 0 over the sequence.
        similarities: `(G, R)` float64 each, intersection over union.
        ground_truth_id_count: Number of objects.
        result_id_count: Number of result tracks that are left.
        ground_truth_rows: `(G,)` int64 each, where the objects stand in the given ground truth.
        result_rows: `(R,)` int64 each, where the results stand in the given results.
        removed_rows: `(D,)` int64 each, results that were taken away because they match a
            distractor.
    """

    frames: range
    ground_truth_ids: list[NDArray[np.int64]]
    result_ids: list[NDArray[np.int64]]
    similarities: list[NDArray[np.float64]]
    ground_truth_id_count: int
    result_id_count: int
    ground_truth_rows: list[NDArray[np.int64]]
    result_rows: list[NDArray[np.int64]]
    removed_rows: list[NDArray[np.int64]]

    @property
    def removed_row_count(self) -> int:
        """Results that were taken away over all frames."""
        return sum(len(rows) for rows in self.removed_rows)

    @property
    def ground_truth_row_count(self) -> int:
        """Boxes in the ground truth over all frames."""
        return sum(len(ids) for ids in self.ground_truth_ids)

    @property
    def result_row_count(self) -> int:
        """Boxes in the results over all frames."""
        return sum(len(ids) for ids in self.result_ids)


def matching_input(
    ground_truth: MotTable,
    results: MotTable,
    frames: range,
    rules: EvaluationRules,
    class_id: int | None,
) -> MatchingInput:
    """Apply a benchmark's rules to one sequence.

    Args:
        ground_truth: Rows of the sequence; those outside `frames` are left out.
        results: Rows with frame numbers of the sequence, all inside `frames`.
        frames: Frames to evaluate.
        rules: The benchmark's.
        class_id: One of the rules' classes, or None where the ground truth has none.

    Raises:
        ValueError: A class is not one that the rules know.
    """
    inside = (ground_truth.frames >= frames.start) & (ground_truth.frames < frames.stop)
    object_rows, found_rows = np.flatnonzero(inside), np.arange(len(results))
    _check_classes(ground_truth.select(inside), results, rules)
    if rules.results_have_classes and class_id is not None:
        found_rows = found_rows[_rows_of_class(results, rules, class_id)]
        others = [other for other in rules.class_ids or () if other != class_id]
        object_rows = object_rows[~np.isin(ground_truth.class_ids[object_rows], others)]
    ground_truth, results = ground_truth.select(object_rows), results.select(found_rows)
    # TrackEval reads the mark as a whole number: 0.5 is 0, "not evaluated".
    counted = np.trunc(ground_truth.confidences) != 0
    if class_id is not None:
        counted &= ground_truth.class_ids == class_id
    distractors = np.isin(ground_truth.class_ids, rules.distractor_ids)
    if class_id is None:
        distractors[:] = False
    kept = np.ones(len(results), np.bool_)
    similarities = []
    for frame in frames:
        objects, found = ground_truth.rows_of(frame), results.rows_of(frame)
        overlaps = box_iou(
            box_xywh_to_xyxy(ground_truth.boxes_xywh[objects]),
            box_xywh_to_xyxy(results.boxes_xywh[found]),
        )
        if distractors[objects].any():
            columns = _matched_columns(overlaps, distractors[objects])
            kept[np.arange(found.start, found.stop)[columns]] = False
        similarities.append(np.ascontiguousarray(overlaps[counted[objects]][:, kept[found]]))
    object_ids, object_count = _ids_by_frame(ground_truth, counted, frames)
    result_ids, result_count = _ids_by_frame(results, kept, frames)
    removed = ~kept
    return MatchingInput(
        frames=frames,
        ground_truth_ids=object_ids,
        result_ids=result_ids,
        similarities=similarities,
        ground_truth_id_count=object_count,
        result_id_count=result_count,
        ground_truth_rows=_by_frame(object_rows[counted], ground_truth.frames[counted], frames),
        result_rows=_by_frame(found_rows[kept], results.frames[kept], frames),
        removed_rows=_by_frame(found_rows[removed], results.frames[removed], frames),
    )


def _matched_columns(
    overlaps: NDArray[np.float64], distractors: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Results of one frame that the best assignment to *all* objects gives to distractors."""
    gated = np.where(overlaps < IOU_THRESHOLD - _EPSILON, 0.0, overlaps)
    rows, columns = linear_sum_assignment(gated, maximize=True)
    taken = (gated[rows, columns] > _EPSILON) & distractors[rows]
    matched: NDArray[np.int64] = columns[taken]
    return matched


def _ids_by_frame(
    table: MotTable, chosen: NDArray[np.bool_], frames: range
) -> tuple[list[NDArray[np.int64]], int]:
    """The chosen rows' ids, renumbered from 0 in their order, and how many ids there are."""
    unique, renumbered = np.unique(table.ids[chosen], return_inverse=True)
    ids = renumbered.reshape(-1).astype(np.int64)
    return _by_frame(ids, table.frames[chosen], frames), len(unique)


def _by_frame(
    values: NDArray[np.int64], frame_of_each: NDArray[np.int64], frames: range
) -> list[NDArray[np.int64]]:
    """Values of rows that are sorted by frame, cut where frames begin."""
    edges = np.searchsorted(frame_of_each, np.arange(frames.start, frames.stop + 1))
    return [values[a:b] for a, b in pairwise(edges)]


def _rows_of_class(results: MotTable, rules: EvaluationRules, class_id: int) -> NDArray[np.bool_]:
    if rules.class_ids == (class_id,) and (results.class_ids == -1).all():
        return np.ones(len(results), np.bool_)
    rows: NDArray[np.bool_] = results.class_ids == class_id
    return rows


def _check_classes(ground_truth: MotTable, results: MotTable, rules: EvaluationRules) -> None:
    if rules.class_ids is None:
        return

    def refuse(table: MotTable, wrong: NDArray[np.bool_], expected: str) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{table.path}, frame {table.frames[row]}: expected {expected} in column 8 "
                f"(rules {rules.name}), got {table.class_ids[row]}"
            )

    if rules.known_ids:
        unknown = ~np.isin(ground_truth.class_ids, rules.known_ids)
        refuse(
            ground_truth, unknown, f"a class from {rules.known_ids[0]} to {rules.known_ids[-1]}"
        )
    if not rules.results_have_classes:
        refuse(results, results.class_ids > 1, "class 1 or none")
    elif len(rules.class_ids) > 1:
        refuse(results, results.class_ids < 0, "a class")
