"""How many workers a cluster has room for, and what each of them holds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faimtrack.pipeline.tasks import SequenceTask, Task
from faimtrack.pipeline.threads import ThreadCounts, runs_network


@dataclass(frozen=True, kw_only=True)
class WorkerRoom:
    """What to ask a cluster for.

    Attributes:
        workers: How many.
        cpus: Cores that each of them holds.
        gpus: GPUs that each of them holds.
    """

    workers: int
    cpus: int
    gpus: int = 0


def room_for(
    tasks: Sequence[Task],
    nodes: Sequence[Mapping[str, float]],
    *,
    jobs: int | None,
    threads: ThreadCounts,
) -> WorkerRoom:
    """What workers for these tasks hold, and how many there are to be.

    A network on a GPU holds that; one on a CPU as many cores as it has threads, or as a usual
    node has; a replay of detections holds one core.

    Args:
        tasks: What to do.
        nodes: Each node's resources by Ray's names.
        jobs: How many workers a person asked for; None for as many as there is room for.
        threads: Of each worker.
    """
    gpus = int(sum(node.get("GPU", 0) for node in nodes))
    if gpus and any(_takes_gpu(task) for task in tasks):
        return WorkerRoom(workers=min(jobs or gpus, len(tasks)), cpus=1, gpus=1)
    cores = [int(node.get("CPU", 0)) for node in nodes if node.get("CPU", 0) >= 1] or [1]
    wanted = 1
    if any(runs_network(task) for task in tasks):
        wanted = min(threads.torch or threads.library, statistics.median_high(cores))

    def places(cpus: int) -> int:
        return sum(count // cpus for count in cores)

    workers = min(jobs or places(wanted), len(tasks))
    fitting = (cpus for cpus in range(wanted, 0, -1) if places(cpus) >= workers)
    return WorkerRoom(workers=workers, cpus=next(fitting, 1))


def _takes_gpu(task: Task) -> bool:
    recipe = task.recipe
    devices = [recipe.detector.device] if task.weights is not None else []
    if task.embedder is not None:
        devices.append(recipe.embedder.device)
    if isinstance(task, SequenceTask) and task.regressor is not None:
        devices.append(recipe.regressor.device)
    return any(device in ("auto", "cuda") for device in devices)
