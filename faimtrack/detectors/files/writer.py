"""Writing detections frame by frame, in any of the formats."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import numpy as np

from faimtrack.atomic import PartialFile
from faimtrack.detectors.files.contents import FileContents, Spans, with_frame
from faimtrack.detectors.files.formats import DetectionFormat
from faimtrack.detectors.files.mot import MotEncoder
from faimtrack.structures import Detections, SourceInfo


class Encoder(Protocol):
    """What one format makes of detections."""

    def begin(self) -> None:
        """Write what comes before all frames."""
        ...

    def add(self, frame: int, detections: Detections) -> None:
        """Write one frame."""
        ...

    def end(self, contents: FileContents, is_whole: bool) -> None:
        """Write what comes after the last frame, or after the last before an error."""
        ...


class DetectionFile:
    """Writes detections frame by frame.

    While it is written it is called ``NAME.partial``; when the `with` block ends well it gets its
    name. After an error the partial file stays with all frames up to there. A second writer of
    the same file is refused.

    Attributes:
        path: Where the whole file will be.
        partial_path: Where it is until then.
        first_frame: Index of the first frame written; 0 before any.
        last_frame: Index of the last frame written; 0 before any.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        format: DetectionFormat,  # noqa: A002 - it is the word of the command line
        class_names: Sequence[str],
        info: SourceInfo,
    ) -> None:
        """Write to `path`.

        Args:
            path: Where the whole file will be.
            format: How.
            class_names: What the class ids of all detections mean; if there is one name, all are
                of that class, whatever their ids.
            info: The sequence.
        """
        self._file = PartialFile(path)
        self.path, self.partial_path = self._file.path, self._file.partial_path
        self.first_frame = self.last_frame = 0
        self._class_names, self._info = tuple(class_names), info
        self._frames: Spans = ()
        self._encoder: Encoder = MotEncoder(self._file, self._class_names)

    @property
    def contents(self) -> FileContents:
        """What the file says of itself by now."""
        return FileContents(
            class_names=self._class_names,
            frames=self._frames,
            sequence=self._info.name,
            width=self._info.width,
            height=self._info.height,
        )

    def __enter__(self) -> DetectionFile:
        self._file.__enter__()
        self._encoder.begin()
        return self

    def write(self, frame: int, detections: Detections) -> None:
        """Append one frame's detections, also if there are none.

        Args:
            frame: Its index in the full sequence, greater than those before.
            detections: What was found there.

        Raises:
            ValueError: The frame does not come after the last one.
            OSError: The file cannot be written.
        """
        if frame <= self.last_frame:
            raise ValueError(f"{self.path}: expected a frame after {self.last_frame}, got {frame}")
        if len(self._class_names) == 1 and detections.class_ids.any():
            detections = replace(detections, class_ids=np.zeros(len(detections), np.int64))
        self._encoder.add(frame, detections)
        self._frames = with_frame(self._frames, frame)
        self.first_frame = self.first_frame or frame
        self.last_frame = frame

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)
