"""Where results go: MOTChallenge and MOTS files and a video, each whole or marked partial."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from faimtrack.atomic import PartialFile, atomic_file
from faimtrack.detectors.files import DetectionFile
from faimtrack.motfile import format_mots, format_tracks, masks_of_tracks, mots_classes
from faimtrack.structures import Detections, Frame, Image, Tracks
from faimtrack.video import VideoWriter

Draw = Callable[..., Image]
"""Gives the annotated picture of one frame after the other; the given pixels stay as they are.

It is called with the frame's pixels and its tracks, and with `masks` where they are drawn: a list
with one a track, None for a track that has none.
"""

Revise = Callable[[Sequence[tuple[int, Tracks]]], Iterable[tuple[int, Tracks]]]
"""Goes over the tracks of a whole sequence, frame by frame with their numbers."""

DEFAULT_FRAME_RATE = 25.0
"""Of videos made from images that come without a rate, frames per second."""


class TrackFile:
    """Writes tracks as MOTChallenge text, frame by frame.

    While it is written it is called ``NAME.partial``; when the `with` block ends well it gets its
    name. After an error, or a kill, the partial file stays with all frames up to there. A second
    writer of the same file is refused, for their lines would mix.

    Attributes:
        path: Where the whole file will be.
        partial_path: Where it is until then.
        first_frame: Index of the first frame written, in the full sequence; 0 before any.
        last_frame: Index of the last frame written, in the full sequence; 0 before any.
    """

    needs_images = False

    def __init__(
        self, path: str | os.PathLike[str], *, frame_shift: int = 0, with_classes: bool = False
    ) -> None:
        """Write to `path`.

        Args:
            path: Where the whole file will be.
            frame_shift: Subtracted from each frame number.
            with_classes: Whether column 8 says the class; see `faimtrack.motfile.format_tracks`.
        """
        self._with_classes = with_classes
        self._shift = frame_shift
        self._file = PartialFile(path)
        self.path, self.partial_path = self._file.path, self._file.partial_path
        self.first_frame = self.last_frame = 0

    def __enter__(self) -> TrackFile:
        self._file.__enter__()
        return self

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Append one frame's rows; they are on their way to the disk when this returns."""
        self._file.write(self._rows(frame.index, tracks))
        self._file.keep()
        self.first_frame = self.first_frame or frame.index
        self.last_frame = frame.index

    def _rows(self, frame: int, tracks: Tracks) -> str:
        return format_tracks(frame - self._shift, tracks, with_classes=self._with_classes)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)


class RevisedTrackFile(TrackFile):
    """Writes tracks that are gone over once more when all are there.

    Until then the tracks as they came are in the partial file, and stay there after an error.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        revise: Revise,
        *,
        frame_shift: int = 0,
        with_classes: bool = False,
    ) -> None:
        """Write to `path`.

        Args:
            path: Where the whole file will be.
            revise: Goes over all tracks.
            frame_shift: Subtracted from each frame number.
            with_classes: As of `TrackFile`.
        """
        super().__init__(path, frame_shift=frame_shift, with_classes=with_classes)
        self._revise = revise
        self._tracks: list[tuple[int, Tracks]] = []

    def __enter__(self) -> RevisedTrackFile:
        super().__enter__()
        self._tracks = []
        return self

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Append one frame's rows as they came."""
        super().write(frame, detections, tracks)
        self._tracks.append((frame.index, tracks))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            super().__exit__(kind, error, trace)
            return
        try:
            with (
                atomic_file(self.path) as temporary,
                temporary.open("w", encoding="ascii", newline="\n") as out,
            ):
                for frame, tracks in self._revise(self._tracks):
                    out.write(self._rows(frame, tracks))
        except BaseException as failure:
            super().__exit__(type(failure), failure, failure.__traceback__)
            raise
        # The partial file is no longer wanted: it goes, as after an error before any frame.
        self._file.drop()
        replaced = FileExistsError(f"{self.path}: written already")
        self._file.__exit__(FileExistsError, replaced, None)


class MaskFile:
    """Writes the tracks' masks as MOTS text, frame by frame; see `faimtrack.motfile.mots`.

    A track's mask is that of the detection that it took, so a frame in which it was predicted has
    none. The file is partial and claimed as a `TrackFile` is.

    Attributes:
        path: Where the whole file will be.
        classes: Number in MOTS text of each class id.
    """

    needs_images = False

    def __init__(
        self, path: str | os.PathLike[str], class_names: Sequence[str], *, frame_shift: int = 0
    ) -> None:
        """Write to `path`.

        Args:
            path: Where the whole file will be.
            class_names: What the class ids mean.
            frame_shift: Subtracted from each frame number.
        """
        self._file = PartialFile(path)
        self._shift = frame_shift
        self.path = self._file.path
        self.classes = mots_classes(class_names)

    def __enter__(self) -> MaskFile:
        self._file.__enter__()
        return self

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Append one frame's rows; they are on their way to the disk when this returns.

        Raises:
            ValueError: The detections have no masks, or masks of several sizes.
        """
        masks = masks_of_tracks(tracks, detections)
        self._file.write(format_mots(frame.index - self._shift, tracks, masks, self.classes))
        self._file.keep()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.__exit__(kind, error, trace)


class DetectionSink:
    """Hands each frame's detections to a file of them."""

    needs_images = False

    def __init__(self, file: DetectionFile) -> None:
        """Write to `file`, whose `with` block is the caller's."""
        self._file = file

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Append one frame's detections."""
        self._file.write(frame.index, detections)


class TrackVideo:
    """Writes an annotated video.

    While it is written it is called ``NAME.partial.mp4``; when the `with` block ends well it gets
    its name. After an error elsewhere the partial video is finished and stays.
    """

    needs_images = True

    def __init__(
        self,
        path: str | os.PathLike[str],
        frame_rate: float | None,
        draw: Draw,
        *,
        with_masks: bool = False,
    ) -> None:
        """Write to `path`, at the times that the frames carry or else at `frame_rate`.

        Args:
            path: Where the whole video will be.
            frame_rate: Frames per second; None for what is usual.
            draw: Draws a frame.
            with_masks: Whether it draws masks too.
        """
        self._with_masks = with_masks
        self.path = Path(path)
        self.partial_path = self.path.with_name(f"{self.path.stem}.partial{self.path.suffix}")
        self._draw = draw
        self._start_s: float | None = None
        self._frames = 0
        self._writer = VideoWriter(self.partial_path, frame_rate or DEFAULT_FRAME_RATE)

    def __enter__(self) -> TrackVideo:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # A killed run could not remove what it wrote (see `faimtrack.atomic`), and it may be big.
        left_over = f".{glob.escape(self.partial_path.stem)}.*.partial{self.path.suffix}"
        for path in self.path.parent.glob(left_over):
            path.unlink()
        return self

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Draw one frame and append it."""
        if frame.time_s is not None and self._start_s is None:
            self._start_s = frame.time_s
        time_s = None
        if frame.time_s is not None and self._start_s is not None:
            time_s = frame.time_s - self._start_s
        drawn = {"masks": masks_of_tracks(tracks, detections)} if self._with_masks else {}
        self._writer.write(self._draw(frame.image, tracks, **drawn), time_s=time_s)
        self._frames += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._writer.close()
            self.partial_path.replace(self.path)
            return
        if self._frames:
            try:
                self._writer.close()
            except (OSError, ValueError):
                return  # the writer's own error is on its way already


class Progress:
    """Tells how many frames are done."""

    needs_images = False

    def __init__(self, report: Callable[[int], None]) -> None:
        """Call `report` with the number of frames after each."""
        self._report = report
        self._frames = 0

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Count one."""
        self._frames += 1
        self._report(self._frames)
