"""How good weights are: detected, tracked and scored as users do it, from a file of weights."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faimtrack.appearance.loading import embedder_file
from faimtrack.boxes import Boxes
from faimtrack.datasets.half_split import HalfSplit, choose_copies
from faimtrack.detectors.families import detector_file
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
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS
from faimtrack.recipes import Recipe
from faimtrack.trackers import tracker_entry
from faimtrack.training.average_precision import average_precision
from faimtrack.training.config import DataConfig, ValidationConfig
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
    assert isinstance(recipe.validation, ValidationConfig)
    split = split or recipe.validation.split
    tracking = scoring_recipe(recipe, split)
    sequences = choose_copies([read_sequence_info(each) for each in find_sequences(data)])
    sources = [str(info.folder) for info in sequences]
    detections, tracks = folder / "detections", folder / "tracks"
    detect_all(sources, tracking, detections, weights)
    track_all(sources, tracking, tracks, detections, weights)
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
    assert isinstance(recipe.data, DataConfig)
    benchmark = recipe.data.benchmark
    rules = None if benchmark == "auto" else BENCHMARKS[benchmark]
    return EvaluationSettings(split=split, rules=rules)


def scoring_recipe(recipe: TrainingRecipe, split: SplitName) -> Recipe:
    """How sequences are tracked to score what is trained.

    Where the tracker moves boxes by a network, that is the trained one unless the recipe names
    another. The tracker then looks at boxes of its own, so that detections need no vectors: what
    the detector was told to keep of its features is kept for these boxes.

    Args:
        recipe: The training's.
        split: Which part of each sequence.
    """
    tracking = recipe.tracking
    settings = dataclasses.replace(tracking.settings, split=split, numbering="kept")
    tracking = dataclasses.replace(tracking, settings=settings)
    if not _moves_boxes(tracking):
        return tracking
    own = tracking.detector
    plain = dataclasses.replace(own, keep="none")
    if tracking.regressor_weights is None:
        regressor = own if own.keep in EMBEDDING_KEEPS else plain
        tracking = dataclasses.replace(tracking, regressor=regressor)
    return dataclasses.replace(tracking, detector=plain)


def require_scoring_networks(recipe: TrainingRecipe) -> None:
    """See that there are all networks that the tracker needs, before anything is trained.

    Raises:
        ValueError: The tracker moves boxes by a network, and what is trained cannot; or a name is
            not that of such weights.
        OSError: A file is not there.
    """
    tracking = recipe.tracking
    _embedder(tracking)
    if not _moves_boxes(tracking):
        return
    if tracking.regressor_weights is not None:
        detector_file(tracking.regressor_weights)
    elif recipe.family != "faster-rcnn":
        raise ValueError(
            f"{tracking.tracker_name}: expected a network that moves boxes, got "
            f"{recipe.network.name}, which cannot: name another one by regressor.weights, or "
            "another tracker by tracker.name"
        )


def detect_all(sources: Sequence[str], tracking: Recipe, output: Path, weights: Path) -> None:
    """Write what a trained detector finds, a Parquet file a sequence.

    Args:
        sources: The sequences' folders.
        tracking: As `scoring_recipe` gives it.
        output: Folder of the detections.
        weights: The trained file.

    Raises:
        ValueError: A sequence failed.
    """
    _do(plan_detection(sources, tracking, output, format="parquet", weights=weights))


def track_all(
    sources: Sequence[str], tracking: Recipe, output: Path, detections: Path, weights: Path
) -> None:
    """Write the tracks of what `detect_all` wrote.

    Args:
        sources: The sequences' folders.
        tracking: As `scoring_recipe` gives it.
        output: Folder of the tracks.
        detections: Folder of the detections.
        weights: The trained file; it moves boxes if the tracker wants that and the recipe names
            no other one.

    Raises:
        ValueError: A sequence failed.
        OSError: Another network's file is not there.
    """
    regressor = None
    if _moves_boxes(tracking):
        named = tracking.regressor_weights
        regressor = weights if named is None else detector_file(named)
    embedder = _embedder(tracking)
    _do(
        plan_tasks(
            sources,
            tracking,
            output,
            detections=detections,
            embedder=embedder,
            regressor=regressor,
        )
    )


def _moves_boxes(tracking: Recipe) -> bool:
    return tracker_entry(tracking.tracker_name).needs_regressor


def _embedder(tracking: Recipe) -> Path | str | None:
    """What the recipe's tracker knows people by beside boxes: a file, or a name without one."""
    name = tracking.embedder_weights
    return None if name is None else embedder_file(name) or name


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
    assert isinstance(recipe.data, DataConfig)
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
