"""Many tasks, several at a time, each in a process that may die without harm to the others."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

ManyReport = Callable[[str, int, "int | None"], None]
"""Called now and then with a task's name, what of it is done, and to do (None if unknown)."""

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
Do = Callable[[Task, ManyReport], Outcome]
"""Does one task; what fails is an outcome too."""

_STOP_S = 10.0


def do_many(
    tasks: Sequence[Task],
    begin: Callable[[], Do[Task, Outcome]],
    died: Callable[[Task, str], Outcome],
    *,
    jobs: int = 1,
    report: ManyReport | None = None,
) -> Generator[Outcome, None, None]:
    """Do tasks; leaving early stops the processes.

    Args:
        tasks: What to do; can be pickled.
        begin: Called once in each process; what it gives may keep things from task to task. Can
            be pickled.
        died: The outcome of a task whose process ended in the middle of it, and how it ended.
        jobs: How many at a time, each in a process of its own. 1: one after the other, in this
            process.
        report: Called as the tasks go on.

    Yields:
        Outcomes in the order in which the tasks end.

    Raises:
        ValueError: `jobs` is not 1 or more.
    """
    if jobs < 1:
        raise ValueError(f"jobs: expected 1 or more, got {jobs}")
    report = report or (lambda name, done, total: None)
    jobs = min(jobs, len(tasks))
    if jobs > 1:
        yield from _in_processes(tasks, begin, died, jobs, report)
    elif tasks:
        do = begin()
        for task in tasks:
            yield do(task, report)


class _Worker(Generic[Task, Outcome]):
    """A process that takes one task after the other."""

    def __init__(self, context: Any, begin: Callable[[], Do[Task, Outcome]]) -> None:
        self.connection, there = context.Pipe()
        self.process = context.Process(target=_work, args=(there, begin), daemon=True)
        self.process.start()
        there.close()
        self.task: Task | None = None

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it is dead already: who listens to it hears of that
            self.connection.send(task)

    def end(self) -> None:
        self.connection.close()
        self.process.join(_STOP_S)

    def interrupt(self) -> None:
        if self.process.is_alive():
            self.process.terminate()

    def ending(self) -> str:
        """How the process ended."""
        self.process.join(_STOP_S)
        status = self.process.exitcode
        return f"signal {-status}" if status is not None and status < 0 else f"status {status}"


def _work(connection: Connection, begin: Callable[[], Do[Any, Any]]) -> None:
    """The life of a worker: a task in, reports and an outcome out, until the pipe is closed."""
    # Ctrl-C reaches the whole group of processes; the parent decides, and tells by SIGTERM.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _interrupt_once)
    with suppress(_Stopped, KeyboardInterrupt):
        do = begin()
        while True:
            task = _or_stop(connection.recv)
            outcome = do(task, lambda *report: _or_stop(connection.send, (False, report)))
            _or_stop(connection.send, (True, outcome))


class _Stopped(BaseException):
    """There are no more tasks, or the parent is gone. No task's own handling of errors sees it."""


def _or_stop(talk: Callable[..., Any], *what: Any) -> Any:
    try:
        return talk(*what)
    except (EOFError, OSError):
        raise _Stopped from None


def _interrupt_once(number: int, frame: Any) -> None:
    """Unwind, so that files are closed; a second signal must not break that off."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _in_processes(
    tasks: Sequence[Task],
    begin: Callable[[], Do[Task, Outcome]],
    died: Callable[[Task, str], Outcome],
    count: int,
    report: ManyReport,
) -> Generator[Outcome, None, None]:
    # Not forked: a copy of a process with threads (BLAS, progress bars) may hang.
    context = multiprocessing.get_context("spawn")
    waiting = deque(tasks)
    workers: list[_Worker[Task, Outcome]] = []
    try:
        while waiting or workers:
            while waiting and len(workers) < count:
                workers.append(_Worker(context, begin))
                workers[-1].give(waiting.popleft())
            by_connection = {worker.connection: worker for worker in workers}
            for connection in wait(list(by_connection), timeout=1.0):
                worker = by_connection[connection]
                try:
                    is_outcome, content = worker.connection.recv()
                except (EOFError, OSError):
                    assert worker.task is not None
                    is_outcome, content = True, died(worker.task, worker.ending())
                if not is_outcome:
                    report(*content)
                    continue
                if waiting and worker.process.is_alive():
                    worker.give(waiting.popleft())
                else:
                    workers.remove(worker)
                    worker.end()
                yield content
    finally:
        for worker in workers:
            worker.interrupt()
        for worker in workers:
            worker.end()
