"""Writing detections frame by frame, in any of the formats."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import numpy as np

from faimtrack.atomic import PartialFile, name_error
from faimtrack.detectors.files.contents import FileContents, add_frame
from faimtrack.detectors.files.formats import EMBEDDING_FORMATS, MASK_FORMATS, DetectionFormat
from faimtrack.provenance import Provenance
from faimtrack.structures import Detections, SourceInfo


class Encoder(Protocol):
    """What one format makes of detections.

    Attributes:
        can_lack_its_end: Whether the frames so far can be read where `end` was not called.
    """

    can_lack_its_end: bool

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
        *,
        record: Provenance | None = None,
        keep_partial: bool = True,
        with_masks: bool = False,
        with_embeddings: bool = False,
    ) -> None:
        """Write to `path`.

        Args:
            path: Where the whole file will be.
            format: How.
            class_names: What the class ids of all detections mean; if there is one name, all are
                of that class, whatever their ids.
            info: The sequence.
            record: How the detections are made; goes into formats that have a place for it.
            keep_partial: Whether anything stays after an error.
            with_masks: Whether masks are written; without, those that come are left out.
            with_embeddings: Whether embeddings are written; likewise.

        Raises:
            ValueError: The format has no place for masks or embeddings.
        """
        for is_wanted, what, formats in (
            (with_masks, "masks", MASK_FORMATS),
            (with_embeddings, "embeddings", EMBEDDING_FORMATS),
        ):
            if is_wanted and format not in formats:
                raise ValueError(
                    f"{path}: expected {' or '.join(formats)} for detections with {what}, got "
                    f"{format}, which has no place for them"
                )
        self._file = PartialFile(path)
        self.path, self.partial_path = self._file.path, self._file.partial_path
        self.first_frame = self.last_frame = 0
        self._class_names, self._info = tuple(class_names), info
        self._frames: list[tuple[int, int]] = []
        self._with_masks, self._with_embeddings = with_masks, with_embeddings
        self._embedding: tuple[str | None, int] | None = None  # name and dimension of the first
        self._encoder = self._make_encoder(format, record)
        self._keep_partial = keep_partial
        self._is_readable = self._encoder.can_lack_its_end

    def _make_encoder(self, kind: DetectionFormat, record: Provenance | None) -> Encoder:
        # Imported here: who writes text needs no Parquet.
        if kind == "mot":
            from faimtrack.detectors.files.mot import MotEncoder

            return MotEncoder(self._file, self._class_names)
        if kind == "coco":
            from faimtrack.detectors.files.coco_writing import CocoEncoder

            return CocoEncoder(self._file, self._class_names, self._info)
        from faimtrack.detectors.files.parquet import ParquetEncoder

        return ParquetEncoder(
            self._file,
            record,
            with_masks=self._with_masks,
            with_embeddings=self._with_embeddings,
        )

    @property
    def contents(self) -> FileContents:
        """What the file says of itself by now."""
        return FileContents(
            class_names=self._class_names,
            frames=tuple(self._frames),
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
            ValueError: The frame does not come after the last one, masks or embeddings are to be
                written and it has none, or its embeddings are not of the kind of those before.
            OSError: The file cannot be written.
        """
        if frame <= self.last_frame:
            raise ValueError(f"{self.path}: expected a frame after {self.last_frame}, got {frame}")
        if len(self._class_names) == 1 and detections.class_ids.any():
            detections = replace(detections, class_ids=np.zeros(len(detections), np.int64))
        detections = self._embedded(frame, self._masked(frame, detections))
        with self._named():
            self._encoder.add(frame, detections)
        add_frame(self._frames, frame)
        self.first_frame = self.first_frame or frame
        self.last_frame = frame

    def _masked(self, frame: int, detections: Detections) -> Detections:
        """The detections with masks or without them, as they are to be written."""
        if not self._with_masks:
            return detections if detections.masks is None else replace(detections, masks=None)
        if detections.masks is None and len(detections):
            raise ValueError(f"{self.path}: expected masks with frame {frame}, got none")
        return detections

    def _embedded(self, frame: int, detections: Detections) -> Detections:
        """The detections with embeddings or without them, as they are to be written."""
        vectors, name = detections.embeddings, detections.embedding_name
        if not self._with_embeddings:
            if vectors is None:
                return detections
            return replace(detections, embeddings=None, embedding_name=None)
        if not len(detections):
            return detections
        if vectors is None or not vectors.shape[1]:
            raise ValueError(f"{self.path}: expected embeddings with frame {frame}, got none")
        if self._embedding is None:
            self._embedding = name, vectors.shape[1]
        if self._embedding != (name, vectors.shape[1]):
            first_name, length = self._embedding
            raise ValueError(
                f"{self.path}: expected embeddings {first_name} of {length} numbers, as in the "
                f"frames before, got {name} of {vectors.shape[1]} in frame {frame}"
            )
        return detections

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                with self._named():
                    self._encoder.end(self.contents, is_whole=True)
            except BaseException as failure:
                self._leave(failure)
                raise
            self._file.__exit__(None, None, None)
            return
        # The error is on its way already; another one on top of it is no news.
        with contextlib.suppress(Exception):
            self._encoder.end(self.contents, is_whole=False)
            self._is_readable = True
        self._leave(error)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let an error of the disk name the file, whoever wrote to it."""
        try:
            yield
        except OSError as error:
            name_error(error, self.partial_path)
            raise

    def _leave(self, error: BaseException) -> None:
        """Close the file after an error; nothing was kept if it cannot be read."""
        if not (self.last_frame and self._is_readable and self._keep_partial):
            self.first_frame = self.last_frame = 0
            self._file.drop()
        self._file.__exit__(type(error), error, error.__traceback__)
