"""What an exported detector says of itself, read from the texts in its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from faimtrack.errors import shown


def told_value(properties: Mapping[str, str], name: str, path: Path) -> Any:
    """The value that stands under a name as JSON.

    Raises:
        ValueError: There is none.
    """
    try:
        return json.loads(properties.get(name, ""))
    except ValueError:
        raise ValueError(
            f"{path}: {name}: expected JSON of faimtrack, got {shown(properties.get(name))}"
        ) from None


def told_list(properties: Mapping[str, str], name: str, kind: type, path: Path) -> list[Any]:
    """The list that stands under a name.

    Raises:
        ValueError: There is none, or it holds other things than `kind`.
    """
    values = told_value(properties, name, path)
    if not isinstance(values, list) or not all(type(value) is kind for value in values):
        raise ValueError(
            f"{path}: {name}: expected a list of {kind.__name__}, got {shown(values)}"
        )
    return values


def told_pair(properties: Mapping[str, str], name: str, path: Path) -> tuple[int, int]:
    """Two lengths in pixels that stand under a name.

    Raises:
        ValueError: They do not.
    """
    values = told_list(properties, name, int, path)
    if len(values) != 2 or min(values) < 1:
        raise ValueError(f"{path}: {name}: expected two lengths in pixels, got {shown(values)}")
    return values[0], values[1]
