"""The protocol of detectors: all that a detector remembers lives in a session, one a sequence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from faimtrack.structures import Detections, Frame, SourceInfo


@runtime_checkable
class Session(Protocol):
    """One sequence in the hands of a detector.

    One that answers only when it has seen all says so by a true attribute `is_offline`. It keeps
    no pixels: its answers come with frames that have none, and the pipeline goes over the source
    a second time for whoever looks at them.
    """

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Take the next frames, in order; give what is ready by now.

        Answers may come late (a video detector may want frames from the future) but come in
        order, each frame once.
        """
        ...

    def finish(self) -> list[tuple[Frame, Detections]]:
        """Give all that is still owed; nothing is pushed afterwards."""
        ...


@runtime_checkable
class Detector(Protocol):
    """What finds objects in frames.

    Attributes:
        class_names: What the class ids of its detections mean.
    """

    class_names: tuple[str, ...]

    def open(self, info: SourceInfo) -> Session:
        """Begin a sequence; sessions of one detector never share anything that changes."""
        ...
