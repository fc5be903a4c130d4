"""Validation while training goes on, without a trace in what is trained."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer

from faimtrack.atomic import atomic_file
from faimtrack.datasets.half_split import HalfSplit
from faimtrack.drawing import write_picture
from faimtrack.provenance import provenance_path
from faimtrack.training.batches import Part, TrainingBatch
from faimtrack.training.config import DataConfig, ValidationConfig
from faimtrack.training.logs import RunLog
from faimtrack.training.module import TrainingModule
from faimtrack.training.pictures import Shown, open_viewer, prediction_sheet
from faimtrack.training.prepare import Prepared
from faimtrack.training.progress import Progress, Report
from faimtrack.training.recipe import AnyTrainingRecipe, TrainingRecipe
from faimtrack.training.reid.validation import REID_SCORES, validate_reid
from faimtrack.training.validation import SCORES, validate
from faimtrack.training.video.config import SequenceClipsConfig
from faimtrack.training.video.data import open_sequences
from faimtrack.training.video.validation import (
    VIDEO_SCORES,
    recall_of_proposals,
    validate_on_videos,
)

_SCORES = "scores.json"
_SHOWN = ("AP50", "HOTA", "MOTA", "IDF1", "VID", *REID_SCORES)
RECALL = "proposal_recall"


def score_names(recipe: AnyTrainingRecipe) -> tuple[str, ...]:
    """What a recipe is scored by."""
    if not isinstance(recipe, TrainingRecipe):
        return REID_SCORES
    if recipe.learns_from_videos:
        return VIDEO_SCORES
    return (*SCORES, RECALL) if recipe.family == "video" else SCORES


class Validating(Callback):
    """Scores the averaged weights every so many steps, keeps the best, and draws pictures.

    Of several processes the first one does it while the others wait.
    """

    def __init__(
        self,
        prepared: Prepared,
        folder: Path,
        save: Callable[[Path, Any, int], None],
        *,
        log: RunLog | None,
        report: Report,
        last_step: int,
    ) -> None:
        """Say what, where and when.

        Args:
            prepared: The training.
            folder: Of the run.
            save: Writes a file of weights: path, tensors, step.
            log: Of the run; None in processes that write nothing.
            report: Whom to tell.
            last_step: After which the run ends.
        """
        self._prepared, self._folder, self._save = prepared, folder, save
        self._log, self._report, self._last = log, report, last_step
        config, schedule = prepared.recipe.validation, prepared.schedule
        steps = config.every_steps
        if steps is None:
            steps = round(config.every_epochs * schedule.steps_per_epoch)
            steps = max(steps, 1 if config.every_epochs else 0)  # 0 means: only at the end
        self._every = steps
        self._is_end = config.at_end and last_step == schedule.total_steps

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Validate if it is time."""
        assert isinstance(pl_module, TrainingModule)
        done = batch.step + 1
        is_end = self._is_end and done == self._last
        if not is_end and (not self._every or done % self._every):
            return
        if trainer.is_global_zero:
            # A detector that is loaded may draw random numbers; what trains must not feel it.
            with torch.random.fork_rng(devices=[]):
                self._validate(pl_module, batch.parts[0], done)
        trainer.strategy.barrier()

    def _validate(self, module: TrainingModule, batch: Part, done: int) -> None:
        folder = self._folder / "validation"
        weights = folder / "weights.safetensors"
        self._save(weights, module.kept_tensors(), done)
        recipe, places = self._prepared.recipe, self._prepared.places
        if not isinstance(recipe, TrainingRecipe):
            scores = validate_reid(recipe, places.scored, weights)
        elif recipe.learns_from_videos:
            scores = validate_on_videos(recipe, places, weights)
        else:
            scores = dict(validate(recipe, places.scored, weights, folder / "files").combined)
            shutil.rmtree(folder / "files", ignore_errors=True)
            if recipe.family == "video":
                scores[RECALL] = self._recall(recipe, weights, done)
        self._keep_if_best(weights, scores, done)
        if isinstance(recipe, TrainingRecipe) and isinstance(batch, TrainingBatch):
            self._draw(recipe, weights, batch, done)
        if self._log is not None:
            self._log.write(done, scores)
        shown = ", ".join(f"{name} {scores[name]:.3f}" for name in _SHOWN if name in scores)
        self._report(Progress(step=done, total=self._last, remark=f"step {done}: {shown}"))

    def _recall(self, recipe: TrainingRecipe, weights: Path, done: int) -> float:
        """Which share of people the proposals cover; told too."""
        assert isinstance(recipe.data, SequenceClipsConfig)
        assert isinstance(recipe.validation, ValidationConfig)
        videos = open_sequences(recipe.data, self._prepared.places.scored, recipe.validation.split)
        recall, proposals, most = recall_of_proposals(recipe, videos, weights)
        remark = (
            f"step {done}: {proposals} proposals a frame cover {recall:.1%} of the people, of "
            f"whom a frame has up to {most}"
        )
        self._report(Progress(step=done, total=self._last, remark=remark))
        return recall

    def _keep_if_best(self, weights: Path, scores: dict[str, float], done: int) -> None:
        """Rename the file to `best.safetensors` if no earlier step of this run was better."""
        path = self._folder / "validation" / _SCORES
        history: dict[str, dict[str, float]] = {}
        if path.is_file():
            history = json.loads(path.read_text(encoding="utf-8"))
        # Steps that a resumed run does anew count once.
        history = {step: each for step, each in history.items() if int(step) < done}
        chosen = self._prepared.recipe.validation.choose_by
        is_best = all(scores[chosen] > each[chosen] for each in history.values())
        history[str(done)] = scores
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(history, indent=2) + "\n", encoding="utf-8")
        best = self._folder / "best.safetensors"
        if is_best or not best.is_file():
            provenance_path(weights).replace(provenance_path(best))
            weights.replace(best)

    def _draw(
        self, recipe: TrainingRecipe, weights: Path, batch: TrainingBatch, done: int
    ) -> None:
        validation = recipe.validation
        if not isinstance(validation, ValidationConfig) or recipe.family == "video":
            return  # of a video object detector's answers a frame alone shows nothing
        count = validation.pictures
        if not count:
            return
        assert isinstance(recipe.data, DataConfig)
        best = self._folder / "best.safetensors"
        viewer = open_viewer(recipe, weights if weights.is_file() else best)
        data = self._prepared.places.scored
        images = HalfSplit.open(data, split=validation.split, config=recipe.data)
        places = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
        frames = [images[int(place)] for place in places]
        sheets = {
            "val": [Shown(each.name, each.image(), each.boxes) for each in frames],
            "train": [
                Shown(
                    names[0],
                    np.ascontiguousarray(image.cpu().permute(1, 2, 0).numpy()),
                    boxes.cpu().double().numpy(),
                    None if recipe.mask_branch is None else masks.to("cpu"),
                )
                for image, boxes, masks, names in list(
                    zip(batch.images, batch.boxes, batch.masks, batch.names, strict=True)
                )[:count]
            ],
        }
        for name, shown in sheets.items():
            sheet = prediction_sheet(viewer, shown)
            write_picture(sheet, self._folder / "pictures" / f"step-{done:08d}-{name}.png")
            if self._log is not None:
                self._log.show(done, f"predictions/{name}", sheet)
