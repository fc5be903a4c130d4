"""From a table to the jobs behind each of its numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from faimtrack.reproduce.experiments import COLUMNS, Column, JobKind, Row, Table
from faimtrack.reproduce.jobs import Job
from faimtrack.reproduce.networks import NetworkJobs
from faimtrack.reproduce.suites import Suite

_ONCE: tuple[JobKind, ...] = ("time", "link-time", "cost")
"""What is measured with the first seed alone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """The number of a row, a column and a seed.

    Attributes:
        jobs: The job that it comes of, and if it is a difference that of the other number.
        column: Which number of their results.
        why_not: Why there is no job; empty if there is.
    """

    column: Column
    jobs: tuple[Job, ...] = ()
    why_not: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class PlannedRow:
    """A row with its jobs.

    Attributes:
        row: Which.
        network: As the suite calls it; None if only the paper has it.
        recipe: Of its training.
        cells: By column and seed.
    """

    row: Row
    network: str | None = None
    recipe: str | None = None
    cells: Mapping[tuple[str, int], Cell] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class TablePlan:
    """A table with its jobs.

    Attributes:
        table: Which.
        rows: Those that there can be.
        left_out: Labels of rows whose network the suite lacks.
    """

    table: Table
    rows: tuple[PlannedRow, ...]
    left_out: tuple[str, ...]

    def jobs(self, seeds: Sequence[int]) -> list[Job]:
        """All jobs, seed after seed: rows of one seed can be compared before the next begins."""
        return [
            job
            for seed in seeds
            for row in self.rows
            for (_, its_seed), cell in row.cells.items()
            if its_seed == seed
            for job in cell.jobs
        ]


class Planner:
    """Finds the jobs of tables."""

    def __init__(self, networks: NetworkJobs, seeds: Sequence[int]) -> None:
        """Say who makes jobs, and with which seeds."""
        self._networks, self._seeds = networks, tuple(seeds)

    @property
    def _suite(self) -> Suite:
        return self._networks.suite

    def plan(self, table: Table) -> TablePlan:
        """The jobs of a table.

        Raises:
            ValueError: Data are wrong, or something that was to be set is known to no recipe.
            OSError: Data cannot be read.
        """
        rows, left_out = [], []
        for row in table.rows:
            network = self._suite.network_of(row)
            if network is None:
                rows.append(PlannedRow(row=row))
            elif network not in self._suite.recipes:
                left_out.append(row.label)
            else:
                rows.append(self._plan_row(table, row, network))
        self._networks.overrides.require_all_known()
        return TablePlan(table=table, rows=tuple(rows), left_out=tuple(left_out))

    def _plan_row(self, table: Table, row: Row, network: str) -> PlannedRow:
        cells = {}
        for number, seed in enumerate(self._seeds):
            for name in table.columns:
                column = COLUMNS[name]
                if column.kind == "link-time" and row.linking is None:
                    continue
                if column.is_added and not row.added_to:
                    continue
                if number and column.kind in _ONCE:
                    continue
                cells[name, seed] = self._cell(row, network, column, seed)
        recipe = self._suite.recipes[network]
        return PlannedRow(row=row, network=network, recipe=recipe, cells=cells)

    def _cell(self, row: Row, network: str, column: Column, seed: int) -> Cell:
        job = self._job(row, network, column.kind, seed)
        if job is None:
            return Cell(column=column, why_not="its weights were given, not trained")
        if not column.is_added:
            return Cell(column=column, jobs=(job,))
        plain = Row(label=row.added_to, network=row.added_to)
        other = self._job(plain, row.added_to, column.kind, seed)
        if other is None:
            return Cell(column=column, why_not=f"{row.added_to} was given, not trained")
        return Cell(column=column, jobs=(job, other))

    def _job(self, row: Row, network: str, kind: JobKind, seed: int) -> Job | None:
        networks, changes = self._networks, self._suite.changes_of(row)
        if kind == "training":
            return networks.training(network, seed, changes)
        if kind == "cost":
            return networks.cost(network, seed, changes)
        if kind == "tracking":
            return networks.tracking(network, seed, changes)
        if kind == "time":
            return networks.time(network, seed, changes, row.detection)
        return networks.scores(
            network, seed, changes, row.detection, linking=row.linking, kind=kind
        )
