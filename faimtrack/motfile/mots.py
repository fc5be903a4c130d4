"""Rows of MOTS text: tracks with masks, as MOTSChallenge and KITTI MOTS write them.

A row is ``time_frame id class_id img_height img_width rle``, separated by single blanks; `rle` is
COCO's compressed run lengths. Classes are 1 for cars and 2 for pedestrians; 10 is a region that
is not evaluated. An id is 1000 times its class plus the object's number. No two masks of a frame
share a pixel.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.run_lengths import do_overlap, runs_of, separate_masks
from faimtrack.structures import Detections, RunLengthMask, Tracks

IGNORED_CLASS = 10
"""Of regions that are not evaluated."""

_COLUMNS = ("frame", "id", "class", "height", "width")
_KNOWN_CLASSES = {"car": 1, "pedestrian": 2, "person": 2}
_FIRST_OTHER_CLASS = 11
_IDS_A_CLASS = 1000
_IDS_A_BLOCK = 1_000_000
_LARGEST = 2**53
_LARGEST_SIDE_PX = 2**15


@dataclass(frozen=True, eq=False)
class MotsTable:
    """The rows of one MOTS file, sorted by frame; rows of a frame keep the file's order.

    Attributes:
        path: Where the rows came from, for messages.
        frames: `(R,)` int64 as written: MOTSChallenge counts from 1, KITTI MOTS from 0.
        ids: `(R,)` int64 as written; `track_number` gives the object's number.
        classes: `(R,)` int64 as written.
        masks: One a row.
    """

    path: Path
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    classes: NDArray[np.int64]
    masks: tuple[RunLengthMask, ...]

    def __len__(self) -> int:
        return len(self.frames)

    def rows_of(self, frame: int) -> slice:
        """Where the rows of one frame are; an empty slice if it has none."""
        first, last = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(last))


def mots_id(track_id: int, class_number: int) -> int:
    """The id of a track in MOTS text: class times 1000 plus the track's id.

    There are crowds of more than 999 people. Their thousands go in front of the class, so that no
    two tracks share an id, `id % 1000` and, of the first 999, `id // 1000` mean what they should.

    >>> mots_id(7, 2), mots_id(1234, 2)
    (2007, 1002234)
    """
    block, number = divmod(track_id, _IDS_A_CLASS)
    return block * _IDS_A_BLOCK + class_number * _IDS_A_CLASS + number


def track_number(number: int) -> int:
    """The track's id behind an id of MOTS text.

    >>> track_number(2007), track_number(1002234)
    (7, 1234)
    """
    return number // _IDS_A_BLOCK * _IDS_A_CLASS + number % _IDS_A_CLASS


def mots_classes(class_names: Sequence[str]) -> tuple[int, ...]:
    """The number of each class in MOTS text.

    Persons and pedestrians are 2 and cars are 1; any other has 11 plus its place, which no
    benchmark uses.

    >>> mots_classes(("person", "bicycle", "car"))
    (2, 12, 1)
    """
    return tuple(
        _KNOWN_CLASSES.get(name, _FIRST_OTHER_CLASS + place)
        for place, name in enumerate(class_names)
    )


def masks_of_tracks(tracks: Tracks, detections: Detections) -> list[RunLengthMask | None]:
    """One a track: the mask of the detection that it took; None if it took none.

    Args:
        tracks: A frame's tracks.
        detections: What they were made of.

    Raises:
        ValueError: The detections have no masks.
    """
    rows = tracks.detection_indices.tolist()
    if detections.masks is None:
        if len(detections):
            raise ValueError("masks: expected detections with masks, got some without")
        return [None] * len(rows)
    return [detections.masks[row] if row >= 0 else None for row in rows]


def format_mots(
    frame: int,
    tracks: Tracks,
    masks: Sequence[RunLengthMask | None],
    classes: Sequence[int],
) -> str:
    r"""The rows of one frame; empty without masks.

    A pixel of several masks goes to the track of the highest score, of equal ones to the nearest
    (whose box ends lowest in the frame). A mask of which nothing is left has no row.

    Args:
        frame: Its number.
        tracks: Its tracks.
        masks: One a track; None for a track that has none in this frame.
        classes: Number in MOTS text of each class id.

    Raises:
        ValueError: Masks are of different sizes, or runs do not fill them.

    >>> tracks = Tracks([7], [[0, 0, 2, 2]], [0.5], [0], [0])
    >>> format_mots(3, tracks, [{"size": [2, 2], "counts": b"13"}], mots_classes(["person"]))
    '3 2007 2 2 2 13\n'
    """
    shown = [row for row, mask in enumerate(masks) if mask is not None]
    given = [mask for mask in masks if mask is not None]
    order = np.lexsort((-tracks.boxes[shown, 3], -tracks.scores[shown]))
    rows = []
    for row, mask in zip(shown, separate_masks(given, order), strict=True):
        if not len(runs_of(mask)):
            continue
        kind = classes[int(tracks.class_ids[row])]
        number = mots_id(int(tracks.ids[row]), kind)
        height, width = mask["size"]
        counts = mask["counts"]
        text = counts if isinstance(counts, str) else counts.decode("ascii")
        rows.append(f"{frame} {number} {kind} {height} {width} {text}\n")
    return "".join(rows)


def read_mots(
    path: str | os.PathLike[str], *, frame_count: int | None = None, allow_empty: bool = False
) -> MotsTable:
    """Read a file of MOTS text, ground truth or results.

    Args:
        path: The file. CRLF, blank lines and frames in any order are fine.
        frame_count: Length of the sequence; rows beyond it are refused. None: anything goes.
        allow_empty: Whether a file without rows is an answer ("nothing there") or a fault.

    Raises:
        ValueError: A row is wrong, an id comes twice in a frame, or two masks of a frame share a
            pixel (regions that are not evaluated may do both); the message names file and line.
        OSError: The file cannot be read.
    """
    path = Path(path)
    try:
        lines = path.read_bytes().decode("ascii").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected MOTS text, got a file that is not text") from None
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    if not numbers and not allow_empty:
        raise ValueError(f"{path}: expected rows of masks, got an empty file")
    read = [_parse_line(path, number, lines[number - 1]) for number in numbers]
    values = np.array([row for row, _ in read], np.int64).reshape(-1, len(_COLUMNS))
    order = np.argsort(values[:, 0], kind="stable")
    masks = [read[row][1] for row in order]
    values, line_numbers = values[order], np.array(numbers, np.int64)[order]
    beyond = np.flatnonzero(values[:, 0] > (_LARGEST if frame_count is None else frame_count))
    if len(beyond):
        raise ValueError(
            f"{path}, line {line_numbers[beyond[0]]}: expected frames up to {frame_count}, the "
            f"sequence's length, got {values[beyond[0], 0]}"
        )
    _check_frames(path, values, masks, line_numbers)
    return MotsTable(path, values[:, 0], values[:, 1], values[:, 2], tuple(masks))


def _parse_line(path: Path, number: int, line: str) -> tuple[list[int], RunLengthMask]:
    def refuse(expected: str, came: object) -> ValueError:
        return ValueError(f"{path}, line {number}: expected {expected}, got {came}")

    texts = line.split()
    if len(texts) != len(_COLUMNS) + 1:
        raise refuse(f"{len(_COLUMNS) + 1} columns between blanks", len(texts))
    values = []
    for name, text in zip(_COLUMNS, texts, strict=False):
        if not text.isdigit() or len(text) > 16:
            raise refuse(f"a whole number for {name}", repr(text[:40]))
        values.append(int(text))
    height, width = values[3:]
    if not (0 < height <= _LARGEST_SIDE_PX and 0 < width <= _LARGEST_SIDE_PX):
        raise refuse(f"a size from 1 to {_LARGEST_SIDE_PX} pixels", f"{width} x {height}")
    mask: RunLengthMask = {"size": [height, width], "counts": texts[-1].encode("ascii")}
    try:
        runs_of(mask)
    except ValueError:
        raise refuse(f"run lengths that fill {width} x {height} pixels", "others") from None
    return values, mask


def _check_frames(
    path: Path, values: NDArray[np.int64], masks: list[RunLengthMask], lines: NDArray[np.int64]
) -> None:
    """Refuse ids that come twice in a frame, sizes that differ there, and masks that overlap."""
    bounds = [0, *(np.flatnonzero(np.diff(values[:, 0])) + 1).tolist(), len(values)]
    for first, last in itertools.pairwise(bounds):
        seen: dict[int, int] = {}
        real = [row for row in range(first, last) if values[row, 2] != IGNORED_CLASS]
        for row in real:
            number = int(values[row, 1])
            if number in seen:
                raise ValueError(
                    f"{path}, line {lines[row]}: expected id {number} once in frame "
                    f"{values[row, 0]}, got it in line {seen[number]} already"
                )
            seen[number] = int(lines[row])
        if len({tuple(masks[row]["size"]) for row in range(first, last)}) > 1:
            raise ValueError(f"{path}: expected one size of frame {values[first, 0]}, got several")
        if do_overlap([masks[row] for row in real]):
            raise ValueError(
                f"{path}: expected masks of frame {values[first, 0]} that share no pixel, got "
                "some that overlap"
            )
