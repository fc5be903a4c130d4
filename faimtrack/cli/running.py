"""What the verbs that work on sequences have in common on the command line."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from faimtrack.cli.progress import SequenceProgress, show_outcomes
from faimtrack.motfile import SplitName
from faimtrack.pipeline import Task, run_tasks, run_tasks_on_cluster
from faimtrack.pipeline.tasks import Existing

# Options that mean the same in several verbs, which set the defaults.
SOURCES = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE",
        help="Sequence folders (or folders of them), videos, folders or patterns of images, "
        "camera numbers, URLs.",
    ),
]
RECIPE = Annotated[
    str | None, typer.Option(help="A YAML file, or the name of a recipe that comes along.")
]
SPLIT = Annotated[SplitName | None, typer.Option(help="Which part of each sequence.")]
JOBS = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="How many sequences at a time; unset: 1, on a cluster as many as it has room for.",
    ),
]
RAY = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Spread the sequences over a Ray cluster (pip install 'faimtrack[ray]'): local, "
        "auto, HOST:PORT or ray://HOST:PORT. All its machines see the same files under the same "
        "names and have this version of faimtrack.",
    ),
]
RESUME = Annotated[bool, typer.Option("--resume", help="Keep finished sequences, do the rest.")]
OVERWRITE = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")]
ALLOW_EMPTY = Annotated[
    bool, typer.Option("--allow-empty", help="An empty detection file means: nothing there.")
]


def existing_outputs(*, resume: bool, overwrite: bool) -> Existing:
    """What two switches say about outputs that are there already."""
    if resume and overwrite:
        raise typer.BadParameter("expected either --resume or --overwrite, got both")
    return "resume" if resume else "overwrite" if overwrite else "refuse"


def class_names(text: str | None, option: str = "--classes") -> tuple[str, ...] | None:
    """Names between commas; `option` is what gave them, for the message."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise typer.BadParameter(f"{option} {text!r}: expected names between commas")
    return names


def run_and_show(
    tasks: Sequence[Task], output: Path, *, jobs: int | None, ray: str | None = None
) -> int:
    """Do tasks under a progress bar and say what came of them; the exit status.

    Args:
        tasks: What to do.
        output: The folder that a person named.
        jobs: How many at a time; None for what is usual.
        ray: Address of a Ray cluster; None to do it here.
    """
    with SequenceProgress([task.name for task in tasks]) as progress:
        outcomes = []
        if ray is None:
            run = run_tasks(tasks, jobs=jobs or 1, report=progress.report)
        else:
            run = run_tasks_on_cluster(tasks, ray, jobs=jobs, report=progress.report)
        try:
            with contextlib.closing(run):
                for outcome in run:
                    progress.finish(outcome)
                    outcomes.append(outcome)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("--resume does the rest") from None
    return show_outcomes(outcomes, output)
