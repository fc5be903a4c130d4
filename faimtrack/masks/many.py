"""Masks of many sequences, several at a time."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

from faimtrack.errors import describe_error
from faimtrack.masks.making import MaskSummary, make_masks
from faimtrack.masks.sources import SegmenterLoader
from faimtrack.masks.tasks import MaskTask

_LOG = logging.getLogger(__name__)
_WAIT_S = 0.1

# What the packages that the networks come in lack, by import name, and the extra that brings it.
_EXTRAS = {"mobile_sam": "mobile-sam", "sam2": "sam2"}

ManyReport = Callable[[str, int, int], None]
"""Called now and then with a sequence's name, its frames done, and to do."""


@dataclass(frozen=True, kw_only=True)
class MaskOutcome:
    """How one of many sequences ended.

    Attributes:
        task: What was to be made.
        summary: What came of it; None if it failed.
        error: Why it failed, in one line; None if it did not.
    """

    task: MaskTask
    summary: MaskSummary | None = None
    error: str | None = None


def make_many_masks(
    tasks: Sequence[MaskTask], *, jobs: int = 1, report: ManyReport | None = None
) -> Generator[MaskOutcome, None, None]:
    """Make the masks of many sequences; one that fails is an outcome, and the others go on.

    Args:
        tasks: What to make; their outputs differ.
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
    jobs = min(jobs, len(tasks))
    if jobs > 1:
        yield from _in_processes(tasks, jobs, report)
        return
    loader = SegmenterLoader()
    for task in tasks:
        yield _make(task, report, loader)


def _make(task: MaskTask, report: ManyReport, loader: SegmenterLoader) -> MaskOutcome:
    """Do one task; what fails is an outcome too."""
    try:
        summary = make_masks(task, lambda done, total: report(task.name, done, total), loader)
    except Exception as error:
        _LOG.debug("%s failed", task.name, exc_info=True)
        if os.environ.get("FAIMTRACK_DEBUG") == "1":
            return MaskOutcome(task=task, error=traceback.format_exc().rstrip())
        return MaskOutcome(task=task, error=_describe(error))
    return MaskOutcome(task=task, summary=summary)


def _describe(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "a library").partition(".")[0]
        extra = _EXTRAS.get(name, "torch")
        return f"{name} is not installed: pip install 'faimtrack[{extra}]' brings it"
    return describe_error(error)


class _Worker:
    """What a worker process keeps from task to task; set by its initializer."""

    reports: Any = None
    loader: SegmenterLoader


def _begin_worker(reports: Any) -> None:
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    cv2.setNumThreads(1)  # the sequences share the cores
    _Worker.reports, _Worker.loader = reports, SegmenterLoader()


def _work(task: MaskTask) -> MaskOutcome:
    return _make(task, lambda *report: _Worker.reports.put(report), _Worker.loader)


def _in_processes(
    tasks: Sequence[MaskTask], jobs: int, report: ManyReport
) -> Generator[MaskOutcome, None, None]:
    # Not forked: a copy of a process with threads (BLAS, progress bars) may hang.
    context = multiprocessing.get_context("spawn")
    reports = context.SimpleQueue()
    pool = ProcessPoolExecutor(jobs, context, _begin_worker, (reports,))
    try:
        futures: dict[Future[MaskOutcome], MaskTask] = {
            pool.submit(_work, task): task for task in tasks
        }
        while futures:
            done, _ = wait(futures, timeout=_WAIT_S, return_when=FIRST_COMPLETED)
            while not reports.empty():
                report(*reports.get())
            for future in sorted(done, key=lambda each: tasks.index(futures[each])):
                yield _outcome(future, futures.pop(future))
    finally:
        if futures:  # broken off: parts are whole at any moment
            for process in list((pool._processes or {}).values()):
                process.terminate()
        pool.shutdown(wait=True, cancel_futures=True)
        reports.close()


def _outcome(future: Future[MaskOutcome], task: MaskTask) -> MaskOutcome:
    try:
        return future.result()
    except BrokenProcessPool:
        reason = "a process was ended from outside (out of memory?)"
        return MaskOutcome(task=task, error=f"{reason}; the same command goes on from there")
