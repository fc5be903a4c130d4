"""A tracker's clock: it ticks in frames of the nominal rate, whatever the stream really does."""

from __future__ import annotations

from faimtrack.structures import Frame

# Containers round time stamps (to 1 ms, say): a step this near to a whole one is a whole one.
_ROUNDING = 0.1
# A year at 30 frames/s: what lies so far back is gone, and its square is still a number.
_LONGEST_STEP = 1e9


class Clock:
    """Counts nominal frames from the frames' time stamps, or else from their indices.

    Attributes:
        frame_rate: Nominal frames per second.
        now: Nominal frames since the start; the first frame is 1.
        previous: What `now` was at the frame before; kept, because `now` less a step may miss it
            by a rounding error.
        updates: How many frames were seen.
    """

    def __init__(self, frame_rate: float = 30.0) -> None:
        if not frame_rate > 0:
            raise ValueError(f"frame_rate: expected above 0, got {frame_rate}")
        self.frame_rate = float(frame_rate)
        self.reset()

    def reset(self) -> None:
        """Back to the beginning."""
        self.now = self.previous = 0.0
        self.updates = 0
        self._index = 0
        self._time_s: float | None = None

    def advance(self, frame: Frame | None, *, one_step: bool = False) -> float:
        """Go on to `frame` (None: the next one); returns the nominal frames that have gone by.

        Args:
            frame: The frame that comes now.
            one_step: Count every frame as one, as the originals do that know no time.

        Raises:
            ValueError: The frame does not come after the last one.
        """
        index, time_s = (self._index + 1, None) if frame is None else (frame.index, frame.time_s)
        if index <= self._index:
            raise ValueError(f"frame: expected an index after {self._index}, got {index}")
        steps = 1.0 if one_step or not self.updates else self._steps(index, time_s)
        self._index, self._time_s = index, time_s
        self.previous = self.now
        self.now += steps
        self.updates += 1
        return steps

    def _steps(self, index: int, time_s: float | None) -> float:
        steps = float(index - self._index)
        if time_s is not None and self._time_s is not None:
            elapsed = (time_s - self._time_s) * self.frame_rate
            if elapsed > 0:  # a stamp that stands still tells nothing
                steps = elapsed
        steps = min(steps, _LONGEST_STEP)
        whole = round(steps)
        return float(whole) if whole >= 1 and abs(steps - whole) <= _ROUNDING * whole else steps

    def state(self) -> dict[str, float | int | None]:
        """What it remembers, as JSON scalars."""
        return {
            "clock.frame_rate": self.frame_rate,
            "clock.now": self.now,
            "clock.previous": self.previous,
            "clock.updates": self.updates,
            "clock.index": self._index,
            "clock.time_s": self._time_s,
        }

    def restore(self, state: dict[str, float | int | None]) -> None:
        """Go on from what `state` gave."""
        self.frame_rate = float(state["clock.frame_rate"] or 0)
        self.now = float(state["clock.now"] or 0)
        self.previous = float(state["clock.previous"] or 0)
        self.updates = int(state["clock.updates"] or 0)
        self._index = int(state["clock.index"] or 0)
        self._time_s = state["clock.time_s"]
