"""What every tracker is: fed one frame's detections at a time, it answers with that frame's tracks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Detections, Frame, Tracks

State: TypeAlias = dict[str, "NDArray[Any] | str | int | float | bool | None"]
"""A tracker at rest: a flat dict of arrays and JSON scalars, with a `format_version`."""


@runtime_checkable
class Tracker(Protocol):
    """A multi-object tracker.

    Ids, clocks and random generators belong to the instance. Inputs are never modified, memory is
    bounded, and nothing is remembered outside the instance.

    Attributes:
        config: The frozen dataclass of its parameters.
    """

    config: Any

    def update(self, detections: Detections, frame: Frame | None = None) -> Tracks:
        """Take the detections of the next frame and answer with its tracks.

        Args:
            detections: The frame's detections; an empty frame is given as empty detections.
            frame: Index and time of the frame, and its pixels for trackers that look at them. None
                means the frame after the last one.

        Raises:
            ValueError: The frame does not come after the last one.
        """
        ...

    def reset(self) -> None:
        """Forget everything, as before a new sequence; ids start again from 1."""
        ...

    def state(self) -> State:
        """All that the tracker remembers; its own copy."""
        ...

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Tracker:
        """A tracker that goes on exactly where the one that gave `state` stood.

        Raises:
            ValueError: The state is of another tracker or of a format this version cannot read.
        """
        ...


def check_frame_order(last_index: int, frame: Frame | None) -> int:
    """The index of the frame that comes now.

    Raises:
        ValueError: It does not come after `last_index`.
    """
    if frame is None:
        return last_index + 1
    if frame.index <= last_index:
        raise ValueError(f"frame: expected an index after {last_index}, got {frame.index}")
    return frame.index


def concatenated(arrays: list[NDArray[Any]], like: NDArray[Any]) -> NDArray[Any]:
    """`np.concatenate` that knows the answer for no arrays at all."""
    return np.concatenate(arrays) if arrays else like[:0]
