"""Many sequences, several at a time, each in a process that may die without harm to the others."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from faimtrack.errors import describe_error
from faimtrack.pipeline.detecting import detect_sequence
from faimtrack.pipeline.loader import DetectorLoader
from faimtrack.pipeline.sequence import Report, SequenceResult
from faimtrack.pipeline.tasks import DetectionTask, SequenceTask, Task
from faimtrack.pipeline.tracking import track_sequence

_LOG = logging.getLogger(__name__)
_REPORT_EVERY_S = 0.1
_STOP_S = 10.0


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


ManyReport = Callable[[str, int, "int | None"], None]
"""Called now and then with a sequence's name, its frames done, and to do (None if unknown)."""


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
    if jobs < 1:
        raise ValueError(f"jobs: expected 1 or more, got {jobs}")
    report = report or (lambda name, done, total: None)
    if min(jobs, len(tasks)) <= 1:
        loader = DetectorLoader()
        for task in tasks:
            yield run_task(task, report, loader)
    else:
        yield from _in_processes(tasks, min(jobs, len(tasks)), report)


def run_task(
    task: Task, report: ManyReport, loader: DetectorLoader | None = None
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
        if os.environ.get("FAIMTRACK_DEBUG") == "1":
            import traceback

            return SequenceOutcome(task=task, error=traceback.format_exc().rstrip())
        return SequenceOutcome(task=task, error=describe_error(error))
    return SequenceOutcome(task=task, result=result)


def _do(task: Task, report: Report, loader: DetectorLoader | None) -> SequenceResult:
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


class _Worker:
    """A process that takes one task after the other."""

    def __init__(self, context: Any) -> None:
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_work, args=(there,), daemon=True)
        self.process.start()
        there.close()
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        self.task = task
        self.connection.send(task)

    def end(self) -> None:
        self.connection.close()
        self.process.join(_STOP_S)

    def interrupt(self) -> None:
        if self.process.is_alive():
            self.process.terminate()


def _work(connection: Connection) -> None:
    """The life of a worker: a task in, reports and an outcome out, until the pipe is closed."""
    # Ctrl-C reaches the whole group of processes; the parent decides, and tells by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt_once)
    loader = DetectorLoader()
    try:
        while True:
            task = connection.recv()
            outcome = run_task(
                task, lambda name, done, total: connection.send((name, done, total)), loader
            )
            connection.send(outcome)
    except (EOFError, OSError, KeyboardInterrupt):
        return  # no more tasks, the parent is gone, or it said stop


def _interrupt_once(number: int, frame: Any) -> None:
    """Unwind, so that files are closed; a second signal must not break that off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _in_processes(
    tasks: Sequence[Task], count: int, report: ManyReport
) -> Iterator[SequenceOutcome]:
    # Not forked: a copy of a process with threads (BLAS, progress bars) may hang.
    context = multiprocessing.get_context("spawn")
    waiting = deque(tasks)
    workers: list[_Worker] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < count:
                workers.append(_Worker(context))
                workers[-1].give(waiting.popleft())
            by_connection = {worker.connection: worker for worker in workers}
            for connection in wait(list(by_connection), timeout=1.0):
                worker = by_connection[connection]
                outcome = _receive(worker, report)
                if outcome is None:
                    continue
                if waiting and worker.process.is_alive():
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.end()
                yield outcome
    finally:
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.end()


def _receive(worker: _Worker, report: ManyReport) -> SequenceOutcome | None:
    """Take one message; an outcome if it is one, or if the worker died."""
    assert worker.task is not None
    try:
        message = worker.connection.recv()
    except (EOFError, OSError):
        worker.process.join(_STOP_S)
        status = worker.process.exitcode
        reason = f"signal {-status}" if status is not None and status < 0 else f"status {status}"
        return SequenceOutcome(
            task=worker.task,
            error=f"its process ended with {reason}; what it had written by then is in "
            f"{worker.task.output}.partial",
        )
    if isinstance(message, SequenceOutcome):
        return message
    report(*message)
    return None
