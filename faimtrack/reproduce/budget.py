"""How long an experiment may go on."""

from __future__ import annotations

import time
from collections.abc import Callable


class OutOfTime(Exception):
    """Work was broken off because its time is over; it goes on the next time."""


class Budget:
    """Minutes that are used up as they pass."""

    def __init__(
        self, minutes: float | None = None, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin now.

        Args:
            minutes: How long; None for ever.
            now: Seconds on a clock.
        """
        self._now = now
        self._end = None if minutes is None else now() + 60 * minutes

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self._end is not None and self._now() >= self._end

    def check(self, doing: str) -> None:
        """Break off if the time is over.

        Args:
            doing: What is broken off, and how far it is.

        Raises:
            OutOfTime: It is.
        """
        if self.is_over:
            raise OutOfTime(doing)
