"""The work of `faimtrack track` and its detector alone, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from faimtrack.cli.main import limit_spinning
from faimtrack.pipeline import plan_tasks
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.tracking import track_sequence
from faimtrack.recipes import Recipe, resolve_recipe
from faimtrack.video import open_source

Work = Literal["alone", "track"]


@dataclass(frozen=True, kw_only=True)
class TrackingScenario:
    """A detector and what it looks at.

    Attributes:
        name: Shown in tables.
        weights: The detector's file.
        source: A video, or a folder of images.
        overrides: Settings, as after `--set`.
    """

    name: str
    weights: Path
    source: str
    overrides: tuple[str, ...] = ()

    def recipe(self) -> Recipe:
        """What the command makes of its arguments."""
        return resolve_recipe(detector=str(self.weights), overrides=self.overrides)


class Worker:
    """A process that does one kind of work on one scenario when it is asked to, else nothing."""

    def __init__(self, work: Work, scenario: TrackingScenario) -> None:
        limit_spinning()  # for the process to come, as the command does
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, work, scenario))
        self._process.start()
        theirs.close()

    def measure(self) -> dict[str, Any]:
        """Do the work once; wall and processor time in milliseconds a frame."""
        self._connection.send(True)
        answer: dict[str, Any] = self._connection.recv()
        return answer

    def close(self) -> None:
        """Let the process end."""
        self._connection.send(False)
        self._process.join()


def _serve(connection: Connection, work: Work, scenario: TrackingScenario) -> None:
    doing = (_Alone if work == "alone" else _Tracking)(scenario)
    while connection.recv():
        connection.send(doing.measure())


class _Alone:
    """The detector on frames that are decoded already, handed over as the pipeline does it."""

    def __init__(self, scenario: TrackingScenario) -> None:
        recipe = scenario.recipe()
        classes = recipe.settings.classes
        self._detector = NetworkLoader().load(scenario.weights, recipe.detector, classes)
        with open_source(scenario.source) as source:
            self._info = source.info
            self._frames = list(source)
            for frame in self._frames:
                _ = frame.image

    def measure(self) -> dict[str, Any]:
        started, busy = time.perf_counter(), time.process_time()
        session = self._detector.open(self._info)
        for frame in self._frames:
            session.push([frame])
        session.finish()
        milliseconds = 1000 / len(self._frames)
        return {
            "frames": len(self._frames),
            "wall_ms": (time.perf_counter() - started) * milliseconds,
            "cpu_ms": (time.process_time() - busy) * milliseconds,
            "cpu_seconds": time.process_time() - busy,
        }


class _Tracking:
    """What the command does for one sequence, without a video to write."""

    def __init__(self, scenario: TrackingScenario) -> None:
        self._scenario = scenario
        self._recipe = scenario.recipe()
        self._loader = NetworkLoader()

    def measure(self) -> dict[str, Any]:
        busy = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            (task,) = plan_tasks(
                [self._scenario.source],
                self._recipe,
                Path(folder),
                weights=self._scenario.weights,
            )
            summary = track_sequence(task, lambda done, count: None, self._loader).summary
        assert summary is not None
        milliseconds = 1000 / summary.frames
        return {
            "frames": summary.frames,
            "wall_ms": summary.seconds * milliseconds,
            "cpu_ms": summary.cpu_seconds * milliseconds,
            "cpu_seconds": time.process_time() - busy,
            "stage_ms": {k: v * milliseconds for k, v in summary.stage_seconds.items()},
            "stage_cpu_ms": {k: v * milliseconds for k, v in summary.stage_cpu_seconds.items()},
        }
