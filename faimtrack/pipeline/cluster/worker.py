"""What runs on a node of the cluster: a process that takes one task after the other."""

from __future__ import annotations

import faimtrack
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.many import SequenceOutcome, run_task
from faimtrack.pipeline.tasks import Task
from faimtrack.pipeline.threads import ThreadCounts

Progress = tuple[str, int, "int | None"]
"""A sequence's name, its frames done, and to do (None if unknown)."""


class ClusterWorker:
    """Does tasks in one thread, and in another one says how far it is.

    Raising what stops a sequence is left to its own thread, at the next frame: so its files are
    closed, which a process that is killed cannot do.
    """

    def __init__(self, threads: ThreadCounts) -> None:
        """Do all numbers with the threads of the process that asked for it."""
        threads.apply()
        self._loader = NetworkLoader()
        self._progress: Progress | None = None
        self._is_stopped = False

    def version(self) -> str:
        """Of faimtrack on this node."""
        return faimtrack.__version__

    def work(self, task: Task) -> SequenceOutcome:
        """Do a task; what fails is an outcome too."""
        self._progress = None
        try:
            return run_task(task, self._note, self._loader)
        except KeyboardInterrupt:
            return SequenceOutcome(task=task, error="stopped")

    def progress(self) -> Progress | None:
        """How far the task in hand is; None before its first frame."""
        return self._progress

    def stop(self) -> None:
        """End the task in hand at its next frame."""
        self._is_stopped = True

    def _note(self, name: str, done: int, total: int | None) -> None:
        if self._is_stopped:
            raise KeyboardInterrupt
        self._progress = (name, done, total)
