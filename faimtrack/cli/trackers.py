"""`faimtrack trackers`: every tracker with every parameter, default, unit and meaning."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from faimtrack.cli.progress import make_console, make_table
from faimtrack.config import PresetConfig
from faimtrack.trackers import tracker_entry, tracker_names


def trackers(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]", help="Which to show; none named: all."),
    ] = None,
) -> None:
    """List trackers with every parameter, its default, unit and meaning, and their presets.

    A parameter is set by `faimtrack track --set NAME=VALUE`, a preset by `--set preset=NAME`.
    """
    console = make_console()
    entries = [tracker_entry(name) for name in names or tracker_names()]
    for position, entry in enumerate(entries):
        if position:
            console.print()
        console.print(Text(f"{entry.name}", style="bold"), Text(f"{entry.title}, {entry.paper}"))
        _show_parameters(console, entry.config_class)
        _show_presets(console, entry.config_class)


def _show_parameters(console: Console, config_class: type[PresetConfig]) -> None:
    default = config_class.preset("default")
    table = make_table("parameter", "default", "unit", "meaning")
    table.columns[0].no_wrap = table.columns[1].no_wrap = True
    for field in _own_first(config_class):
        table.add_row(
            field.name,
            _as_typed(getattr(default, field.name)),
            field.metadata["unit"],
            field.metadata["help"],
        )
    console.print(table)


def _own_first(config_class: type[PresetConfig]) -> list[dataclasses.Field[Any]]:
    """A tracker's own parameters, then those that it shares with others."""
    home = {name: kind for kind in config_class.__mro__ for name in inspect.get_annotations(kind)}
    fields = dataclasses.fields(config_class)
    return sorted(fields, key=lambda field: config_class.__mro__.index(home[field.name]))


def _show_presets(console: Console, config_class: type[PresetConfig]) -> None:
    """Each preset as what it changes of the defaults."""
    default = dataclasses.asdict(config_class.preset("default"))
    for name in config_class.preset_names():
        if name == "default":
            continue
        values = dataclasses.asdict(config_class.preset(name))
        changes = [
            f"{key}={_as_typed(value)}" for key, value in values.items() if value != default[key]
        ]
        console.print(Text(f"preset={name}: {', '.join(changes) or 'as default'}"))


def _as_typed(value: Any) -> str:
    """A value as `--set` takes it."""
    if value is None:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
