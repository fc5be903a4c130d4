"""What is wanted of an experiment's networks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from faimtrack.reproduce.data import Data
from faimtrack.reproduce.suites import Suite


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is wanted of an experiment.

    Attributes:
        suite: What stands for the paper's networks.
        data: Where its data lie.
        output: The folder of everything.
        seeds: Of the trainings.
        overrides: ``key=value`` for all that are trained and know the key.
        base: Trained weights of the base detector, in place of training one; None: none.
        device: What times are taken on, in words.
    """

    suite: Suite
    data: Data
    output: Path
    seeds: tuple[int, ...] = (0, 1, 2)
    overrides: tuple[str, ...] = ()
    base: Path | None = None
    device: str = "unknown"
