"""Print synthetic crowds beside MOT20-01's ground truth: how crowded, how hidden, how fast.

MOT20-01 is read from FAIMTRACK_TEST_DATA (../shared/data if unset); without it the crowds stand
alone. Crowds were tuned on its first half only; the second half is printed for comparison.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from render_tables import markdown

from faimtrack.boxes import box_iou, box_xywh_to_xyxy
from faimtrack.datasets.crowd import (
    CrowdConfig,
    bench_sequences,
    detection_table,
    ground_truth_table,
    make_bench_crowd,
    simulate_crowd,
)
from faimtrack.datasets.crowd.annotations import visibility
from faimtrack.eval import benchmark_rules, evaluate_sequence
from faimtrack.motfile import MotTable, read_mot, read_sequence_info, split_frames
from faimtrack.structures import Tracks
from faimtrack.trackers import ByteTrack, ByteTrackConfig

_PEDESTRIAN = 1
_SPEED_FRAMES = 10
_SCORES = ("HOTA", "DetA", "AssA", "MOTA", "IDF1")


@dataclass(frozen=True)
class Subject:
    """One sequence to measure."""

    name: str
    truth: MotTable
    detections: MotTable
    frames: range
    size: tuple[int, int]
    frame_rate: float


def crowd_subjects(bench: str | None) -> Iterator[Subject]:
    """The crowds of a bench, or one of each density."""
    if bench is not None:
        crowds = [make_bench_crowd(each) for each in bench_sequences(bench)]
    else:
        crowds = [
            simulate_crowd(
                CrowdConfig(
                    name=f"{density} {camera}",
                    density=density,
                    camera=camera,
                    frames=215,
                    width=960,
                    height=540,
                    seed=7,
                )
            )
            for density in ("sparse", "medium", "dense")
            for camera in ("static", "moving")
        ]
    for crowd in crowds:
        config = crowd.config
        yield Subject(
            config.name,
            ground_truth_table(crowd),
            detection_table(crowd),
            range(1, config.frames + 1),
            (config.height, config.width),
            config.frame_rate,
        )


def mot20_subjects() -> Iterator[Subject]:
    """Both halves of MOT20-01, where it is at hand."""
    default = Path(__file__).resolve().parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("FAIMTRACK_TEST_DATA", default)) / "mot20" / "MOT20-01"
    if not folder.is_dir():
        print("MOT20-01 is not at hand: set FAIMTRACK_TEST_DATA")
        return
    info = read_sequence_info(folder)
    truth = read_mot(info.ground_truth_path, "ground truth")
    detections = read_mot(info.detections_path)
    for split, name in (("train-half", "first"), ("val-half", "second")):
        yield Subject(
            f"MOT20-01 {name} half",
            truth,
            detections,
            split_frames(info.frame_count, split),
            (info.height, info.width),
            info.frame_rate,
        )


def measure(subject: Subject) -> dict[str, str]:
    """One column of the table."""
    inside = np.isin(subject.truth.frames, np.array(subject.frames))
    table = subject.truth.select(inside)
    people = table.select((table.class_ids == _PEDESTRIAN) & (table.confidences > 0))
    count = len(people) / len(subject.frames)
    ids, lengths = np.unique(people.ids, return_counts=True)
    heights = people.boxes_xywh[:, 3]
    recomputed = _recomputed_visibility(table, subject)
    overlaps, speeds = _highest_overlaps(people), _speeds(people)
    scores = _track_and_score(subject)
    return {
        "people a frame": f"{count:.1f}",
        "track ids": f"{len(ids)}",
        "track length, frames (5/50/95 %)": _percentiles(lengths, 0),
        "box height, px (5/50/95 %)": _percentiles(heights, 0),
        "box height / image height": _percentiles(heights / subject.size[0], 3),
        "box width / height": _percentiles(people.boxes_xywh[:, 2] / heights, 2),
        "mean visibility, as written": f"{people.visibilities.mean():.3f}",
        "visibility 0-.2/.2-.4/.4-.6/.6-.8/.8-1, as written": _shares(people.visibilities),
        "mean visibility, by our definition": f"{recomputed.mean():.3f}",
        "visibility in fifths, by our definition": _shares(recomputed),
        "mean highest IoU with a neighbour": f"{overlaps.mean():.3f}",
        "highest IoU in fifths": _shares(overlaps),
        "speed / height a frame (5/50/95 %)": _percentiles(speeds, 4),
        "detections a frame (score ≥ 0.1)": _detection_rate(subject),
        "share of scores 0.1 to 0.6": _low_share(subject),
        **{name: f"{scores[name]:.3f}" for name in _SCORES},
        "identity switches": f"{scores['IDSW']:.0f}",
    }


def _percentiles(values: NDArray[np.generic], digits: int) -> str:
    return " / ".join(f"{value:.{digits}f}" for value in np.percentile(values, [5, 50, 95]))


def _shares(values: NDArray[np.float64]) -> str:
    counts = np.histogram(values, np.linspace(0, 1, 6))[0]
    return " ".join(f".{round(100 * share):02d}" for share in counts / max(len(values), 1))


def _recomputed_visibility(table: MotTable, subject: Subject) -> NDArray[np.float64]:
    """Our visibility of people: the nearer of two boxes is the one that ends lower."""
    height, width = subject.size
    parts = []
    for frame in subject.frames:
        rows = table.select(table.rows_of(frame))
        corners = np.rint(rows.boxes).astype(np.int64)
        corners = np.clip(corners, 0, [width, height, width, height])
        seen = visibility(corners, -np.rint(rows.boxes[:, 3]).astype(np.int64), (height, width))
        parts.append(seen[(rows.class_ids == _PEDESTRIAN) & (rows.confidences > 0)] / 100_000)
    return np.concatenate(parts)


def _highest_overlaps(people: MotTable) -> NDArray[np.float64]:
    parts = []
    for frame in np.unique(people.frames):
        boxes = box_xywh_to_xyxy(people.boxes_xywh[people.rows_of(int(frame))])
        overlaps = box_iou(boxes, boxes)
        np.fill_diagonal(overlaps, 0)
        parts.append(overlaps.max(axis=1))
    return np.concatenate(parts)


def _speeds(people: MotTable) -> NDArray[np.float64]:
    """How far centres move in ten frames, a frame, over the height."""
    parts = []
    for track in np.unique(people.ids):
        rows = people.select(people.ids == track)
        centres = rows.boxes_xywh[:, :2] + rows.boxes_xywh[:, 2:] / 2
        moved = centres[_SPEED_FRAMES:] - centres[:-_SPEED_FRAMES]
        length = np.hypot(moved[:, 0], moved[:, 1]) / _SPEED_FRAMES
        parts.append(length / rows.boxes_xywh[_SPEED_FRAMES:, 3])
    return np.concatenate(parts)


def _detection_rate(subject: Subject) -> str:
    inside = np.isin(subject.detections.frames, np.array(subject.frames))
    counted = (subject.detections.confidences >= 0.1) & inside
    return f"{counted.sum() / len(subject.frames):.1f}"


def _low_share(subject: Subject) -> str:
    inside = np.isin(subject.detections.frames, np.array(subject.frames))
    scores = subject.detections.confidences[inside]
    scores = scores[scores >= 0.1]
    return f"{(scores < 0.6).mean():.2f}"


def _track_and_score(subject: Subject) -> dict[str, float]:
    """ByteTrack with the authors' MOT20 settings, scored with MOT20's rules."""
    # The authors drop boxes below 100 px² of a 1920×1080 image.
    area = 100 * subject.size[0] * subject.size[1] / (1080 * 1920)
    tracker = ByteTrack(
        dataclasses.replace(ByteTrackConfig.preset("reference-mot20"), minimum_area=area),
        frame_rate=subject.frame_rate,
    )
    answers = [
        (frame, tracker.update(subject.detections.detections(frame))) for frame in subject.frames
    ]
    results = _as_table(answers)
    report = evaluate_sequence(subject.truth, results, subject.frames, benchmark_rules("mot20"))
    return dict(report.summary)


def _as_table(answers: list[tuple[int, Tracks]]) -> MotTable:
    frames = np.concatenate([np.full(len(tracks), frame) for frame, tracks in answers])
    boxes = np.concatenate([tracks.boxes for _, tracks in answers])
    boxes = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    nothing = np.full(len(frames), -1, dtype=np.int64)
    return MotTable(
        Path("tracks"),
        frames.astype(np.int64),
        np.concatenate([tracks.ids for _, tracks in answers]),
        boxes,
        np.concatenate([tracks.scores for _, tracks in answers]),
        nothing,
        nothing.astype(np.float64),
    )


_SHORT = (
    "people a frame",
    "mean visibility, as written",
    "mean highest IoU with a neighbour",
    *_SCORES,
    "identity switches",
)


def tables(columns: dict[str, dict[str, str]], tests: set[str]) -> dict[str, dict[str, list[Any]]]:
    """All numbers of MOT20-01 and the test crowds; the most telling ones of every sequence."""
    shown = [name for name in columns if name in tests or name.startswith("MOT20")]
    rows = [[row, *(columns[name][row] for name in shown)] for row in next(iter(columns.values()))]
    short = [[name, *(column[row] for row in _SHORT)] for name, column in columns.items()]
    return {
        "details": {"columns": ["", *(name.replace("crowd-v1-", "") for name in shown)],
                    "rows": rows},
        "summary": {"columns": ["sequence", *_SHORT], "rows": short},
    }  # fmt: skip


def main() -> None:
    """Print the tables in Markdown and store them if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bench", help="a frozen bench instead of one crowd of each density")
    parser.add_argument("--output", type=Path, help="JSON file that the documentation shows")
    arguments = parser.parse_args()
    columns = {
        subject.name: measure(subject)
        for subject in [*mot20_subjects(), *crowd_subjects(arguments.bench)]
    }
    tests = set(columns)
    if arguments.bench is not None:
        sequences = bench_sequences(arguments.bench)
        tests = {each.config.name for each in sequences if each.split == "test"}
    made = tables(columns, tests)
    for table in made.values():
        print(markdown(table["columns"], table["rows"]))
    if arguments.output is not None:
        content = json.dumps({"kind": "table", "tables": made}, indent=1, ensure_ascii=False)
        arguments.output.write_text(content + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
