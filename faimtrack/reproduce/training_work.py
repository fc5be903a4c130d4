"""Trainings that stop when the time is over, and what a step of them takes."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faimtrack.atomic import atomic_file
from faimtrack.provenance import file_sha256
from faimtrack.reproduce.budget import Budget
from faimtrack.reproduce.tasks import TrainingTask

if TYPE_CHECKING:
    from faimtrack.training.fit import Machines
    from faimtrack.training.progress import Progress

_PACE = "pace.json"
_SAY_EVERY_S = 60.0
_MOST_WORKERS = 8


def train_network(
    task: TrainingTask, title: str, budget: Budget, say: Callable[[str], None]
) -> dict[str, Any]:
    """Train, from the last checkpoint if there is one.

    Args:
        task: What, and the folder of the run, which keeps its weights and logs.
        title: For people.
        budget: Asked after each step.
        say: Takes lines for people.

    Returns:
        How long it took in all, and the hash of its weights.

    Raises:
        OutOfTime: The time is over; what came after the last checkpoint is done anew.
        ValueError: Data or weights do not fit, or the folder is that of another training.
        OSError: A file cannot be read or written.
    """
    from faimtrack.training.run import CHECKPOINTS, TrainingRun, train

    run = TrainingRun(
        recipe=task.recipe,
        places=task.places,
        output=task.folder,
        machines=_machines(),
        existing="resume",
    )
    watch = _Watch(title, budget, say)
    try:
        result = train(run, watch)
    finally:
        pace = _add_pace(task.folder, watch.steps, watch.seconds)
    shutil.rmtree(task.folder / CHECKPOINTS, ignore_errors=True)
    minutes = result.total * pace / 60
    return {
        "steps": result.total,
        "epochs": watch.epochs,
        "minutes": minutes,
        "minutes_per_epoch": minutes / watch.epochs if watch.epochs else None,
        "weights_sha256": file_sha256(result.weights),
    }


def measure_step(task: TrainingTask) -> dict[str, Any]:
    """One step of a training in a process of its own: its time and its memory.

    Raises:
        ValueError: Data do not fit, or the process ended before it had an answer.
        OSError: A file cannot be read.
    """
    # Not forked: what this process holds would be counted.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_step, task).result()
        except BrokenProcessPool:
            raise ValueError("one step: expected an answer, but its process ended") from None


def _step(task: TrainingTask) -> dict[str, Any]:
    from faimtrack.training.dry_run import dry_run

    done = dry_run(task.recipe, task.places, _machines())
    return {
        "gib": done.peak_memory_bytes / 2**30,
        "seconds": done.seconds,
        "images": done.images,
        "size": list(done.size),
        "parameters": done.parameters,
    }


def _machines() -> Machines:
    from faimtrack.training.fit import Machines

    workers = max(1, min(_MOST_WORKERS, (os.cpu_count() or 2) // 2))
    return Machines(devices=1, workers=workers)


class _Watch:
    """Hears of each step: takes the time, says how far it is, and ends it when time is over.

    Attributes:
        steps: That were timed.
        seconds: That they took.
        epochs: Of the whole training, as soon as that is known.
    """

    def __init__(self, title: str, budget: Budget, say: Callable[[str], None]) -> None:
        self._title, self._budget, self._say = title, budget, say
        self.steps, self.seconds, self.epochs = 0, 0.0, 0.0
        self._last_s: float | None = None
        self._said_s = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        """Take note of a step."""
        if progress.remark:
            return
        now_s = time.monotonic()
        if self._last_s is not None:  # the first one also waits for what is made ready
            self.steps += 1
            self.seconds += now_s - self._last_s
        self._last_s = now_s
        if "epoch" in progress.values:  # not at every step, maybe not at the last one
            self.epochs = progress.values["epoch"] * progress.total / progress.step
        if progress.values and now_s - self._said_s > _SAY_EVERY_S:
            self._said_s = now_s
            loss = progress.values.get("loss", float("nan"))
            self._say(f"{self._title}: step {progress.step} of {progress.total}, loss {loss:.3f}")
        if progress.step < progress.total:
            self._budget.check(
                f"{self._title}: broken off after {progress.step} of {progress.total} steps"
            )


def _add_pace(folder: Path, steps: int, seconds: float) -> float:
    """Seconds a step over all parts of a run that was broken off; 0 without any step."""
    path = folder / _PACE
    total = {"steps": 0, "seconds": 0.0}
    if path.is_file():
        total = json.loads(path.read_text(encoding="utf-8"))
    total = {"steps": total["steps"] + steps, "seconds": total["seconds"] + seconds}
    if steps:
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(total) + "\n", encoding="utf-8")
    return total["seconds"] / total["steps"] if total["steps"] else 0.0
