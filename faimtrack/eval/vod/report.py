"""Scores of video object detection as JSON and CSV; several results beside each other."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from faimtrack import __version__
from faimtrack.atomic import atomic_file
from faimtrack.eval.vod.average_precision import RECALLS
from faimtrack.eval.vod.scores import METRICS, MOTION_GROUPS, ClassScores, VodScores

MEAN = "MEAN"
TITLES = {
    "vid": "VID AP", "slow": "slow", "medium": "medium", "fast": "fast",
    "ap50": "AP50", "ap75": "AP75", "ap": "AP50:95",
}  # fmt: skip
"""What `METRICS` are called in tables."""
CSV_COLUMNS = (
    "result", "class", "truths", *(f"{group}_truths" for group in MOTION_GROUPS), "detections",
    *METRICS,
)  # fmt: skip


def difference(first: float | None, second: float | None) -> float | None:
    """`first` − `second`; None if either is unknown."""
    return None if first is None or second is None else first - second


def scores_to_dict(scores: VodScores) -> dict[str, Any]:
    """The scores of one result as JSON's types, in full precision; ratios are fractions."""
    return {
        "videos": scores.videos,
        "frames": scores.frames,
        "truths": scores.truths,
        "detections": scores.detections,
        "coco_detections": scores.coco_detections,
        "most_objects": scores.most_objects,
        "no_groups_because": scores.no_groups_because,
        "objects_alone": scores.alone,
        "objects_not_followed": scores.not_followed,
        "mean": dict(scores.mean),
        "classes": {each.name: _class_to_dict(each) for each in scores.classes},
    }


def _class_to_dict(scores: ClassScores) -> dict[str, Any]:
    by_motion = scores.truths_by_motion
    return {
        "truths": scores.truths,
        "truths_by_motion": None if by_motion is None else dict(by_motion),
        "detections": scores.detections,
        **scores.values,
        "precisions": None if scores.precisions is None else scores.precisions.tolist(),
    }


def report_to_dict(
    results: Mapping[str, VodScores],
    *,
    modes: Mapping[str, str | None] | None = None,
    failures: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """All results as JSON's types, and of each after the first what the first has more.

    Args:
        results: Scores by the result's name, the one that is compared with the others first.
        modes: `online` or `offline` by the result's name, None where nobody knows.
        failures: Why a video could not be scored, by its name.
        notes: What else is to be known.
    """
    first = next(iter(results.values()), None)
    return {
        "faimtrack": __version__,
        "recalls": [round(recall, 2) for recall in RECALLS.tolist()],
        "results": {name: scores_to_dict(scores) for name, scores in results.items()},
        "differences": {
            name: {
                metric: difference(first.mean[metric], scores.mean[metric]) for metric in METRICS
            }
            for name, scores in results.items()
            if first is not None and scores is not first
        },
        "modes": dict(modes or {}),
        "failures": dict(failures or {}),
        "notes": list(notes),
    }


def write_json(tree: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Write what `report_to_dict` gave.

    Raises:
        OSError: The file cannot be written.
    """
    text = json.dumps(tree, indent=1, allow_nan=False)
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def write_csv(results: Mapping[str, VodScores], path: str | os.PathLike[str]) -> None:
    """Write a row for each result and class, and one for its mean; what is unknown is empty.

    Raises:
        OSError: The file cannot be written.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", encoding="utf-8", newline="") as out,
    ):
        writer = csv.writer(out)
        writer.writerow(CSV_COLUMNS)
        for name, scores in results.items():
            for row in _csv_rows(scores):
                writer.writerow([name, *("" if cell is None else cell for cell in row)])


def _csv_rows(scores: VodScores) -> Iterator[list[Any]]:
    for each in scores.classes:
        by_motion = each.truths_by_motion or dict.fromkeys(MOTION_GROUPS)
        groups = [by_motion[group] for group in MOTION_GROUPS]
        values = [each.values[metric] for metric in METRICS]
        yield [each.name, each.truths, *groups, each.detections, *values]
    sums = group_truths(scores)
    groups = [None if sums is None else sums[group] for group in MOTION_GROUPS]
    values = [scores.mean[metric] for metric in METRICS]
    yield [MEAN, scores.truths, *groups, scores.detections, *values]


def group_truths(scores: VodScores) -> dict[str, int] | None:
    """Number of objects of all classes by motion group; None without groups."""
    if scores.no_groups_because is not None:
        return None
    return {
        group: sum(each.truths_by_motion[group] for each in scores.classes if
            each.truths_by_motion)
        for group in MOTION_GROUPS
    }  # fmt: skip
