"""What a mask branch asks of the network beside it: its gradients next to those of the boxes.

For masked runs of compare_mask_learning.py: how long the gradient of the masks' loss is in each
part of the network as a share of that of all other losses, and whether both point the same way, on
batches of the training, with the weights that it began and ended with.

    python scripts/explain_mask_gradients.py docs/results/mask-learning --work out/mask-learning
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from compare_mask_learning import (
    BASELINE,
    RunResult,
    group_by_settings,
    read_results,
    result_path,
    show_tables,
)
from mask_learning_runs import BENCH, Arm
from torch import Tensor

from faimtrack.training.batches import BatchPlan, TrainingBatch, make_loader
from faimtrack.training.learners.learner import Learner, file_tensors
from faimtrack.training.prepare import Prepared, prepare_training
from faimtrack.training.samples import DataPlaces
from faimtrack.weights.files import read_checkpoint

PARTS = {
    "backbone": ("backbone.backbone.", "backbone.body."),
    "pyramid": ("backbone.",),
    "stems": ("head.stems.",),
    "classification tower": ("head.cls_convs.",),
    "regression tower": ("head.reg_convs.",),
}
"""Beginnings of the names of weights; the first part that fits counts."""

Gradients = Mapping[str, Tensor]
"""By the part of the network: `(W,)`, all of its weights' in a row."""


def part_of(name: str) -> str | None:
    """The part of a YOLOX or Faster R-CNN that a weight belongs to; None for all the rest."""
    for part, beginnings in PARTS.items():
        if name.startswith(beginnings):
            return part
    return None


def loss_gradients(learner: Learner, batch: TrainingBatch) -> tuple[Gradients, Gradients]:
    """Gradients of the masks' loss, and of all other losses together."""
    answer = learner(batch, is_plain=False, divide_by=lambda count: float(max(count, 1)))
    weights = {
        name: weight for name, weight in learner.network.named_parameters()
        if weight.requires_grad and part_of(name) is not None
    }  # fmt: skip
    masks = answer.losses.pop("masks")
    boxes = sum(answer.losses.values(), torch.zeros(()))
    return _by_part(masks, weights, keep=True), _by_part(boxes, weights, keep=False)


def _by_part(loss: Tensor, weights: Mapping[str, Tensor], *, keep: bool) -> Gradients:
    found = torch.autograd.grad(
        loss, list(weights.values()), retain_graph=keep, allow_unused=True, materialize_grads=True
    )
    rows: dict[str, list[Tensor]] = {}
    for name, gradient in zip(weights, found, strict=True):
        rows.setdefault(str(part_of(name)), []).append(gradient.flatten())
    return {part: torch.cat(rows[part]) for part in PARTS if part in rows}


def compare_gradients(masks: Gradients, boxes: Gradients) -> dict[str, tuple[float, float]]:
    """For each part the masks' length as a share of the boxes', and the cosine between them.

    A part that masks do not reach has a share and a cosine of 0.
    """
    compared = {}
    for part, mine in masks.items():
        share = float(mine.norm() / boxes[part].norm())
        cosine = float(torch.nn.functional.cosine_similarity(mine, boxes[part], dim=0))
        compared[part] = share, cosine
    return compared


def _rows(
    prepared: Prepared, batch_count: int, first_step: int
) -> Iterator[dict[str, tuple[float, float]]]:
    config = prepared.recipe.schedule
    plan = BatchPlan(
        seed=config.seed, image_count=prepared.samples.image_count, batch_size=config.batch_size
    )
    steps = range(first_step, first_step + batch_count)
    prepared.learner.train()
    for each in make_loader(prepared.samples, plan, steps):
        yield compare_gradients(*loss_gradients(prepared.learner, each.parts[0]))


def explain(
    run: RunResult, weights: Path, data: Path, batch_count: int
) -> dict[str, dict[str, list[float]]]:
    """For start and end of a run: under each part the medians of share and cosine."""
    recipe = Arm.parse(run.arm).recipe(run.run["recipe"], run.seed, run.run["overrides"])
    prepared = prepare_training(recipe, DataPlaces(data=data))
    learner = prepared.learner
    found = {"start": _medians(list(_rows(prepared, batch_count, 0)))}
    own = learner.state_dict()
    saved = read_checkpoint(weights).tensors
    keys = dict(zip(own, file_tensors(own), strict=True))
    learner.load_state_dict({key: saved[name] for key, name in keys.items()})
    last_step = prepared.schedule.total_steps - recipe.schedule.plain_steps - batch_count
    found["end"] = _medians(list(_rows(prepared, batch_count, last_step)))
    return found


def _medians(rows: list[dict[str, tuple[float, float]]]) -> dict[str, list[float]]:
    return {
        part: [statistics.median(row[part][number] for row in rows) for number in (0, 1)]
        for part in rows[0]
    }


def gradient_table(
    group: Sequence[RunResult], arguments: argparse.Namespace
) -> dict[str, list[Any]] | None:
    """Two rows a run, one column a part of the network; None if no run is at hand."""
    columns, rows = [], []
    for run in group:
        if run.arm == BASELINE or run.seed not in arguments.seeds:
            continue
        stem = result_path(arguments.results, run.run, run.arm, run.seed).stem
        weights = arguments.work / stem / "weights.safetensors"
        if not weights.is_file():
            print(f"{weights}: not there, the run was done elsewhere", file=sys.stderr)
            continue
        found = explain(run, weights, arguments.work / BENCH / "train", arguments.batches)
        for when, parts in found.items():
            columns = ["masks", "seed", "weights", *parts]
            cells = [f"{share:.3f} ({cosine:+.2f})" for share, cosine in parts.values()]
            rows.append([run.arm, str(run.seed), when, *cells])
    return {"columns": columns, "rows": rows} if rows else None


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="folder of one JSON file a finished run")
    parser.add_argument("--work", type=Path, default=Path("out/mask-learning"))
    parser.add_argument("--batches", type=int, default=12, help="of each run, at start and end")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    arguments = parser.parse_args()
    try:
        groups = group_by_settings(read_results(arguments.results))
        found = {label: gradient_table(group, arguments) for label, group in groups.items()}
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    tables = {label: table for label, table in found.items() if table is not None}
    show_tables({"kind": "table", "tables": tables}, arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
