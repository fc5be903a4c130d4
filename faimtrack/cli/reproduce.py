"""`faimtrack reproduce`: the paper's tables and figures, ours beside the paper's."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from faimtrack.cli.progress import make_console
from faimtrack.reproduce.catalogue import EXPERIMENTS, experiment
from faimtrack.reproduce.suites import DATASETS

if TYPE_CHECKING:
    from faimtrack.reproduce.run import Reproduction
    from faimtrack.reproduce.writing import Report

DEFAULT_OUTPUT = Path("faimtrack-reproduction")
_MOST_COLUMNS = 6
_GOES_ON = "the same command goes on from there"


def reproduce(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="EXPERIMENT", help="Such as table-2 or figure-5; --list shows all."
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="crowd|FOLDER",
            help="crowd: made in the output folder, once; else the folder of the data.",
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help=f"Which data set: {', '.join(DATASETS)}; unset: the paper's."),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(help="Folder of everything; experiments in one share what they train."),
    ] = DEFAULT_OUTPUT,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of each network: 0, 1 …")] = 3,
    budget_minutes: Annotated[
        float | None,
        typer.Option(min=0.0, help=f"Stop after so long, also in a training; {_GOES_ON}."),
    ] = None,
    base: Annotated[
        Path | None,
        typer.Option(
            help="Weights of the base detector, in place of the bundled one or of training one."
        ),
    ] = None,
    masks_root: Annotated[
        Path | None,
        typer.Option(help="Where pseudo masks are, if not in the videos' folders."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting of all recipes that know it, such as schedule.steps=100; may be "
            "given again.",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="How many videos at a time.")] = 1,
    list_all: Annotated[
        bool, typer.Option("--list", help="Show all experiments and what each needs.")
    ] = False,
) -> None:
    """Make a table or a figure of the paper anew and print ours beside the paper's.

    Writes OUTPUT/<experiment>.json, .csv and .md (figures: .png and .json) with sidecars. Each
    finished training, detection and scoring is a file of its own, so that what was broken off goes
    on and experiments share what they have in common.
    """
    if list_all:
        _show_all()
        return
    if name is None or data is None:
        missing = "an experiment" if name is None else "--data"
        raise typer.BadParameter(f"expected an experiment and --data, got none of {missing}")
    chosen = experiment(name)
    if base is not None and not base.is_file():
        raise FileNotFoundError(f"{base}: expected weights of a base detector, got no such file")
    from faimtrack.reproduce.run import Wish
    from faimtrack.reproduce.run import reproduce as make
    from faimtrack.reproduce.timing import device_name
    from faimtrack.reproduce.worker import RealWorker

    wish = Wish(
        experiment=chosen,
        data=data,
        output=output,
        dataset=dataset,
        seeds=tuple(range(seeds)),
        budget_minutes=budget_minutes,
        overrides=tuple(overrides or ()),
        base=base,
        masks_root=masks_root,
    )
    try:
        done = make(wish, RealWorker(jobs=jobs), device=device_name(), say=_say)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_GOES_ON) from None
    _show(done)
    if done.missing:
        raise typer.Exit(1)


def _say(line: str) -> None:
    print(f"faimtrack: {line}", file=sys.stderr, flush=True)


def _show(done: Reproduction) -> None:
    if done.report is not None:
        _show_table(done.report)
    if done.drawing is not None:
        for line in done.drawing.lines:
            print(line)
    for path in done.files:
        print(f"{path.suffix.lstrip('.')}: {path}")
    if done.ran_out_of_time:
        print(f"faimtrack: the time is over; {_GOES_ON}", file=sys.stderr)
    if done.report is None:
        for reason in done.missing:
            print(f"faimtrack: error: {reason}", file=sys.stderr)


def _show_table(report: Report) -> None:
    from rich.table import Table
    from rich.text import Text

    console = make_console()
    head, *titles = report.head()
    rows = report.body()
    is_stacked = len(titles) > _MOST_COLUMNS
    if is_stacked:  # the paper's below ours
        titles = _stacked(titles[0::2], ["(paper)"] * (len(titles) // 2))
        rows = [[cells[0], *_stacked(cells[1::2], cells[2::2])] for cells in rows]
    table = Table(title=report.title, title_justify="left", show_lines=is_stacked)
    table.add_column(head, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    for cells in rows:
        table.add_row(*map(Text, cells))
    console.print(table)
    for note in report.notes():
        console.print(f"- {note}", markup=False, highlight=False, soft_wrap=True)


def _stacked(above: list[str], below: list[str]) -> list[str]:
    return [f"{one}\n{other}" for one, other in zip(above, below, strict=True)]


def _show_all() -> None:
    from faimtrack.reproduce.costs import cost_lines

    for each in EXPERIMENTS.values():
        print(f"{each.name}: {each.title}")
        for line in cost_lines(each):
            print(f"    {line}")
