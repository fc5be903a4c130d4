"""One setting at a time: from text or YAML to the type that a configuration declares."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import typing
from collections.abc import Iterable, Mapping
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like `name`; one that contains it comes first.

    >>> nearest("track_treshold", ["max_age", "track_threshold"])
    'track_threshold'
    """
    name = name.lower()

    def likeness(other: str) -> tuple[bool, float]:
        matcher = difflib.SequenceMatcher(None, name, other.lower())
        return len(name) > 2 and name in other.lower(), matcher.ratio()

    return max(known, key=likeness)


def field_types(config_class: type) -> dict[str, Any]:
    """The type of each field of a configuration, by name."""
    hints = typing.get_type_hints(config_class)
    return {field.name: hints[field.name] for field in dataclasses.fields(config_class)}


def parse_text(key: str, text: str, expected: Any) -> Any:
    """A value typed on a command line (`0.6`, `true`, `none`, `[1, 2]`) as its field's type.

    Raises:
        ValueError: It does not fit; one line that names `key`.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(expected)
    if typing.get_origin(expected) is typing.Literal and text in typing.get_args(expected):
        return text  # `none` may be one of its words
    if text.lower() in {"none", "null"}:
        return _checked(key, text, lambda: adapter.validate_python(None, strict=True))
    try:
        return _checked(key, text, lambda: adapter.validate_strings(text))
    except ValueError:
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            value = text
        if not isinstance(value, (list, dict)):
            raise
        return parse_value(key, value, expected)


def parse_value(key: str, value: Any, expected: Any) -> Any:
    """A value from YAML as its field's type; a yes is no number, and 1.5 is no whole one.

    Raises:
        ValueError: It does not fit; one line that names `key`.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(expected)
    try:
        text = json.dumps(value)
    except TypeError:
        raise ValueError(f"{key}: expected a plain value, got {value!r}") from None
    try:
        return _checked(key, value, lambda: adapter.validate_json(text, strict=True))
    except ValueError:
        if not isinstance(value, str):
            raise
    # YAML 1.1 reads 1e-3 as text.
    return _checked(key, value, lambda: adapter.validate_strings(value))


def _checked(key: str, given: Any, validate: typing.Callable[[], Any]) -> Any:
    try:
        value = validate()
    except ValidationError as error:
        # Of a union's complaints the first is about the type that is written first.
        complaint = error.errors(include_url=False)[0]["msg"]
        complaint = complaint.replace("Input should be", "expected").split(", unable")[0]
        raise ValueError(f"{key}: {complaint[0].lower()}{complaint[1:]}, got {given!r}") from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{key}: expected a finite number, got {given!r}")
    return value


def build_config(key: str, base: Any, values: Mapping[str, Any]) -> Any:
    """A configuration with some fields replaced.

    Args:
        key: Its name in a recipe, for messages; empty at the top.
        base: The frozen dataclass to start from.
        values: Field names and validated values.

    Raises:
        ValueError: The configuration refuses a value.
    """
    try:
        return dataclasses.replace(base, **values)
    except ValueError as error:
        # A configuration's own complaint begins with the name of the field.
        raise ValueError(f"{key}.{error}" if key else str(error)) from None
