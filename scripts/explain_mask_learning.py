"""Where networks that learnt masks differ: in what is found, how exactly, or in who is who.

Reads what the runs of compare_mask_learning.py left in their work folder: logs, detections and
tracks of the bench's test crowds.

    python scripts/explain_mask_learning.py docs/results/mask-learning --work out/mask-learning
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from compare_mask_learning import (
    RunResult,
    group_by_settings,
    read_results,
    result_path,
    show_tables,
)
from mask_learning_runs import BENCH
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, overlapping_pairs
from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.datasets.half_split import HalfSplit
from faimtrack.detectors.files.reading import read_detections
from faimtrack.eval import EvaluationSettings, evaluate_folders
from faimtrack.motfile import find_sequences, read_sequence_info

PRECISION = 0.8
VISIBILITIES = (0.0, 0.25, 0.5, 0.75, 1.0)
TRACKING = ("HOTA", "DetA", "AssA", "LocA", "DetRe", "DetPr", "AssRe", "AssPr")
LAST_ROWS = 5  # of the log: what a branch has come to


@dataclass(frozen=True, kw_only=True)
class Found:
    """Detections beside the people of the same frames, matched at an IoU of 0.5.

    Attributes:
        scores: `(N,)` of the detections.
        overlaps: `(N,)` IoU with the person that each was given to; 0 for a false alarm.
        visibilities: `(N,)` of that person; NaN for a false alarm.
        wanted: `(G,)` visibilities of all people.
    """

    scores: NDArray[np.float64]
    overlaps: NDArray[np.float64]
    visibilities: NDArray[np.float64]
    wanted: NDArray[np.float64]


def match(found: Boxes, scores: NDArray[np.float64], wanted: Boxes) -> NDArray[np.int64]:
    """Give each person to one detection as COCO does: the surest first, each takes its best.

    Args:
        found: `(N, 4)` corners in pixels.
        scores: `(N,)`.
        wanted: `(G, 4)`.

    Returns:
        `(N,)` the row of the person, -1 for a false alarm.
    """
    given = np.full(len(found), -1, np.int64)
    taken = np.zeros(len(wanted), bool)
    rows, columns, overlaps = overlapping_pairs(found, wanted)
    enough = overlaps >= 0.5
    rows, columns, overlaps = rows[enough], columns[enough], overlaps[enough]
    starts = np.searchsorted(rows, np.arange(len(found) + 1))
    for row in np.argsort(-scores, kind="stable"):
        mine = slice(starts[row], starts[row + 1])
        free = np.where(taken[columns[mine]], -1.0, overlaps[mine])
        if len(free) and free.max() > 0:
            given[row] = columns[mine][free.argmax()]
            taken[given[row]] = True
    return given


def _found_in(folder: Path, data: Path) -> Found:
    parts: list[tuple[NDArray[np.float64], ...]] = []
    for sequence in find_sequences(data):
        info = read_sequence_info(sequence)
        table = read_detections(
            folder / f"{info.name}.parquet", frame_count=info.frame_count, allow_empty=True
        )
        images = HalfSplit.open(sequence, split="full")
        for position in range(info.frame_count):
            rows = table.frames == position + 1
            parts.append(_of_frame(table.boxes[rows], table.scores[rows], images[position]))
    scores, overlaps, visibilities, wanted = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    return Found(scores=scores, overlaps=overlaps, visibilities=visibilities, wanted=wanted)


def _of_frame(
    boxes: Boxes, scores: NDArray[np.float64], image: AnnotatedImage
) -> tuple[NDArray[np.float64], ...]:
    given = match(boxes, scores, image.boxes)
    is_hit = given >= 0
    overlaps, visibilities = np.zeros(len(boxes)), np.full(len(boxes), np.nan)
    visibilities[is_hit] = image.visibilities[given[is_hit]]
    overlaps[is_hit] = _overlaps_in_pairs(boxes[is_hit], image.boxes[given[is_hit]])
    return scores, overlaps, visibilities, image.visibilities


def _overlaps_in_pairs(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    rows, columns, overlaps = overlapping_pairs(first, second)
    return overlaps[rows == columns]


def detection_numbers(found: Found, precision: float = PRECISION) -> dict[str, float]:
    """Who is found, and how exactly, at the lowest score that keeps a precision.

    Raises:
        ValueError: No score does.
    """
    order = np.argsort(-found.scores, kind="stable")
    is_hit = found.overlaps[order] > 0
    precise = np.flatnonzero(np.cumsum(is_hit) >= precision * np.arange(1, len(order) + 1))
    if not len(precise):
        raise ValueError(f"detections: expected a precision of {precision}, got none at any score")
    kept = order[: precise[-1] + 1]
    hits = kept[found.overlaps[kept] > 0]
    numbers = {"recall": len(hits) / len(found.wanted)}
    for low, high in pairwise(VISIBILITIES):
        of_these = _count_between(found.wanted, low, high)
        seen = _count_between(found.visibilities[hits], low, high)
        numbers[f"recall {low:g}–{high:g}"] = seen / max(of_these, 1)
    numbers["IoU of hits"] = float(found.overlaps[hits].mean())
    return numbers


def _count_between(values: NDArray[np.float64], low: float, high: float) -> int:
    """How many lie above `low`, up to `high`; 0 itself is in the first part."""
    is_above = (values > low) | ((low == 0) & (values == 0))
    return int((is_above & (values <= high)).sum())


def _tracking_numbers(folder: Path, data: Path) -> dict[str, float]:
    report = evaluate_folders(data, folder, EvaluationSettings())
    if report.failures or report.combined is None:
        raise ValueError("; ".join(failure.message for failure in report.failures))
    return {name: report.combined.summary[name] for name in TRACKING}


def _log_numbers(path: Path) -> dict[str, float]:
    """Losses, and overlaps of masks, at the end of a training."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[-LAST_ROWS:]
    names = [name for name in ("iou", "objectness", "masks", "mask_iou") if name in rows[-1]]
    return {name: statistics.fmean(float(row[name]) for row in rows) for name in names}


def explain(run: RunResult, folder: Path, data: Path) -> dict[str, dict[str, float]]:
    """The numbers of one run: of its tracks, its detections and its log."""
    return {
        "tracks": _tracking_numbers(folder / "test" / "tracks", data),
        "detections": detection_numbers(_found_in(folder / "test" / "detections", data)),
        "log": _log_numbers(folder / "metrics.csv"),
    }


def _table(rows: Sequence[tuple[str, dict[str, float]]]) -> dict[str, list[Any]]:
    """Mean ± standard deviation over the seeds; a row an arm."""
    columns = list(dict.fromkeys(name for _, numbers in rows for name in numbers))
    lines = []
    for arm in dict.fromkeys(arm for arm, _ in rows):
        runs = [numbers for each, numbers in rows if each == arm]
        cells = (_cell([run[name] for run in runs if name in run]) for name in columns)
        lines.append([arm, str(len(runs)), *cells])
    return {"columns": ["masks", "seeds", *columns], "rows": lines}


def _cell(values: Sequence[float]) -> str:
    if not values:
        return "–"
    mean = f"{statistics.fmean(values):.3f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.3f}"


def _explained(
    results: Sequence[RunResult], work: Path, results_folder: Path
) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
    for run in results:
        folder = work / result_path(results_folder, run.run, run.arm, run.seed).stem
        if (folder / "test").is_dir():
            yield run.arm, explain(run, folder, work / BENCH / "test")
        else:
            print(f"{folder}: left out, the run was done elsewhere", file=sys.stderr)


def main() -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="folder of one JSON file a finished run")
    parser.add_argument("--work", type=Path, default=Path("out/mask-learning"))
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    arguments = parser.parse_args()
    tables: dict[str, Any] = {}
    try:
        for label, group in group_by_settings(read_results(arguments.results)).items():
            explained = list(_explained(group, arguments.work, arguments.results))
            for part in explained[0][1] if explained else ():
                rows = [(arm, numbers[part]) for arm, numbers in explained]
                tables[f"{label}: {part}"] = _table(rows)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    show_tables({"kind": "table", "tables": tables}, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
