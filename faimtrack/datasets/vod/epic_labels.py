"""EPIC-KITCHENS-55's tables: objects by frame, and the classes of nouns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from faimtrack.datasets.vod.faults import Faults
from faimtrack.errors import shown

TRAIN_LABELS = "EPIC_train_object_labels.csv"
NOUN_CLASSES = "EPIC_noun_classes.csv"

_COLUMNS = ("noun_class", "participant_id", "video_id", "frame", "bounding_boxes")
_MOST_CHARACTERS = 100_000  # some hundred boxes at most are annotated in a frame
_NUMBER = r"\s*-?\d{1,9}\s*"
_BOX = re.compile(rf"\({_NUMBER},{_NUMBER},{_NUMBER},{_NUMBER}\)")
_VIDEO = re.compile(r"(P\d{2})_\d{2,3}")


@dataclass(frozen=True)
class EpicRow:
    """What the table says of one noun in one frame.

    Attributes:
        line: In the file, from 1.
        noun_class: Of the noun.
        video: Such as `P01_01`.
        frame: The number of its image.
        boxes: Top, left, height and width in pixels of the video.
    """

    line: int
    noun_class: int
    video: str
    frame: int
    boxes: list[tuple[int, ...]]


def find_table(data: Path, name: str) -> Path | None:
    """Where a table is: in the data's folder, or in `annotations` there."""
    return next(
        (each for each in (data / name, data / "annotations" / name) if each.is_file()), None
    )


def required_table(data: Path, name: str) -> Path:
    """As `find_table`.

    Raises:
        FileNotFoundError: It is not there.
    """
    path = find_table(data, name)
    if path is None:
        raise FileNotFoundError(
            f"{data / name}: expected EPIC-KITCHENS-55's annotations, got no such file"
        )
    return path


def read_labels(path: Path, nouns: Mapping[int, str], faults: Faults) -> list[EpicRow]:
    """The rows of a table of objects, in its order.

    Raises:
        ValueError: A row is wrong, and nobody counts faults.
        OSError: The table cannot be read.
    """
    rows = []
    for line, record in _records(path, _COLUMNS):
        try:
            rows.append(_row(line, record))
        except ValueError as error:
            faults.error("lines that cannot be read", f"{path}, line {line}: {error}")
            continue
        if rows[-1].noun_class not in nouns:
            faults.error(
                "classes that the benchmark does not have",
                f"{path}, line {line}: expected a noun_class of {NOUN_CLASSES}, got "
                f"{rows[-1].noun_class}",
            )
            rows.pop()
    return rows


def read_nouns(path: Path) -> dict[int, str]:
    """The names of the classes of nouns, by number and in the order of the numbers.

    Raises:
        ValueError: A row is wrong.
        OSError: The table cannot be read.
    """
    names: dict[int, str] = {}
    for line, record in _records(path, ("noun_id", "class_key")):
        number, name = record["noun_id"].strip(), record["class_key"].strip()
        is_number = number.isascii() and number.isdigit() and len(number) < 7
        if not is_number or not name or int(number) in names or name in names.values():
            raise ValueError(
                f"{path}, line {line}: expected a noun_id and a class_key of their own, got "
                f"{shown(number)} and {shown(name)}"
            )
        names[int(number)] = name
    if not names:
        raise ValueError(f"{path}: expected classes of nouns, got none")
    return dict(sorted(names.items()))


def read_video_list(path: Path) -> list[str]:
    """The videos that a list of a test set names.

    Raises:
        ValueError: A row is wrong.
        OSError: The list cannot be read.
    """
    return [_video(record) for _, record in _records(path, ("video_id", "participant_id"))]


def _records(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a table that has some columns, with the numbers of their last lines."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            absent = [name for name in columns if name not in (reader.fieldnames or ())]
            if absent:
                raise ValueError(f"{path}: expected a column {absent[0]}, got none")
            for record in reader:
                if None in record or None in record.values():
                    raise ValueError(
                        f"{path}, line {reader.line_num}: expected "
                        f"{len(reader.fieldnames or ())} columns, got another number"
                    )
                yield reader.line_num, record
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected a table, got a file that is not text") from None
    except csv.Error as error:
        raise ValueError(f"{path}: expected a table: {error}") from None


def _row(line: int, record: Mapping[str, str]) -> EpicRow:
    return EpicRow(
        line=line,
        noun_class=_whole(record, "noun_class"),
        video=_video(record),
        frame=_whole(record, "frame"),
        boxes=parse_boxes(record["bounding_boxes"]),
    )


def _whole(record: Mapping[str, str], key: str) -> int:
    text = record[key].strip()
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError(f"expected a whole number as {key}, got {shown(text)}")
    return int(text)


def _video(record: Mapping[str, str]) -> str:
    """A video's id, which becomes the name of a folder."""
    text, kitchen = record["video_id"].strip(), record["participant_id"].strip()
    match = _VIDEO.fullmatch(text)
    if not match or match[1] != kitchen:
        raise ValueError(
            f"expected a video_id such as P01_01 of participant_id P01, got {shown(text)} of "
            f"{shown(kitchen)}"
        )
    return text


def parse_boxes(text: str) -> list[tuple[int, ...]]:
    """A list of four whole numbers a box, as Python writes it; nothing is evaluated.

    >>> parse_boxes("[(76, 1260, 462, 186), (1, 2, 3, 4)]")
    [(76, 1260, 462, 186), (1, 2, 3, 4)]
    >>> parse_boxes("[]")
    []

    Raises:
        ValueError: It is something else, or longer than any frame's boxes.
    """
    text = text.strip()
    inner = text[1:-1]
    boxes = _BOX.findall(inner) if len(text) <= _MOST_CHARACTERS else []
    is_list = text[:1] == "[" and text[-1:] == "]"
    rest = _BOX.sub("b", inner).replace(" ", "") if is_list and boxes else inner.strip()
    if not is_list or rest.removesuffix(",") != ",".join("b" * len(boxes)):
        raise ValueError(
            f"expected bounding_boxes as [(top, left, height, width), ...], got {shown(text)}"
        )
    return [tuple(int(number) for number in box[1:-1].split(",")) for box in boxes]
