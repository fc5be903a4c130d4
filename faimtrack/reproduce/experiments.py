"""What an experiment is: rows that are trained and scored, columns, and the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

JobKind = Literal["masks", "training", "detection", "scores", "tracking", "time", "link-time",
                  "cost"]  # fmt: skip
Unit = Literal["%", "points", "ms", "min", "GiB", ""]
_NO_NUMBERS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Column:
    """A number that rows have.

    Attributes:
        title: What it is called in tables.
        unit: What it is shown in; ratios are kept as fractions and shown in per cent.
        kind: The job that it comes of.
        metric: Its name in that job's result.
        digits: Behind the point.
        is_added: Whether it is what a row needs more than the row that it is `added_to`.
    """

    title: str
    unit: Unit
    kind: JobKind
    metric: str
    digits: int = 1
    is_added: bool = False

    @property
    def factor(self) -> float:
        """From what results hold to what tables show."""
        return 100.0 if self.unit in ("%", "points") else 1.0


def _scores(title: str, metric: str, kind: JobKind = "scores") -> Column:
    return Column(title=title, unit="%", kind=kind, metric=metric)


def _count(title: str, metric: str) -> Column:
    return Column(title=title, unit="", kind="tracking", metric=metric, digits=0)


COLUMNS: Mapping[str, Column] = MappingProxyType(
    {
        "map": _scores("mAP", "vid"),
        "slow": _scores("slow", "slow"),
        "medium": _scores("medium", "medium"),
        "fast": _scores("fast", "fast"),
        "ap50": _scores("AP50", "ap50"),
        "ap75": _scores("AP75", "ap75"),
        "ap": _scores("AP50:95", "ap"),
        "ms": Column(title="ms", unit="ms", kind="time", metric="ms"),
        "link_ms": Column(title="+ ms", unit="ms", kind="link-time", metric="ms"),
        "added_minutes": Column(
            title="added min/epoch", unit="min", kind="training", metric="minutes_per_epoch",
            is_added=True,
        ),
        "added_gib": Column(
            title="added GiB", unit="GiB", kind="cost", metric="gib", digits=2, is_added=True
        ),
        "mota": _scores("MOTA", "MOTA", "tracking"),
        "idf1": _scores("IDF1", "IDF1", "tracking"),
        "hota": _scores("HOTA", "HOTA", "tracking"),
        "idsw": _count("IDS", "IDSW"),
        "fp": _count("FP", "FP"),
        "fn": _count("FN", "FN"),
    }
)  # fmt: skip
"""All columns that tables have, by the names by which rows hold the paper's numbers.

``map`` is the ILSVRC VID protocol's mean average precision, ``ap50``, ``ap75`` and ``ap`` COCO's;
``ms`` the time of a frame, ``link_ms`` what linking adds to it."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row: how it comes to be, and what the paper has.

    Attributes:
        label: What it is called; no two rows of a table are called alike.
        network: Which of a suite's networks; None: only the paper has it.
        training: Changes of its training, ``key=value``.
        crowd_training: The same on crowds; None: as `training`.
        crowd_network: Another network on crowds; None: the same.
        detection: Changes of how it detects, ``key=value``.
        linking: The method that links its detections; None: they stay as they are.
        paper: The paper's numbers as printed, by columns.
        compared_with: The row that it is to be better than; empty for none.
        added_to: The network without masks that it is the twin of, for what masks add.
    """

    label: str
    network: str | None = None
    training: tuple[str, ...] = ()
    crowd_training: tuple[str, ...] | None = None
    crowd_network: str | None = None
    detection: tuple[str, ...] = ()
    linking: Literal["seq-nms", "repp"] | None = None
    paper: Mapping[str, float] = field(default_factory=lambda: _NO_NUMBERS)
    compared_with: str = ""
    added_to: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of the paper.

    Attributes:
        name: As a command line has it, such as ``table-5a``.
        title: What it is about.
        source: Where the paper's numbers stand.
        datasets: On which data it can be made; the first one is the paper's.
        columns: Names of `COLUMNS`.
        rows: From above.
        compared_by: The column by which rows are compared; empty: the first one.
        notes: What is to be known beside it, a sentence each.
        crowd_notes: The same on crowds alone.
    """

    name: str
    title: str
    source: str
    datasets: tuple[str, ...] = ("vid", "crowd")
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    compared_by: str = ""
    notes: tuple[str, ...] = ()
    crowd_notes: tuple[str, ...] = ()

    @property
    def measure(self) -> str:
        """The column by which rows are compared."""
        return self.compared_by or self.columns[0]

    @property
    def has_gains(self) -> bool:
        """Whether any row is compared with another one."""
        return any(row.compared_with for row in self.rows)

    def row(self, label: str) -> Row:
        """The row of a label.

        Raises:
            KeyError: There is none.
        """
        return next(row for row in self.rows if row.label == label)

    def paper_gain(self, row: Row) -> float | None:
        """How much better a row is than that it is compared with, by the paper's own numbers."""
        if not row.compared_with:
            return None
        other = self.row(row.compared_with).paper.get(self.measure)
        mine = row.paper.get(self.measure)
        return None if mine is None or other is None else round(mine - other, 6)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure of the paper.

    Attributes:
        name: As a command line has it, such as ``figure-5``.
        title: What it shows.
        datasets: On which data it can be made; the first one is the paper's.
        networks: The trained ones that it needs, in the order in which they are shown.
        notes: What is to be known beside it.
    """

    name: str
    title: str
    datasets: tuple[str, ...] = ("vid", "crowd")
    networks: tuple[str, ...]
    notes: tuple[str, ...] = ()


Experiment = Table | Figure
