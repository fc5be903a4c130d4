"""The runs behind compare_mask_learning.py: train an arm, score it on crowds it has not seen."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faimtrack.datasets.crowd import write_bench
from faimtrack.masks import make_many_masks, mask_file, plan_masks
from faimtrack.motfile import find_sequences
from faimtrack.training.fit import Machines
from faimtrack.training.progress import Progress
from faimtrack.training.recipe import TrainingRecipe, resolve_training_recipe
from faimtrack.training.run import CHECKPOINTS, TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.training.validation import Validation, validate

BENCH = "crowd-bench-v1"


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


def prepare_bench(work: Path, sources: Sequence[str]) -> Path:
    """The bench's crowds with the masks that are wanted; what is there is kept."""
    bench = work / BENCH
    if not bench.is_dir():
        write_bench(BENCH, bench)
    for source in sources:
        if all(mask_file(folder, source).is_file() for folder in find_sequences(bench / "train")):
            continue
        tasks = plan_masks(bench / "train", source, existing="resume")  # type: ignore[arg-type]
        for outcome in make_many_masks(tasks, jobs=2):
            if outcome.error is not None:
                raise ValueError(f"{outcome.task.name}: {outcome.error}")
    return bench


def shared_settings(recipe: str, overrides: Sequence[str]) -> dict[str, Any]:
    """What runs that are compared have in common."""
    resolved = resolve_training_recipe(recipe, overrides=overrides)
    schedule = resolved.schedule
    return {
        "recipe": recipe,
        "network": resolved.network.name,
        "steps": schedule.steps,
        "batch": schedule.batch_size,
        "tracker": resolved.tracking.tracker_name,
        "overrides": list(overrides),
    }


def run_arm(
    arm: Arm, recipe: str, seed: int, overrides: Sequence[str], bench: Path, folder: Path
) -> Validation:
    """Train one arm with one seed and score it on the bench's test crowds.

    A run that was broken off goes on; weights, logs and tracks stay in its folder.
    """
    resolved = arm.recipe(recipe, seed, overrides)
    run = TrainingRun(
        recipe=resolved,
        places=DataPlaces(data=bench / "train"),
        output=folder,
        machines=Machines(devices=1, workers=1),
        existing="resume",
    )
    result = train(run, lambda progress: _show(arm.name, seed, progress))
    scores = validate(resolved, bench / "test", result.weights, folder / "test", split="full")
    shutil.rmtree(folder / CHECKPOINTS)
    return scores


def _show(arm: str, seed: int, progress: Progress) -> None:
    if progress.values and progress.step % 100 == 0:
        shown: Mapping[str, float] = progress.values
        masks = f"  masks {shown['masks']:.3f}" if "masks" in shown else ""
        line = f"{arm}, seed {seed}: {progress.step}/{progress.total}  loss {shown['loss']:.3f}"
        print(f"{line}{masks}  {shown['images_per_s']:.1f} images/s", flush=True)
