"""The split of sequences as an option that data sets of videos share with them."""

from __future__ import annotations

from typing import cast, get_args

import typer

from faimtrack.motfile import SplitName


def frames_split(text: str | None) -> SplitName:
    """Which frames of each sequence an option names; all if it is not given.

    Raises:
        typer.BadParameter: There is no such split of sequences.
    """
    names = get_args(SplitName)
    if text is not None and text not in names:
        raise typer.BadParameter(f"--split: expected {', '.join(names)}, got {text!r}")
    return cast("SplitName", text or "full")
