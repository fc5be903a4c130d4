"""Tasks over the workers of a Ray cluster; what a lost worker had in hand is done again."""

from __future__ import annotations

import dataclasses
import logging
import os
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faimtrack
from faimtrack.pipeline.cluster.connection import connected, last_line, undisturbed
from faimtrack.pipeline.cluster.room import WorkerRoom, room_for
from faimtrack.pipeline.cluster.worker import ClusterWorker
from faimtrack.pipeline.many import SequenceOutcome
from faimtrack.pipeline.tasks import Task
from faimtrack.pipeline.threads import ThreadCounts
from faimtrack.processes import ManyReport
from faimtrack.video.sources import absolute_source

_LOG = logging.getLogger(__name__)
_TRIES = 3
_POLL_S = 0.2
_STOP_S = 10.0
_PATIENCE_S = 60.0


def run_tasks_on_cluster(
    tasks: Sequence[Task],
    address: str,
    *,
    jobs: int | None = None,
    report: ManyReport | None = None,
) -> Generator[SequenceOutcome, None, None]:
    """Do work on sequences as `run_tasks` does, on the machines of a Ray cluster.

    All of them see the same files under the same names and have this version of faimtrack. A
    worker calculates with as many threads as this process would, so that results are the same
    bytes. What a worker had in hand when it was lost is done again by another one, three times
    at most; an error in a sequence is an outcome at once, as it is without a cluster.

    Args:
        tasks: What to do; names are unique.
        address: `local` starts a cluster of this machine alone; `auto` takes the one that runs
            here; ``HOST:PORT`` or ``ray://HOST:PORT``.
        jobs: How many workers; None for as many as the cluster has room for.
        report: Called now and then.

    Yields:
        Outcomes in the order in which the sequences end.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ValueError: `jobs` is not 1 or more, the address is none, or the workers have another
            version of faimtrack.
        ConnectionError: No cluster answers, or its workers do not start.
    """
    if jobs is not None and jobs < 1:
        raise ValueError(f"jobs: expected 1 or more, got {jobs}")
    if not tasks:
        return
    threads = ThreadCounts.of_this_process(tasks)
    with connected(address) as ray:
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = room_for(tasks, nodes, jobs=jobs, threads=threads)
        crew = _Crew(ray, address, room, threads)
        try:
            yield from crew.run(tasks, report or (lambda name, done, total: None))
        finally:
            with undisturbed():
                crew.dismiss()


@dataclass
class _Attempt:
    """A task and how often it has been begun."""

    task: Task
    tries: int = 0

    def begin(self) -> Task:
        """The task as a worker is to get it."""
        self.tries += 1
        task = _portable(self.task)
        if self.tries > 1 and task.existing == "refuse":
            # What is there now is the lost worker's; it may even be whole.
            return dataclasses.replace(task, existing="resume")
        return task

    def end(self, outcome: SequenceOutcome) -> SequenceOutcome:
        """The outcome of the task as it was named here."""
        result = outcome.result
        if result is not None and self.tries > 1:
            note = f"done again, for its worker was lost (try {self.tries} of {_TRIES})"
            result = dataclasses.replace(result, notes=(*result.notes, note))
        return dataclasses.replace(outcome, task=self.task, result=result)


class _Member:
    """A worker as it is seen from here; it takes tasks once it has answered the greeting."""

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.attempt: _Attempt | None = None
        self.greeting: Any = actor.version.remote()
        self.work: Any = None
        self.progress: Any = None
        self._asked_s = 0.0

    @property
    def is_idle(self) -> bool:
        return self.greeting is None and self.attempt is None

    def give(self, attempt: _Attempt) -> None:
        self.attempt = attempt
        self.work = self.actor.work.remote(attempt.begin())

    def ask(self) -> None:
        """Ask how far it is, unless that was asked just now."""
        now_s = time.monotonic()
        if self.work is not None and self.progress is None and now_s - self._asked_s > _POLL_S:
            self._asked_s = now_s
            self.progress = self.actor.progress.remote()

    def awaited(self) -> list[Any]:
        return [each for each in (self.greeting, self.work, self.progress) if each is not None]


class _Crew:
    """The workers of one run."""

    def __init__(self, ray: Any, address: str, room: WorkerRoom, threads: ThreadCounts) -> None:
        ours = {name: text for name, text in os.environ.items() if name.startswith("FAIMTRACK_")}
        self._ray, self._address, self._size = ray, address, room.workers
        self._threads = threads
        self._actor_class = ray.remote(ClusterWorker).options(
            num_cpus=room.cpus,
            num_gpus=room.gpus,
            max_concurrency=2,  # work, and what is asked meanwhile
            scheduling_strategy="SPREAD",
            runtime_env={"env_vars": ours | threads.environment()},
        )
        self._members: list[_Member] = []
        self._failed_starts = 0
        self._waits_since_s: float | None = time.monotonic()
        # Of what a worker can be lost: its death, its node's, too little memory there.
        errors = ray.exceptions
        self._losses = (
            errors.RayActorError,
            errors.WorkerCrashedError,
            errors.NodeDiedError,
            errors.OutOfMemoryError,
            errors.ObjectLostError,
        )

    def run(self, tasks: Sequence[Task], report: ManyReport) -> Iterator[SequenceOutcome]:
        """Do all tasks; the outcomes as they come."""
        waiting = deque(map(_Attempt, tasks))
        while waiting or any(member.attempt for member in self._members):
            busy = sum(member.attempt is not None for member in self._members)
            while len(self._members) < min(self._size, len(waiting) + busy):
                self._members.append(_Member(self._actor_class.remote(self._threads)))
            for member in self._members:
                if waiting and member.is_idle:
                    member.give(waiting.popleft())
                member.ask()
            self._complain_of_waiting()
            owners = {each: member for member in self._members for each in member.awaited()}
            ready, _ = self._ray.wait(list(owners), num_returns=1, timeout=_POLL_S)
            for answer in ready:
                yield from self._take(owners[answer], answer, waiting, report)

    def _take(
        self, member: _Member, answer: Any, waiting: deque[_Attempt], report: ManyReport
    ) -> Iterator[SequenceOutcome]:
        """Take one answer of a worker; an outcome, if it is one."""
        if answer == member.greeting:
            self._welcome(member)
        elif answer == member.progress:
            member.progress = None
            progress = self._progress(answer)
            if progress is not None and member.attempt is not None:
                report(*progress)
        else:
            attempt, member.attempt, member.work = member.attempt, None, None
            assert attempt is not None
            outcome = self._outcome(member, answer, attempt)
            if outcome is None:
                waiting.appendleft(attempt)
                return
            if outcome.result is not None and outcome.result.summary is not None:
                frames = outcome.result.summary.frames
                report(attempt.task.name, frames, frames)
            yield outcome

    def _outcome(self, member: _Member, answer: Any, attempt: _Attempt) -> SequenceOutcome | None:
        """What came of an attempt; None if it is to be made again."""
        try:
            return attempt.end(self._ray.get(answer))
        except self._losses as error:
            _LOG.debug("%s: a worker was lost", attempt.task.name, exc_info=True)
            self._let_go(member)
            if attempt.tries < _TRIES:
                return None
            reason = f"its worker was lost {attempt.tries} times ({_first_line(error)})"
        except self._ray.exceptions.RayError as error:
            reason = last_line(error)
        return SequenceOutcome(
            task=attempt.task,
            error=f"{reason}; what was written by then is in {attempt.task.output}.partial",
        )

    def _progress(self, answer: Any) -> Any:
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError:
            return None  # the answer to the work tells what happened

    def _welcome(self, member: _Member) -> None:
        """Look whether a new worker is one of ours.

        Raises:
            ValueError: It has another version of faimtrack.
            ConnectionError: Workers do not start.
        """
        greeting, member.greeting = member.greeting, None
        try:
            version = self._ray.get(greeting)
        except self._ray.exceptions.RayError as error:
            self._let_go(member)
            self._failed_starts += 1
            if self._failed_starts < _TRIES:
                return
            raise ConnectionError(
                f"{self._address}: expected faimtrack {faimtrack.__version__} on every node, got: "
                f"{last_line(error)}"
            ) from error
        if version != faimtrack.__version__:
            raise ValueError(
                f"{self._address}: expected faimtrack {faimtrack.__version__} on every node, "
                f"got {version}"
            )
        self._failed_starts, self._waits_since_s = 0, None

    def _complain_of_waiting(self) -> None:
        since_s = self._waits_since_s
        if since_s is not None and time.monotonic() - since_s > _PATIENCE_S:
            self._waits_since_s = None
            _LOG.warning("%s: no worker has started yet; is the cluster full?", self._address)

    def _let_go(self, member: _Member) -> None:
        self._members.remove(member)
        self._ray.kill(member.actor)  # it may be only out of reach, and must not write any more

    def dismiss(self) -> None:
        """End all workers; those at work close their files first if they do so soon."""
        working = [member for member in self._members if member.work is not None]
        for member in working:
            member.actor.stop.remote()
        if working:
            answers = [member.work for member in working]
            self._ray.wait(answers, num_returns=len(answers), timeout=_STOP_S)
        for member in self._members:
            self._ray.kill(member.actor)


def _portable(task: Task) -> Task:
    """The same task for a process that runs in another folder."""
    paths = {
        field.name: getattr(task, field.name).absolute()
        for field in dataclasses.fields(task)
        if isinstance(getattr(task, field.name), Path)
    }
    return dataclasses.replace(task, source=absolute_source(task.source), **paths)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].strip() if lines else type(error).__name__
