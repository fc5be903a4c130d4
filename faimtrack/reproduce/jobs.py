"""A piece of work of an experiment, told from others by all that its result depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from faimtrack.reproduce.experiments import JobKind

_KEY_DIGITS = 16


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """A training, a detection, a scoring … with one result.

    Attributes:
        kind: What is done.
        title: For people.
        settings: All that its result depends on, as JSON's values; two jobs of the same kind and
            settings are the same job.
        needs: What has to be done before.
        task: What the one who does it is handed besides.
    """

    kind: JobKind
    title: str
    settings: Mapping[str, Any]
    needs: tuple[Job, ...] = ()
    task: Any = None

    @cached_property
    def key(self) -> str:
        """Hexadecimal digits that no other job has."""
        text = json.dumps([self.kind, self.settings], sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()[:_KEY_DIGITS]

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.kind}-{self.key}"


def in_order(jobs: Iterable[Job]) -> Iterator[Job]:
    """All jobs and what they need, each once, and what is needed first."""
    seen: set[str] = set()

    def walk(job: Job) -> Iterator[Job]:
        if job.name in seen:
            return
        seen.add(job.name)
        for need in job.needs:
            yield from walk(need)
        yield job

    for job in jobs:
        yield from walk(job)
