"""How good weights are: detected, tracked and scored as users do it, from a file of weights."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faimtrack.boxes import Boxes
from faimtrack.datasets.half_split import HalfSplit, choose_copies
from faimtrack.detectors.files.reading import read_detections
from faimtrack.eval import BENCHMARKS, EvaluationSettings, evaluate_folders
from faimtrack.motfile import (
    SequenceInfo,
    SplitName,
    find_sequences,
    read_sequence_info,
    split_frames,
)
from faimtrack.pipeline import Task, plan_detection, plan_tasks, run_tasks
from faimtrack.training.average_precision import average_precision
from faimtrack.training.recipe import TrainingRecipe

SCORES = ("AP50", "AP", "HOTA", "MOTA", "IDF1", "IDSW", "FP", "FN")
_COUNTS = {"FP": "CLR_FP", "FN": "CLR_FN"}


@dataclass(frozen=True, kw_only=True)
class Validation:
    """How good weights are: `SCORES` by name, ratios from 0 to 1 (MOTA may be negative), counts.

    Attributes:
        combined: Over all sequences.
        sequences: Of each sequence, by its name.
    """

    combined: Mapping[str, float]
    sequences: Mapping[str, Mapping[str, float]]


def validate(
    recipe: TrainingRecipe,
    data: Path,
    weights: Path,
    folder: Path,
    *,
    split: SplitName | None = None,
) -> Validation:
    """Score weights on sequences.

    Nothing that trains is touched: a detector of its own reads the file. What it finds is written
    to files, and tracks are made of these, by the code behind `faimtrack detect`, `track` and
    `eval`; so average precision counts what the recipe's detector thresholds let through.

    Args:
        recipe: The tracker that scores, and the detector's thresholds.
        data: The folder of sequences.
        weights: The file.
        folder: For what is written in between; it is emptied first and stays.
        split: Which part of each sequence; None: the recipe's validation split.

    Raises:
        ValueError: A sequence could not be scored.
        OSError: A file cannot be read or written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    split = split or recipe.validation.split
    settings = dataclasses.replace(recipe.tracking.settings, split=split, numbering="kept")
    tracking = dataclasses.replace(recipe.tracking, settings=settings)
    sequences = choose_copies([read_sequence_info(each) for each in find_sequences(data)])
    sources = [str(info.folder) for info in sequences]
    detections, tracks = folder / "detections", folder / "tracks"
    _do(plan_detection(sources, tracking, detections, format="parquet", weights=weights))
    _do(plan_tasks(sources, tracking, tracks, detections=detections))
    report = evaluate_folders(
        data,
        tracks,
        evaluation_settings(recipe, split),
        sequences=[info.name for info in sequences],
    )
    if report.failures or report.combined is None:
        raise ValueError("; ".join(failure.message for failure in report.failures))
    frames = {info.name: _frames(info, recipe, detections, split) for info in sequences}
    everything = [frame for each in frames.values() for frame in each]
    return Validation(
        combined=_scores(report.combined.summary, everything),
        sequences={
            each.name: _scores(each.summary, frames[each.name]) for each in report.sequences
        },
    )


def evaluation_settings(recipe: TrainingRecipe, split: SplitName) -> EvaluationSettings:
    """How results are scored: by the classes that the recipe learns."""
    benchmark = recipe.data.benchmark
    rules = None if benchmark == "auto" else BENCHMARKS[benchmark]
    return EvaluationSettings(split=split, rules=rules)


def _do(tasks: Sequence[Task]) -> None:
    """Do all tasks.

    Raises:
        ValueError: One failed.
    """
    for outcome in run_tasks(tasks):
        if outcome.error is not None:
            raise ValueError(f"validation: {outcome.task.name}: {outcome.error}")


_FrameBoxes = tuple[tuple[Boxes, Sequence[float]], Boxes]
"""What was found in a frame, boxes and scores, and the boxes that were to be found."""


def _frames(
    info: SequenceInfo, recipe: TrainingRecipe, detections: Path, split: SplitName
) -> list[_FrameBoxes]:
    images = HalfSplit.open(info.folder, split=split, config=recipe.data)
    table = read_detections(
        detections / f"{info.name}.parquet", frame_count=info.frame_count, allow_empty=True
    )
    frames: list[_FrameBoxes] = []
    for position, frame in enumerate(split_frames(info.frame_count, split)):
        rows = table.frames == frame
        found = table.boxes[rows], table.scores[rows].tolist()
        frames.append((found, images[position].boxes))
    return frames


def _scores(summary: Mapping[str, float], frames: Sequence[_FrameBoxes]) -> dict[str, float]:
    found, wanted = zip(*frames, strict=True)
    precision = average_precision(found, wanted)
    scores = {name: float(summary[_COUNTS.get(name, name)]) for name in SCORES[2:]}
    return {"AP50": precision.ap50, "AP": precision.ap, **scores}
