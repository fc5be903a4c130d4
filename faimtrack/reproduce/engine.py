"""Does the jobs that have no result yet, as long as there is time, and remembers why not."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from faimtrack.atomic import claimed
from faimtrack.errors import describe_error
from faimtrack.reproduce.budget import Budget, OutOfTime
from faimtrack.reproduce.jobs import Job, in_order
from faimtrack.reproduce.results import read_result, result_path, write_result

_LOG = logging.getLogger(__name__)
NO_TIME = "no time was left"
_FAILURES = (ValueError, OSError, MemoryError, ImportError)
Say = Callable[[str], None]

Results = Mapping[str, Mapping[str, Any]]
"""What came of jobs, by their names."""


class Worker(Protocol):
    """Who does jobs."""

    def perform(self, job: Job, results: Results, budget: Budget, say: Say) -> Mapping[str, Any]:
        """Do a job.

        Args:
            job: What; all it needs has been done.
            results: Of what it needs.
            budget: To be asked now and then.
            say: Takes lines for people.

        Returns:
            JSON's values, not empty.

        Raises:
            OutOfTime: The time is over; the job goes on the next time.
            ValueError: It cannot be done, as MemoryError, OSError and ImportError are.
        """

    def is_intact(self, job: Job, result: Mapping[str, Any]) -> bool:
        """Whether files that a finished job left for others are there still."""


@dataclass(kw_only=True)
class Outcomes:
    """What came of jobs.

    Attributes:
        results: Of those that are done, by their names.
        missing: Why others are not, by their names; of a job that was done before and whose files
            are gone, why they could not be made anew.
        done_now: Names of those that were done in this call.
    """

    results: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    done_now: list[str] = field(default_factory=list)


class Engine:
    """Does jobs with one folder of results."""

    def __init__(self, folder: Path, worker: Worker, budget: Budget, say: Say) -> None:
        """Say where, by whom and how long.

        Args:
            folder: Of the results; another engine may work in it at the same time.
            worker: Who does the jobs.
            budget: How long.
            say: Takes lines for people.
        """
        self._folder, self._worker = folder, worker
        self._budget, self._say = budget, say

    def run(self, jobs: Iterable[Job]) -> Outcomes:
        """Do jobs in their order, each once, and before it what it needs.

        A job that fails is remembered with its reason, and the others go on. When the time is
        over, what is there already is still read.

        Raises:
            ValueError: A result that is there is damaged or of other settings.
            OSError: A result cannot be read or written.
        """
        outcomes = Outcomes()
        wanted = list(jobs)
        for job in in_order(wanted):
            result = read_result(self._folder, job)
            if result is not None:
                outcomes.results[job.name] = result
        for job in wanted:
            if job.name not in outcomes.results:
                self._ensure(job, outcomes)
        return outcomes

    def _ensure(self, job: Job, outcomes: Outcomes) -> bool:
        """See that a job is done and its files are there for others; whether that is so."""
        name = job.name
        if name in outcomes.missing:
            return False
        result = outcomes.results.get(name)
        if result is not None and self._worker.is_intact(job, result):
            return True
        for need in job.needs:
            if not self._ensure(need, outcomes):
                outcomes.missing[name] = outcomes.missing[need.name]
                return False
        if self._budget.is_over:
            outcomes.missing[name] = NO_TIME
            return False
        return self._do(job, outcomes)

    def _do(self, job: Job, outcomes: Outcomes) -> bool:
        claim = self._folder / f".{job.name}.claim"
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            with claimed(claim, across_forks=False):
                self._say(f"{job.title}: begins")
                result = dict(self._worker.perform(job, outcomes.results, self._budget, self._say))
                write_result(self._folder, job, result)
        except OutOfTime as end:
            outcomes.missing[job.name] = f"{end}: {NO_TIME}"
            return False
        except BlockingIOError:
            outcomes.missing[job.name] = "another command is at it"
            return False
        except _FAILURES as error:
            _LOG.debug("%s failed", job.title, exc_info=True)
            outcomes.missing[job.name] = f"{job.title}: {describe_error(error)}"
            self._say(f"{job.title}: failed: {describe_error(error)}")
            return False
        outcomes.results[job.name] = result
        outcomes.done_now.append(job.name)
        self._say(f"{job.title}: done ({result_path(self._folder, job).name})")
        return True
