"""Sequence folders of MOTChallenge: what their `seqinfo.ini` says, and the half split."""

from __future__ import annotations

import configparser
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NoReturn, get_args

import numpy as np

from faimtrack.motfile.table import MotTable
from faimtrack.structures import SourceInfo

SplitName = Literal["full", "train-half", "val-half"]
Numbering = Literal["kept", "from-1"]


@dataclass(frozen=True, kw_only=True)
class SequenceInfo:
    """A sequence folder's `seqinfo.ini`.

    Attributes:
        folder: The sequence's folder.
        name: Its name.
        frame_count: Length in frames, of the full sequence.
        frame_rate: Frames per second; None if not given.
        width: Pixels; None if not given.
        height: Pixels; None if not given.
        image_folder: Where the images are (it need not be there).
        image_suffix: Such as ``.jpg``.
    """

    folder: Path
    name: str
    frame_count: int
    frame_rate: float | None = None
    width: int | None = None
    height: int | None = None
    image_folder: Path
    image_suffix: str = ".jpg"

    @property
    def ground_truth_path(self) -> Path:
        """Where MOTChallenge puts the ground truth."""
        return self.folder / "gt" / "gt.txt"

    @property
    def detections_path(self) -> Path:
        """Where MOTChallenge puts the public detections."""
        return self.folder / "det" / "det.txt"

    def source_info(self, split: SplitName = "full") -> SourceInfo:
        """The same facts for whoever reads the frames of a split."""
        frames = split_frames(self.frame_count, split)
        return SourceInfo(
            name=self.name,
            frame_rate=self.frame_rate,
            frame_count=len(frames),
            width=self.width,
            height=self.height,
            first_index=frames.start,
        )


def read_sequence_info(folder: str | os.PathLike[str]) -> SequenceInfo:
    """Read `seqinfo.ini` of a sequence folder.

    Raises:
        FileNotFoundError: There is none.
        ValueError: It lacks the length, or a value is not a positive number.
    """
    folder = Path(folder)
    path = folder / "seqinfo.ini"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(path.read_text(encoding="utf-8-sig"), source=str(path))
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path}: expected a MOTChallenge sequence, got no such file"
        ) from None
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: expected an INI file, got {str(error).splitlines()[0]}"
        ) from None
    if not parser.has_section("Sequence"):
        raise ValueError(f"{path}: expected a section [Sequence], got none")
    values = parser["Sequence"]

    def wrong(key: str, expected: str) -> NoReturn:
        raise ValueError(f"{path}: expected {key} to be {expected}, got {values.get(key)!r}")

    def number(key: str, convert: type[int] | type[float]) -> int | float | None:
        if key not in values:
            return None
        try:
            value = convert(values[key].strip())
        except ValueError:
            wrong(key, "a number")
        return value if 0 < value < math.inf else wrong(key, "above 0")

    length = number("seqLength", int)
    if length is None:
        wrong("seqLength", "given")
    width, height = number("imWidth", int), number("imHeight", int)
    name = values.get("name", folder.resolve().name).strip()
    try:
        check_sequence_name(name)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return SequenceInfo(
        folder=folder,
        name=name,
        frame_count=int(length),
        frame_rate=number("frameRate", float),
        width=None if width is None else int(width),
        height=None if height is None else int(height),
        image_folder=folder / values.get("imDir", "img1").strip(),
        image_suffix=values.get("imExt", ".jpg").strip(),
    )


def check_sequence_name(name: str) -> None:
    """Refuse a name that cannot be a file's: outputs are named after their sequence.

    Raises:
        ValueError: It is empty, leads to another folder, or holds what file names or a
            `seqinfo.ini` cannot hold.
    """
    is_plain = name.isprintable() and name == name.strip()
    if not is_plain or name in {"", ".", ".."} or any(sign in name for sign in '/\\:*?"<>|'):
        raise ValueError(f"name: expected a name that can be a file's name, got {name!r}")


def split_frames(frame_count: int, split: SplitName) -> range:
    """The frame numbers (from 1) of a split of a sequence.

    The field's half split, as MMTracking and ByteTrack cut it: the first N//2 + 1 frames train,
    the rest validate.

    >>> split_frames(429, "train-half"), split_frames(429, "val-half")
    (range(1, 216), range(216, 430))

    Raises:
        ValueError: There is no split of that name.
    """
    if split not in get_args(SplitName):
        raise ValueError(f"split: expected {', '.join(get_args(SplitName))}, got {split!r}")
    last_of_training = min(frame_count // 2 + 1, frame_count)
    if split == "train-half":
        return range(1, last_of_training + 1)
    return range(last_of_training + 1 if split == "val-half" else 1, frame_count + 1)


def renumber(table: MotTable, frames: range, numbering: Numbering) -> MotTable:
    """Give result rows the frame numbers of the full sequence.

    Args:
        table: Rows of results on a split.
        frames: The split's frames in the full sequence.
        numbering: `kept` if the rows have those numbers already, `from-1` if they count from the
            split's first frame.

    Raises:
        ValueError: A row lies outside the split.
    """
    shift = frames.start - 1 if numbering == "from-1" else 0
    shifted = table.frames + shift
    outside = (shifted < frames.start) | (shifted >= frames.stop)
    if outside.any():
        row = int(np.flatnonzero(outside)[0])
        expected = f"{frames.start - shift} to {frames.stop - 1 - shift}"
        raise ValueError(
            f"{table.path}: expected frames {expected} (numbering {numbering}), "
            f"got frame {table.frames[row]}"
        )
    return replace(table, frames=shifted)


def find_sequences(folder: str | os.PathLike[str]) -> Iterator[Path]:
    """The sequence folders (those with a `seqinfo.ini`) directly in `folder`, or `folder` itself.

    Raises:
        OSError: The folder cannot be read.
        ValueError: There is no sequence in it.
    """
    folder = Path(folder)
    if (folder / "seqinfo.ini").is_file():
        yield folder
        return
    found = sorted(path for path in folder.iterdir() if (path / "seqinfo.ini").is_file())
    if not found:
        raise ValueError(f"{folder}: expected sequence folders with a seqinfo.ini, got none")
    yield from found
