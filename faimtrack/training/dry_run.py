"""One real step of a recipe: does it run, how long does it take, how much memory does it need."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback

from faimtrack.training.fit import Machines, fit
from faimtrack.training.prepare import prepare_training
from faimtrack.training.recipe import AnyTrainingRecipe, TrainingRecipe
from faimtrack.training.samples import DataPlaces


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a step took.

    Attributes:
        images: Of the step; for re-identification crops.
        size: Height and width in pixels of its largest input.
        parameters: Weights that learn.
        seconds: From its samples being there to its end, on a GPU with what is done once only.
        peak_memory_bytes: Of the GPU, else of the whole process.
        values: Losses and the like, by name.
        remarks: Lines for people.
    """

    images: int
    size: tuple[int, int]
    parameters: int
    seconds: float
    peak_memory_bytes: int
    values: Mapping[str, float]
    remarks: tuple[str, ...]


def dry_run(recipe: AnyTrainingRecipe, places: DataPlaces, machines: Machines) -> DryRun:
    """Do one step at a recipe's full size and largest resolution, with its augmentation.

    On a GPU with one device's share of the batch; on a CPU with one image or one group of crops,
    and in full precision where half is asked for. Nothing is written. Initial weights that are
    not on this machine are replaced by random ones, and a remark says so.

    Args:
        recipe: What to try.
        places: Where the data lie.
        machines: On how many it is to run; here it is one.

    Raises:
        ValueError: Data or weights do not fit, or the loss is not finite.
        OSError: A file cannot be read.
    """
    schedule = recipe.schedule
    share = schedule.batch_size // (machines.processes * schedule.accumulate)
    images = max(1, share) if machines.has_gpu else 1
    precision = schedule.precision
    if precision == "16-mixed" and not machines.has_gpu:
        precision = "32"
    small = dataclasses.replace(
        recipe,
        schedule=dataclasses.replace(
            schedule,
            batch_size=images,
            accumulate=1,
            precision=precision,
            warm_up_steps=0,  # the first step of a warm-up from 0 would change nothing
        ),
    )
    if isinstance(small, TrainingRecipe):
        changes = small.augmentation
        largest = dataclasses.replace(changes, smallest_input=changes.largest_input)
        small = dataclasses.replace(small, augmentation=largest)
    prepared = prepare_training(small, places, need_initial_weights=False)
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        module = fit(
            prepared.learner,
            prepared.samples,
            prepared.schedule,
            Path(folder),
            machines=dataclasses.replace(machines, devices=1, nodes=1, workers=0),
            max_steps=1,
            callbacks=[clock],
            keeps_checkpoints=False,
        )
    assert module.result is not None
    learning = [each for each in prepared.learner.parameters() if each.requires_grad]
    return DryRun(
        images=clock.images,
        size=clock.size,
        parameters=sum(each.numel() for each in learning),
        seconds=clock.seconds,
        peak_memory_bytes=clock.peak_memory_bytes,
        values=module.result.values(),
        remarks=prepared.remarks,
    )


class _Clock(Callback):
    """Takes the time of a step."""

    seconds = 0.0
    images = 0
    size = (0, 0)
    peak_memory_bytes = 0

    def on_train_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int
    ) -> None:
        shapes = [image.shape[1:] for part in batch.parts for image in part.images]
        self.images = len(shapes)
        self.size = (max(shape[0] for shape in shapes), max(shape[1] for shape in shapes))
        self.seconds = -time.monotonic()

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        pl_module.result.values()  # waits for the device
        self.seconds += time.monotonic()
        self.peak_memory_bytes = _peak_memory_bytes(pl_module.device)


def _peak_memory_bytes(device: torch.device) -> int:
    """The most memory that was in use: of the GPU, else of this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
