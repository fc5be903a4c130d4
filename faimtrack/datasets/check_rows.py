"""Ground truth with all its faults: what `read_mot` stops at is counted here."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import box_xywh_to_xyxy, clip_boxes
from faimtrack.datasets.crowd.objects.kinds import OBJECT_KINDS
from faimtrack.datasets.findings import PartReport
from faimtrack.datasets.half_split import HalfSplitConfig, sequence_rules
from faimtrack.motfile import MotTable
from faimtrack.motfile.sequence import SequenceInfo

_FEWEST_COLUMNS, _MOST_COLUMNS = 7, 10
_SHOWN = 60
_OBJECT_CLASSES = [kind.mot_class for kind in OBJECT_KINDS]


@dataclass(frozen=True)
class _Rows:
    """Rows with the lines that they stand in."""

    path: Path
    values: NDArray[np.float64]  # (R, 10)
    lines: NDArray[np.int64]  # (R,)

    def drop(self, report: PartReport, kind: str, wrong: NDArray[np.bool_]) -> _Rows:
        """Count the rows that are wrong, and go on with the others."""
        self.count(report, kind, wrong)
        return _Rows(self.path, self.values[~wrong], self.lines[~wrong])

    def count(self, report: PartReport, kind: str, wrong: NDArray[np.bool_]) -> None:
        """Count the rows that are wrong."""
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            shown = ",".join(f"{value:g}" for value in self.values[row, :9])
            first = f"{self.path}, line {self.lines[row]}: {shown}"
            report.add(kind, first, int(wrong.sum()))


def check_rows(
    info: SequenceInfo, frames: range, config: HalfSplitConfig, report: PartReport
) -> MotTable | None:
    """Count the faults of a sequence's ground truth.

    Args:
        info: The sequence.
        frames: Those of the split; faults of other frames' boxes are not counted.
        config: Which rows are learnt.
        report: What is found goes there.

    Returns:
        The rows that are learnt; None if there are none.
    """
    path = info.ground_truth_path
    rows = _read(path, report)
    if rows is None:
        return None
    rows = rows.drop(report, "numbers that are not finite", ~_finite(rows.values))
    numbers = rows.values[:, 0]
    is_inside = (numbers >= 1) & (numbers <= info.frame_count) & (numbers % 1 == 0)
    rows = rows.drop(report, "frames beyond the sequence", ~is_inside)
    numbers = rows.values[:, 0]
    is_of_split = (numbers >= frames.start) & (numbers < frames.stop)
    rows = _Rows(path, rows.values[is_of_split], rows.lines[is_of_split])
    report.rows = len(rows.lines)
    rows = rows.drop(report, "ids that are no whole numbers", rows.values[:, 1] % 1 != 0)
    rows = rows.drop(report, "ids twice in a frame", _twins(rows.values))
    rows = rows.drop(
        report, "boxes of negative sides", np.asarray((rows.values[:, 4:6] < 0).any(axis=1))
    )
    learnt = _learnt(info, rows, config, report)
    if learnt is None or not len(learnt):
        report.add("nothing to learn", f"{path}: no rows that count in frames {frames.start} to "
                   f"{frames.stop - 1}")  # fmt: skip
        return None
    report.objects = len(learnt)
    empty = sorted(set(frames) - set(learnt.frames.tolist()))
    if empty:
        report.add("frames without objects", f"frame {empty[0]}", len(empty))
    return learnt


def _read(path: Path, report: PartReport) -> _Rows | None:
    """All rows whose columns are numbers."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        report.add("no ground truth", f"{path}: no such file")
        return None
    except (OSError, UnicodeDecodeError) as error:
        report.add("no ground truth", f"{path}: {error}")
        return None
    rows, lines = [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        texts = line.split(",") if "," in line else line.split()
        if len(texts) > _FEWEST_COLUMNS and not texts[-1].strip():
            texts.pop()
        try:
            values = [float(each) for each in texts]
        except ValueError:
            values = []
        if not _FEWEST_COLUMNS <= len(values) <= _MOST_COLUMNS:
            shown = line.strip()[:_SHOWN]
            report.add("lines that cannot be read", f"{path}, line {number}: {shown}")
            continue
        rows.append(values + [-1.0] * (_MOST_COLUMNS - len(values)))
        lines.append(number)
    if not rows:
        report.add("no ground truth", f"{path}: no rows")
        return None
    return _Rows(path, np.array(rows), np.array(lines))


def _finite(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows have only numbers that a box in an image can have."""
    return np.asarray((np.abs(values[:, :8]) <= 1e9).all(axis=1))


def _twins(values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows have a frame and an id that an earlier row has."""
    _, first = np.unique(values[:, :2], axis=0, return_index=True)
    repeated = np.ones(len(values), dtype=bool)
    repeated[first] = False
    return repeated


def _learnt(
    info: SequenceInfo, rows: _Rows, config: HalfSplitConfig, report: PartReport
) -> MotTable | None:
    """The rows that are learnt, after what is wrong with them was counted."""
    order = np.argsort(rows.values[:, 0], kind="stable")
    rows = _Rows(rows.path, rows.values[order], rows.lines[order])
    is_object = np.isin(rows.values[:, 7], _OBJECT_CLASSES)
    if is_object.any():
        rows = _objects_of(rows, is_object, report)
    else:
        try:
            rows = _people_of(info, rows, config, report)
        except ValueError as error:
            report.add("classes that the benchmark does not have", str(error))
            return None
    rows = rows.drop(
        report, "boxes of no area", np.asarray((rows.values[:, 4:6] <= 0).any(axis=1))
    )
    if info.width is not None and info.height is not None:
        boxes = box_xywh_to_xyxy(rows.values[:, 2:6])
        clipped = clip_boxes(boxes, info.width, info.height)
        is_outside = np.asarray((clipped[:, 2:] <= clipped[:, :2]).any(axis=1))
        is_cut = np.asarray((clipped != boxes).any(axis=1))
        rows.count(report, "boxes wholly outside", is_outside)
        rows.count(report, "boxes partly outside", is_cut & ~is_outside)
    return _table(rows)


def _objects_of(rows: _Rows, is_object: NDArray[np.bool_], report: PartReport) -> _Rows:
    """The rows of a scene of objects that `CrowdVideos` takes."""
    rows.count(report, "classes that scenes of objects do not have", ~is_object)
    is_learnt = is_object & (np.trunc(rows.values[:, 6]) != 0)
    return _Rows(rows.path, rows.values[is_learnt], rows.lines[is_learnt])


def _people_of(
    info: SequenceInfo, rows: _Rows, config: HalfSplitConfig, report: PartReport
) -> _Rows:
    """The rows that `HalfSplit` takes.

    Raises:
        ValueError: Which classes there are cannot be told.
    """
    rules = sequence_rules(info, _table(rows), config)
    is_learnt = np.trunc(rows.values[:, 6]) != 0
    if rules.class_ids is not None:
        if rules.known_ids:
            unknown = ~np.isin(rows.values[:, 7], rules.known_ids)
            rows.count(report, "classes that the benchmark does not have", unknown)
        is_learnt &= np.isin(rows.values[:, 7], rules.class_ids)
    rows = _Rows(rows.path, rows.values[is_learnt], rows.lines[is_learnt])
    if rules.class_ids is not None:
        visibilities = rows.values[:, 8]
        is_good = ((visibilities >= 0) & (visibilities <= 1)) | (visibilities == -1)
        rows.count(report, "visibilities outside 0 to 1", ~is_good)
        hidden = (visibilities >= 0) & (visibilities < config.minimum_visibility)
        rows = _Rows(rows.path, rows.values[~hidden], rows.lines[~hidden])
    return rows


def _table(rows: _Rows) -> MotTable:
    values = rows.values
    return MotTable(
        rows.path,
        values[:, 0].astype(np.int64),
        values[:, 1].astype(np.int64),
        values[:, 2:6].copy(),
        values[:, 6].copy(),
        values[:, 7].astype(np.int64),
        values[:, 8].copy(),
    )
