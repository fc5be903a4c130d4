"""Comparisons as JSON, CSV and Markdown, each with its provenance."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faimtrack import __version__
from faimtrack.atomic import atomic_file
from faimtrack.provenance import Provenance, file_sha256, write_provenance
from faimtrack.reproduce.comparison import ComparedRow, Comparison, Numbers, column_of
from faimtrack.reproduce.engine import Outcomes
from faimtrack.reproduce.experiments import Column
from faimtrack.reproduce.jobs import in_order

DASH = "–"
SUFFIXES = (".json", ".csv", ".md")


@dataclass(frozen=True, kw_only=True)
class Report:
    """A comparison and what is to be known of it.

    Attributes:
        comparison: The numbers.
        outcomes: What came of the jobs.
        suite: Which data, in words.
        dataset: The suite's name.
        device: What times were taken on, in words.
        overrides: What was set for all.
        base: The base detector's weights if none was trained.
    """

    comparison: Comparison
    outcomes: Outcomes
    suite: str
    dataset: str
    device: str
    overrides: tuple[str, ...] = field(default=())
    base: Path | None = None

    @property
    def name(self) -> str:
        """Of its files."""
        return self.comparison.plan.table.name

    @property
    def title(self) -> str:
        """For people."""
        table = self.comparison.plan.table
        return f"{table.source}: {table.title}"

    def head(self) -> list[str]:
        """Titles of the columns: ours and the paper's of each."""
        titles = [""]
        for name in self.comparison.columns:
            title = column_of(self.comparison, name).title
            titles += [title, f"{title} (paper)"]
        return titles

    def body(self) -> list[list[str]]:
        """Cells of the rows as they are shown."""
        return [self._cells(row) for row in self.comparison.rows]

    def notes(self) -> list[str]:
        """Sentences to go below the table."""
        table, seeds = self.comparison.plan.table, self.comparison.seeds
        lines = [
            f"Ours: {self.suite}, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
            + (", mean ± standard deviation" if len(seeds) > 1 else "")
            + f"; paper: {table.source}."
        ]
        if self.base is not None:
            lines.append(f"One base detector for all seeds: {self.base.stem}.")
        if any(column_of(self.comparison, name).unit == "ms" for name in table.columns):
            lines.append(f"Times were taken on: {self.device}.")
        if table.has_gains:
            pairs = [
                f"{row.label} − {row.compared_with}" for row in table.rows
                if row.compared_with and row.label not in self.comparison.plan.left_out
            ]  # fmt: skip
            lines.append(f"Gains are of pairs of the same seed: {', '.join(pairs)}.")
        lines += table.notes
        if self.dataset == "crowd":
            lines += table.crowd_notes
        if left_out := self.comparison.plan.left_out:
            lines.append(f"Left out, for there is no recipe of them here: {', '.join(left_out)}.")
        if self.overrides:
            lines.append(f"Set for all: {', '.join(self.overrides)}.")
        return [*lines, *self._missing()]

    def _missing(self) -> Iterator[str]:
        told: dict[str, list[str]] = {}
        for row in self.comparison.rows:
            for name, numbers in row.numbers.items():
                for seed, why in numbers.missing.items():
                    title = column_of(self.comparison, name).title
                    where = f"{row.planned.row.label} {title}, seed {seed}"
                    told.setdefault(why, []).append(where)
        for why, places in told.items():
            more = f" and {len(places) - 3} more" if len(places) > 3 else ""
            yield f"{DASH} {'; '.join(places[:3])}{more}: {why}."

    def _cells(self, row: ComparedRow) -> list[str]:
        cells = [row.planned.row.label]
        for name in self.comparison.columns:
            column, numbers = column_of(self.comparison, name), row.numbers.get(name)
            cells.append(DASH if numbers is None else _ours(numbers, column))
            paper = None if numbers is None else numbers.paper
            cells.append(DASH if paper is None else _shown(paper, column))
        return cells

    def tree(self) -> dict[str, Any]:
        """Everything as JSON's types; ours in full precision, ratios as fractions."""
        comparison = self.comparison
        table = comparison.plan.table
        return {
            "kind": "table",
            "faimtrack": __version__,
            "experiment": table.name,
            "title": self.title,
            "dataset": self.dataset,
            "device": self.device,
            "seeds": list(comparison.seeds),
            "overrides": list(self.overrides),
            "is_whole": comparison.is_whole,
            "columns": self.head(),
            "rows": self.body(),
            "notes": self.notes(),
            "numbers": [
                {
                    "label": row.planned.row.label,
                    "network": row.planned.network,
                    "recipe": row.planned.recipe,
                    "cells": {
                        name: {
                            "values": {str(seed): each for seed, each in numbers.values.items()},
                            "mean": numbers.mean,
                            "deviation": numbers.deviation,
                            "missing": {str(seed): why for seed, why in numbers.missing.items()},
                            "paper": numbers.paper,
                            "jobs": {
                                str(seed): [job.name for job in cell.jobs]
                                for (its, seed), cell in row.planned.cells.items()
                                if its == name
                            },
                        }
                        for name, numbers in row.numbers.items()
                    },
                }
                for row in comparison.rows
            ],
        }

    def csv_text(self) -> str:
        """A line a row, column and seed."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["row", "column", "seed", "ours", "paper", "why not"])
        for row in self.comparison.rows:
            for name, numbers in row.numbers.items():
                column = column_of(self.comparison, name)
                label, paper = row.planned.row.label, numbers.paper
                seeds: list[int | None] = [*sorted({*numbers.values, *numbers.missing})]
                seeds = seeds or [None]
                for seed in seeds:
                    value = None if seed is None else numbers.values.get(seed)
                    ours = None if value is None else value * column.factor
                    why = "" if seed is None else numbers.missing.get(seed, "")
                    writer.writerow([label, name, seed, ours, paper, why])
        return out.getvalue()

    def markdown(self) -> str:
        """The table with its notes."""
        lines = [f"# {self.title}", "", _line(self.head())]
        lines.append(_line(["---", *["---:"] * (len(self.head()) - 1)]))
        lines += [_line(cells) for cells in self.body()]
        lines += ["", *(f"- {note}" for note in self.notes())]
        return "\n".join(lines) + "\n"


def write_report(report: Report, folder: Path) -> list[Path]:
    """Write `<table>.json`, `.csv` and `.md` with their sidecars; gives the files.

    Raises:
        OSError: One cannot be written.
    """
    text = json.dumps(report.tree(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    texts = dict(zip(SUFFIXES, (text, report.csv_text(), report.markdown()), strict=True))
    record = provenance_of(report)
    paths = []
    for suffix, content in texts.items():
        path = folder / f"{report.name}{suffix}"
        with atomic_file(path) as temporary:
            temporary.write_text(content, encoding="utf-8", newline="\n")
        write_provenance(path, record)
        paths.append(path)
    return paths


def provenance_of(report: Report) -> Provenance:
    """What a report was made from: the jobs by their names, and the weights."""
    jobs = list(in_order(report.comparison.plan.jobs(report.comparison.seeds)))
    results = report.outcomes.results
    weights = {
        f"{job.title} ({job.key})": str(results[job.name]["weights_sha256"])
        for job in jobs
        if job.kind == "training" and job.name in results
    }
    if report.base is not None:
        weights[report.base.name] = file_sha256(report.base)
    return Provenance(
        kind="reproduction",
        configuration={
            "experiment": report.name,
            "dataset": report.dataset,
            "seeds": list(report.comparison.seeds),
            "overrides": list(report.overrides),
            "device": report.device,
            "jobs": {job.name: job.settings for job in jobs if job.name in results},
        },
        weights=weights,
    )


def _ours(numbers: Numbers, column: Column) -> str:
    mean, deviation = numbers.mean, numbers.deviation
    if mean is None:
        return DASH
    text = _shown(mean * column.factor, column)
    if deviation is not None:
        text += f" ± {deviation * column.factor:.{column.digits}f}"
    return text


def _shown(value: float, column: Column) -> str:
    sign = "+" if column.unit == "points" or column.is_added else ""
    return f"{value:{sign}.{column.digits}f}"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
