"""The training loop itself: Lightning, with nothing that depends on when or where it runs."""

from __future__ import annotations

import logging
import signal
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch.utils.data import DataLoader

from faimtrack.training.batches import BatchPlan, SampleSource, make_loader
from faimtrack.training.checkpoints import PlainCheckpointIO, StepCheckpoints
from faimtrack.training.identity import Identity
from faimtrack.training.learners.learner import Learner
from faimtrack.training.module import TrainingModule
from faimtrack.training.schedule import Schedule

_VALIDATION_TIMEOUT = timedelta(hours=12)  # the others wait while one process validates


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Where training runs.

    Attributes:
        devices: GPUs or processes of a machine; None: all GPUs, or one process.
        nodes: Machines.
        workers: Processes a device that make samples ahead.
        accelerator: As Lightning knows it.
    """

    devices: int | None = None
    nodes: int = 1
    workers: int = 2
    accelerator: str = "auto"

    @property
    def has_gpu(self) -> bool:
        """Whether a GPU is there and may be used."""
        return self.accelerator != "cpu" and torch.cuda.is_available()

    @property
    def processes(self) -> int:
        """Processes over all machines."""
        return (self.devices or (torch.cuda.device_count() if self.has_gpu else 1)) * self.nodes


def fit(
    learner: Learner,
    source: SampleSource,
    schedule: Schedule,
    folder: Path,
    *,
    machines: Machines | None = None,
    max_steps: int | None = None,
    resume_from: Path | None = None,
    callbacks: Sequence[Callback] = (),
    identity: Identity | None = None,
    keeps_checkpoints: bool = True,
) -> TrainingModule:
    """Train.

    Args:
        learner: What learns.
        source: Makes what it learns from.
        schedule: What holds at each step.
        folder: For checkpoints.
        machines: Where; None for one process.
        max_steps: Stop after so many steps of the schedule; None does them all.
        resume_from: A checkpoint to go on from; None starts at the beginning.
        callbacks: Called by Lightning, before checkpoints are written.
        identity: What a checkpoint must have been made with.
        keeps_checkpoints: Whether any are written.

    Returns:
        The module with the last weights.

    Raises:
        ValueError: A loss is not finite, the checkpoint is of another training, or the batch
            cannot be shared out.
        OSError: A checkpoint cannot be written or read.
    """
    machines = machines or Machines(devices=1, workers=0)
    _check_precision(schedule, machines)
    last = min(schedule.total_steps, max_steps or schedule.total_steps)
    module = TrainingModule(learner, schedule, identity)
    callbacks = list(callbacks)
    if keeps_checkpoints:
        saver = StepCheckpoints(
            folder,
            every=schedule.config.checkpoint_every,
            kept=schedule.config.checkpoints_kept,
            last_step=last,
        )
        callbacks.append(saver)  # the last: what it keeps is all done
    trainer = _make_trainer(module, machines, last, callbacks, folder)
    loader = _LateLoader(source, schedule, machines.workers, last)
    # At the start weights come from the learner; torch's own generator counts for nothing.
    module.train_dataloader = lambda: loader(trainer)
    with warnings.catch_warnings(), _ctrl_c_as_usual():
        _silence()
        trainer.fit(module, ckpt_path=resume_from, weights_only=True)
    return module


def _check_precision(schedule: Schedule, machines: Machines) -> None:
    if schedule.config.precision == "16-mixed" and not machines.has_gpu:
        raise ValueError(
            "schedule.precision: expected 32 or bf16-mixed on a CPU, got 16-mixed "
            "(--set schedule.precision=32)"
        )


@dataclass(frozen=True)
class _LateLoader:
    """Makes the loader when it is known which step comes next."""

    source: SampleSource
    schedule: Schedule
    workers: int
    last: int

    def __call__(self, trainer: Trainer) -> DataLoader[Any]:
        config = self.schedule.config
        plan = BatchPlan(
            seed=config.seed,
            image_count=self.source.image_count,
            batch_size=config.batch_size,
            world=trainer.world_size,
            rank=trainer.global_rank,
            accumulate=config.accumulate,
        )
        return make_loader(
            self.source,
            plan,
            range(trainer.global_step, self.last),
            workers=self.workers,
            pin_memory=trainer.strategy.root_device.type == "cuda",
        )


def _make_trainer(
    module: TrainingModule,
    machines: Machines,
    last_step: int,
    callbacks: list[Callback],
    folder: Path,
) -> Trainer:
    strategy: Any = "auto"
    if machines.processes > 1:
        strategy = DDPStrategy(timeout=_VALIDATION_TIMEOUT)
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        _silence()
        return Trainer(
            accelerator=machines.accelerator,
            devices=machines.devices or "auto",
            num_nodes=machines.nodes,
            strategy=strategy,
            precision=module.schedule.config.precision,
            max_steps=last_step,
            max_epochs=-1,
            logger=False,
            callbacks=callbacks,
            plugins=[PlainCheckpointIO()],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=0,
            check_val_every_n_epoch=None,
            use_distributed_sampler=False,
            default_root_dir=folder,
        )


@contextmanager
def _ctrl_c_as_usual() -> Iterator[None]:
    """Lightning ends the process at Ctrl-C, and lets it be deaf to another; its caller decides."""
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if is_main else None
    try:
        yield
    except SystemExit as end:
        if isinstance(end.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)


def _silence() -> None:
    """Lightning warns of what is meant so here: few workers, no validation loop of its own."""
    warnings.filterwarnings("ignore", module=r"lightning\.")
    warnings.filterwarnings("ignore", category=FutureWarning)
