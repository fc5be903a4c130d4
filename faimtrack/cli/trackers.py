"""`faimtrack trackers`: every tracker with every parameter, default, unit and meaning."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.text import Text

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.camera_motion.config import CameraMotionConfig
from faimtrack.cli.parameters import show_parameters, show_presets
from faimtrack.cli.progress import make_console
from faimtrack.config import PresetConfig
from faimtrack.postprocess.config import PostprocessConfig
from faimtrack.trackers import tracker_entry, tracker_names

_HELP_TRACKERS: dict[str, tuple[str, type[PresetConfig]]] = {
    "camera_motion": ("how the picture moves (--camera-motion)", CameraMotionConfig),
    "embedder": ("how people look (--embedder)", EmbedderConfig),
    "postprocess": ("after the last frame (--postprocess)", PostprocessConfig),
}
"""Blocks of a recipe that any tracker can have."""


def trackers(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]",
            help="Which to show; none named: all trackers. Also what helps them: camera_motion, "
            "embedder, postprocess.",
        ),
    ] = None,
) -> None:
    """List trackers with every parameter, its default, unit and meaning, and their presets.

    A parameter is set by `faimtrack track --set NAME=VALUE`, a preset by `--set preset=NAME`;
    those of what helps a tracker by `--set camera_motion.NAME=VALUE` and the like.
    """
    console = make_console()
    for position, name in enumerate(names or tracker_names()):
        if position:
            console.print()
        if name in _HELP_TRACKERS:
            title, config_class = _HELP_TRACKERS[name]
            console.print(Text(name, style="bold"), Text(title))
            show_parameters(console, config_class)
            show_presets(console, config_class, f"{name}.preset")
            continue
        entry = tracker_entry(name)
        console.print(Text(f"{entry.name}", style="bold"), Text(f"{entry.title}, {entry.paper}"))
        show_parameters(console, entry.config_class)
        show_presets(console, entry.config_class, "preset")
