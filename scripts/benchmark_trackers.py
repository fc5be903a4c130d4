"""Time trackers against their peers, side by side in one run; ratios count, not milliseconds.

Every contestant lives in a process and a thread of its own and is fed the same arrays; the rounds
alternate. Peers are timed if they are installed beside faimtrack; nothing is asserted.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker_contestants import CONTESTANTS, find_contestant
from tracker_scenarios import CROWD_SIZES, Scenario, crowd_scenario, mot20_scenario

FORMAT_VERSION = 1
OURS = "faimtrack"
THREADED_LIBRARIES = ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB_MAXIMUM")
TRACKERS = ("bytetrack", "ocsort", "sort", "botsort", "deepocsort")


class Process:
    """A contestant's process, which waits without work while others are timed."""

    def __init__(self, name: str, authors_path: str | None) -> None:
        self.name = name
        command = [sys.executable, str(Path(__file__).with_name("tracker_contestants.py")), name]
        if authors_path:
            command += ["--authors-path", authors_path]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {f"{library}_NUM_THREADS": "1" for library in THREADED_LIBRARIES},
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        return json.loads(line) if line else {"absent": "its process ended"}

    def close(self) -> None:
        """Let the process end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


@dataclass
class Timing:
    """What one contestant took for one tracker on one scenario."""

    tracker: str
    scenario: str
    contestant: str
    version: str
    answers_a_frame: float = 0.0
    rounds_ms: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """With medians, rounded to what a clock can tell."""
        return {
            "tracker": self.tracker,
            "scenario": self.scenario,
            "contestant": self.contestant,
            "version": self.version,
            "answers_a_frame": round(self.answers_a_frame, 1),
            "rounds_ms": [round(value, 4) for value in self.rounds_ms],
            "rounds_wall_ms": [round(value, 4) for value in self.wall_ms],
            "median_ms": round(statistics.median(self.rounds_ms), 4),
            "median_ratio": round(statistics.median(self.ratios), 3) if self.ratios else None,
            "least_ratio": round(min(self.ratios), 3) if self.ratios else None,
            "greatest_ratio": round(max(self.ratios), 3) if self.ratios else None,
        }


def time_scenario(
    processes: Sequence[Process], tracker: str, scenario: Scenario, rounds: int, skip: int
) -> list[Timing]:
    """Alternating rounds of all contestants that have the tracker; the first round is not kept."""
    timings: dict[str, Timing] = {}
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "frames.npz"
        scenario.save(arrays)
        for number in range(rounds + 1):
            answers = {}
            for process in processes:
                answer = process.ask(
                    tracker=tracker, arrays=str(arrays), crowded=scenario.crowded, skip=skip
                )
                if "absent" in answer:
                    print(f"{tracker} on {scenario.name}: {process.name}: {answer['absent']}")
                else:
                    answers[process.name] = answer
            if number == 0:
                continue  # caches and lazy imports
            for name, answer in answers.items():
                timing = timings.setdefault(
                    name, Timing(tracker, scenario.name, name, answer["version"])
                )
                timing.rounds_ms.append(answer["ms"])
                timing.wall_ms.append(answer["wall_ms"])
                timing.answers_a_frame = answer["answers"]
                if OURS in answers:
                    timing.ratios.append(answer["ms"] / answers[OURS]["ms"])
    return list(timings.values())


def print_timings(scenario: Scenario, tracker: str, timings: Sequence[Timing]) -> None:
    """One table: milliseconds of processor time, and their ratio to faimtrack's in its round."""
    print(f"\n{tracker} on {scenario.name} ({scenario.mean_detections:.1f} detections a frame)")
    heads = f"{'contestant':<20}{'version':<12}{'ms/frame':>9}{'times ours':>12}{'range':>16}"
    print(f"  {heads}  rounds")
    for timing in timings:
        row = timing.as_json()
        rounds = " ".join(f"{value:.3f}" for value in timing.rounds_ms)
        ratio, spread = "-", "-"
        if timing.ratios:
            ratio = f"{row['median_ratio']:.2f}"
            spread = f"{row['least_ratio']:.2f} to {row['greatest_ratio']:.2f}"
        print(
            f"  {timing.contestant:<20}{timing.version:<12}{row['median_ms']:>9.3f}{ratio:>12}"
            f"{spread:>16}  {rounds}"
        )


def measure_memory(tracker: str, frame_count: int, people: int) -> dict[str, Any]:
    """Python memory that a tracker of ours holds after each tenth of a long run, in bytes.

    The crowd's frames are shown forwards and backwards again and again, so that tracks are lost,
    found and ended all the time.
    """
    contestant = find_contestant(OURS, tracker, None)
    frames = [contestant.prepare(rows) for rows in crowd_scenario(people, 120).frames]
    cycle = frames + frames[::-1]
    made = contestant.make(False)
    held = []
    tracemalloc.start()
    for number in range(1, frame_count + 1):
        contestant.update(made, cycle[number % len(cycle)])
        if number % (frame_count // 10) == 0:
            gc.collect()
            held.append(tracemalloc.get_traced_memory()[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return {
        "tracker": tracker,
        "frames": frame_count,
        "people": people,
        "held_bytes": held,
        "grown_bytes": held[-1] - held[0],
        "peak_bytes": peak,
    }


def _machine() -> dict[str, Any]:
    import numpy
    import scipy

    model = platform.processor() or platform.machine()
    cpu = Path("/proc/cpuinfo")
    if cpu.is_file():
        names = [row for row in cpu.read_text().splitlines() if row.startswith("model name")]
        model = names[0].partition(":")[2].strip() if names else model
    return {
        "cpu": model,
        "system": platform.system(),
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trackers", nargs="+", choices=TRACKERS, default=list(TRACKERS))
    parser.add_argument("--contestants", nargs="+", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--sizes", nargs="*", type=int, default=list(CROWD_SIZES))
    parser.add_argument("--no-mot20", action="store_true", help="leave out MOT20-01")
    parser.add_argument("--frames", type=int, default=120, help="frames of each crowd")
    parser.add_argument("--skip", type=int, default=20, help="first frames that are not counted")
    parser.add_argument("--rounds", type=int, default=5, help="alternating repeats")
    parser.add_argument("--authors-path", help="a checkout of the ByteTrack repository")
    parser.add_argument("--memory", type=int, metavar="FRAMES", help="measure memory instead")
    parser.add_argument("--json", type=Path, help="store the results here")
    return parser.parse_args()


def _time_all(arguments: argparse.Namespace) -> dict[str, Any]:
    scenarios = [crowd_scenario(size, arguments.frames) for size in arguments.sizes]
    if not arguments.no_mot20:
        found = mot20_scenario()
        scenarios += [found] if found else []
    processes = [Process(name, arguments.authors_path) for name in arguments.contestants]
    timings: list[Timing] = []
    for tracker in arguments.trackers:
        ready = []
        for process in processes:
            answer = process.ask(tracker=tracker)
            if "absent" in answer:
                print(f"{tracker}: without {process.name}: {answer['absent']}")
            else:
                ready.append(process)
        for scenario in scenarios:
            found_timings = time_scenario(
                ready, tracker, scenario, arguments.rounds, arguments.skip
            )
            print_timings(scenario, tracker, found_timings)
            timings += found_timings
    for process in processes:
        process.close()
    described = [
        {
            "name": scenario.name,
            "frames": len(scenario.frames),
            "mean_detections": round(scenario.mean_detections, 1),
            "sha256": scenario.digest,
        }
        for scenario in scenarios
    ]
    timed = [timing.as_json() for timing in timings]
    return {"kind": "tracker-speed", "scenarios": described, "timings": timed}


def main() -> None:
    """Measure, print and store."""
    arguments = _arguments()
    if arguments.memory:
        runs = []
        for tracker in arguments.trackers:
            runs.append(measure_memory(tracker, arguments.memory, 50))
            held = ", ".join(f"{value / 1024:.0f}" for value in runs[-1]["held_bytes"])
            print(f"{tracker}: {arguments.memory} frames; KiB held after each tenth: {held}")
        results: dict[str, Any] = {"kind": "tracker-memory", "memory": runs}
    else:
        results = _time_all(arguments)
        results["rounds"] = arguments.rounds
    if arguments.json:
        content = {"format_version": FORMAT_VERSION, "machine": _machine(), **results}
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
