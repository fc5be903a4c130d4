"""Rows of MOTChallenge text: detections, ground truth, results."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.atomic import atomic_file
from faimtrack.boxes import box_xywh_to_xyxy, box_xyxy_to_xywh
from faimtrack.motfile.exact import far_corner, is_exact, may_hold_exact
from faimtrack.structures import Detections, Tracks

Kind = Literal["detections", "ground truth", "results"]

_COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence")
_FEWEST_COLUMNS, _MOST_COLUMNS = 7, 10
_LARGEST_WHOLE = 2.0**53
"""Beyond it float64 skips whole numbers."""
_FARTHEST_PX = 1e9


@dataclass(frozen=True, eq=False)
class MotTable:
    """The rows of one MOTChallenge file, sorted by frame; rows of a frame keep the file's order.

    Attributes:
        path: Where the rows came from, for messages.
        frames: `(R,)` int64, from 1.
        ids: `(R,)` int64; −1 in most detection files.
        boxes_xywh: `(R, 4)` float64 left, top, width, height in pixels, as written (no −1 shift).
        confidences: `(R,)` float64 as written; in ground truth 0 means "not evaluated".
        class_ids: `(R,)` int64, column 8; −1 where absent.
        visibilities: `(R,)` float64, column 9; −1 where absent.
        far_corners: `(R, 2)` float64 right and bottom in pixels, where they are known better than
            by sums of two float64; else None. See `faimtrack.motfile.exact`.
    """

    path: Path
    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    boxes_xywh: NDArray[np.float64]
    confidences: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    visibilities: NDArray[np.float64]
    far_corners: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def boxes(self) -> NDArray[np.float64]:
        """`(R, 4)` corners ``x1 y1 x2 y2`` in pixels."""
        if self.far_corners is not None:
            return np.concatenate([self.boxes_xywh[:, :2], self.far_corners], axis=1)
        return box_xywh_to_xyxy(self.boxes_xywh)

    @property
    def last_frame(self) -> int:
        """The highest frame number, 0 without rows."""
        return int(self.frames[-1]) if len(self) else 0

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64] | slice) -> MotTable:
        """Some of the rows, in their order."""
        return MotTable(
            self.path,
            self.frames[rows],
            self.ids[rows],
            self.boxes_xywh[rows],
            self.confidences[rows],
            self.class_ids[rows],
            self.visibilities[rows],
            None if self.far_corners is None else self.far_corners[rows],
        )

    def rows_of(self, frame: int) -> slice:
        """Where the rows of one frame are; an empty slice if it has none."""
        first, last = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(last))

    def detections(self, frame: int, class_names: tuple[str, ...] = ("person",)) -> Detections:
        """The detections of one frame, all of the first class.

        MOTChallenge's detection files carry no class: column 8 of a detection is a world
        coordinate.
        """
        rows = self.select(self.rows_of(frame))
        return Detections(rows.boxes, rows.confidences, class_names=class_names)


def read_mot(
    path: str | os.PathLike[str],
    kind: Kind = "detections",
    *,
    frame_count: int | None = None,
    allow_empty: bool = False,
    allow_twins: bool = False,
) -> MotTable:
    """Read a MOTChallenge file of 7 to 10 columns, separated by commas (or blanks).

    Args:
        path: The file; one that ends in ``.gz`` is unpacked. CRLF, blank lines, integers written
            as floats and frames in any order are fine.
        kind: What the rows are: in ground truth and results an id may come once in a frame; in
            detections no line may come twice.
        frame_count: Length of the sequence; rows beyond it are refused. None: anything goes.
        allow_empty: Whether a file without rows is an answer ("nothing there") or a fault.
        allow_twins: Whether a line of detections may come twice.

    Raises:
        ValueError: A row is wrong; the message names file, line, what was expected and what came.
        OSError: The file cannot be read.
    """
    path = Path(path)
    lines = _read_lines(path)
    numbers = [number for number, line in enumerate(lines, 1) if line.strip()]
    if not numbers:
        if not allow_empty:
            raise ValueError(f"{path}: expected rows of {kind}, got an empty file")
        values = np.zeros((0, _MOST_COLUMNS))
    else:
        values = _parse(path, lines, numbers)
    line_numbers = np.asarray(numbers, dtype=np.int64)
    _check(path, kind, values, line_numbers, frame_count)
    if kind != "detections":
        _refuse_twins(path, kind, values[:, :2], line_numbers)
    elif not allow_twins:
        _refuse_twins(path, kind, values[:, :8], line_numbers)
    far_corners = _far_corners(values, lines, numbers)
    order = np.argsort(values[:, 0], kind="stable")
    values = values[order]
    return MotTable(
        path,
        values[:, 0].astype(np.int64),
        values[:, 1].astype(np.int64),
        values[:, 2:6].copy(),
        values[:, 6].copy(),
        # World coordinates may stand in columns 8 and 9 of old files: as classes they mean
        # nothing.
        np.where(np.abs(values[:, 7]) <= _LARGEST_WHOLE, values[:, 7], -1).astype(np.int64),
        values[:, 8].copy(),
        None if far_corners is None else far_corners[order],
    )


def _read_lines(path: Path) -> list[str]:
    data = path.read_bytes()
    try:
        if path.suffix == ".gz":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(
            f"{path}: expected MOTChallenge text, got a file that is not text"
        ) from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"{path}: expected a whole gzip file, got {error}") from None


def _parse(path: Path, lines: list[str], numbers: list[int]) -> NDArray[np.float64]:
    """All rows as `(R, 10)` floats; absent columns are −1."""
    rows = [lines[number - 1] for number in numbers]
    delimiter = "," if "," in rows[0] else None
    try:
        table = np.loadtxt(rows, delimiter=delimiter, comments=None, ndmin=2, dtype=np.float64)
    except ValueError:
        # The slow way: it takes rows of different lengths, and finds the line to blame.
        parsed = [
            _parse_line(path, number, row, delimiter)
            for number, row in zip(numbers, rows, strict=True)
        ]
        return np.asarray(parsed)
    if not _FEWEST_COLUMNS <= table.shape[1] <= _MOST_COLUMNS:
        _parse_line(path, numbers[0], rows[0], delimiter)
    values = np.full((len(table), _MOST_COLUMNS), -1.0)
    values[:, : table.shape[1]] = table
    return values


def _parse_line(path: Path, number: int, line: str, delimiter: str | None) -> list[float]:
    texts = [text.strip() for text in line.split(delimiter)]
    if len(texts) > _FEWEST_COLUMNS and not texts[-1]:
        texts.pop()  # some tools end every line with a comma
    if not _FEWEST_COLUMNS <= len(texts) <= _MOST_COLUMNS:
        raise ValueError(
            f"{path}, line {number}: expected {_FEWEST_COLUMNS} to {_MOST_COLUMNS} columns, "
            f"got {len(texts)}"
        )
    values = []
    for column, text in enumerate(texts):
        try:
            if "_" in text or not text.isascii():
                raise ValueError  # Python takes 1_0 and the digits of any script; no one else does
            values.append(float(text))
        except ValueError:
            name = _COLUMNS[column] if column < len(_COLUMNS) else f"column {column + 1}"
            raise ValueError(
                f"{path}, line {number}: expected a number for {name}, got {text!r}"
            ) from None
    return values + [-1.0] * (_MOST_COLUMNS - len(values))


def _check(
    path: Path,
    kind: Kind,
    values: NDArray[np.float64],
    numbers: NDArray[np.int64],
    frame_count: int | None,
) -> None:
    """Refuse the first row that cannot be true."""

    def refuse(wrong: NDArray[np.bool_], expected: str, column: int) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{path}, line {numbers[row]}: expected {expected}, got {values[row, column]:g}"
            )

    for column, name in enumerate(_COLUMNS):
        refuse(~np.isfinite(values[:, column]), f"a finite {name}", column)
    frames, ids = values[:, 0], values[:, 1]
    refuse(np.abs(ids) > _LARGEST_WHOLE, "an id below 2**53", 1)
    for column in range(2, 6):
        # The areas of larger boxes overflow.
        far = np.abs(values[:, column]) > _FARTHEST_PX
        refuse(far, f"a {_COLUMNS[column]} within {_FARTHEST_PX:g} pixels", column)
    refuse(np.abs(frames) > _LARGEST_WHOLE, "a whole frame number below 2**53", 0)
    refuse(frames != np.floor(frames), "a whole frame number", 0)
    refuse(frames < 1, "frame numbers from 1", 0)
    if frame_count is not None:
        refuse(frames > frame_count, f"frames up to {frame_count}, the sequence's length", 0)
    if kind != "detections":
        refuse(ids != np.floor(ids), "a whole id", 1)
    refuse(values[:, 4] < 0, "a width of 0 or more", 4)
    refuse(values[:, 5] < 0, "a height of 0 or more", 5)


def _far_corners(
    values: NDArray[np.float64], lines: list[str], numbers: list[int]
) -> NDArray[np.float64] | None:
    """Right and bottom of all rows, if a width or a height of any says more than a float64."""
    long = [row for row, number in enumerate(numbers) if may_hold_exact(lines[number - 1])]
    corners = None
    for row in long:
        line = lines[numbers[row] - 1]
        texts = [text.strip() for text in line.split("," if "," in line else None)]
        for axis in (0, 1):
            if is_exact(texts[4 + axis]):
                if corners is None:
                    corners = values[:, 2:4] + values[:, 4:6]
                corners[row, axis] = far_corner(values[row, 2 + axis], texts[4 + axis])
    return corners


def _refuse_twins(
    path: Path, kind: Kind, keys: NDArray[np.float64], numbers: NDArray[np.int64]
) -> None:
    order = np.lexsort(keys.T[::-1])
    twins = np.flatnonzero((keys[order][1:] == keys[order][:-1]).all(axis=1))
    if not len(twins):
        return
    first, second = sorted((int(order[twins[0]]), int(order[twins[0] + 1])))
    what = (
        "this detection once"
        if kind == "detections"
        else f"id {keys[second, 1]:g} once in frame {keys[second, 0]:g}"
    )
    raise ValueError(
        f"{path}, line {numbers[second]}: expected {what}, got it in line {numbers[first]} already"
    )


def format_tracks(frame: int, tracks: Tracks, *, with_classes: bool = False) -> str:
    r"""The rows of one frame in the standard 10 columns, boxes to 0.01 px; empty without tracks.

    Args:
        frame: Its number.
        tracks: Its tracks.
        with_classes: Whether column 8 says the class, counted from 1; else it is −1 as in
            MOTChallenge's own results, which have one class.

    >>> format_tracks(7, Tracks([3], [[10, 20, 15.5, 40]], [0.875], [0], [0]))
    '7,3,10.00,20.00,5.50,20.00,0.875,-1,-1,-1\n'
    """
    boxes = box_xyxy_to_xywh(tracks.boxes).tolist()
    classes = (tracks.class_ids + 1).tolist() if with_classes else [-1] * len(tracks)
    return "".join(
        f"{frame},{track_id},{left:.2f},{top:.2f},{width:.2f},{height:.2f},{score:.6g},{kind},-1,-1\n"
        for track_id, (left, top, width, height), score, kind in zip(
            tracks.ids.tolist(), boxes, tracks.scores.tolist(), classes, strict=True
        )
    )


def write_tracks(
    path: str | os.PathLike[str], tracks_by_frame: Iterable[tuple[int, Tracks]]
) -> None:
    """Write tracks frame by frame; the file appears when all are there.

    Raises:
        OSError: The file cannot be written; nothing is left behind.
    """
    with (
        atomic_file(path) as temporary,
        temporary.open("w", encoding="ascii", newline="\n") as out,
    ):
        for frame, tracks in tracks_by_frame:
            out.write(format_tracks(frame, tracks))
