"""Are the data sound: a network that cannot learn one batch by heart will learn nothing."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback
from torch import nn

from faimtrack.structures import Frame
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.sample import TrainingSample
from faimtrack.training.average_precision import average_precision
from faimtrack.training.batches import TrainingBatch, batch_of
from faimtrack.training.fit import Machines, fit
from faimtrack.training.module import TrainingModule
from faimtrack.training.pictures import open_viewer
from faimtrack.training.prepare import Prepared, prepare_training
from faimtrack.training.progress import Progress, Report, no_report
from faimtrack.training.recipe import AnyTrainingRecipe, TrainingRecipe
from faimtrack.training.samples import AugmentedSamples, DataPlaces
from faimtrack.training.schedule import Schedule
from faimtrack.weights.files import write_weights

_MOST_IMAGES = 4
_LOSS_FALLS_BY = 2.0
_AP50_REACHED = 0.5
_MASK_OUTSIDE_PX = 2.0
_MASK_FILLS = 0.05
_MISFITS_SHARE = 0.2  # of people who are hardly seen, little is left for a mask
_RATE_FROM_NOTHING = 2e-3


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        is_good: Whether it is as it should be.
        sentence: What was found, for people.
    """

    is_good: bool
    sentence: str


def check_sanity(
    recipe: AnyTrainingRecipe,
    places: DataPlaces,
    machines: Machines,
    *,
    steps: int = 150,
    report: Report = no_report,
) -> tuple[Finding, ...]:
    """Look at one batch, let the recipe's network learn it by heart, and see what it found.

    Args:
        recipe: What is to be trained.
        places: Where the data lie.
        machines: Where; of several devices one is used.
        steps: Of learning.
        report: Called after each step.

    Returns:
        All that was looked at; the data are sound if all of it is good.

    Raises:
        ValueError: The recipe is no detector's, data or weights do not fit, or the loss is not
            finite.
        OSError: A file cannot be read.
    """
    if not isinstance(recipe, TrainingRecipe) or recipe.family == "video":
        raise ValueError(
            "sanity: expected the recipe of a detector that looks at single images, such as the "
            f"base of a video object detector, got {recipe.network.name}"
        )
    prepared = prepare_training(_quiet(recipe), places, need_initial_weights=False)
    samples = _samples_with_people(prepared)
    findings = list(check_samples(samples))
    schedule = _overfitting(prepared, len(samples), steps, machines)
    losses = _Losses(report, steps)
    with tempfile.TemporaryDirectory() as folder:
        module = fit(
            prepared.learner,
            _Fixed(samples),
            schedule,
            Path(folder),
            machines=dataclasses.replace(machines, devices=1, nodes=1, workers=0),
            callbacks=[losses],
            keeps_checkpoints=False,
        )
        _measure_batch_norms(module, samples)
        weights = Path(folder) / "weights.safetensors"
        tensors = prepared.learner.file_tensors(module.kept_tensors())
        write_weights(weights, tensors, prepared.learner.metadata())
        ap50 = _ap50(prepared, weights, samples)
    findings += _learning_findings(losses.values, ap50)
    return tuple(findings)


def check_samples(samples: Sequence[TrainingSample]) -> tuple[Finding, ...]:
    """Look at samples that nothing has changed: pixels, boxes and masks."""
    boxes = sum(len(sample.boxes) for sample in samples)
    outside = sum(_outside(sample) for sample in samples)
    blank = [
        sample.names[0] for sample in samples if int(sample.image.max()) == int(sample.image.min())
    ]
    masked, misfits = _mask_counts(samples)
    findings = [
        Finding(is_good=boxes > 0, sentence=f"{boxes} people in {len(samples)} images"),
        Finding(is_good=outside == 0, sentence=f"{outside} boxes reach out of their images"),
        Finding(
            is_good=not blank,
            sentence=f"{len(blank)} images are of one colour"
            + (f": {', '.join(blank)}" if blank else ""),
        ),
    ]
    if masked or any(len(sample.masks) and bool(sample.masks.present.any()) for sample in samples):
        findings.append(
            Finding(
                is_good=misfits <= _MISFITS_SHARE * masked,
                sentence=f"{misfits} of {masked} masks do not fit their boxes (expected at most "
                f"{_MISFITS_SHARE:.0%})",
            )
        )
    return tuple(findings)


def _outside(sample: TrainingSample) -> int:
    height, width = sample.image.shape[1:]
    boxes = sample.boxes
    is_out = (
        (boxes[:, :2] < -0.5).any(1) | (boxes[:, 2] > width + 0.5) | (boxes[:, 3] > height + 0.5)
    )
    return int(is_out.sum())


def _mask_counts(samples: Sequence[TrainingSample]) -> tuple[int, int]:
    """How many masks there are, and how many lie beside their boxes or hardly fill them."""
    masked = misfits = 0
    for sample in samples:
        rows = sample.masks.present.nonzero()[:, 0]
        masked += len(rows)
        if not len(rows):
            continue
        boxes, rectangles = sample.boxes[rows], sample.masks.rectangles[rows]
        beyond = _MASK_OUTSIDE_PX
        is_out = (rectangles[:, :2] < boxes[:, :2] - beyond).any(1)
        is_out |= (rectangles[:, 2:] > boxes[:, 2:] + beyond).any(1)
        filled = sample.masks.sample(boxes, rows, 14).mean(dim=(1, 2))
        misfits += int((is_out | (filled < _MASK_FILLS)).sum())
    return masked, misfits


def _quiet(recipe: TrainingRecipe) -> TrainingRecipe:
    """The recipe without anything random in its samples."""
    style = recipe.augmentation.style
    calm = AugmentationConfig(
        style=style,
        flip_probability=0.0,
        hue_gain=0,
        saturation_gain=0,
        value_gain=0,
        smallest_resize=1.0,
        largest_resize=1.0,
        colour_probability=0.0,
        clip_boxes=recipe.augmentation.clip_boxes,
    )
    return dataclasses.replace(recipe, augmentation=calm)


def _samples_with_people(prepared: Prepared) -> list[TrainingSample]:
    """Some samples from all over the data, those with people first."""
    source = prepared.samples
    assert isinstance(source, AugmentedSamples)
    count = source.image_count
    places = np.unique(np.linspace(0, count - 1, min(count, 4 * _MOST_IMAGES)).astype(int))
    images = source.images
    crowded = [int(place) for place in places if len(images[int(place)])]
    chosen = crowded or [int(place) for place in places]
    some = chosen[:: max(1, len(chosen) // _MOST_IMAGES)][:_MOST_IMAGES]
    return [source.sample(0, 0, place) for place in some]


def _overfitting(prepared: Prepared, images: int, steps: int, machines: Machines) -> Schedule:
    config = prepared.recipe.schedule
    precision = config.precision
    if precision == "16-mixed" and not machines.has_gpu:
        precision = "32"
    full = config.learning_rate_per_image * config.batch_size
    optimizer = config.optimizer
    if not prepared.weights:  # what starts with random weights would take long with SGD
        optimizer, full = "adamw", _RATE_FROM_NOTHING
    changed = dataclasses.replace(
        config,
        optimizer=optimizer,
        steps=steps,
        batch_size=images,
        accumulate=1,
        learning_rate_per_image=full / images,
        warm_up_steps=steps // 10,
        plain_steps=steps // 4,
        decay="cosine",
        averaging=0.0,
        precision=precision,
    )
    return Schedule(config=changed, image_count=images)


def _measure_batch_norms(module: TrainingModule, samples: Sequence[TrainingSample]) -> None:
    """Give batch norms the statistics of these images.

    Their running averages still remember the start after so few steps, layer upon layer.
    """
    learner = module.learner
    learner.train()
    norms = [
        each for each in learner.modules() if isinstance(each, nn.BatchNorm2d) and each.training
    ]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    if norms:
        batch = batch_of(samples).to(next(learner.parameters()).device)
        with torch.no_grad():
            learner(batch, is_plain=True, divide_by=lambda count: max(count, 1))


def _ap50(prepared: Prepared, weights: Path, samples: Sequence[TrainingSample]) -> float:
    assert isinstance(prepared.recipe, TrainingRecipe)
    detector = open_viewer(prepared.recipe, weights)
    images = [np.ascontiguousarray(sample.image.permute(1, 2, 0).numpy()) for sample in samples]
    frames = [Frame(number, image=image) for number, image in enumerate(images, 1)]
    found = [(each.boxes, each.scores.tolist()) for each in detector.detect(frames)]
    wanted = [sample.boxes.double().numpy() for sample in samples]
    return average_precision(found, wanted).ap50


def _learning_findings(losses: Sequence[float], ap50: float) -> list[Finding]:
    part = max(1, len(losses) // 10)
    before, after = float(np.mean(losses[:part])), float(np.mean(losses[-part:]))
    falls = before / max(after, 1e-9)
    return [
        Finding(
            is_good=falls >= _LOSS_FALLS_BY,
            sentence=f"the loss falls from {before:.2f} to {after:.2f} on the same images "
            f"(expected at least by a factor of {_LOSS_FALLS_BY:g})",
        ),
        Finding(
            is_good=ap50 >= _AP50_REACHED,
            sentence=f"AP50 on these images is {ap50:.2f} then (expected {_AP50_REACHED:g} or "
            "more)",
        ),
    ]


@dataclass(frozen=True)
class _Fixed:
    """The same samples in every epoch."""

    samples: Sequence[TrainingSample]

    @property
    def image_count(self) -> int:
        return len(self.samples)

    def sample(self, step: int, epoch: int, index: int) -> TrainingSample:
        return self.samples[index]

    def join(self, samples: Sequence[TrainingSample]) -> TrainingBatch:
        return batch_of(samples)


class _Losses(Callback):
    """Remembers the losses but L1, which is not on from the start."""

    def __init__(self, report: Report, total: int) -> None:
        self.values: list[float] = []
        self._report, self._total = report, total

    def on_train_batch_end(
        self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        values = pl_module.result.values()
        self.values.append(values["loss"] - values.get("l1", 0.0))
        done = batch.step + 1
        shown = values if done % 20 == 0 else {}
        self._report(Progress(step=done, total=self._total, values=shown))
