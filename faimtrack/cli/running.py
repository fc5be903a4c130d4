"""What the verbs that work on sequences have in common on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from faimtrack.cli.progress import SequenceProgress, show_outcomes
from faimtrack.pipeline import Task, run_tasks
from faimtrack.pipeline.tasks import Existing


def existing_outputs(*, resume: bool, overwrite: bool) -> Existing:
    """What two switches say about outputs that are there already."""
    if resume and overwrite:
        raise typer.BadParameter("expected either --resume or --overwrite, got both")
    return "resume" if resume else "overwrite" if overwrite else "refuse"


def class_names(text: str | None) -> tuple[str, ...] | None:
    """Names between commas."""
    if text is None:
        return None
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise typer.BadParameter(f"--classes {text!r}: expected names between commas")
    return names


def run_and_show(tasks: Sequence[Task], output: Path, *, jobs: int) -> int:
    """Do tasks under a progress bar and say what came of them; the exit status.

    Args:
        tasks: What to do.
        output: The folder that a person named.
        jobs: How many at a time.
    """
    with SequenceProgress([task.name for task in tasks]) as progress:
        outcomes = []
        try:
            for outcome in run_tasks(tasks, jobs=jobs, report=progress.report):
                progress.finish(outcome)
                outcomes.append(outcome)
        except KeyboardInterrupt:
            raise KeyboardInterrupt("--resume does the rest") from None
    return show_outcomes(outcomes, output)
