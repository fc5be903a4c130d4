"""Time FAIM and YOLOV beside the YOLOX they stand on: milliseconds a frame for a whole clip.

Three parts: detectors of one size side by side, FAIM with ever more proposals, and a count of the
operations that patches take beside whole maps. A clip is frames in memory in, boxes out: the
network, selection, aggregation and the last suppression. Rounds alternate; on one thread of a CPU
the clock is processor time, else the wall's. Weights are random ones that find boxes.
"""

from __future__ import annotations

import argparse
import functools
import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import torch
from benchmark_detectors import _machine
from detector_scenarios import detector_scenario

from faimtrack.detectors.video.checkpoint import INPUT_SIZE, LoadedVideoYolox
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.detector import VideoDetector
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.video.patches import features_at
from faimtrack.detectors.video.selection import select_proposals
from faimtrack.detectors.yolox.checkpoint import LoadedYolox
from faimtrack.detectors.yolox.config import YoloxConfig
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.structures import Frame, Image

FORMAT_VERSION = 1
PROPOSALS = (10, 20, 30, 50, 75, 100)
TABLE_4_MS = (10.68, 10.98, 11.60, 14.17, 20.02, 30.08)
"""Milliseconds that the paper's Table 4 gives for these numbers of proposals."""
PAIRS = (
    ("FAIM", "YOLOX", "1.10", "1.23"),
    ("FAIM", "YOLOV", "1.03", "1.03"),
    ("FAIM, whole maps", "YOLOX", "", "1.23"),
    ("FAIM, whole maps", "YOLOV, whole maps", "", "1.03"),
    ("YOLOV", "YOLOX", "", "1.20"),
)
"""Whose time as a multiple of whose, at most, and the paper's by its Table 2."""


def clip_of(images: Sequence[Image], count: int) -> list[Frame]:
    """Frames that need no more scaling, forwards and backwards through the pictures."""
    side = max(INPUT_SIZE)
    scaled = []
    for image in images:
        ratio = side / max(image.shape[:2])
        size = round(image.shape[1] * ratio), round(image.shape[0] * ratio)
        scaled.append(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    round_trip = scaled + scaled[-2:0:-1]
    return [Frame(each + 1, image=round_trip[each % len(round_trip)]) for each in range(count)]


def load(base: LoadedYolox, preset: str) -> LoadedVideoYolox:
    """A YOLOX with the parts of FAIM or YOLOV, whose weights are random."""
    torch.manual_seed(0)
    network = VideoYolox(base.network, VideoNetworkConfig.preset(preset)).eval()
    return LoadedVideoYolox(network=network, base=base, left_aside=())


def video_detector(
    base: LoadedYolox, preset: str, device: str, *, method: str = "auto", proposals: int = 30
) -> VideoDetector:
    """FAIM or YOLOV on a YOLOX."""
    config = VideoDetectorConfig(device=device, proposals=proposals)
    detector = VideoDetector(load(base, preset), config)
    encode = functools.partial(detector.network.encode, method=method)
    detector.network.encode = encode  # type: ignore[method-assign]
    return detector


def time_rounds(
    contestants: Mapping[str, Callable[[], object]], frames: int, rounds: int, clock: str
) -> dict[str, list[float]]:
    """Milliseconds a frame, a round; who begins changes from round to round."""
    now = time.process_time if clock == "processor" else time.perf_counter
    found: dict[str, list[float]] = {name: [] for name in contestants}
    names = list(contestants)
    for number in range(rounds + 1):  # the first one is not kept
        shift = number % len(names)
        for name in (*names[shift:], *names[:shift]):
            started = now()
            contestants[name]()
            if number:
                found[name].append(round(1000 * (now() - started) / frames, 3))
    return found


def ratio(rounds: Mapping[str, Sequence[float]], one: str, other: str) -> tuple[float, ...]:
    """Median, least and greatest of one's time as a multiple of another's in its round."""
    found = [a / b for a, b in zip(rounds[one], rounds[other], strict=True)]
    return statistics.median(found), min(found), max(found)


def compare(
    base: LoadedYolox, clip: Sequence[Frame], arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """YOLOX, YOLOV and FAIM side by side."""
    device = arguments.device
    detectors = {
        "YOLOX": YoloxDetector(base, YoloxConfig(device=device)),
        "YOLOV": video_detector(base, "yolov", device),
        "YOLOV, whole maps": video_detector(base, "yolov", device, method="dense"),
        "FAIM": video_detector(base, "default", device),
        "FAIM, whole maps": video_detector(base, "default", device, method="dense"),
    }
    runs = {name: functools.partial(detector.detect, clip) for name, detector in detectors.items()}
    return time_rounds(runs, len(clip), arguments.rounds, arguments.clock)


def sweep(
    base: LoadedYolox, clip: Sequence[Frame], arguments: argparse.Namespace
) -> dict[str, list[float]]:
    """FAIM with ever more proposals a frame."""
    runs = {
        str(count): functools.partial(
            video_detector(base, "default", arguments.device, proposals=count).detect, clip
        )
        for count in PROPOSALS
    }
    return time_rounds(runs, len(clip), arguments.rounds, arguments.clock)


def operations(base: LoadedYolox, clip: Sequence[Frame]) -> dict[str, dict[str, int]]:
    """Multiplications of the branch and IFEM for one frame, by proposals and method."""
    network = load(base, "default").network
    image = torch.from_numpy(clip[0].image[..., ::-1].copy()).permute(2, 0, 1)[None].float()
    padding = (0, INPUT_SIZE[1] - image.shape[3], 0, INPUT_SIZE[0] - image.shape[2])
    image = torch.nn.functional.pad(image, padding, value=114.0)
    counts: dict[str, dict[str, int]] = {}
    with torch.inference_mode():
        output = network.detect(image)
        rows = output.rows()
        for count in PROPOSALS:
            chosen = select_proposals(rows, ProposalConfig(proposals=count))
            anchors = [each.anchors for each in chosen]
            video = network.video
            counts[str(count)] = {
                method: features_at(
                    output.stems, video.branch, video.extraction, anchors, method
                ).operations
                for method in ("dense", "patches", "auto")
            }
    return counts


def pair_table(results: Sequence[Mapping[str, Any]], where: str) -> dict[str, Any]:
    """Ratios, a column a size."""
    rows = []
    for name in results[0]["rounds_ms"]:
        times = [statistics.median(each["rounds_ms"][name]) for each in results]
        rows.append([f"{name}, ms a frame", *(f"{each:.1f}" for each in times), "–", "–"])
    for one, other, most, paper in PAIRS:
        found = [ratio(each["rounds_ms"], one, other) for each in results]
        cells = [f"{mid:.3f} ({low:.3f} to {high:.3f})" for mid, low, high in found]
        rows.append([f"{one} / {other}", *cells, most or "–", paper or "–"])
    columns = [where, *(each["size"] for each in results), "wanted at most", "paper"]
    return {"columns": columns, "rows": rows}


def sweep_table(result: Mapping[str, Any]) -> dict[str, Any]:
    """Times against proposals, beside the paper's Table 4."""
    medians = [statistics.median(result["rounds_ms"][str(count)]) for count in PROPOSALS]
    growth = [each / medians[0] for each in medians]
    counts = [result["operations"][str(count)] for count in PROPOSALS]
    return {
        "columns": ["proposals a frame", *map(str, PROPOSALS)],
        "rows": [
            [f"FAIM-{result['size']}, ms a frame", *(f"{each:.1f}" for each in medians)],
            ["times those of 10", *(f"{each:.2f}" for each in growth)],
            ["paper's Table 4, ms", *(f"{each:.2f}" for each in TABLE_4_MS)],
            ["times those of 10", *(f"{each / TABLE_4_MS[0]:.2f}" for each in TABLE_4_MS)],
            *(
                [label, *(f"1/{each['dense'] / each[method]:.1f}" for each in counts)]
                for label, method in (
                    ("operations, all in patches / whole maps", "patches"),
                    ("operations, as it runs / whole maps", "auto"),
                )
            ),
        ],
    }


def main() -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", default=["s"])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5, help="alternating repeats")
    parser.add_argument("--json", type=Path, help="store the results here")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    is_alone = arguments.threads == 1 and arguments.device == "cpu"
    arguments.clock = "processor" if is_alone else "wall"
    machine = _machine(arguments.device)
    results = []
    for size in arguments.sizes:
        scenario = detector_scenario(size, 12)
        base = replace(scenario.loaded, input_size=INPUT_SIZE)
        clip = clip_of(scenario.images, arguments.frames)
        result = {"size": size, "weights": scenario.weights, "pictures": scenario.pictures}
        result["rounds_ms"] = compare(base, clip, arguments)
        results.append(result)
        print(json.dumps(result), flush=True)
    scenario = detector_scenario(arguments.sizes[0], 12)
    base = replace(scenario.loaded, input_size=INPUT_SIZE)
    swept = {"size": arguments.sizes[0], "operations": operations(base, clip)}
    swept["rounds_ms"] = sweep(base, clip, arguments)
    threads = f"{arguments.threads} thread{'s' if arguments.threads > 1 else ''}"
    where = f"{machine['gpu'] or machine['cpu']}, {threads}, {machine['date']}"
    tables = {"pairs": pair_table(results, where), "proposals": sweep_table(swept)}
    for table in tables.values():
        for row in (table["columns"], *table["rows"]):
            print(" | ".join(row))
    if arguments.json:
        content = {
            "format_version": FORMAT_VERSION,
            "kind": "table",
            "machine": machine | {"load": list(os.getloadavg())},
            "clock": arguments.clock,
            "frames": arguments.frames,
            "results": results,
            "sweep": swept,
            "tables": tables,
        }
        arguments.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
