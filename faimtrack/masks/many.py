"""Masks of many sequences, several at a time."""

from __future__ import annotations

import functools
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from faimtrack.errors import describe_failure, wants_tracebacks
from faimtrack.masks.making import MaskSummary, make_masks
from faimtrack.masks.sources import SegmenterLoader
from faimtrack.masks.tasks import MaskTask
from faimtrack.processes import ManyReport, do_many

_LOG = logging.getLogger(__name__)

# What the packages that the networks come in lack, by import name, and the extra that brings it.
_EXTRAS = {"mobile_sam": "mobile-sam", "sam2": "sam2"}


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
    begin = functools.partial(_MakeTask, is_alone=min(jobs, len(tasks)) <= 1)
    return do_many(tasks, begin, _died, jobs=jobs, report=report)


class _MakeTask:
    """Does one task after the other, with one network; what fails is an outcome too."""

    def __init__(self, *, is_alone: bool) -> None:
        if not is_alone:
            import cv2

            cv2.setNumThreads(1)  # the sequences share the cores
        self._loader = SegmenterLoader()

    def __call__(self, task: MaskTask, report: ManyReport) -> MaskOutcome:
        try:
            summary = make_masks(
                task, lambda done, total: report(task.name, done, total), self._loader
            )
        except Exception as error:
            _LOG.debug("%s failed", task.name, exc_info=True)
            return MaskOutcome(task=task, error=_describe(error))
        return MaskOutcome(task=task, summary=summary)


def _died(task: MaskTask, ending: str) -> MaskOutcome:
    error = f"its process ended with {ending} (out of memory?)"
    return MaskOutcome(task=task, error=f"{error}; the same command goes on from there")


def _describe(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and not wants_tracebacks():
        name = (error.name or "a library").partition(".")[0]
        extra = _EXTRAS.get(name, "torch")
        return f"{name} is not installed: pip install 'faimtrack[{extra}]' brings it"
    return describe_failure(error)
