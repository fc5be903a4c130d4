"""What a person sees while sequences are tracked, and when they are done."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:  # a list of weights needs no pipeline
    from faimtrack.pipeline import SequenceOutcome

_LINE_WIDTH = 120
"""Columns of what is not shown in a terminal."""


def make_console(*, stderr: bool = False) -> Console:
    """A console that does not fold lines at 80 columns where nobody watches."""
    stream = sys.stderr if stderr else sys.stdout
    columns = os.environ.get("COLUMNS")
    is_given = stream.isatty() if columns is None else columns.isdecimal() and int(columns) > 0
    return Console(stderr=stderr, width=None if is_given else _LINE_WIDTH, highlight=False)


class _FramesColumn(ProgressColumn):
    """Frames done of all."""

    def render(self, task: Any) -> Text:
        total = "?" if task.total is None else f"{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}/{total} frames")


class _SpeedColumn(ProgressColumn):
    """Frames per second, of late while it runs and over all when it is done."""

    def render(self, task: Any) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} frames/s")


class SequenceProgress:
    """A bar a sequence that runs; where there is no terminal, a line a sequence that ended."""

    def __init__(self, names: Sequence[str]) -> None:
        self._console = make_console(stderr=True)
        self._is_live = self._console.is_terminal
        self._width = max((len(name) for name in names), default=0)
        self._count, self._ended = len(names), 0
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            _FramesColumn(),
            _SpeedColumn(),
            TimeRemainingColumn(compact=True),
            console=self._console,
            disable=not self._is_live,
            transient=True,
        )
        self._tasks: dict[str, Any] = {}
        self._done: dict[str, int] = {}

    def __enter__(self) -> SequenceProgress:
        self._bars.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.__exit__(kind, error, trace)

    def report(self, name: str, done: int, total: int | None) -> None:
        """Show how far a sequence is; who counts from one again goes through it a second time."""
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(escape(name.ljust(self._width)), total=total)
        if done < self._done.get(name, 0):
            self._bars.reset(self._tasks[name], total=total)
        self._done[name] = done
        self._bars.update(self._tasks[name], completed=done)

    def finish(self, outcome: SequenceOutcome) -> None:
        """Take the bar away; say how the sequence ended."""
        name = outcome.task.name
        self.end(name, _ending(outcome), is_failure=outcome.error is not None)
        for remark in outcome.result.remarks if outcome.result else ():
            self._print(f"faimtrack: {name}: {remark}", None)
        for note in outcome.result.notes if outcome.result else ():
            self.warn(name, note)

    def warn(self, name: str, note: str) -> None:
        """Say what may not be as it should, in a line of its own."""
        self._print(f"faimtrack: warning: {name}: {note}", note)

    def end(self, name: str, ending: str, *, is_failure: bool) -> None:
        """Take a sequence's bar away, and say in a few words how it ended."""
        self._ended += 1
        if name in self._tasks:
            self._bars.remove_task(self._tasks.pop(name))
        count = f"[{self._ended}/{self._count}] ".rjust(2 * len(str(self._count)) + 4)
        self._print(f"{count}{name.ljust(self._width)}  {ending}", is_failure)

    def _print(self, text: str, is_alarming: object) -> None:
        style = ("red" if text.startswith("[") else "yellow") if is_alarming else ""
        self._console.print(Text(text, style=style), soft_wrap=True)


def _ending(outcome: SequenceOutcome) -> str:
    if outcome.error is not None or outcome.result is None:
        return "failed"
    summary = outcome.result.summary
    if summary is None:
        return "finished before; kept"
    speed = summary.frames / summary.seconds if summary.seconds else 0.0
    product = outcome.task.product
    count = summary.detections if product == "detections" else summary.tracks
    return f"{summary.frames:,} frames, {count:,} {product}, {speed:,.1f} frames/s"


def show_outcomes(outcomes: Sequence[SequenceOutcome], output: Path) -> int:
    """Print where results are and what failed; the exit status.

    What failed goes to stderr, one line a sequence, after all else.
    """
    failed = [outcome for outcome in outcomes if outcome.error is not None]
    done = [outcome for outcome in outcomes if outcome.error is None]
    for outcome in failed:
        prefix = "" if len(outcomes) == 1 else f"{outcome.task.name}: "
        print(f"faimtrack: error: {prefix}{outcome.error}", file=sys.stderr)
    if len(outcomes) > 1 and failed:
        print(
            f"faimtrack: {len(failed)} of {len(outcomes)} sequences failed"
            f"{'; the others are whole, and --resume does the rest' if done else ''}",
            file=sys.stderr,
        )
    if done:
        for what in done[0].task.files:
            paths = [outcome.task.files[what] for outcome in done]
            folder = output if what == done[0].task.product else paths[0].parent
            where = paths[0] if len(paths) == 1 else f"{len(paths)} files in {folder}"
            print(f"{what}: {where}")
    return 1 if failed else 0


def make_table(*columns: str, title: str | None = None) -> Table:
    """A plain table for the terminal."""
    table = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0)
    )
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
