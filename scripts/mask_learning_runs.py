"""The runs behind compare_mask_learning.py: train an arm, score it on crowds it has not seen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from drawn_crowds import draw_crowds

from faimtrack.datasets.crowd import CrowdConfig, write_bench
from faimtrack.eval import evaluate_folders
from faimtrack.masks import make_many_masks, mask_file, plan_masks
from faimtrack.motfile import find_sequences
from faimtrack.pipeline import Task, plan_detection, plan_tasks, run_tasks
from faimtrack.training.fit import Machines
from faimtrack.training.progress import Progress
from faimtrack.training.recipe import TrainingRecipe, resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.validation import Validation, evaluation_settings, validate

BENCH = "crowd-bench-v1"
TUNING = "tuning"
TUNING_FRAMES = 120
# Like the bench's test crowds, but shorter and of other seeds.
TUNING_CROWDS = tuple(
    CrowdConfig(
        name=f"{TUNING}-{number}", seed=960_000 + number, frames=TUNING_FRAMES,
        width=width, height=width * 9 // 16, density=density, camera=camera,
    )
    for number, (density, camera, width) in enumerate((
        ("sparse", "static", 640), ("sparse", "moving", 640), ("medium", "static", 640),
        ("medium", "moving", 640), ("medium", "static", 960), ("dense", "static", 960),
        ("dense", "moving", 960),
    ))
)  # fmt: skip
TRACK_THRESHOLDS = (0.3, 0.4, 0.5, 0.6, 0.7)
NEW_TRACK_MARGIN = 0.1  # as in ByteTrack's own settings
# Who scores, also where a recipe names Tracktor: detectors alone are compared, with one threshold.
SCORED_BY = ("tracker.name=bytetrack", "tracker.preset=mot20")


@dataclass(frozen=True, kw_only=True)
class Arm:
    """What is learnt beside boxes.

    Attributes:
        name: As it was asked for: `none`, or a source of masks and changes of the mask branch,
            such as ``truth,level=p5,weight=0.3``.
        source: Of the masks; None for none.
        changes: ``key=value`` of the mask branch.
    """

    name: str
    source: str | None
    changes: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Arm:
        """Read an arm's name."""
        source, *changes = (part.strip() for part in text.split(","))
        name = ",".join([source, *changes])
        return cls(name=name, source=None if source == "none" else source, changes=tuple(changes))

    def recipe(self, name: str, seed: int, overrides: Sequence[str]) -> TrainingRecipe:
        """The recipe of this arm: the plain one, or its twin with a branch."""
        plain = [*overrides, f"schedule.seed={seed}"]
        if self.source is None:
            return resolve_training_recipe(name, overrides=plain)
        changes = [f"mask_branch.{change}" for change in (f"source={self.source}", *self.changes)]
        return resolve_training_recipe(f"{name}-mask", overrides=[*plain, *changes])


@dataclass(frozen=True, kw_only=True)
class ArmScores:
    """What came of a run.

    Attributes:
        track_threshold: ByteTrack's, chosen for these weights on the tuning crowds.
        test: Scores on the bench's test crowds.
    """

    track_threshold: float
    test: Validation


def prepare_bench(work: Path, sources: Sequence[str]) -> None:
    """The bench's crowds with the masks that are wanted; what is there is kept.

    Beside them are crowds for the choice of thresholds, which are none of the bench's.
    """
    bench = work / BENCH
    if not bench.is_dir():
        write_bench(BENCH, bench)
    draw_crowds(TUNING_CROWDS, work / TUNING)
    for source in sources:
        if all(mask_file(folder, source).is_file() for folder in find_sequences(bench / "train")):
            continue
        tasks = plan_masks(bench / "train", source, existing="resume")  # type: ignore[arg-type]
        for outcome in make_many_masks(tasks, jobs=2):
            if outcome.error is not None:
                raise ValueError(f"{outcome.task.name}: {outcome.error}")


def shared_settings(recipe: str, overrides: Sequence[str]) -> dict[str, Any]:
    """What runs that are compared have in common."""
    scored = [*overrides, *SCORED_BY]
    resolved = resolve_training_recipe(recipe, overrides=scored)
    schedule = resolved.schedule
    everything = {
        "recipe": resolved.tree(),
        "twin": resolve_training_recipe(f"{recipe}-mask", overrides=scored).tree(),
        "tuning": [dataclasses.asdict(crowd) for crowd in TUNING_CROWDS],
        "thresholds": TRACK_THRESHOLDS,
    }
    text = json.dumps(everything, sort_keys=True)
    return {
        "settings_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "recipe": recipe,
        "network": resolved.network.name,
        "steps": schedule.steps,
        "batch": schedule.batch_size,
        "tracker": resolved.tracking.tracker_name,
        "overrides": list(overrides),
    }


def run_arm(
    arm: Arm, recipe: str, seed: int, overrides: Sequence[str], work: Path, folder: Path
) -> ArmScores:
    """Train one arm with one seed and score it on the bench's test crowds.

    How sure of itself a detector is that has trained for minutes differs from one to the next, and
    ByteTrack drops what lies below its threshold. So each gets the threshold that suits it.

    A run that was broken off goes on. Weights, logs and tracks stay in its folder.
    """
    resolved = arm.recipe(recipe, seed, overrides)
    bench = work / BENCH
    run = TrainingRun(
        recipe=resolved,
        places=DataPlaces(data=bench / "train"),
        output=folder,
        machines=Machines(devices=1, workers=1),
        existing="resume",
    )
    result = train(run, lambda progress: _show(arm.name, seed, progress))
    variants = {
        threshold: arm.recipe(recipe, seed, [*overrides, *_thresholds(threshold)])
        for threshold in TRACK_THRESHOLDS
    }
    threshold = _best_threshold(variants, work / TUNING, result.weights, folder / TUNING)
    scores = validate(
        variants[threshold], bench / "test", result.weights, folder / "test", split="full"
    )
    return ArmScores(track_threshold=threshold, test=scores)


def _thresholds(threshold: float) -> list[str]:
    new = threshold + NEW_TRACK_MARGIN
    thresholds = {"track_threshold": f"{threshold}", "new_track_threshold": f"{new:.2f}"}
    return [*SCORED_BY, *(f"tracker.{name}={value}" for name, value in thresholds.items())]


def _best_threshold(
    variants: Mapping[float, TrainingRecipe], data: Path, weights: Path, folder: Path
) -> float:
    """The threshold of ByteTrack with which HOTA, mean over the tuning crowds, is highest."""
    shutil.rmtree(folder, ignore_errors=True)
    sources = [str(sequence) for sequence in find_sequences(data)]
    detections = folder / "detections"
    found: dict[float, float] = {}
    for threshold, recipe in variants.items():
        settings = dataclasses.replace(recipe.tracking.settings, split="full", numbering="kept")
        tracking = dataclasses.replace(recipe.tracking, settings=settings)
        if not found:  # detections are the same for all
            _do(plan_detection(sources, tracking, detections, format="parquet", weights=weights))
        tracks = folder / f"tracks-{threshold}"
        _do(plan_tasks(sources, tracking, tracks, detections=detections))
        report = evaluate_folders(data, tracks, evaluation_settings(recipe, "full"))
        if report.failures:
            raise ValueError("; ".join(failure.message for failure in report.failures))
        found[threshold] = fmean(each.summary["HOTA"] for each in report.sequences)
    return max(found, key=lambda threshold: found[threshold])


def _do(tasks: Sequence[Task]) -> None:
    for outcome in run_tasks(tasks):
        if outcome.error is not None:
            raise ValueError(f"{outcome.task.name}: {outcome.error}")


def _show(arm: str, seed: int, progress: Progress) -> None:
    if progress.values and progress.step % 100 == 0:
        shown: Mapping[str, float] = progress.values
        masks = f"  masks {shown['masks']:.3f}" if "masks" in shown else ""
        line = f"{arm}, seed {seed}: {progress.step}/{progress.total}  loss {shown['loss']:.3f}"
        print(f"{line}{masks}  {shown['images_per_s']:.1f} images/s", flush=True)
