"""Who really does jobs: with networks, data and the code behind the other commands."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from faimtrack.masks import make_many_masks, plan_masks
from faimtrack.reproduce.budget import Budget
from faimtrack.reproduce.engine import Results, Say
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.networks import WEIGHTS
from faimtrack.reproduce.tasks import (
    DetectionTask,
    MasksTask,
    ScoresTask,
    TrackingTask,
    TrainingTask,
)


class RealWorker:
    """Does jobs on this machine."""

    def __init__(self, *, jobs: int = 1) -> None:
        """Say how many videos are looked at at a time."""
        self._jobs = jobs

    def perform(self, job: Job, results: Results, budget: Budget, say: Say) -> Mapping[str, Any]:
        """See `Worker`."""
        task = job.task
        if isinstance(task, MasksTask):
            return _make_masks(task, budget, jobs=self._jobs)
        if isinstance(task, TrainingTask):
            from faimtrack.reproduce.training_work import measure_step, train_network

            if job.kind == "cost":
                return measure_step(task)
            return train_network(task, job.title, budget, say)
        if isinstance(task, DetectionTask):
            if job.kind == "time":
                from faimtrack.reproduce.timing import time_detector

                return time_detector(task, job.settings["frames"])
            from faimtrack.reproduce.detecting import detect_videos

            return detect_videos(task, budget, say, jobs=self._jobs)
        if isinstance(task, ScoresTask):
            if job.kind == "link-time":
                from faimtrack.reproduce.timing import time_linking

                return time_linking(task, job.settings["videos"])
            from faimtrack.reproduce.detecting import score_detections

            return score_detections(task)
        assert isinstance(task, TrackingTask)
        return _track(task)

    def is_intact(self, job: Job, result: Mapping[str, Any]) -> bool:
        """See `Worker`."""
        task = job.task
        if isinstance(task, TrainingTask) and job.kind == "training":
            return (task.folder / WEIGHTS).is_file()
        if isinstance(task, DetectionTask) and job.kind == "detection":
            return len(list(task.folder.glob("*.parquet"))) == int(result["videos"])
        if isinstance(task, MasksTask):
            return len(list(task.root.glob(f"*/{task.method}.parquet"))) == int(
                result["sequences"]
            )
        return True


def _make_masks(task: MasksTask, budget: Budget, *, jobs: int) -> dict[str, Any]:
    """Make pseudo masks of a crowd; what is finished stays.

    Raises:
        OutOfTime: The time is over.
        ValueError: A sequence failed.
        OSError: A file cannot be read or written.
    """
    tasks = plan_masks(task.data, task.method, task.config, root=task.root, existing="resume")
    done, made = 0, 0
    with contextlib.closing(make_many_masks(tasks, jobs=jobs)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None or outcome.summary is None:
                raise ValueError(f"{outcome.task.name}: {outcome.error}")
            done += 1
            made += outcome.summary.counts.get("kept", 0)
            if done < len(tasks):
                budget.check(f"masks of {done} of {len(tasks)} sequences")
    return {"sequences": done, "masks": made}


def _track(task: TrackingTask) -> dict[str, Any]:
    """Detect, track and score as validation does.

    Raises:
        ValueError: A sequence could not be scored.
        OSError: A file cannot be read or written.
    """
    from faimtrack.training.validation import validate

    done = validate(
        task.recipe,
        task.data,
        task.weights,
        task.folder,
        split=task.split,  # type: ignore[arg-type]
    )
    return {
        **done.combined,
        "sequences": {name: dict(each) for name, each in done.sequences.items()},
    }
