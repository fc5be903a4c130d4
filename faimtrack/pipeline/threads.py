"""How many threads numbers are made with: sums have other last bits where it is another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faimtrack.detectors.config import TorchConfig
from faimtrack.onnx import available_threads
from faimtrack.pipeline.tasks import SequenceTask, Task


@dataclass(frozen=True, kw_only=True)
class ThreadCounts:
    """The threads of a process, such that another one can be made to use the same.

    Attributes:
        library: Of numpy and onnxruntime.
        torch: Of one operation of torch; None where no task needs torch.
    """

    library: int
    torch: int | None = None

    @classmethod
    def of_this_process(cls, tasks: Sequence[Task]) -> ThreadCounts:
        """What this process would do tasks with."""
        if not any(runs_torch(task) for task in tasks):
            return cls(library=available_threads())
        from faimtrack.detectors.running import count_threads

        return cls(library=available_threads(), torch=count_threads())

    def environment(self) -> dict[str, str]:
        """Variables that a process must be started with: libraries read them when they load."""
        return {"OMP_NUM_THREADS": str(self.library)}

    def apply(self) -> None:
        """Let torch in this process use as many; the rest is up to `environment`."""
        if self.torch is not None:
            from faimtrack.detectors.running import use_threads

            use_threads(self.torch)


def runs_network(task: Task) -> bool:
    """Whether a task runs a network, on whatever."""
    regressor = task.regressor if isinstance(task, SequenceTask) else None
    return task.weights is not None or task.embedder is not None or regressor is not None


def runs_torch(task: Task) -> bool:
    """Whether a task runs a network in torch."""
    if task.weights is not None and isinstance(task.recipe.detector, TorchConfig):
        return True
    if isinstance(task, SequenceTask) and task.regressor is not None:
        return True  # nothing else moves boxes
    return isinstance(task.embedder, Path) and task.embedder.suffix.lower() != ".onnx"
