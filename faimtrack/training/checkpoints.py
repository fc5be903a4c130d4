"""Checkpoints by step: whole files or none, plain values and tensors, the last few kept."""

from __future__ import annotations

import os
import re
from io import RawIOBase
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.plugins.io import CheckpointIO

from faimtrack.atomic import atomic_file

_NAME = re.compile(r"step-(\d+)\.ckpt")


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the state after `step` steps is kept."""
    return folder / f"step-{step:08d}.ckpt"


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, the oldest first; none if there is no folder."""
    if not folder.is_dir():
        return []
    found = [(int(match[1]), path) for path in folder.iterdir()
             if (match := _NAME.fullmatch(path.name))]  # fmt: skip
    return [path for _, path in sorted(found)]


def remove_parts(folder: Path) -> None:
    """Remove what runs left that were killed while they wrote a checkpoint."""
    for path in folder.glob(".step-*.partial*"):
        path.unlink(missing_ok=True)


def step_of(path: Path) -> int:
    """After how many steps a checkpoint was written."""
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise ValueError(f"{path}: expected step-<number>.ckpt")
    return int(match[1])


def load_state(path: Path, *, lazily: bool = False) -> dict[str, Any]:
    """What a checkpoint holds, on the CPU.

    Args:
        path: The file.
        lazily: Whether tensors stay in the file until somebody looks at them.

    Raises:
        ValueError: It is none, or cut off.
        OSError: It cannot be read.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=lazily)
    except OSError:
        raise
    except Exception as error:  # torch has no type of its own for broken files
        first = str(error).strip().splitlines()[:1]
        raise ValueError(
            f"{path}: expected a checkpoint of a training run, got {' '.join(first)}"
        ) from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected a checkpoint of a training run, got other content")
    return content


class PlainCheckpointIO(CheckpointIO):
    """Files that appear when they are whole, and are read without running code in them."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            OSError: There is no room; a file that was there before is as it was.
        """
        path = Path(path)
        # Not by its name: torch's own writer says only that writing failed, not why.
        with atomic_file(path) as temporary, temporary.open("wb", buffering=0) as file:
            writer = _Writer(file)
            try:
                torch.save(checkpoint, writer)
            except RuntimeError:
                # It ends its archive all the same, and complains of the wrong place in it.
                if writer.error is None:
                    raise
                raise writer.error from None

    def load_checkpoint(
        self, path: Any, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint.

        Raises:
            ValueError: It is none, or cut off.
            OSError: It cannot be read.
        """
        return load_state(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Delete a file."""
        os.unlink(path)  # noqa: PTH108 - a string or a path


class _Writer:
    """A file that remembers the first error of the system."""

    def __init__(self, file: RawIOBase) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self.error = self.error or error
            raise
        return size

    def flush(self) -> None:
        self._file.flush()


class StepCheckpoints(Callback):
    """Writes a checkpoint every so many steps and keeps the last few."""

    def __init__(self, folder: Path, *, every: int, kept: int, last_step: int) -> None:
        """Say where and how often.

        Args:
            folder: Of the checkpoints.
            every: Steps from one to the next.
            kept: How many stay.
            last_step: After which the run ends and one is written too.
        """
        self._folder = folder
        self._every, self._kept, self._last = every, kept, last_step

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Write one if it is time, then delete those before."""
        step = batch.step + 1
        if step % self._every and step != self._last:
            return
        trainer.save_checkpoint(checkpoint_path(self._folder, step))
        if trainer.is_global_zero:
            for path in checkpoints(self._folder)[: -self._kept]:
                path.unlink(missing_ok=True)
