"""`faimtrack detectors`: kinds of detectors with every parameter, default, unit and meaning."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from faimtrack.cli.parameters import show_parameters, show_presets
from faimtrack.cli.progress import make_console
from faimtrack.detectors.families import DETECTOR_KINDS


def detectors(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]", help="Which to show; none named: all."),
    ] = None,
) -> None:
    """List kinds of detectors with every parameter, its default, unit and meaning, and presets.

    Which kind it is follows from what `--detector` names; `faimtrack weights list` has names. A
    parameter is set by `--set NAME=VALUE` (`--set detector.NAME=VALUE` where a tracker has one of
    that name), a preset by `--set detector.preset=NAME`.
    """
    console = make_console()
    known = {kind.name: kind for kind in DETECTOR_KINDS}
    for position, name in enumerate(names or known):
        if name not in known:
            raise ValueError(f"detector: expected {', '.join(known)}, got {name!r}")
        if position:
            console.print()
        console.print(Text(name, style="bold"), Text(known[name].title))
        show_parameters(console, known[name].config_class)
        show_presets(console, known[name].config_class, "detector.preset")
