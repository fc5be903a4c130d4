"""All trackers on the same detections: by boxes alone, and with each way to tell people apart.

    python scripts/compare_trackers.py WORK --detector MASKED.safetensors
        --embedder osnet=osnet_x0_25_msmt17.onnx --embedder own=REID.safetensors

draws the test crowds of crowd-bench-v1, detects in them once with a YOLOX that has a mask branch,
adds embeddings of each kind to these detections (`box` and `mask` are the detector's own instance
features, averaged over a box or inside its mask), and tracks and scores them. Every run leaves a
file in WORK, so that a run that is broken off goes on; then tables are printed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

from faimtrack import __version__, trackers
from faimtrack.atomic import atomic_file
from faimtrack.camera_motion import CameraMotionConfig, create_camera_motion
from faimtrack.datasets.crowd import bench_sequences, write_bench
from faimtrack.detectors.files import read_detections
from faimtrack.eval import EvaluationSettings, evaluate_folders
from faimtrack.pipeline import Task, plan_detection, plan_tasks, run_tasks
from faimtrack.provenance import file_sha256
from faimtrack.recipes import Recipe, resolve_recipe
from faimtrack.trackers import tracker_entry, tracker_names
from faimtrack.video import open_source

BENCH = "crowd-bench-v1"
BOXES_ALONE = "boxes"
FEATURES = {"box": "instance_features", "mask": "mask_features"}
METRICS = ("HOTA", "AssA", "IDF1", "IDSW")
ESTIMATED = "sparse-flow"
LOWEST_SCORE = 0.1
MOVING_SCORE = 0.3  # as in the pipeline: what scores less is looked at as background
GROUPS = ("all", "sparse", "medium", "dense", "static", "moving")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One tracker on one kind of detections.

    Attributes:
        tracker: Its name.
        appearance: `boxes`, or which embeddings it sees.
        camera: Who tells how the picture moves.
    """

    tracker: str
    appearance: str
    camera: str

    @property
    def name(self) -> str:
        """Names its files."""
        return f"{self.tracker}-{self.appearance}-{self.camera}"


class Bench:
    """The crowds, the detections with their embeddings, and what was done with them."""

    def __init__(self, work: Path, detector: Path, embedders: Mapping[str, str]) -> None:
        self._work, self._detector, self._embedders = work, detector, dict(embedders)
        self._folder = work / f"{__version__}-{file_sha256(detector)[:8]}"
        self._truth = work / BENCH / "test"
        if not (work / BENCH).is_dir():
            write_bench(BENCH, work / BENCH)

    @property
    def appearances(self) -> tuple[str, ...]:
        """All kinds of detections."""
        return (BOXES_ALONE, *self._embedders, *FEATURES)

    def prepare(self) -> dict[str, Any]:
        """Detect and embed what is not there yet.

        Returns:
            SHA-256 of the detections, frames, and milliseconds a frame of each kind of embedding.
        """
        took = {name: self._detections(name) for name in self.appearances}
        plain = took[BOXES_ALONE]
        cost = {name: ms - plain if name in FEATURES else ms for name, ms in took.items()}
        hashes = {name: self._hash(name) for name in self.appearances}
        if len(set(hashes.values())) > 1:
            raise ValueError(f"detections: expected the same boxes everywhere, got {hashes}")
        self._estimate_motion()
        return {"sha256": hashes[BOXES_ALONE], "ms": cost}

    def run(self, cell: Cell) -> dict[str, Any]:
        """Track and score, unless it was done before."""
        files = {"true": "sequence", ESTIMATED: str(self._motion)}
        camera = []
        if cell.camera in files:
            camera = ["camera_motion.method=file", f"camera_motion.file={files[cell.camera]}"]
        recipe = resolve_recipe(
            tracker=cell.tracker, overrides=["preset=mot20", "classes=[person]", *camera]
        )
        kind = self._kind(cell.appearance)
        name = f"{cell.name}-{_digest([recipe.tree(), kind, _source_digest()])}"
        path = self._folder / "cells" / f"{name}.json"
        if path.is_file():
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return found
        results = self._folder / "tracks" / name
        plan = plan_tasks(
            self._sources(), recipe, results, detections=self._folder / kind, existing="overwrite",

        )  # fmt: skip
        seconds = _do(plan)
        scores = {}
        for group in GROUPS:
            names = self._members(group)
            report = evaluate_folders(
                self._truth, results, EvaluationSettings(split="full"), sequences=names
            )
            if report.failures:
                raise ValueError("; ".join(failure.message for failure in report.failures))
            summary = report.combined.summary
            scores[group] = {name: float(summary[name]) for name in METRICS}
        answer = {"scores": scores, "ms": seconds["track"]}
        with atomic_file(path) as temporary:
            temporary.write_text(json.dumps(answer, indent=1) + "\n", encoding="utf-8")
        return answer

    @property
    def _motion(self) -> Path:
        return self._folder / "motion" / _source_digest()

    def _estimate_motion(self) -> None:
        """Estimate camera motion once, with the boxes that are detected left out."""
        for name in self._members("all"):
            path = self._motion / f"{name}.txt"
            if path.is_file():
                continue
            table = read_detections(self._folder / self._kind(BOXES_ALONE) / f"{name}.parquet")
            motion, lines = create_camera_motion(CameraMotionConfig(method="sparse-flow")), []
            with open_source(str(self._truth / name)) as source:
                for frame in source:
                    found = table.detections(frame.index, table.class_names or ("person",))
                    boxes = found.boxes[found.scores >= MOVING_SCORE]
                    numbers = motion.estimate(frame, boxes).ravel().tolist()
                    lines.append("\t".join(map(repr, [frame.index - 1, *numbers])) + "\n")
                    frame.release()
            with atomic_file(path) as temporary:
                temporary.write_text("".join(lines), encoding="utf-8")

    def _sources(self) -> list[str]:
        return [str(self._truth / name) for name in self._members("all")]

    @staticmethod
    def _members(group: str) -> list[str]:
        configs = [each.config for each in bench_sequences(BENCH) if each.split == "test"]
        return [
            config.name for config in configs if group in ("all", config.density, config.camera)
        ]

    def _kind(self, appearance: str) -> str:
        """Names the detections' folder: other settings and other weights are another kind."""
        if appearance in self._embedders:
            return f"{appearance}-{file_sha256(Path(self._embedders[appearance]))[:8]}"
        return f"{appearance}-{_digest(self._recipe(appearance).tree()['detector'])}"

    def _recipe(self, appearance: str) -> Recipe:
        """How the detector gives detections of a kind."""
        keep = FEATURES.get(appearance, "none")
        settings = (f"detector.score_threshold={LOWEST_SCORE}", f"detector.keep={keep}")
        return resolve_recipe(
            detector=str(self._detector), overrides=["classes=[person]", *settings]
        )

    def _detections(self, appearance: str) -> float:
        """Make the detections of a kind; milliseconds a frame that it took."""
        folder = self._folder / self._kind(appearance)
        cost = folder.with_suffix(".json")
        if cost.is_file():
            return float(json.loads(cost.read_text(encoding="utf-8"))["ms"])
        common: dict[str, Any] = {"format": "parquet", "existing": "overwrite"}
        if appearance in self._embedders:
            recipe = resolve_recipe(overrides=[f"embedder.weights={self._embedders[appearance]}"])
            tasks = plan_detection(
                self._sources(), recipe, folder, detections=self._folder / self._kind(BOXES_ALONE),
                embedder=Path(self._embedders[appearance]), **common,
            )  # fmt: skip
            took = _do(tasks)["embed"]
        else:
            tasks = plan_detection(
                self._sources(), self._recipe(appearance), folder, weights=self._detector, **common
            )
            took = _do(tasks)["detect"]
        with atomic_file(cost) as temporary:
            temporary.write_text(json.dumps({"ms": took}) + "\n", encoding="utf-8")
        return took

    def _hash(self, appearance: str) -> str:
        """SHA-256 of all boxes and scores."""
        digest = hashlib.sha256()
        for name in self._members("all"):
            table = read_detections(self._folder / self._kind(appearance) / f"{name}.parquet")
            for array in (table.frames, table.boxes, table.scores):
                digest.update(array.tobytes())
        return digest.hexdigest()


def _digest(tree: Any) -> str:
    return hashlib.sha256(json.dumps(tree, sort_keys=True).encode()).hexdigest()[:8]


@lru_cache
def _source_digest() -> str:
    """Of the code that makes tracks of detections: with other code runs are done again."""
    package = Path(trackers.__file__).parents[1]
    paths = [
        path for room in ("trackers", "camera_motion") for path in (package / room).rglob("*.py")
    ]
    return _digest([path.read_text(encoding="utf-8") for path in sorted(paths)])


def _do(tasks: Sequence[Task]) -> dict[str, float]:
    """Do the tasks; milliseconds a frame of each stage."""
    seconds: dict[str, float] = {}
    frames = 0
    for outcome in run_tasks(tasks):
        if outcome.error is not None or outcome.result is None or outcome.result.summary is None:
            raise ValueError(f"{outcome.task.name}: {outcome.error}")
        summary = outcome.result.summary
        frames += summary.frames
        for stage, took in summary.stage_seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + took
    return {stage: 1000 * took / frames for stage, took in seconds.items()}


def appearance_table(cells: Mapping[Cell, Mapping[str, Any]], camera: str) -> dict[str, Any]:
    """Trackers and what they see of people, over all crowds and HOTA by kind of crowd."""
    columns = ["tracker, embeddings", *METRICS, *(f"HOTA {group}" for group in GROUPS[1:])]
    rows = []
    for cell, answer in cells.items():
        if cell.camera == camera:
            scores = answer["scores"]
            rows.append([
                f"{_title(cell.tracker)}, {cell.appearance}",
                *(_shown(name, scores["all"][name]) for name in METRICS),
                *(_shown("HOTA", scores[group]["HOTA"]) for group in GROUPS[1:]),
                f"{answer['ms']:.2f}",
            ])  # fmt: skip
    return {"columns": [*columns, "ms a frame"], "rows": rows}


def camera_table(cells: Mapping[Cell, Mapping[str, Any]]) -> dict[str, Any]:
    """Trackers by boxes alone on the moving crowds, by who tells the camera's motion."""
    rows = []
    for cell, answer in cells.items():
        if cell.appearance == BOXES_ALONE:
            scores = answer["scores"]["moving"]
            shown = [_shown(name, scores[name]) for name in METRICS]
            rows.append([f"{_title(cell.tracker)}, {cell.camera}", *shown])
    return {"columns": ["moving crowds: tracker, camera motion", *METRICS], "rows": rows}


def _title(tracker: str) -> str:
    return tracker_entry(tracker).title


def _shown(metric: str, value: float) -> str:
    return f"{value:.0f}" if metric == "IDSW" else f"{100 * value:.2f}"


def _cells(bench: Bench, trackers: Sequence[str]) -> Iterator[Cell]:
    """Appearance first: it is the longer question."""
    for tracker in trackers:
        for appearance in bench.appearances:
            yield Cell(tracker=tracker, appearance=appearance, camera=ESTIMATED)
    for tracker in trackers:
        for camera in ("none", "true"):
            yield Cell(tracker=tracker, appearance=BOXES_ALONE, camera=camera)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("work", type=Path, help="where crowds, detections and results are kept")
    parser.add_argument("--detector", type=Path, required=True, help="a YOLOX with a mask branch")
    parser.add_argument(
        "--embedder", action="append", default=[], metavar="NAME=FILE", help="may be given again"
    )
    parser.add_argument("--trackers", nargs="+", default=None, help="which; else all by boxes")
    parser.add_argument("--budget-minutes", type=float, help="begin no run after so long")
    parser.add_argument("--json", type=Path, help="keep the tables in this file")
    arguments = parser.parse_args()
    known = tracker_names(needs_regressor=False)
    arguments.trackers = arguments.trackers or known
    if unknown := sorted(set(arguments.trackers) - set(known)):
        parser.error(f"--trackers: expected some of {', '.join(known)}, got {unknown[0]}")
    pairs = [text.partition("=") for text in arguments.embedder]
    if wrong := [text for text in arguments.embedder if not all(text.partition("="))]:
        parser.error(f"--embedder: expected NAME=FILE, got {wrong[0]!r}")
    arguments.embedders = {name: file for name, _, file in pairs}
    if taken := sorted({BOXES_ALONE, *FEATURES} & arguments.embedders.keys()):
        parser.error(f"--embedder: expected another name than {taken[0]}")
    return arguments


def main() -> int:
    """Do what is missing, print the tables, keep them with `--json`."""
    arguments = _arguments()
    bench = Bench(arguments.work, arguments.detector, arguments.embedders)
    started, missing = time.monotonic(), 0
    prepared = bench.prepare()
    answers: dict[Cell, Mapping[str, Any]] = {}
    for cell in _cells(bench, arguments.trackers):
        minutes = (time.monotonic() - started) / 60
        if arguments.budget_minutes is not None and minutes > arguments.budget_minutes:
            missing += 1
            continue
        answers[cell] = bench.run(cell)
        print(f"{cell.name}: HOTA {100 * answers[cell]['scores']['all']['HOTA']:.2f}", flush=True)
    tables = {
        "appearance": appearance_table(answers, ESTIMATED),
        "camera": camera_table(answers),
        "cost": {
            "columns": ["ms a frame, on top of finding the boxes", "ms"],
            "rows": [[name, f"{took:.1f}"] for name, took in prepared["ms"].items()],
        },
    }
    for table in tables.values():
        print("\n" + "\n".join("  ".join(row) for row in [table["columns"], *table["rows"]]))
    if missing:
        print(f"\n{missing} runs were not begun for lack of time")
    if arguments.json:
        tree = {
            "kind": "table", "date": date.today().isoformat(), "machine": platform.machine(),
            "detections_sha256": prepared["sha256"], "tables": tables,
        }  # fmt: skip
        with atomic_file(arguments.json) as temporary:
            temporary.write_text(json.dumps(tree, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
