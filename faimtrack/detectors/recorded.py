"""The detector that answers from a file of detections: nothing is looked at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faimtrack.detectors.files.contents import is_within, spans_text
from faimtrack.detectors.files.table import DetectionTable
from faimtrack.detectors.images import class_numbers
from faimtrack.motfile import MotTable
from faimtrack.structures import Detections, Frame, SourceInfo


class RecordedDetections:
    """Detections that somebody made before; frames are answered by their index, without pixels.

    Attributes:
        class_names: What the class ids mean: all classes of the file, whatever is kept of them.
        table: The rows; frame numbers are those of the full sequence.
    """

    def __init__(
        self,
        table: MotTable | DetectionTable,
        class_names: Sequence[str] | None = None,
        *,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Replay `table`.

        Args:
            table: The rows.
            class_names: What their class ids mean; None takes the table's own names, and `person`
                if it has none.
            classes: Which of them to keep; None keeps all.

        Raises:
            ValueError: There is no class name, or a text where a list of names is expected; or a
                class is none of the table's.
        """
        table = _of_one_class(table) if isinstance(table, MotTable) else table
        names = (table.class_names or ("person",)) if class_names is None else class_names
        if isinstance(names, str) or not names:
            raise ValueError(f"class_names: expected names, got {names!r}")
        self.class_names = tuple(names)
        self.table = table
        self._kept_classes = class_numbers(classes, self.class_names)

    def open(self, info: SourceInfo) -> _Replay:
        """Begin a sequence; nothing is remembered from one to the next.

        Raises:
            ValueError: Frames will come that were not looked at, as far as the file knows.
        """
        if info.frame_count:
            self._refuse_unseen(info.first_index, info.first_index + info.frame_count - 1)
        return _Replay(self)

    def answer(self, frame: int) -> Detections:
        """What was found in one frame.

        Raises:
            ValueError: It was not looked at.
        """
        self._refuse_unseen(frame, frame)
        found = self.table.detections(frame, self.class_names)
        if self._kept_classes is not None:
            found = found[np.isin(found.class_ids, self._kept_classes)]
        return found

    def _refuse_unseen(self, first: int, last: int) -> None:
        contents = self.table.contents
        if contents is not None and not is_within(contents.frames, first, last):
            wanted = f"frame {first}" if first == last else f"frames {first} to {last}"
            raise ValueError(
                f"{self.table.path}: expected detections of {wanted}, got those of "
                f"{spans_text(contents.frames)}"
            )


def _of_one_class(rows: MotTable) -> DetectionTable:
    return DetectionTable(
        path=rows.path,
        frames=rows.frames,
        boxes=rows.boxes,
        scores=rows.confidences,
        class_ids=np.zeros(len(rows), np.int64),
    )


class _Replay:
    """A session that owes nothing: every answer comes at once."""

    def __init__(self, detector: RecordedDetections) -> None:
        self._detector = detector

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Each frame with the rows of its number."""
        return [(frame, self._detector.answer(frame.index)) for frame in frames]

    def finish(self) -> list[tuple[Frame, Detections]]:
        """Nothing is owed."""
        return []
