"""One step of training, as Lightning calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn

from faimtrack.training.averaging import WeightAverage
from faimtrack.training.batches import Part, StepBatch
from faimtrack.training.identity import Identity
from faimtrack.training.learners.learner import Answer, Learner
from faimtrack.training.randomness import random_key
from faimtrack.training.schedule import Schedule

_STATE = "faimtrack"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class StepResult:
    """What came of a step.

    Attributes:
        step: From 0.
        rate: The learning rate.
        losses: Means over the step's parts, by name; on the device.
        numbers: Likewise, for the logs.
    """

    step: int
    rate: float
    losses: Mapping[str, Tensor]
    numbers: Mapping[str, Tensor | float]

    def values(self) -> dict[str, float]:
        """All as numbers, the total first; waits for the device."""
        losses = {name: float(value) for name, value in self.losses.items()}
        numbers = {name: float(value) for name, value in self.numbers.items()}
        return {"loss": sum(losses.values()), **losses, **numbers}


class TrainingModule(LightningModule):
    """Steps of stochastic gradient descent, each a function of the weights and its number.

    Lightning moves batches, runs in mixed precision, joins processes and restores weights; what
    happens in a step stands here. So resuming after step `k` does what an uninterrupted run does.

    Attributes:
        learner: Network, branch and losses.
        average: The moving average of the learner's weights; None for none.
        result: Of the last step.
    """

    def __init__(
        self, learner: Learner, schedule: Schedule, identity: Identity | None = None
    ) -> None:
        """Put the parts together.

        Args:
            learner: What learns.
            schedule: What holds at each step.
            identity: What a checkpoint must have been made with.
        """
        super().__init__()
        self.automatic_optimization = False
        self.learner = learner
        self.schedule = schedule
        self.result: StepResult | None = None
        self._identity = identity or Identity()
        self._gradient_norm: Tensor | None = None
        has_average = schedule.config.averaging > 0
        self.average = WeightAverage(learner) if has_average else None

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """What the schedule names; the rate is set in each step."""
        config = self.schedule.config
        pulled, free = _parameter_groups(self.learner, everything=config.decay_norms_and_biases)
        groups: list[dict[str, Any]] = [{"params": pulled, "weight_decay": config.weight_decay}]
        if free:
            groups.append({"params": free, "weight_decay": 0.0})
        if config.optimizer == "adamw":
            return torch.optim.AdamW(groups, lr=self.schedule.rate_at(0))
        return torch.optim.SGD(
            groups, lr=self.schedule.rate_at(0), momentum=config.momentum, nesterov=config.nesterov
        )

    def on_fit_start(self) -> None:
        """Let the network learn, but for what it keeps frozen; put the average beside it."""
        self.learner.train()
        if self.average is not None:
            self.average.to(self.device)

    def training_step(self, batch: StepBatch) -> None:
        """Learn from a batch."""
        step, schedule = batch.step, self.schedule
        # What draws from torch's own generator (Faster R-CNN's sampling) starts the same each
        # time this step is done.
        torch.manual_seed(random_key(schedule.config.seed, "step", step, self.global_rank))
        optimizer: Any = self.optimizers()
        rate = schedule.rate_at(step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad()
        answers = [self._learn(part, batch) for part in batch.parts]
        optimizer.step()
        if self.average is not None:
            self.average.update(self.learner, schedule.averaging_at(step + 1))
        numbers = _means([answer.numbers for answer in answers])
        if self._gradient_norm is not None:
            numbers["gradient_norm"] = self._gradient_norm
        losses = _means([answer.losses for answer in answers])
        self.result = StepResult(step, rate, losses, numbers)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Scale gradients down where they are too large; in mixed precision they are unscaled.

        The mask branch's own weights count by themselves, so that their gradients do not shorten
        the steps of the network beside them.
        """
        largest = self.schedule.config.gradient_clip
        if largest <= 0:
            return
        self._gradient_norm = _clip(self.learner.network, largest)
        if self.learner.mask_branch is not None:
            _clip(self.learner.mask_branch, largest)

    def _learn(self, part: Part, batch: StepBatch) -> Answer:
        """Add a part's gradients."""
        try:
            answer: Answer = self.learner(
                part,
                is_plain=not self.schedule.is_strong(batch.step),
                divide_by=self.divide_by,
            )
        except ValueError as error:
            raise ValueError(f"step {batch.step}: {error}; {_made_of(batch)}") from error
        total = torch.stack(list(answer.losses.values())).sum()
        losses = {name: value.detach() for name, value in answer.losses.items()}
        if not torch.isfinite(total):
            bad = ", ".join(
                f"{name} is {float(value)}"
                for name, value in losses.items()
                if not torch.isfinite(value)
            )
            raise ValueError(
                f"step {batch.step}: expected a finite loss, but {bad or 'their sum is not'}; "
                f"{_made_of(batch)}"
            )
        self.manual_backward(total / len(batch.parts))
        return Answer(losses, answer.numbers)

    def divide_by(self, count: int) -> float:
        """What a process's sum over its `count` positives is divided by.

        Gradients are averaged over processes: so that they are those of one process with all the
        images, each divides by the count over all processes for one process.
        """
        return shared_divisor(count, self.device)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the average, and what the run is."""
        checkpoint[_STATE] = {
            "format_version": FORMAT_VERSION,
            "identity": dict(self._identity.values),
            "average": {} if self.average is None else dict(self.average.tensors),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over the average.

        Raises:
            ValueError: The checkpoint is of another run, or another version wrote it.
        """
        state = check_identity(checkpoint, self._identity)
        if self.average is not None:
            self.average.load(state["average"])

    def kept_tensors(self) -> Mapping[str, Tensor]:
        """The weights that are worth keeping: averaged ones, if there are."""
        return self.learner.state_dict() if self.average is None else self.average.tensors


def check_identity(checkpoint: Mapping[str, Any], identity: Identity) -> Mapping[str, Any]:
    """Refuse a checkpoint of another run.

    Args:
        checkpoint: What the file holds.
        identity: What it must have been made with.

    Returns:
        What `TrainingModule` added to it.

    Raises:
        ValueError: It is of another run, or another version wrote it.
    """
    state = checkpoint.get(_STATE)
    if not isinstance(state, dict) or state.get("format_version") != FORMAT_VERSION:
        raise ValueError("expected a checkpoint of this version of faimtrack, got another")
    differences = identity.differences(state["identity"])
    if differences:
        raise ValueError(f"expected a checkpoint of the same training, got one with {differences}")
    return state


def shared_divisor(count: int, device: torch.device | str) -> float:
    """`max(sum of counts, 1) / processes`; the same in all processes.

    Args:
        count: Of this process.
        device: Where the processes' backend wants numbers.
    """
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return float(max(count, 1))
    total = torch.tensor(float(count), device=device)
    distributed.all_reduce(total)
    world: int = distributed.get_world_size()
    return max(float(total), 1.0) / world


def _parameter_groups(
    learner: nn.Module, *, everything: bool
) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters that weight decay pulls, and those that it leaves alone."""
    pulled: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    for name, parameter in learner.named_parameters():
        if not parameter.requires_grad:
            continue
        # Scales and shifts of norms are vectors, and so are biases.
        is_pulled = everything or (parameter.ndim > 1 and not name.endswith("bias"))
        (pulled if is_pulled else free).append(parameter)
    return pulled, free


def _clip(module: nn.Module, largest: float) -> Tensor:
    """Scale a module's gradients down to a norm; gives the norm that they had."""
    norm: Tensor = nn.utils.clip_grad_norm_(module.parameters(), largest)
    return norm


def _means(parts: list[Any]) -> dict[str, Any]:
    return {name: sum(part[name] for part in parts) / len(parts) for name in parts[0]}


def _made_of(batch: StepBatch) -> str:
    return f"the batch was made of {', '.join(dict.fromkeys(batch.names))}"
