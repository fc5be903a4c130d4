"""Measure camera motion on rendered crowds: how fast each method is, and how far off.

Speed is wall and processor time a frame of 1920x1080 from its RGB pixels on, greying and scaling
included, the detector's boxes given, in rounds that alternate. `bot-sort` has the settings of
BoT-SORT's sparse optical flow, written anew; `--authors-path` adds the authors' own `gmc.py` as
it is. A cell of the accuracy table is how far a point of the picture is moved wrongly: the mean
over a grid of points, then the median over all frames.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib.util
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from render_tables import markdown

from faimtrack.boxes import Boxes
from faimtrack.camera_motion import CameraMotionConfig, create_camera_motion
from faimtrack.datasets.crowd import (
    CrowdConfig,
    Renderer,
    detection_table,
    ground_truth_table,
    simulate_crowd,
)
from faimtrack.structures import AffineTransform, Frame, Image

METHODS = {
    "sparse-flow": CameraMotionConfig(method="sparse-flow"),
    "sparse-flow, affine": CameraMotionConfig(method="sparse-flow", affine=True),
    "orb": CameraMotionConfig(method="orb"),
    "ecc": CameraMotionConfig(method="ecc"),
    "ecc, affine": CameraMotionConfig(method="ecc", affine=True),
}
SCENES = {
    "640x360, 42 people": {"width": 640, "height": 360},
    "640x360, 6 frames/s": {"width": 640, "height": 360, "frame_rate": 6},
    "960x540, 200 people": {"width": 960, "height": 540, "density": "dense"},
    "1920x1080, 42 people": {"width": 1920, "height": 1080},
}
SEEDS = (901, 902, 903, 904)
GRID = 9
LEAST_SCORE = 0.5


@dataclasses.dataclass(frozen=True)
class Clip:
    """A rendered crowd: pictures, the camera's true motion, boxes of people and detections."""

    images: list[Image]
    truth: list[AffineTransform]
    boxes: dict[str, list[Boxes]]


def render_clip(config: CrowdConfig) -> Clip:
    """All frames of one crowd."""
    crowd = simulate_crowd(config)
    renderer = Renderer(crowd)
    indices = range(1, config.frames + 1)
    unit = 10**10
    truth = [
        np.array([[zoom, 0, x], [0, zoom, y]]) / unit for zoom, x, y in crowd.camera.steps(10)
    ]
    people, found = ground_truth_table(crowd), detection_table(crowd)
    found = found.select(found.confidences >= LEAST_SCORE)
    boxes = {
        name: [table.boxes[table.rows_of(index)] for index in indices]
        for name, table in (("truth", people), ("detections", found))
    }
    boxes["none"] = [np.zeros((0, 4))] * config.frames
    return Clip([renderer.render(index).image for index in indices], truth, boxes)


def displacement_px(
    motion: AffineTransform, truth: AffineTransform, size: tuple[int, int]
) -> float:
    """How far apart two motions put a point of the frame, in the mean over a grid."""
    across, down = np.meshgrid(np.linspace(0, size[0], GRID), np.linspace(0, size[1], GRID))
    points = np.stack([across.ravel(), down.ravel(), np.ones(across.size)])
    return float(np.linalg.norm((motion - truth) @ points, axis=0).mean())


def run_method(
    config: CameraMotionConfig, images: Sequence[Image], boxes: Sequence[Boxes]
) -> list[AffineTransform]:
    """The motion of all frames."""
    method = create_camera_motion(config)
    return [
        method.estimate(Frame(index, image=image), of_frame)
        for index, (image, of_frame) in enumerate(zip(images, boxes, strict=True), 1)
    ]


def run_bot_sort(images: Sequence[Image], boxes: Sequence[Boxes]) -> None:
    """Sparse optical flow with the parameters of BoT-SORT: half size, 1000 corners, no mask."""
    last: tuple[Any, Any] | None = None
    for image in images:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2))
        corners = cv2.goodFeaturesToTrack(
            grey, 1000, 0.01, 1, blockSize=3, useHarrisDetector=False, k=0.04
        )
        if last is not None:
            went, found, _ = cv2.calcOpticalFlowPyrLK(last[0], grey, last[1], None)
            kept = found.ravel() == 1
            cv2.estimateAffinePartial2D(last[1][kept], went[kept], method=cv2.RANSAC)
        last = grey, corners


def run_authors(gmc: Any, images: Sequence[Image], boxes: Sequence[Boxes]) -> None:
    """The authors' own, at their settings."""
    method = gmc.GMC(method="sparseOptFlow", downscale=2)
    for image in images:
        method.apply(image)


def load_authors(path: Path) -> Any:
    """The module `gmc.py` of BoT-SORT."""
    spec = importlib.util.spec_from_file_location("gmc", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path}: expected a Python module")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measure_speed(frames: int, rounds: int, authors: Path | None) -> dict[str, Any]:
    """Median milliseconds a frame of each method, and their ratio to BoT-SORT's settings."""
    config = CrowdConfig(seed=SEEDS[0], frames=frames, width=1920, height=1080, camera="moving")
    clip = render_clip(config)
    contestants: dict[str, Callable[..., Any]] = {
        name: functools.partial(run_method, method) for name, method in METHODS.items()
    }
    contestants["bot-sort"] = run_bot_sort
    if authors is not None:
        contestants["bot-sort, the authors' own"] = functools.partial(
            run_authors, load_authors(authors)
        )
    boxes = clip.boxes["detections"]
    times: dict[str, list[float]] = {name: [] for name in contestants}
    busy: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            start, busy_start = time.perf_counter(), time.process_time()
            run(clip.images, boxes)
            if turn:  # the first round warms up
                times[name].append(1000 * (time.perf_counter() - start) / frames)
                busy[name].append(1000 * (time.process_time() - busy_start) / frames)
    rows = [
        [
            name,
            f"{statistics.median(times[name]):.2f} ({min(times[name]):.2f})",
            f"{statistics.median(busy[name]):.2f}",
            _ratio(times[name], times["bot-sort"]),
            _ratio(busy[name], busy["bot-sort"]),
        ]
        for name in contestants
    ]
    columns = [
        "1920x1080", "ms a frame (least)", "processor ms", "time / bot-sort's settings",
        "processor time / theirs",
    ]  # fmt: skip
    return {"kind": "table", "columns": columns, "rows": rows}


def _ratio(own: list[float], theirs: list[float]) -> str:
    """Of the same rounds: median, least and greatest."""
    ratios = [one / other for one, other in zip(own, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def measure_accuracy(frames: int) -> dict[str, Any]:
    """Median displacement of each method in each scene, over all seeds."""
    errors: dict[tuple[str, str, str], list[float]] = {}
    moved: dict[str, list[float]] = {}
    for scene, values in SCENES.items():
        size = values["width"], values["height"]
        for seed in SEEDS:
            clip = render_clip(CrowdConfig(seed=seed, frames=frames, camera="moving", **values))
            moved.setdefault(scene, []).extend(
                displacement_px(np.eye(2, 3), truth, size) for truth in clip.truth[1:]
            )
            for name, config in METHODS.items():
                for kind, boxes in clip.boxes.items():
                    motions = run_method(config, clip.images, boxes)
                    errors.setdefault((name, kind, scene), []).extend(
                        displacement_px(motion, truth, size)
                        for motion, truth in zip(motions[1:], clip.truth[1:], strict=True)
                    )
    rows = [["none (the motion itself)", "–", *(_cell(moved[scene]) for scene in SCENES)]]
    for name in METHODS:
        for kind in ("truth", "detections", "none"):
            rows.append([name, kind, *(_cell(errors[name, kind, scene]) for scene in SCENES)])
    columns = ["pixels off", "boxes left out", *SCENES]
    return {"kind": "table", "columns": columns, "rows": rows}


def _cell(values: NDArray[np.float64] | list[float]) -> str:
    return f"{np.median(values):.2f} ({np.quantile(values, 0.95):.2f})"


def main() -> None:
    """Print a table for each part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--parts", nargs="+", choices=("speed", "accuracy"), default=("speed", "accuracy")
    )
    parser.add_argument("--frames", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--authors-path", type=Path, help="tracker/gmc.py of BoT-SORT")
    parser.add_argument("--output", type=Path, help="folder for camera-motion-*.json")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    for part in arguments.parts:
        if part == "speed":
            table = measure_speed(arguments.frames, arguments.rounds, arguments.authors_path)
        else:
            table = measure_accuracy(arguments.frames)
        print(markdown(table["columns"], table["rows"]))
        if arguments.output is not None:
            (arguments.output / f"camera-motion-{part}.json").write_text(
                json.dumps(table, indent=1) + "\n", encoding="utf-8", newline="\n"
            )


if __name__ == "__main__":
    main()
