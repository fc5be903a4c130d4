"""The detector that answers from a MOTChallenge detection file: nothing is looked at."""

from __future__ import annotations

from collections.abc import Sequence

from faimtrack.motfile import MotTable
from faimtrack.structures import Detections, Frame, SourceInfo


class RecordedDetections:
    """Detections that somebody made before; frames are answered by their index, without pixels.

    Attributes:
        class_names: One name: MOTChallenge's detections carry no class.
        table: The rows; frame numbers are those of the full sequence.
    """

    def __init__(self, table: MotTable, class_names: Sequence[str] = ("person",)) -> None:
        """Replay `table`; all of its rows are of the first class.

        Raises:
            ValueError: There is no class name, or a text where a list of names is expected.
        """
        if isinstance(class_names, str) or not class_names:
            raise ValueError(f"class_names: expected names, got {class_names!r}")
        self.class_names = tuple(class_names)
        self.table = table

    def open(self, info: SourceInfo) -> _Replay:
        """Begin a sequence; nothing is remembered from one to the next."""
        return _Replay(self)


class _Replay:
    """A session that owes nothing: every answer comes at once."""

    def __init__(self, detector: RecordedDetections) -> None:
        self._detector = detector

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Each frame with the rows of its number."""
        table, class_names = self._detector.table, self._detector.class_names
        return [(frame, table.detections(frame.index, class_names)) for frame in frames]

    def finish(self) -> list[tuple[Frame, Detections]]:
        """Nothing is owed."""
        return []
