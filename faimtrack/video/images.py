"""Frames from still images: MOTChallenge sequence folders, folders, patterns."""

from __future__ import annotations

import glob
import re
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from faimtrack.motfile import SplitName, read_sequence_info, split_frames
from faimtrack.structures import Frame, Image, SourceInfo
from faimtrack.video.sources import IMAGE_SUFFIXES, FrameSource, source_name, split_of

_PNG_END = b"IEND\xaeB`\x82"


def read_image(path: Path) -> Image:
    """Read a still, `(H, W, 3)` RGB: what `cv2.imread` gives, bit for bit, in the other order.

    Raises:
        OSError: The file cannot be read.
        ValueError: It is no image, or it is cut off (decoders fill the missing part with grey).
    """
    import cv2

    data = path.read_bytes()
    if not data:
        raise ValueError(f"{path}: expected an image, got an empty file")
    if _is_cut_off(data):
        raise ValueError(f"{path}: expected a whole image, got one that is cut off")
    bgr: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError(f"{path}: expected an image, got a file that cannot be decoded")
    image: Image = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return image


def _is_cut_off(data: bytes) -> bool:
    """Whether a JPEG or PNG lacks its end; libjpeg would fill the rest with grey and say nothing.

    In a JPEG the end marker cannot occur in the picture's own data, but it does occur in the
    thumbnail that a camera puts before it: so it is looked for after the start of the scan.
    """
    if data.startswith(b"\x89PNG"):
        return _PNG_END not in data
    if not data.startswith(b"\xff\xd8"):
        return False
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
        elif marker == 0xDA:
            return data.find(b"\xff\xd9", position) < 0
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return True


class _Stills(FrameSource):
    """Frames whose pixels are files; each is read when it is first asked for."""

    def __init__(self, info: SourceInfo, frames: range) -> None:
        self.info = info
        self._frames = frames
        self._size = (info.width, info.height) if info.width and info.height else None
        self._size_from = "the sequence's seqinfo.ini"

    def __iter__(self) -> Iterator[Frame]:
        for index in self._frames:
            yield self._frame(index)

    def _frame(self, index: int) -> Frame:
        rate = self.info.frame_rate
        return Frame(
            index,
            time_s=(index - 1) / rate if rate else None,
            load=lambda: self._load(index),
            size=self._size,
        )

    @abstractmethod
    def _path(self, index: int) -> Path:
        """The file of one frame."""

    def _load(self, index: int) -> Image:
        path = self._path(index)
        image = read_image(path)
        size = image.shape[1], image.shape[0]
        if self._size is None:
            self._size, self._size_from = size, f"frame {index}"
        if size != self._size:
            raise ValueError(
                f"{path}: expected {self._size[0]} x {self._size[1]} pixels as "
                f"{self._size_from} has, got {size[0]} x {size[1]} in frame {index}"
            )
        return image


class MotSequence(_Stills):
    """A MOTChallenge sequence folder: length from `seqinfo.ini`, images `img1/000001.jpg`, ….

    Nothing is read but `seqinfo.ini` until pixels are asked for; images may be absent, all or
    some.
    """

    def __init__(self, folder: Path, *, split: SplitName = "full") -> None:
        """Read the `seqinfo.ini`; errors as in `read_sequence_info`."""
        self.sequence = read_sequence_info(folder)
        split_of(str(folder), self.sequence.frame_count, split)
        super().__init__(
            self.sequence.source_info(split), split_frames(self.sequence.frame_count, split)
        )
        self._paths: dict[int, Path] | None = None

    def _path(self, index: int) -> Path:
        if self._paths is None:
            self._paths = self._find()
        try:
            return self._paths[index]
        except KeyError:
            expected = self._folder / f"{index:06d}{self.sequence.image_suffix}"
            raise FileNotFoundError(
                f"{expected}: expected the image of frame {index}, got no such file"
            ) from None

    @property
    def _folder(self) -> Path:
        return self.sequence.image_folder

    def _find(self) -> dict[int, Path]:
        return numbered_images(self._folder, self.sequence.image_suffix)


def numbered_images(folder: Path, suffix: str) -> dict[int, Path]:
    """A sequence's images by their frames: MOTChallenge writes six digits, DanceTrack eight.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: An image has the number 0.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: expected a folder of images, got no such")
    numbered = {
        int(path.stem): path
        for path in folder.iterdir()
        if path.suffix.lower() == suffix.lower() and path.stem.isascii() and path.stem.isdigit()
    }
    if 0 in numbered:
        raise ValueError(f"{numbered[0]}: expected images numbered from 1, got number 0")
    return numbered


class ImageFiles(_Stills):
    """A list of images; the first is decoded at once and sets the size of all."""

    def __init__(self, paths: Sequence[Path], *, name: str, split: SplitName = "full") -> None:
        """Take `paths` (not empty) in the order given; frame 1 is the first."""
        self.paths = list(paths)
        height, width = read_image(self.paths[0]).shape[:2]
        frames = split_of(name, len(self.paths), split)
        info = SourceInfo(
            name=name,
            frame_count=len(frames),
            width=width,
            height=height,
            first_index=frames.start,
        )
        super().__init__(info, frames)
        self._size_from = self.paths[0].name

    def _path(self, index: int) -> Path:
        return self.paths[index - 1]

    @classmethod
    def of_folder(cls, folder: Path, *, split: SplitName = "full") -> ImageFiles:
        """The images directly in a folder, in natural order.

        Raises:
            ValueError: There are none, or the first cannot be decoded.
            OSError: The folder or the first image cannot be read.
        """
        paths = _images_among(folder.iterdir())
        if not paths:
            raise ValueError(f"{folder}: expected images or a seqinfo.ini, got neither")
        return cls(paths, name=source_name(folder), split=split)

    @classmethod
    def of_pattern(cls, pattern: str, *, split: SplitName = "full") -> ImageFiles:
        """The images that a glob pattern matches (`**` crosses folders), in natural order.

        Raises:
            ValueError: It matches none, or the first cannot be decoded.
            OSError: The first image cannot be read.
        """
        paths = _images_among(Path(found) for found in glob.glob(pattern, recursive=True))  # noqa: PTH207
        if not paths:
            raise ValueError(f"{pattern}: expected images, the pattern matches none")
        return cls(paths, name=source_name(pattern), split=split)


def _images_among(paths: Iterator[Path]) -> list[Path]:
    return sorted(
        (path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()),
        key=natural_order,
    )


def natural_order(path: Path) -> list[tuple[int, int, str]]:
    """Sort key by which `frame2.jpg` comes before `frame10.jpg`.

    >>> sorted(map(Path, ["b10.jpg", "b9.jpg", "a.jpg"]), key=natural_order)[-1].name
    'b10.jpg'
    """
    return [
        (0, int(part), part) if part.isascii() and part.isdigit() else (1, 0, part)
        for part in re.split(r"([0-9]+)", str(path))
        if part
    ]
