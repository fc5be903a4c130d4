"""How good weights are: detected, tracked and scored as users do it, from a file of weights."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from faimtrack.datasets.half_split import HalfSplit, choose_copies
from faimtrack.detectors.files.reading import read_detections
from faimtrack.eval import EvaluationSettings, evaluate_folders
from faimtrack.motfile import find_sequences, read_sequence_info, split_frames
from faimtrack.pipeline import Task, plan_detection, plan_tasks, run_tasks
from faimtrack.recipes import Recipe
from faimtrack.training.average_precision import AveragePrecision, average_precision
from faimtrack.training.recipe import TrainingRecipe

SCORES = ("AP50", "AP", "HOTA", "MOTA", "IDF1", "IDSW", "FP", "FN")
_COUNTS = {"FP": "CLR_FP", "FN": "CLR_FN"}


def validate(recipe: TrainingRecipe, data: Path, weights: Path, folder: Path) -> dict[str, float]:
    """Score weights on a recipe's validation split.

    Nothing that trains is touched: a detector of its own reads the file. What it finds is written
    to files, and tracks are made of these, by the code behind `faimtrack detect`, `track` and
    `eval`; so average precision counts what the recipe's detector thresholds let through.

    Args:
        recipe: The tracker that scores, the detector's thresholds and the split.
        data: The folder of sequences.
        weights: The file.
        folder: For what is written in between; it is emptied first and stays.

    Returns:
        `SCORES` by name: ratios from 0 to 1 (MOTA may be negative) and counts.

    Raises:
        ValueError: A sequence could not be scored.
        OSError: A file cannot be read or written.
    """
    shutil.rmtree(folder, ignore_errors=True)
    tracking = _tracking_recipe(recipe)
    sequences = choose_copies([read_sequence_info(each) for each in find_sequences(data)])
    sources = [str(info.folder) for info in sequences]
    detections, tracks = folder / "detections", folder / "tracks"
    _do(plan_detection(sources, tracking, detections, format="parquet", weights=weights))
    _do(plan_tasks(sources, tracking, tracks, detections=detections))
    settings = EvaluationSettings(split=recipe.validation.split)
    report = evaluate_folders(data, tracks, settings, sequences=[info.name for info in sequences])
    if report.failures or report.combined is None:
        raise ValueError("; ".join(failure.message for failure in report.failures))
    summary = report.combined.summary
    precision = _average_precision(recipe, data, detections)
    scores = {name: float(summary[_COUNTS.get(name, name)]) for name in SCORES[2:]}
    return {"AP50": precision.ap50, "AP": precision.ap, **scores}


def _tracking_recipe(recipe: TrainingRecipe) -> Recipe:
    tracking = recipe.tracking
    settings = dataclasses.replace(
        tracking.settings, split=recipe.validation.split, numbering="kept"
    )
    return dataclasses.replace(tracking, settings=settings)


def _do(tasks: Sequence[Task]) -> None:
    """Do all tasks.

    Raises:
        ValueError: One failed.
    """
    for outcome in run_tasks(tasks):
        if outcome.error is not None:
            raise ValueError(f"validation: {outcome.task.name}: {outcome.error}")


def _average_precision(recipe: TrainingRecipe, data: Path, detections: Path) -> AveragePrecision:
    found, wanted = [], []
    for info in choose_copies([read_sequence_info(each) for each in find_sequences(data)]):
        images = HalfSplit.open(info.folder, split=recipe.validation.split, config=recipe.data)
        table = read_detections(
            detections / f"{info.name}.parquet", frame_count=info.frame_count, allow_empty=True
        )
        for position, frame in enumerate(split_frames(info.frame_count, recipe.validation.split)):
            rows = table.frames == frame
            found.append((table.boxes[rows], table.scores[rows].tolist()))
            wanted.append(images[position].boxes)
    return average_precision(found, wanted)
