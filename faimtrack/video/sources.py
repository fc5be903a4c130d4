"""What every source of frames has in common, and the one door to all of them."""

from __future__ import annotations

import glob
import re
import urllib.parse
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from faimtrack.motfile import SplitName, read_sequence_info, split_frames
from faimtrack.structures import Frame, SourceInfo

IMAGE_SUFFIXES = frozenset(
    {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}
)
_URL = re.compile(r"^([A-Za-z][A-Za-z0-9+.-]+)://")


class FrameSource(ABC):
    """A sequence of frames that can be iterated; a context manager that closes what it opened.

    Attributes:
        info: What is known before the first frame.
        is_live: Whether frames come at their own pace (a camera, an RTSP stream) and cannot be
            asked for twice.
    """

    info: SourceInfo
    is_live: bool = False

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """The frames in order.

        Raises:
            ValueError: The source ends before its length, or a frame is broken; all frames before
                it have been given.
            OSError: The source cannot be read any further.
        """

    def close(self) -> None:  # noqa: B027 - most sources hold nothing open
        """Let go of files and devices; may be called twice."""

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_source(
    source: str | Path | int, *, split: SplitName = "full", drop_late: bool = False
) -> FrameSource:
    """Open whatever frames come from.

    Args:
        source: A MOTChallenge sequence folder (with a `seqinfo.ini`), a folder of images, a glob
            pattern, an image, a video file, the number of a camera, or a URL
            (`rtsp://`, `http://`, …). Images are taken in natural order (2 before 10).
        split: Half split of the frames; they keep their numbers in the full sequence. A live
            source has no halves.
        drop_late: For a live source: give only the newest frame and drop those that came while
            the caller was busy; the numbers of the dropped ones are missing. Otherwise the
            stream waits until it is asked, and falls behind if the caller is slow.

    Returns:
        A source; close it, or use it in a `with` statement.

    Raises:
        ValueError: It is nothing that frames can be read from, has none, or is empty in this
            split.
        OSError: It is not there or cannot be read.
    """
    split_frames(1, split)  # a wrong name is told before anything is opened
    opened = _open(source, split)
    if drop_late:
        if not opened.is_live:
            opened.close()
            raise ValueError(f"{source}: expected a live source for drop_late, got a file")
        from faimtrack.video.live import LatestFrames

        return LatestFrames(opened)
    return opened


def _open(source: str | Path | int, split: SplitName) -> FrameSource:
    # Imported here so that replaying detections on a sequence folder loads neither cv2 nor av.
    from faimtrack.video.images import ImageFiles, MotSequence

    text = str(source)
    if _is_camera(source):
        from faimtrack.video.live import Camera

        refuse_split(text, split)
        return Camera(int(text))
    if _URL.match(text):
        from faimtrack.video.files import VideoFile

        return VideoFile(text, split=split)
    path = Path(text)
    if path.is_dir():
        if (path / "seqinfo.ini").is_file():
            return MotSequence(path, split=split)
        return ImageFiles.of_folder(path, split=split)
    if not path.exists():
        if glob.has_magic(text):
            return ImageFiles.of_pattern(text, split=split)
        raise FileNotFoundError(
            f"{text}: expected a sequence folder, images, a video, a camera number or a URL, "
            "got no such file"
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles([path], name=source_name(text), split=split)
    from faimtrack.video.files import VideoFile

    return VideoFile(path, split=split)


def source_name(source: str | Path | int) -> str:
    """What a source, and so whatever is made of it, is called; known without opening it.

    A sequence is called what its `seqinfo.ini` says, a file what it is called without its suffix,
    images what their folder is (the sequence, if that folder is MOTChallenge's `img1`), and a URL
    like a file or else its host; user, password and query are left out.
    """
    text = str(source)
    if _is_camera(source):
        return f"camera-{text}"
    if _URL.match(text):
        url = urllib.parse.urlsplit(text)
        return Path(url.path).stem or (url.hostname or "stream").replace(":", "-")
    path = Path(text)
    if path.is_dir():
        try:
            return read_sequence_info(path).name
        except (OSError, ValueError):  # no sequence, or one whose fault is told when it is opened
            return _folder_name(path)
    if path.exists() or not glob.has_magic(text):
        return path.stem
    folder = path.parent
    while glob.has_magic(str(folder)):
        folder = folder.parent
    return _folder_name(folder)


def absolute_source(source: str | Path) -> str:
    """The same source under a name that means the same in any folder."""
    text = str(source)
    if _is_camera(text) or _URL.match(text):
        return text
    if not Path(text).exists() and glob.has_magic(text):
        return str(Path(glob.escape(str(Path.cwd())), text))
    return str(Path(text).absolute())


def _folder_name(folder: Path) -> str:
    folder = folder.resolve()
    return folder.parent.name if folder.name == "img1" else folder.name or "images"


def _is_camera(source: str | Path | int) -> bool:
    text = str(source)
    is_number = text.isascii() and text.isdigit()
    return isinstance(source, int) or (is_number and not Path(text).exists())


def refuse_split(name: str, split: SplitName) -> None:
    """A half needs a length, which a live source has not.

    Raises:
        ValueError: A half is asked for.
    """
    if split != "full":
        raise ValueError(f"{name}: expected split 'full' for a live source, got {split!r}")


def split_of(name: str, frame_count: int, split: SplitName) -> range:
    """The frame numbers of a split that must not be empty.

    Raises:
        ValueError: It is empty.
    """
    frames = split_frames(frame_count, split)
    if not frames:
        raise ValueError(f"{name}: expected frames in {split}, got none of {frame_count}")
    return frames
