"""Tables of scores of video object detection for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from faimtrack.cli.progress import make_table
from faimtrack.eval.vod.report import MEAN, TITLES, difference, group_truths
from faimtrack.eval.vod.scores import METRICS, MOTION_GROUPS, VodScores

_MARKS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def class_table(scores: VodScores) -> Table:
    """One result: a row a class with ground truth, then their mean and the groups' sizes."""
    metrics = _metrics([scores])
    table = _table("%", "objects", "found", *(TITLES[metric] for metric in metrics))
    known = [each for each in scores.classes if each.truths]
    for each in known if len(scores.classes) > 1 else ():
        values = [_percent(each.values[metric]) for metric in metrics]
        table.add_row(Text(each.name), f"{each.truths:,}", f"{each.detections:,}", *values)
    means = [_percent(scores.mean[metric]) for metric in metrics]
    found = sum(each.detections for each in known)
    name = MEAN if len(scores.classes) > 1 else scores.classes[0].name
    table.add_row(Text(name), f"{scores.truths:,}", f"{found:,}", *means, style="bold")
    groups = group_truths(scores)
    if groups is not None:
        sizes = {"vid": scores.truths, **groups}
        cells = [f"{sizes[metric]:,}" if metric in sizes else "" for metric in metrics]
        table.add_row("objects", "", "", *cells)
    return table


def comparison_tables(results: Mapping[str, VodScores]) -> list[Table]:
    """Several results: their means with what the first has more than each other, then by class."""
    metrics = _metrics(list(results.values()))
    first, *others = results.values()
    marks = dict(zip(results, _marks(len(results)), strict=True))
    means = _table("%", *(TITLES[metric] for metric in metrics))
    for name, scores in results.items():
        cells = [_percent(scores.mean[metric]) for metric in metrics]
        means.add_row(Text(f"{marks[name]}  {name}"), *cells)
    first_mark, *other_marks = marks.values()
    for mark, scores in zip(other_marks, others, strict=True):
        cells = [_points(first.mean[metric], scores.mean[metric]) for metric in metrics]
        means.add_row(f"{first_mark} − {mark}", *cells, style="bold")
    if len(first.classes) == 1:
        return [means]
    gaps = [f"{first_mark} − {mark}" for mark in other_marks]
    table = _table("VID AP, %", "objects", *marks.values(), *gaps)
    for place, each in enumerate(first.classes):
        if each.truths:
            own = each.values["vid"]
            theirs = [scores.classes[place].values["vid"] for scores in others]
            cells = [_percent(own), *map(_percent, theirs), *(_points(own, its) for its in theirs)]
            table.add_row(Text(each.name), f"{each.truths:,}", *cells)
    return [means, table]


def _metrics(results: Sequence[VodScores]) -> list[str]:
    """All but motion groups that no result has."""
    has_groups = any(scores.no_groups_because is None for scores in results)
    return [metric for metric in METRICS if has_groups or metric not in MOTION_GROUPS]


def _marks(count: int) -> list[str]:
    return list(_MARKS[:count]) if count <= len(_MARKS) else [str(n) for n in range(1, count + 1)]


def _table(title: str, *columns: str) -> Table:
    table = make_table(title, *columns)
    for column in table.columns[1:]:
        column.justify, column.no_wrap = "right", True
    return table


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _points(first: float | None, second: float | None) -> str:
    """A difference in points of per cent, with its sign."""
    gap = difference(first, second)
    return "-" if gap is None else f"{100 * gap:+.2f}"
