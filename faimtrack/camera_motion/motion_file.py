"""Camera motion from a file of transforms, one line a frame."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import AffineTransform, Frame

_NUMBERS = 7
_EXPECTED = "a frame's number and six numbers a b c d e f"


class MotionFile:
    """Transforms that were estimated before, or that are the truth.

    Two kinds of text, each line a transform from the frame before, ``x' = a x + b y + c`` and
    ``y' = d x + e y + f``, the first one the identity: with blanks or tabs, numbered from 0 (the
    GMC files of BoT-SORT and Deep OC-SORT); with commas, numbered from 1 (the
    ``camera_motion.txt`` of a crowd). A line belongs to a frame by its number, never by how often
    it was asked; where frames are left out, the transforms in between are joined.

    Attributes:
        needs_images: No.
        failures: 0 frames, always.
    """

    needs_images = False
    failures = 0

    def __init__(self, path: str | os.PathLike[str], *, first_frame: int = 1) -> None:
        """Read a file.

        Args:
            path: The file.
            first_frame: Number of the frame in the full sequence that its first line is for.

        Raises:
            ValueError: A line is wrong; the message names the file and the line.
            OSError: The file cannot be read.
        """
        self.path = Path(path)
        self._first_frame = first_frame
        self._transforms = _read(self.path)
        self._last_index: int | None = None

    @property
    def last_frame(self) -> int:
        """Number of the last frame that the file has a line for."""
        return self._first_frame + len(self._transforms) - 1

    def require_frames(self, last_index: int) -> None:
        """See to it that the file reaches to a frame.

        Raises:
            ValueError: It ends before.
        """
        if last_index > self.last_frame:
            raise ValueError(
                f"{self.path}: expected line {last_index - self._first_frame + 1} for frame "
                f"{last_index}, got {len(self._transforms)} lines (up to frame {self.last_frame})"
            )

    def estimate(self, frame: Frame, boxes: Boxes) -> AffineTransform:
        """As `CameraMotion.estimate`; neither pixels nor boxes are looked at.

        Raises:
            ValueError: The frame lies outside of the file or not behind the last one.
        """
        index, last = frame.index, self._last_index
        self.require_frames(index)
        if index < self._first_frame:
            raise ValueError(
                f"{self.path}: expected frames from {self._first_frame}, got frame {index}"
            )
        if last is not None and index <= last:
            raise ValueError(f"{self.path}: expected a frame after {last}, got frame {index}")
        self._last_index = index
        joined = np.eye(3)
        if last is not None:
            for row in range(last + 1 - self._first_frame, index + 1 - self._first_frame):
                joined = np.vstack([self._transforms[row], [0, 0, 1]]) @ joined
        return joined[:2]

    def reset(self) -> None:
        """Forget the last frame."""
        self._last_index = None


def _read(path: Path) -> NDArray[np.float64]:
    """`(frames, 2, 3)` the transforms of a file."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected lines of transforms, got no text") from None
    filled = [(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    if not filled:
        raise ValueError(f"{path}: expected lines of transforms, got an empty file")
    separator = "," if "," in filled[0][1] else None
    first = 1 if separator else 0
    rows = []
    for expected, (number, line) in enumerate(filled, first):
        rows.append(_numbers(line, separator, expected, f"{path}, line {number}"))
    return np.array(rows).reshape(-1, 2, 3)


def _numbers(line: str, separator: str | None, expected: int, where: str) -> list[float]:
    """The six numbers of a line."""
    texts = [text.strip() for text in line.strip().split(separator)]
    if len(texts) != _NUMBERS:
        raise ValueError(f"{where}: expected {_EXPECTED}, got {len(texts)} columns")
    try:
        if "_" in line or not line.isascii():
            raise ValueError  # Python takes 1_0 and the digits of any script; no one else does
        values = [float(text) for text in texts]
    except ValueError:
        raise ValueError(f"{where}: expected {_EXPECTED}, got {line.strip()!r}") from None
    if not np.isfinite(values).all():
        raise ValueError(f"{where}: expected finite numbers, got {line.strip()!r}")
    if values[0] != expected:
        raise ValueError(f"{where}: expected frame number {expected}, got {texts[0]}")
    a, b, _, d, e, _ = values[1:]
    if not a * e - b * d > 0:
        raise ValueError(
            f"{where}: expected a map that neither folds nor mirrors, got {line.strip()!r}"
        )
    return values[1:]
