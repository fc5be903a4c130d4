"""How far a training is, for whoever watches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What a step or a validation gave.

    Attributes:
        step: Steps done.
        total: Steps to do.
        values: Losses and the like at this step, by name; empty between lines of the logs.
        remark: A line for people; empty for none.
    """

    step: int
    total: int
    values: Mapping[str, float] = field(default_factory=dict)
    remark: str = ""


Report = Callable[[Progress], None]


def no_report(progress: Progress) -> None:
    """Tell nobody."""
