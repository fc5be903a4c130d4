"""Configurations: frozen dataclasses with the only copy of each default, its unit and help."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from numbers import Real
from typing import Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

Config = TypeVar("Config", bound="PresetConfig")


def parameter(
    default: Any,
    help: str,  # noqa: A002 - it is the word of every command line
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
) -> Any:
    """A dataclass field with what a person needs to set it.

    Args:
        default: Its only copy.
        help: One sentence.
        unit: Such as `frames`, `s`, `px`, `IoU`; empty for switches and names.
        low: Smallest value that makes sense, itself included.
        high: Largest value that makes sense, itself included; only together with `low`.
    """
    metadata = {"unit": unit, "help": help, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class PresetConfig:
    """Parameters of an algorithm, with named sets of values.

    Raises:
        ValueError: A value lies outside its range, or is none of the words that its type allows.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def __post_init__(self) -> None:
        types = get_type_hints(type(self))
        for each in fields(self):
            value, low, high = (
                getattr(self, each.name),
                each.metadata.get("low"),
                each.metadata.get("high"),
            )
            expected = types[each.name]
            words = get_args(expected) if get_origin(expected) is Literal else ()
            if words and value not in words:
                raise ValueError(f"{each.name}: expected {' or '.join(words)}, got {value!r}")
            if low is None or (value is None and type(None) in get_args(expected)):
                continue
            if not (
                isinstance(value, Real) and low <= value <= (math.inf if high is None else high)
            ):
                limits = f"{low} or more" if high is None else f"{low} to {high}"
                raise ValueError(f"{each.name}: expected {limits}, got {value!r}")

    @classmethod
    def preset_names(cls) -> tuple[str, ...]:
        """The names that `preset` knows, `default` first."""
        return tuple(cls._presets)

    @classmethod
    def preset(cls: type[Config], name: str) -> Config:
        """The configuration of a preset.

        Raises:
            ValueError: There is none of that name.
        """
        if name not in cls._presets:
            raise ValueError(f"preset: expected {', '.join(cls._presets)}, got {name!r}")
        return cls(**cls._presets[name])
