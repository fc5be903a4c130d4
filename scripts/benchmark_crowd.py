"""Measure how fast crowds are made: text alone, and pictures with masks and JPEG files.

Prints medians of alternating repeats. `--threads` sets what OpenCV and the writer may use.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path

import cv2
from render_tables import markdown

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd


def seconds_for(config: CrowdConfig, images: bool, threads: int) -> tuple[float, float]:
    """Time and processor time of making one sequence from nothing to the folder on disk."""
    with tempfile.TemporaryDirectory() as folder:
        start, busy = time.perf_counter(), time.process_time()
        write_crowd(
            simulate_crowd(config),
            Path(folder) / "crowd",
            images=images,
            masks=images,
            workers=threads,
        )
        return time.perf_counter() - start, time.process_time() - busy


def main() -> None:
    """Print one line a scene."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="JSON file that the documentation shows")
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    scenes = {
        "640x360, 50 people": {"width": 640, "height": 360, "people": 50},
        "640x360, 50 people, moving": {
            "width": 640, "height": 360, "people": 50, "camera": "moving",
        },
        "960x540, 200 people": {"width": 960, "height": 540, "density": "dense"},
        "1920x1080, 42 people": {"width": 1920, "height": 1080},
    }  # fmt: skip
    times: dict[tuple[str, bool], list[tuple[float, float]]] = {}
    for _ in range(arguments.repeats):
        for name, values in scenes.items():
            config = CrowdConfig(frames=arguments.frames, **values)
            for images in (False, True):
                taken = seconds_for(config, images, arguments.threads)
                times.setdefault((name, images), []).append(taken)
    columns = ["scene", "text alone, frames/s", "all, frames/s", "all, processor ms a frame"]
    rows = []
    for name in scenes:
        text, everything = (
            [statistics.median(column) for column in zip(*times[name, images], strict=True)]
            for images in (False, True)
        )
        rows.append(
            [
                name,
                f"{arguments.frames / text[0]:.0f}",
                f"{arguments.frames / everything[0]:.1f}",
                f"{1000 * everything[1] / arguments.frames:.1f}",
            ]
        )
    print(f"{os.cpu_count()} cores, {arguments.threads} threads, {arguments.frames} frames")
    print(markdown(columns, rows))
    if arguments.output is not None:
        content = {"kind": "table", "columns": columns, "rows": rows}
        arguments.output.write_text(
            json.dumps(content, indent=1) + "\n", encoding="utf-8", newline="\n"
        )


if __name__ == "__main__":
    main()
