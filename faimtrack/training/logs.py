"""Lines of a table and curves of TensorBoard while a network learns."""

from __future__ import annotations

import csv
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from faimtrack.atomic import atomic_file
from faimtrack.structures import Image
from faimtrack.training.module import TrainingModule
from faimtrack.training.progress import Progress, Report


class RunLog:
    """`metrics.csv` and TensorBoard's file of a run, cut back to where a resumed run starts.

    Attributes:
        folder: Of the run.
    """

    def __init__(self, folder: Path, names: Sequence[str], *, from_step: int = 0) -> None:
        """Open both.

        Args:
            folder: Of the run.
            names: Columns beside `step`.
            from_step: Steps done before; what was logged after them is dropped.
        """
        self.folder = folder
        self._names = ["step", *names]
        self._path = folder / "metrics.csv"
        self._start_table(from_step)
        with warnings.catch_warnings():  # of its own imports
            warnings.simplefilter("ignore")
            from torch.utils.tensorboard import SummaryWriter
        self._writer = SummaryWriter(folder / "tensorboard", purge_step=from_step + 1)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Add a line for what holds after `step` steps.

        Raises:
            OSError: There is no room.
        """
        with self._path.open("a", newline="", encoding="utf-8") as file:
            row = [step, *(values.get(name, "") for name in self._names[1:])]
            csv.writer(file, lineterminator="\n").writerow(row)
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def show(self, step: int, name: str, picture: Image) -> None:
        """Add a picture, `(height, width, 3)` uint8 RGB, to TensorBoard."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()

    def _start_table(self, from_step: int) -> None:
        kept: list[list[str]] = []
        if from_step and self._path.is_file():
            with self._path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
            kept = [
                row
                for row in rows[1:]
                if len(row) == len(self._names) and row[0].isdecimal() and int(row[0]) <= from_step
            ]
        with (
            atomic_file(self._path) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows([self._names, *kept])


class StepLog(Callback):
    """Logs every so many steps, and tells how far it is at each."""

    def __init__(self, log: RunLog | None, report: Report, *, every: int, total: int) -> None:
        """Say where to.

        Args:
            log: Of the run; None in processes that write nothing.
            report: Whom to tell.
            every: Steps from one line to the next.
            total: Steps to do.
        """
        self._log, self._report = log, report
        self._every, self._total = every, total
        self._images, self._since_s = 0, time.monotonic()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the clock."""
        self._images, self._since_s = 0, time.monotonic()

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Log a step if it is time."""
        assert isinstance(pl_module, TrainingModule)
        result = pl_module.result
        assert result is not None
        done = result.step + 1
        self._images += sum(len(part) for part in batch.parts) * trainer.world_size
        if done % self._every and done != 1 and done != self._total:
            self._report(Progress(step=done, total=self._total))
            return
        values = result.values()  # waits for the device: what came before is done
        now_s = time.monotonic()
        values |= {
            "learning_rate": result.rate,
            "epoch": done / pl_module.schedule.steps_per_epoch,
            "images_per_s": self._images / max(now_s - self._since_s, 1e-9),
        }
        self._images, self._since_s = 0, now_s
        if self._log is not None:
            self._log.write(done, values)
        self._report(Progress(step=done, total=self._total, values=values))
