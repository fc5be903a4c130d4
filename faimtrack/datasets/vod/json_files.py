"""Annotations in JSON that others have written: whatever is in them, the message names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faimtrack.errors import shown
from faimtrack.json_files import read_json

_LARGEST = 2**31 - 1


def read_tree(path: Path) -> Mapping[str, Any]:
    """A file's JSON object.

    Raises:
        ValueError: It is no JSON, or not an object.
        OSError: It cannot be read.
    """
    tree = read_json(path, "annotations")
    if not isinstance(tree, dict):
        raise ValueError(f"{path}: expected a JSON object, got {type(tree).__name__}")
    return tree


def list_of(where: str, tree: Mapping[str, Any], key: str) -> list[Any]:
    """A list in an object.

    Raises:
        ValueError: There is none.
    """
    value = tree.get(key)
    if not isinstance(value, list):
        raise ValueError(f"{where}: expected a list of {key}, got {shown(value)}")
    return value


def record_of(where: str, value: object) -> Mapping[str, Any]:
    """An entry that must be an object.

    Raises:
        ValueError: It is none.
    """
    if not isinstance(value, dict):
        raise ValueError(f"{where}: expected an object, got {shown(value)}")
    return value


def whole_of(where: str, record: Mapping[str, Any], key: str, low: int = 0) -> int:
    """A whole number in an object.

    Raises:
        ValueError: There is none, or it is out of range.
    """
    value = record.get(key)
    if type(value) is not int or not low <= value <= _LARGEST:
        raise ValueError(
            f"{where}: expected a whole number from {low} as {key}, got {shown(value)}"
        )
    return value


def box_of(where: str, value: object) -> list[float]:
    """Left, top, width and height as corners `x1 y1 x2 y2`, which may be inside out.

    Raises:
        ValueError: They are not four numbers.
    """
    is_box = isinstance(value, list) and len(value) == 4
    if not is_box or not all(type(each) in (int, float) for each in value):  # type: ignore[attr-defined]
        raise ValueError(f"{where}: expected left, top, width and height, got {shown(value)}")
    try:
        left, top, width, height = (float(each) for each in value)  # type: ignore[attr-defined]
    except OverflowError:
        raise ValueError(f"{where}: expected numbers of pixels, got {shown(value)}") from None
    return [left, top, left + width, top + height]
