"""Time detectors against their peers, side by side in one run; ratios count, not milliseconds.

Four parts: the network alone, the whole way from pictures to boxes, the same with a mask branch in
the file, and `faimtrack track` beside its detector alone. Before the clock starts, contestants
must have found the same. On one thread the clock is processor time, else the wall's, and a round
in which other processes were busy is done again. Nothing is asserted.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import torch
from detector_contestants import (
    OURS,
    Contestant,
    Running,
    ScenarioFiles,
    branch_contestants,
    detection_difference,
    network_contestants,
    path_contestants,
    row_difference,
)
from detector_scenarios import DetectorScenario, detector_scenario, tracked_source
from detector_tracking import TrackingScenario, Worker

from faimtrack.detectors.yolox.config import YoloxConfig

FORMAT_VERSION = 1
PARTS = ("network", "path", "branch", "tracking")
FRAMES = {"nano": 12, "tiny": 12, "s": 4, "m": 3, "l": 2, "x": 2}
SAME_BOXES_PX, SAME_SCORES = 0.05, 1e-4
_STATISTICS = Path("/proc/stat")


class OtherProcesses:
    """How busy the machine was with others' work; unknown on systems without /proc/stat."""

    def __init__(self) -> None:
        self._started, self._busy = time.perf_counter(), self._machine_seconds()

    @staticmethod
    def _machine_seconds() -> float | None:
        if not _STATISTICS.is_file():
            return None
        ticks = list(map(int, _STATISTICS.read_text().splitlines()[0].split()[1:9]))
        return (sum(ticks) - ticks[3] - ticks[4]) / os.sysconf("SC_CLK_TCK")  # less idle, waiting

    def share(self, own_seconds: float) -> float | None:
        """Their share of all cores since the beginning.

        Args:
            own_seconds: Processor time of this benchmark meanwhile.
        """
        busy = self._machine_seconds()
        if busy is None or self._busy is None:
            return None
        all_seconds = (time.perf_counter() - self._started) * (os.cpu_count() or 1)
        return max(0.0, (busy - self._busy - own_seconds) / all_seconds)


@dataclass
class Patience:
    """When to do a round again.

    Attributes:
        share: Others' share of the machine from which on a round counts as disturbed.
        seconds: How long, over the whole run, disturbed rounds are done again; then they count.
    """

    share: float
    seconds: float

    def gives_in(self, others: float | None, seconds: float) -> bool:
        """Whether a round that took `seconds` counts, for all that others did meanwhile."""
        if others is None or others <= self.share or self.seconds <= 0:
            return True
        self.seconds -= seconds
        return False


@dataclass
class Timing:
    """What one contestant took, milliseconds a picture in each round."""

    contestant: str
    version: str
    clock: str
    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    others: list[float | None] = field(default_factory=list)

    @property
    def rounds_ms(self) -> list[float]:
        """By the clock that counts."""
        return self.wall_ms if self.clock == "wall" else self.cpu_ms

    def ratios(self, other: Timing) -> list[float]:
        """Its time as a multiple of another one's in the same round."""
        return [mine / its for mine, its in zip(self.rounds_ms, other.rounds_ms, strict=True)]


def time_contestants(
    contestants: Sequence[Contestant],
    pictures: int,
    rounds: int,
    patience: Patience,
    *,
    clock: str,
) -> list[Timing]:
    """Alternating rounds; who begins changes from round to round."""
    timings = {each.name: Timing(each.name, each.version, clock) for each in contestants}
    done = 0
    while done < rounds:
        shift = done % len(contestants)
        measured: dict[str, tuple[float, float, float | None]] = {}
        started = time.perf_counter()
        for each in (*contestants[shift:], *contestants[:shift]):
            each.run()  # what ran before leaves caches and memory as it needs them
            measured[each.name] = _measure(each.run)
        known = [others for _, _, others in measured.values() if others is not None]
        worst = max(known, default=None) if clock == "wall" else None
        if not patience.gives_in(worst, time.perf_counter() - started):
            continue
        for name, (wall, cpu, others) in measured.items():
            timings[name].wall_ms.append(1000 * wall / pictures)
            timings[name].cpu_ms.append(1000 * cpu / pictures)
            timings[name].others.append(others)
        done += 1
    return list(timings.values())


def _measure(run: Callable[[], object]) -> tuple[float, float, float | None]:
    """Wall time and processor time in seconds, and others' share of the machine."""
    others = OtherProcesses()
    busy, started = time.process_time(), time.perf_counter()
    run()
    wall, cpu = time.perf_counter() - started, time.process_time() - busy
    return wall, cpu, others.share(cpu)


def compare(
    contestants: Sequence[Contestant], difference: Callable[[Any, Any], tuple[float, float]]
) -> dict[str, tuple[float, float]]:
    """By how much each found something else than ours: boxes in pixels, and scores."""
    (ours,) = (each for each in contestants if each.name == OURS)
    expected = ours.run()
    return {each.name: difference(each.run(), expected) for each in contestants}


def time_networks(
    scenario: DetectorScenario, files: ScenarioFiles, arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """The parts `network`, `path` and `branch` of one scenario, in all ways of running it."""
    ways = {
        "network": (network_contestants, row_difference),
        "path": (path_contestants, detection_difference),
        "branch": (branch_contestants, detection_difference),
    }
    runs = product(arguments.threads, arguments.precisions, arguments.batch_sizes)
    for threads, precision, batch_size in runs:
        torch.set_num_threads(threads)
        cv2.setNumThreads(threads)
        config = YoloxConfig(device=arguments.device, precision=precision, batch_size=batch_size)
        running = Running(config=config, threads=threads, compiled=arguments.compile)
        for part in (each for each in ways if each in arguments.parts):
            make, difference = ways[part]
            contestants = list(make(scenario, running, files))
            differences = compare(contestants, difference)
            pictures = len(scenario.images) // batch_size * batch_size
            clock = "processor" if threads == 1 and arguments.device == "cpu" else "wall"
            timings = time_contestants(
                contestants, pictures, arguments.rounds, arguments.patience, clock=clock
            )
            result = {
                "part": part,
                "scenario": scenario.name,
                "device": arguments.device,
                "precision": precision,
                "batch_size": batch_size,
                "threads": threads,
                "clock": clock,
                "timings": [_timing_as_json(each, timings, differences) for each in timings],
            }
            print_timings(result)
            yield result


def _timing_as_json(
    timing: Timing, timings: Iterable[Timing], differences: dict[str, tuple[float, float]]
) -> dict[str, Any]:
    (ours,) = (each for each in timings if each.contestant == OURS)
    boxes, scores = differences[timing.contestant]
    ratios = timing.ratios(ours)
    return {
        "contestant": timing.contestant,
        "version": timing.version,
        "differs_px": float(f"{boxes:.2g}"),
        "differs_score": float(f"{scores:.2g}"),
        "rounds_ms": _rounded(timing.rounds_ms),
        "rounds_wall_ms": _rounded(timing.wall_ms),
        "rounds_cpu_ms": _rounded(timing.cpu_ms),
        "rounds_others": [None if each is None else round(each, 3) for each in timing.others],
        "median_ms": round(statistics.median(timing.rounds_ms), 3),
        "median_ratio": round(statistics.median(ratios), 3),
        "least_ratio": round(min(ratios), 3),
        "greatest_ratio": round(max(ratios), 3),
    }


def _rounded(values: Iterable[float]) -> list[float]:
    return [round(value, 3) for value in values]


def print_timings(result: dict[str, Any]) -> None:
    """One table: milliseconds a picture, and their ratio to faimtrack's in its round."""
    print(
        f"\n{result['part']}: {result['scenario']}, {result['device']}, {result['precision']} "
        f"precision, batches of {result['batch_size']}, {result['threads']} threads, "
        f"{result['clock']} time"
    )
    print(f"  {'contestant':<30}{'ms':>9}{'times ours':>12}{'range':>16}{'others':>8}  differs by")
    for row in result["timings"]:
        others = [each for each in row["rounds_others"] if each is not None]
        busy = f"{statistics.median(others):.0%}" if others else "-"
        spread = f"{row['least_ratio']:.2f} to {row['greatest_ratio']:.2f}"
        is_same = row["differs_px"] <= SAME_BOXES_PX and row["differs_score"] <= SAME_SCORES
        print(
            f"  {row['contestant']:<30}{row['median_ms']:>9.2f}{row['median_ratio']:>12.3f}"
            f"{spread:>16}{busy:>8}  {row['differs_px']:g} px, {row['differs_score']:g}"
            f"{'' if is_same else '  NOT THE SAME'}"
        )


def time_tracking(scenario: TrackingScenario, rounds: int, patience: Patience) -> dict[str, Any]:
    """`track` beside its detector alone, in alternating rounds; the first one is not kept."""
    workers = {"alone": Worker("alone", scenario), "track": Worker("track", scenario)}
    for worker in workers.values():
        worker.measure()
    kept: list[dict[str, Any]] = []
    while len(kept) < rounds:
        measured: dict[str, Any] = {}
        started = time.perf_counter()
        for name in sorted(workers, reverse=len(kept) % 2 == 1):
            others = OtherProcesses()
            measured[name] = workers[name].measure()
            measured[name]["others"] = others.share(measured[name].pop("cpu_seconds"))
        known = [each["others"] for each in measured.values() if each["others"] is not None]
        if patience.gives_in(max(known, default=None), time.perf_counter() - started):
            kept.append(measured)
    for worker in workers.values():
        worker.close()
    result = {"part": "tracking", "scenario": scenario.name, "cores": os.cpu_count() or 1}
    return result | _tracking_as_json(kept, result["cores"])


def _tracking_as_json(kept: Sequence[dict[str, Any]], cores: int) -> dict[str, Any]:
    """Medians over the rounds, and the ratios that count."""

    def median(*path: str) -> float:
        values = []
        for measured in kept:
            value: Any = measured
            for key in path:
                value = value[key]
            values.append(value)
        return round(statistics.median(values), 2)

    speeds = [each["alone"]["wall_ms"] / each["track"]["wall_ms"] for each in kept]
    bounds = [
        each["track"]["wall_ms"] / max(each["alone"]["wall_ms"], each["track"]["cpu_ms"] / cores)
        for each in kept
    ]
    others = [each[name]["others"] for each in kept for name in each]
    stages = kept[0]["track"]["stage_ms"]
    return {
        "frames": kept[0]["track"]["frames"],
        "alone_ms": median("alone", "wall_ms"),
        "alone_cpu_ms": median("alone", "cpu_ms"),
        "track_ms": median("track", "wall_ms"),
        "track_cpu_ms": median("track", "cpu_ms"),
        "stage_ms": {stage: median("track", "stage_ms", stage) for stage in stages},
        "stage_cpu_ms": {stage: median("track", "stage_cpu_ms", stage) for stage in stages},
        "rounds_alone_ms": _rounded(each["alone"]["wall_ms"] for each in kept),
        "rounds_track_ms": _rounded(each["track"]["wall_ms"] for each in kept),
        "rounds_track_cpu_ms": _rounded(each["track"]["cpu_ms"] for each in kept),
        "rounds_others": [None if each is None else round(each, 3) for each in others],
        "speed_ratio": _spread(speeds),
        "bound_ratio": _spread(bounds),
    }


def _spread(values: Sequence[float]) -> list[float]:
    """Median, least and greatest."""
    return _rounded([statistics.median(values), min(values), max(values)])


def print_tracking(result: dict[str, Any]) -> None:
    """What `track` took beside its detector alone, stage by stage."""
    print(f"\ntrack: {result['scenario']}, {result['frames']} frames, {result['cores']} cores")
    alone, track = result["alone_ms"], result["track_ms"]
    print(f"  detector alone {alone:.2f} ms a frame ({result['alone_cpu_ms']:.2f} processor)")
    print(f"  track          {track:.2f} ms a frame ({result['track_cpu_ms']:.2f} processor)")
    for stage, wall in result["stage_ms"].items():
        print(
            f"    {stage:<12} {wall:7.2f} ms, {result['stage_cpu_ms'][stage]:7.2f} of its thread"
        )
    named = {
        "frames/s of track / of the detector alone": result["speed_ratio"],
        "wall / max(detector alone, processor time / cores)": result["bound_ratio"],
    }
    for name, (middle, least, greatest) in named.items():
        print(f"  {name}: {middle:.3f} ({least:.3f} to {greatest:.3f})")
    known = [f"{each:.0%}" for each in result["rounds_others"] if each is not None]
    print(f"  others' share of the machine: {' '.join(known) or 'unknown'}")


def _machine(device: str) -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.is_file():
        names = [row for row in cpu.read_text().splitlines() if row.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": model,
        "cores": os.cpu_count(),
        "gpu": torch.cuda.get_device_name() if device == "cuda" else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def _arguments() -> argparse.Namespace:
    cores = os.cpu_count() or 1
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--sizes", nargs="+", choices=FRAMES, default=["nano", "s"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precisions", nargs="+", choices=("full", "half"), default=["full"])
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=[1])
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, cores}))
    parser.add_argument("--compile", action="store_true", help="also a compiled network of ours")
    parser.add_argument("--frames", type=int, help="pictures a round; unset: fewer of large ones")
    parser.add_argument("--rounds", type=int, default=7, help="alternating repeats")
    parser.add_argument("--tracking-rounds", type=int, default=5)
    parser.add_argument("--quiet", type=float, default=0.05, metavar="SHARE",
                        help="others' share of the machine that disturbs a round")  # fmt: skip
    parser.add_argument("--patience", type=float, default=0.0, metavar="SECONDS",
                        help="how long disturbed rounds are done again")  # fmt: skip
    parser.add_argument("--json", type=Path, help="store the results here")
    arguments = parser.parse_args()
    arguments.patience = Patience(arguments.quiet, arguments.patience)
    return arguments


def _scenarios(arguments: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    source, source_name = tracked_source(folder, 100)
    for size in arguments.sizes:
        scenario = detector_scenario(size, arguments.frames or FRAMES[size])
        files = ScenarioFiles.write(scenario, folder)
        print(f"\n{scenario.name}: {scenario.weights} weights, {len(scenario.images)} pictures "
              f"of {scenario.pictures}")  # fmt: skip
        yield from time_networks(scenario, files, arguments)
        if "tracking" not in arguments.parts:
            continue
        torch.set_num_threads(os.cpu_count() or 1)
        for kind, path in (("torch", files.weights), ("onnxruntime", files.export)):
            tracking = TrackingScenario(
                name=f"{scenario.name}, {kind}",
                weights=path,
                source=source,
                overrides=(f"detector.device={arguments.device}",),
            )
            result = time_tracking(tracking, arguments.tracking_rounds, arguments.patience)
            result["source"] = source_name
            print_tracking(result)
            yield result


def main() -> None:
    """Measure, print and store."""
    arguments = _arguments()
    machine = _machine(arguments.device)
    print(", ".join(f"{key} {value}" for key, value in machine.items() if value is not None))
    with tempfile.TemporaryDirectory() as folder:
        results = list(_scenarios(arguments, Path(folder)))
    if arguments.json:
        content = {
            "format_version": FORMAT_VERSION,
            "machine": machine,
            "kind": "detector-speed",
            "rounds": arguments.rounds,
            "results": results,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
