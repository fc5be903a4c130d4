"""What a mask branch asks of the network beside it: its gradients next to those of the boxes.

For masked runs of compare_mask_learning.py: how long the gradient of the masks' loss is in each
part of the network as a share of that of all other losses, and whether both point the same way,
summed over batches of the training, with the weights that it began with and left.

    python scripts/explain_mask_gradients.py docs/results/mask-learning --work out/mask-learning
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from faimtrack.training.randomness import random_key
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


@dataclass(frozen=True, kw_only=True)
class Pull:
    """What masks ask of a part of the network, beside what boxes ask of it.

    Attributes:
        share: Length of the masks' gradient as a share of the boxes'; 0 if masks do not reach it.
        cosine: Between both.
        same: Between the boxes' gradients of the one half of the batches and of the other: what
            two gradients have in common that differ by their batches alone.
    """

    share: float
    cosine: float
    same: float


def part_of(name: str) -> str | None:
    """The part of a YOLOX or Faster R-CNN that a weight belongs to; None for all the rest."""
    for part, beginnings in PARTS.items():
        if name.startswith(beginnings):
            return part
    return None


def loss_gradients(learner: Learner, batch: TrainingBatch) -> tuple[Gradients, Gradients]:
    """Gradients of the masks' loss, and of all other losses together."""
    answer = learner(batch, is_plain=False, divide_by=lambda count: float(max(count, 1)))
    weights: dict[str, list[Tensor]] = {}
    for name, weight in learner.network.named_parameters():
        part = part_of(name)
        if part is not None and weight.requires_grad:
            weights.setdefault(part, []).append(weight)
    masks = answer.losses.pop("masks")
    boxes = sum(answer.losses.values(), torch.zeros(()))
    return _by_part(masks, weights, keep=True), _by_part(boxes, weights, keep=False)


def _by_part(loss: Tensor, weights: Mapping[str, list[Tensor]], *, keep: bool) -> Gradients:
    every = [weight for part in weights.values() for weight in part]
    found = iter(
        torch.autograd.grad(
            loss, every, retain_graph=keep, allow_unused=True, materialize_grads=True
        )
    )
    return {
        part: torch.cat([next(found).flatten() for _ in mine]) for part, mine in weights.items()
    }


def pulls(masks: Sequence[Gradients], boxes: Sequence[Gradients]) -> dict[str, Pull]:
    """Of each part, from the gradients of the same batches; two at least."""
    found = {}
    for part in sorted(masks[0], key=list(PARTS).index):
        mine, theirs = (torch.stack([each[part] for each in all_]) for all_ in (masks, boxes))
        found[part] = Pull(
            share=float(mine.sum(0).norm() / theirs.sum(0).norm()),
            cosine=_cosine(mine.sum(0), theirs.sum(0)),
            same=_cosine(theirs[::2].sum(0), theirs[1::2].sum(0)),
        )
    return found


def _cosine(first: Tensor, second: Tensor) -> float:
    return float(torch.nn.functional.cosine_similarity(first, second, dim=0))


def _measure(prepared: Prepared, batch_count: int, first_step: int) -> dict[str, Pull]:
    config = prepared.recipe.schedule
    plan = BatchPlan(
        seed=config.seed, image_count=prepared.samples.image_count, batch_size=config.batch_size
    )
    steps = range(first_step, first_step + batch_count)
    prepared.learner.train()
    rows = []
    for each in make_loader(prepared.samples, plan, steps):
        torch.manual_seed(random_key(config.seed, "step", each.step, 0))  # as training does
        rows.append(loss_gradients(prepared.learner, each.parts[0]))
    masks, boxes = zip(*rows, strict=True)
    return pulls(masks, boxes)


def explain(
    run: RunResult, weights: Path, data: Path, batch_count: int
) -> dict[str, dict[str, Pull]]:
    """What masks ask at the start of a run, and of the averaged weights that it left.

    The latter on the last batches before strong augmentation ends.
    """
    recipe = Arm.parse(run.arm).recipe(run.run["recipe"], run.seed, run.run["overrides"])
    prepared = prepare_training(recipe, DataPlaces(data=data))
    learner = prepared.learner
    found = {"start": _measure(prepared, batch_count, 0)}
    own = learner.state_dict()
    saved = read_checkpoint(weights).tensors
    keys = dict(zip(own, file_tensors(own), strict=True))
    learner.load_state_dict({key: saved[name] for key, name in keys.items()})
    first_step = max(prepared.schedule.plain_from - batch_count, 0)
    found["end"] = _measure(prepared, batch_count, first_step)
    return found


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
            cells = [
                f"{pull.share:.2f} ({pull.cosine:+.2f}, {pull.same:+.2f})"
                for pull in parts.values()
            ]
            rows.append([run.arm, str(run.seed), when, *cells])
    return {"columns": columns, "rows": rows} if rows else None


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path, help="folder of one JSON file a finished run")
    parser.add_argument("--work", type=Path, default=Path("out/mask-learning"))
    parser.add_argument("--batches", type=int, default=16, help="of each run, at start and end")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    arguments = parser.parse_args()
    if arguments.batches < 2:
        parser.error(
            f"--batches: expected 2 or more, for halves to compare, got {arguments.batches}"
        )
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
