"""Configurations: frozen dataclasses with the only copy of each default, its unit and help."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, TypeVar

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
        high: Largest value that makes sense, itself included.
    """
    metadata = {"unit": unit, "help": help, "low": low, "high": high}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, kw_only=True)
class PresetConfig:
    """Parameters of an algorithm, with named sets of values.

    Raises:
        ValueError: A value lies outside its range.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    def __post_init__(self) -> None:
        for each in fields(self):
            value, low, high = (
                getattr(self, each.name),
                each.metadata.get("low"),
                each.metadata.get("high"),
            )
            if value is None or isinstance(value, str):
                continue
            if (low is not None and not value >= low) or (high is not None and not value <= high):
                expected = f"{low} to {high}" if high is not None else f"{low} or more"
                raise ValueError(f"{each.name}: expected {expected}, got {value}")

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
