"""Many sequences, several at a time."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from faimtrack.errors import describe_failure
from faimtrack.pipeline.detecting import detect_sequence
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.sequence import Report, SequenceResult
from faimtrack.pipeline.tasks import DetectionTask, SequenceTask, Task
from faimtrack.pipeline.tracking import track_sequence
from faimtrack.processes import ManyReport, do_many

_LOG = logging.getLogger(__name__)
_REPORT_EVERY_S = 0.1


@dataclass(frozen=True, kw_only=True)
class SequenceOutcome:
    """How one of many sequences ended.

    Attributes:
        task: What was to be done.
        result: What came of it; None if it failed.
        error: Why it failed, in one line; None if it did not.
    """

    task: Task
    result: SequenceResult | None = None
    error: str | None = None


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    report: ManyReport | None = None,
) -> Generator[SequenceOutcome, None, None]:
    """Do work on sequences; one that fails is an outcome like the others, and the others go on.

    Args:
        tasks: What to do; names are unique.
        jobs: How many at a time, each in a process of its own. 1: one after the other, in this
            process.
        report: Called after some of the frames.

    Yields:
        Outcomes in the order in which the sequences end.

    Raises:
        ValueError: `jobs` is not 1 or more.
    """
    return do_many(tasks, _RunTask, _died, jobs=jobs, report=report)


class _RunTask:
    """Does one task after the other, with one network."""

    def __init__(self) -> None:
        self._loader = NetworkLoader()

    def __call__(self, task: Task, report: ManyReport) -> SequenceOutcome:
        return run_task(task, report, self._loader)


def _died(task: Task, ending: str) -> SequenceOutcome:
    error = f"its process ended with {ending}; what it had written by then is in "
    return SequenceOutcome(task=task, error=f"{error}{task.output}.partial")


def run_task(
    task: Task, report: ManyReport, loader: NetworkLoader | None = None
) -> SequenceOutcome:
    """Do one task, of whichever kind, in this process; what fails is an outcome too.

    Args:
        task: What to do.
        report: Called after some of the frames.
        loader: Keeps the network from task to task; None loads it for this one.
    """
    try:
        result = _do(task, _throttled(task.name, report), loader)
    except Exception as error:
        _LOG.debug("%s failed", task.name, exc_info=True)
        return SequenceOutcome(task=task, error=describe_failure(error))
    return SequenceOutcome(task=task, result=result)


def _do(task: Task, report: Report, loader: NetworkLoader | None) -> SequenceResult:
    """The one place that knows which kind of task is whose work."""
    if isinstance(task, SequenceTask):
        return track_sequence(task, report, loader)
    if isinstance(task, DetectionTask):
        return detect_sequence(task, report, loader)
    raise TypeError(f"{task.name}: expected a task to track or to detect, got {type(task)}")


def _throttled(name: str, report: ManyReport) -> Report:
    """Pass on the first report, the last, and one every so often between them."""
    last_s = 0.0

    def pass_on(done: int, total: int | None) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if done == 1 or done == total or now_s - last_s >= _REPORT_EVERY_S:
            last_s = now_s
            report(name, done, total)

    return pass_on
