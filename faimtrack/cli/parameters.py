"""How configurations are shown on the command line."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

from rich.console import Console
from rich.text import Text

from faimtrack.cli.progress import make_table
from faimtrack.config import PresetConfig


def show_parameters(console: Console, config_class: type[PresetConfig]) -> None:
    """A table of every parameter with default, unit and meaning."""
    default = config_class.preset("default")
    table = make_table("parameter", "default", "unit", "meaning")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for field in _own_first(config_class):
        table.add_row(
            field.name,
            _as_typed(getattr(default, field.name)),
            field.metadata["unit"],
            Text(field.metadata["help"]),  # brackets are no markup
        )
    console.print(table)


def _own_first(config_class: type[PresetConfig]) -> list[dataclasses.Field[Any]]:
    """A configuration's own parameters, then those that it shares with others."""
    home = {name: kind for kind in config_class.__mro__ for name in inspect.get_annotations(kind)}
    fields = dataclasses.fields(config_class)
    return sorted(fields, key=lambda field: config_class.__mro__.index(home[field.name]))


def show_presets(console: Console, config_class: type[PresetConfig], key: str) -> None:
    """Each preset as what it changes of the defaults.

    Args:
        console: Where it is shown.
        config_class: Whose presets.
        key: What `--set` calls the preset.
    """
    default = dataclasses.asdict(config_class.preset("default"))
    for name in config_class.preset_names():
        if name == "default":
            continue
        values = dataclasses.asdict(config_class.preset(name))
        changes = [
            f"{field}={_as_typed(value)}"
            for field, value in values.items()
            if value != default[field]
        ]
        console.print(Text(f"{key}={name}: {', '.join(changes) or 'as default'}"))


def _as_typed(value: Any) -> str:
    """A value as `--set` takes it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
