"""Reading detections from COCO's JSON: whole objects, and lists of results.

`image_id` is the frame's number. A list of results, which is the annotations alone, knows no names
of classes, nor which frames were looked at. Masks are read where each annotation has one in COCO's
compressed run lengths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from faimtrack.detectors.files.contents import FileContents, spans_of
from faimtrack.detectors.files.table import (
    MOST_FRAMES,
    DetectionTable,
    MaskColumn,
    check_rows,
    unnamed_classes,
)
from faimtrack.errors import shown
from faimtrack.json_files import read_json
from faimtrack.motfile.exact import far_corner, is_exact
from faimtrack.structures import RunLengthMask


class _LongNumber(str):
    """A number of more digits than a float64 holds."""

    __slots__ = ()


def read_coco(path: Path) -> DetectionTable:
    """Read detections; areas, outlines as polygons and other keys are passed over.

    Raises:
        ValueError: It is no such file, or a record is wrong; the message says which.
        OSError: The file cannot be read.
    """
    tree = read_json(path, "COCO's JSON", parse_float=_number)
    if isinstance(tree, list):
        rows = _read_annotations(path, tree, None, None)
        class_names, class_ids = unnamed_classes(rows.kinds, "category")
        return _table(path, rows, class_ids, class_names, None)
    if not isinstance(tree, dict) or "annotations" not in tree:
        raise ValueError(
            f"{path}: expected COCO's object with annotations, or a list of results, "
            "got other JSON"
        )
    names = _read_categories(path, _list_of(path, tree, "categories"))
    images = _read_images(path, _list_of(path, tree, "images"))
    rows = _read_annotations(path, _list_of(path, tree, "annotations"), names, images)
    places = {number: place for place, number in enumerate(names)}
    class_ids = [places[kind] for kind in rows.kinds]
    contents = _contents(tree, tuple(names.values()), images)
    return _table(path, rows, class_ids, contents.class_names, contents)


def _number(text: str) -> float | _LongNumber:
    return _LongNumber(text) if is_exact(text) else float(text)


def _list_of(path: Path, tree: Mapping[str, Any], key: str) -> list[Any]:
    value = tree.get(key)
    if not isinstance(value, list):
        came = "none" if value is None else type(value).__name__
        raise ValueError(f"{path}: expected a list of {key}, got {came}")
    return value


def _refuse(path: Path, kind: str, place: int, expected: str, came: object) -> NoReturn:
    """Say what is wrong with a record; records are counted from 1."""
    raise ValueError(f"{path}, {kind} {place}: expected {expected}, got {shown(came)}")


def _id_of(path: Path, kind: str, place: int, record: object, key: str, low: int) -> int:
    if not isinstance(record, dict):
        _refuse(path, kind, place, "an object", record)
    value = record.get(key)
    if type(value) is not int or not low <= value <= MOST_FRAMES:
        _refuse(path, kind, place, f"{key} to be a whole number from {low}", value)
    return value


def _read_categories(path: Path, records: list[Any]) -> dict[int, str]:
    """Names by id, in the file's order."""
    names: dict[int, str] = {}
    for place, record in enumerate(records, 1):
        number = _id_of(path, "category", place, record, "id", 0)
        name = record.get("name")
        if not isinstance(name, str):
            _refuse(path, "category", place, "a name", name)
        if number in names:
            _refuse(path, "category", place, "an id of its own", number)
        if name in names.values():
            _refuse(path, "category", place, "a name of its own", name)
        names[number] = name
    if not names:
        raise ValueError(f"{path}: expected categories, got none")
    return names


def _read_images(path: Path, records: list[Any]) -> set[int]:
    """The numbers of the frames that were looked at."""
    frames: set[int] = set()
    for place, record in enumerate(records, 1):
        frame = _id_of(path, "image", place, record, "id", 1)
        if frame in frames:
            _refuse(path, "image", place, "an id of its own", frame)
        frames.add(frame)
    return frames


@dataclass
class _Rows:
    """Columns of the annotations."""

    frames: list[int] = field(default_factory=list)
    boxes: list[list[float]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    kinds: list[int] = field(default_factory=list)
    masks: list[RunLengthMask] = field(default_factory=list)


def _read_annotations(
    path: Path, records: list[Any], names: Mapping[int, str] | None, images: set[int] | None
) -> _Rows:
    rows = _Rows()
    for place, record in enumerate(records, 1):
        frame = _id_of(path, "annotation", place, record, "image_id", 1)
        kind = _id_of(path, "annotation", place, record, "category_id", 0)
        if images is not None and frame not in images:
            _refuse(path, "annotation", place, "image_id to be one of the images", frame)
        if names is not None and kind not in names:
            _refuse(path, "annotation", place, "category_id to be one of the categories", kind)
        rows.frames.append(frame)
        rows.kinds.append(kind)
        rows.boxes.append(_corners(path, place, record.get("bbox")))
        score = record.get("score")
        if not _is_number(score):
            _refuse(path, "annotation", place, "a score", score)
        rows.scores.append(_float(score))
        mask = _mask(path, place, record.get("segmentation"))
        if mask is not None:
            rows.masks.append(mask)
    return rows


def _mask(path: Path, place: int, segmentation: object) -> RunLengthMask | None:
    """The mask, if it is given in compressed run lengths."""
    if not isinstance(segmentation, dict) or not isinstance(segmentation.get("counts"), str):
        return None
    size = segmentation.get("size")
    sides = size if isinstance(size, list) else []
    if len(sides) != 2 or not all(type(side) is int and 0 < side <= 2**15 for side in sides):
        _refuse(path, "annotation", place, "size to be a mask's height and width", size)
    if not segmentation["counts"].isascii():
        _refuse(path, "annotation", place, "counts to be run lengths", segmentation["counts"])
    return {"size": sides, "counts": segmentation["counts"].encode("ascii")}


def _corners(path: Path, place: int, bbox: object) -> list[float]:
    if not isinstance(bbox, list) or len(bbox) != 4 or not all(map(_is_number, bbox)):
        _refuse(path, "annotation", place, "bbox to be left, top, width and height", bbox)
    left, top = _float(bbox[0]), _float(bbox[1])
    width, height = _float(bbox[2]), _float(bbox[3])
    if width < 0 or height < 0:
        _refuse(path, "annotation", place, "a width and a height of 0 or more", bbox)
    right = far_corner(left, bbox[2]) if isinstance(bbox[2], _LongNumber) else left + width
    bottom = far_corner(top, bbox[3]) if isinstance(bbox[3], _LongNumber) else top + height
    return [left, top, right, bottom]


def _is_number(value: object) -> bool:
    return type(value) in (int, float, _LongNumber)


def _float(value: float | str) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def _contents(
    tree: Mapping[str, Any], class_names: tuple[str, ...], images: set[int]
) -> FileContents:
    info = tree.get("info")
    sequence = info.get("sequence") if isinstance(info, dict) else None
    sizes = {(image.get("width"), image.get("height")) for image in tree["images"]}
    width, height = sizes.pop() if len(sizes) == 1 else (None, None)
    is_size = type(width) is int and type(height) is int and width > 0 and height > 0
    return FileContents(
        class_names=class_names,
        frames=spans_of(sorted(images)),
        sequence=sequence if isinstance(sequence, str) else None,
        width=width if is_size else None,
        height=height if is_size else None,
    )


def _table(
    path: Path,
    rows: _Rows,
    class_ids: list[int],
    class_names: tuple[str, ...] | None,
    contents: FileContents | None,
) -> DetectionTable:
    frames = np.array(rows.frames, np.int64)
    boxes = np.array(rows.boxes, np.float64).reshape(-1, 4)
    scores = np.array(rows.scores, np.float64)
    check_rows(path, "annotation", frames, boxes, scores)
    order = np.argsort(frames, kind="stable")
    masks = None
    if rows.masks and len(rows.masks) == len(frames):
        masks = MaskColumn.from_masks(rows.masks).select(order)
    return DetectionTable(
        path=path,
        frames=frames[order],
        boxes=boxes[order],
        scores=scores[order],
        class_ids=np.array(class_ids, np.int64)[order],
        class_names=class_names,
        contents=contents,
        masks=masks,
    )
