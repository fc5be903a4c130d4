"""`faimtrack trackers`: every tracker with every parameter, default, unit and meaning."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from faimtrack.cli.parameters import show_parameters, show_presets
from faimtrack.cli.progress import make_console
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
        show_parameters(console, entry.config_class)
        show_presets(console, entry.config_class, "preset")
