"""`faimtrack demo`: the whole chain on a made-up crowd."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from faimtrack.cli.progress import make_console, make_table
from faimtrack.demo import make_demo
from faimtrack.demo.make import DETECTOR
from faimtrack.demo.show import metric_cells, metric_names


def demo(
    output: Annotated[
        Path, typer.Option(help="Folder for everything; that of an earlier demo is replaced.")
    ] = Path("faimtrack-demo"),
) -> None:
    """Make a crowd, find and track its people, score and show them: no data, no network.

    The detector is the bundled crowd-nano, which knows only people that faimtrack drew.
    """
    console = make_console(stderr=True)
    bars = Progress(
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    steps: dict[str, TaskID] = {}

    def show(step: str, done: int, total: int | None) -> None:
        if step not in steps:
            steps[step] = bars.add_task(step, total=total)
            if not console.is_terminal:
                console.print(step)
        bars.update(steps[step], completed=done)

    with bars:
        made = make_demo(output, report=show)
    table = make_table("tracker", *metric_names())
    for column in table.columns[1:]:
        column.justify = "right"
    for score in made.scores:
        table.add_row(score.title, *metric_cells(score.metrics))
    make_console().print(table)
    print()
    print(f"The detector {DETECTOR} knows only people that faimtrack drew; videos want another.")
    print(f"page:    {made.page}")
    print(f"video:   {made.video}")
    print(f"picture: {made.picture}")
