"""Results of one sequence, and what CLEAR takes each of their boxes for, frame by frame."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from faimtrack.drawing import EventBoxes, EventKind
from faimtrack.eval import EventCounts, FrameEvents, find_events
from faimtrack.eval.reading import EvaluationSettings, SequenceFiles, read_tables
from faimtrack.eval.rules import EvaluationRules
from faimtrack.motfile import MotTable
from faimtrack.provenance import file_sha256


@dataclass(frozen=True, eq=False, kw_only=True)
class ComparedResult:
    """One of the results.

    Attributes:
        name: What it is called in the picture; it ends with ``(offline)`` if its provenance
            says so.
        results: Its rows, with the full sequence's frame numbers.
        events: What CLEAR takes each row for, frame by frame.
        sha256: Of its file.
    """

    name: str
    results: MotTable
    events: list[FrameEvents]
    sha256: str


@dataclass(frozen=True, eq=False, kw_only=True)
class Comparison:
    """Several results of one sequence.

    Attributes:
        name: The sequence's.
        ground_truth: Rows of the whole sequence.
        ground_truth_sha256: Of its file.
        frames: Frames that were scored.
        rules: Which rows count.
        settings: How the files were read.
        sides: The results, in the order of the panels.
    """

    name: str
    ground_truth: MotTable
    ground_truth_sha256: str
    frames: range
    rules: EvaluationRules
    settings: EvaluationSettings
    sides: tuple[ComparedResult, ...]


def read_comparison(
    files: Sequence[SequenceFiles], names: Sequence[str], settings: EvaluationSettings
) -> Comparison:
    """Read results of one sequence and find out what each of their boxes is.

    Args:
        files: One a result, all with the same ground truth.
        names: What the results are called, one each.
        settings: How files are read and what counts, as in an evaluation.

    Raises:
        ValueError: A file is wrong, or there are not as many names as files.
        OSError: A file cannot be read.
    """
    if not files or len(files) != len(names):
        raise ValueError(f"names: expected {len(files)}, one a result, got {len(names)}")
    sides, tables = [], None
    for each, name in zip(files, names, strict=True):
        tables = read_tables(each, settings)
        events = find_events(tables.ground_truth, tables.results, tables.frames, tables.rules)
        digest = file_sha256(each.results)
        label = f"{name} (offline)" if tables.mode == "offline" else name
        sides.append(
            ComparedResult(name=label, results=tables.results, events=events, sha256=digest)
        )
    assert tables is not None
    return Comparison(
        name=files[0].name,
        ground_truth=tables.ground_truth,
        ground_truth_sha256=file_sha256(files[0].ground_truth),
        frames=tables.frames,
        rules=tables.rules,
        settings=settings,
        sides=tuple(sides),
    )


class EventHistory:
    """Goes through a result's frames and remembers counts and late identity switches.

    Attributes:
        counts: Of all frames so far.
    """

    def __init__(self, side: ComparedResult, ground_truth: MotTable, label_frames: int) -> None:
        """Begin before the first frame; a switch's label stays for `label_frames` frames."""
        self._results, self._ground_truth = side.results, ground_truth
        self._events = iter(side.events)
        self._label_frames = label_frames
        self._labels: dict[int, tuple[int, str]] = {}  # by id, since when and what
        self.counts = EventCounts()

    def advance_to(self, frame: int) -> EventBoxes:
        """The boxes of a later frame; those in between are counted."""
        for event in self._events:
            self._take(event)
            if event.frame == frame:
                return self._boxes(event)
        raise AssertionError("frames come in order, and each once")

    def _take(self, event: FrameEvents) -> None:
        self.counts += event.counts
        oldest = event.frame - self._label_frames
        self._labels = {name: label for name, label in self._labels.items() if label[0] > oldest}
        ids = self._results.ids[event.switches].tolist()
        for name, before in zip(ids, event.previous_ids.tolist(), strict=True):
            self._labels[name] = event.frame, f"{before}>{name}"

    def _boxes(self, event: FrameEvents) -> EventBoxes:
        plain_hits = event.hits[~np.isin(event.hits, event.switches)]
        parts: list[tuple[EventKind, MotTable]] = [
            ("hit", self._results.select(plain_hits)),
            ("identity switch", self._results.select(event.switches)),
            ("false alarm", self._results.select(event.false_alarms)),
            ("not counted", self._results.select(event.removed)),
            ("miss", self._ground_truth.select(event.misses)),
        ]
        kinds = itertools.chain.from_iterable([kind] * len(rows) for kind, rows in parts)
        labels = [
            self._labels[name][1] if kind in {"hit", "identity switch"} and name in self._labels
            else ""
            for kind, rows in parts
            for name in rows.ids.tolist()
        ]  # fmt: skip
        return EventBoxes(
            boxes=np.concatenate([rows.boxes for _, rows in parts]),
            kinds=tuple(kinds),
            switch_labels=tuple(labels),
        )


def counts_by_kind(counts: EventCounts) -> dict[EventKind, int]:
    """Counts as panels show them."""
    return {
        "hit": counts.hits,
        "miss": counts.misses,
        "false alarm": counts.false_alarms,
        "identity switch": counts.switches,
        "not counted": counts.removed,
    }
