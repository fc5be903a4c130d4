"""Ours beside the paper's: each number's mean and deviation over seeds, or why there is none."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from faimtrack.reproduce.engine import Outcomes
from faimtrack.reproduce.experiments import COLUMNS, Column
from faimtrack.reproduce.plan import Cell, PlannedRow, TablePlan

GAIN = "gain"
"""The column of what a row is better than the one that it is compared with."""


@dataclass(frozen=True, kw_only=True)
class Numbers:
    """A number of a row, in the units of results: ratios are fractions.

    Attributes:
        values: By seed.
        missing: Why seeds have none.
        paper: What the paper has, as printed; None for nothing.
    """

    values: Mapping[int, float]
    missing: Mapping[int, str]
    paper: float | None

    @property
    def mean(self) -> float | None:
        """Over the seeds that there are."""
        return statistics.fmean(self.values.values()) if self.values else None

    @property
    def deviation(self) -> float | None:
        """Standard deviation over seeds, with n − 1; None of fewer than two."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else None


@dataclass(frozen=True, kw_only=True)
class ComparedRow:
    """A row of ours beside the paper's.

    Attributes:
        planned: The row.
        numbers: By column; `GAIN` among them if the row is compared with another.
    """

    planned: PlannedRow
    numbers: Mapping[str, Numbers]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A table of ours beside the paper's.

    Attributes:
        plan: The table and its jobs.
        rows: From above.
        seeds: That were wanted.
    """

    plan: TablePlan
    rows: tuple[ComparedRow, ...]
    seeds: tuple[int, ...]

    @property
    def is_whole(self) -> bool:
        """Whether no number is missing."""
        return not any(each.missing for row in self.rows for each in row.numbers.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the table, with `GAIN` after the one that rows are compared by."""
        table = self.plan.table
        if not table.has_gains:
            return table.columns
        place = table.columns.index(table.measure) + 1
        return (*table.columns[:place], GAIN, *table.columns[place:])


def column_of(comparison: Comparison, name: str) -> Column:
    """What a column is; the gain's is a difference of the one that rows are compared by."""
    if name != GAIN:
        return COLUMNS[name]
    measure = COLUMNS[comparison.plan.table.measure]
    return Column(title="gain", unit="points", kind=measure.kind, metric=measure.metric)


def compare(plan: TablePlan, outcomes: Outcomes, seeds: Sequence[int]) -> Comparison:
    """Put together what there is.

    Args:
        plan: A table and its jobs.
        outcomes: What came of these.
        seeds: That were wanted.
    """
    table = plan.table
    found: dict[str, dict[str, Numbers]] = {}
    for planned in plan.rows:
        names = dict.fromkeys(name for name, _ in planned.cells)
        numbers = {name: _numbers(planned, name, outcomes) for name in names}
        for name in table.columns:
            if name not in numbers and name in planned.row.paper:
                printed = planned.row.paper[name]
                numbers[name] = Numbers(values={}, missing={}, paper=printed)
        found[planned.row.label] = numbers
    rows = []
    for planned in plan.rows:
        numbers = found[planned.row.label]
        other = found.get(planned.row.compared_with, {}).get(table.measure)
        if planned.row.compared_with and table.measure in numbers:
            paper = table.paper_gain(planned.row)
            numbers[GAIN] = _gain(numbers[table.measure], other, paper)
        rows.append(ComparedRow(planned=planned, numbers=numbers))
    return Comparison(plan=plan, rows=tuple(rows), seeds=tuple(seeds))


def _numbers(planned: PlannedRow, name: str, outcomes: Outcomes) -> Numbers:
    values: dict[int, float] = {}
    missing: dict[int, str] = {}
    for (column, seed), cell in planned.cells.items():
        if column != name:
            continue
        value = _value(cell, outcomes)
        if isinstance(value, str):
            missing[seed] = value
        else:
            values[seed] = value
    return Numbers(values=values, missing=missing, paper=planned.row.paper.get(name))


def _value(cell: Cell, outcomes: Outcomes) -> float | str:
    """A number, or why there is none."""
    if not cell.jobs:
        return cell.why_not
    found = []
    for job in cell.jobs:
        result = outcomes.results.get(job.name)
        if result is None:
            return outcomes.missing.get(job.name, "it was not made")
        value = result.get(cell.column.metric)
        if value is None:
            because = result.get("no_groups_because")
            return str(because or f"{job.title}: no {cell.column.title}")
        found.append(float(value))
    return found[0] - sum(found[1:])


def _gain(mine: Numbers, other: Numbers | None, paper: float | None) -> Numbers:
    """Differences of pairs of the same seed."""
    others = {} if other is None else other.values
    values = {seed: value - others[seed] for seed, value in mine.values.items() if seed in others}
    return Numbers(values=values, missing={}, paper=paper)
