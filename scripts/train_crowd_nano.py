"""Make the detector `crowd-nano`: draw crowds, train on them, score on others, export.

    python scripts/train_crowd_nano.py --work out/crowd-nano

A broken run goes on where it stopped. The files
end in the work folder; --install puts them into the package and prints their hashes, which
faimtrack/weights/registry.py must say. Seeds are none of any bench.
"""

from __future__ import annotations

import json
from pathlib import Path

from bundled_detectors import label_weights, parse_arguments, show_files
from drawn_crowds import draw_crowds

from faimtrack.datasets.crowd import CrowdConfig
from faimtrack.detectors.export import export_detector
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.yolox.config import YoloxOnnxConfig
from faimtrack.motfile import read_mot
from faimtrack.structures import Frame
from faimtrack.training.average_precision import average_precision
from faimtrack.training.fit import Machines
from faimtrack.training.progress import Progress
from faimtrack.training.recipe import resolve_training_recipe
from faimtrack.training.run import TrainingRun, train
from faimtrack.training.samples import DataPlaces
from faimtrack.video.images import read_image

_DENSITIES = ("sparse", "medium", "sparse", "dense", "medium")
_SIZES = ((640, 360), (960, 540), (640, 360), (800, 448))
_TRAIN_SEED, _TEST_SEED = 700_000, 860_000
_TRAIN_CROWDS, _TRAIN_FRAMES = 800, 5
_TEST_CROWDS, _TEST_FRAMES = 16, 4
_FRAME_RATE = 2  # frames/s: people have moved from one to the next
_NAME, _DATA = "crowd-nano", "people drawn by faimtrack"
_SCORE_THRESHOLD = 0.01  # as low as precision is averaged over in training


def training_crowds() -> list[CrowdConfig]:
    """Short crowds of every density, from cameras that stand and move."""
    return [
        CrowdConfig(
            name=f"train-{number:03d}",
            seed=_TRAIN_SEED + number,
            frames=_TRAIN_FRAMES,
            frame_rate=_FRAME_RATE,
            width=_SIZES[number // 5 % 4][0],
            height=_SIZES[number // 5 % 4][1],
            density=_DENSITIES[number % 5],
            camera=("static", "moving")[number // 2 % 2],
        )
        for number in range(_TRAIN_CROWDS)
    ]


def test_crowds() -> list[CrowdConfig]:
    """Crowds that nothing was trained or tuned on."""
    return [
        CrowdConfig(
            name=f"test-{density}-{number}",
            seed=_TEST_SEED + 1000 * place + number,
            frames=_TEST_FRAMES,
            frame_rate=_FRAME_RATE,
            width=_SIZES[number % 4][0],
            height=_SIZES[number % 4][1],
            density=density,
            camera=("static", "moving")[number // 4 % 2],
        )
        for place, density in enumerate(("sparse", "medium", "dense"))
        for number in range(_TEST_CROWDS)
    ]


def score(weights: Path, folder: Path) -> dict[str, dict[str, float]]:
    """AP and AP50 of each density: people to be found are those that are evaluated."""
    detector = open_detector(weights, YoloxOnnxConfig(score_threshold=_SCORE_THRESHOLD))
    scores = {}
    for density in ("sparse", "medium", "dense"):
        found, wanted = [], []
        for sequence in sorted(folder.glob(f"test-{density}-*/")):
            table = read_mot(sequence / "gt" / "gt.txt", "ground truth")
            table = table.select((table.confidences > 0) & (table.class_ids == 1))
            for index in range(1, _TEST_FRAMES + 1):
                image = read_image(sequence / "img1" / f"{index:06d}.jpg")
                (detections,) = detector.detect([Frame(index, image=image)])
                found.append((detections.boxes, detections.scores.tolist()))
                wanted.append(table.boxes[table.rows_of(index)])
        precision = average_precision(found, wanted)
        scores[density] = {"AP50": round(precision.ap50, 4), "AP": round(precision.ap, 4)}
        print(density, scores[density])
    return scores


def _show(progress: Progress) -> None:
    if progress.remark:
        print(progress.remark, flush=True)
    if progress.values:
        values = "  ".join(f"{name} {value:.4g}" for name, value in progress.values.items())
        print(f"{progress.step}/{progress.total}  {values}", flush=True)


def main() -> None:
    """Do what is not done yet."""
    arguments = parse_arguments(__doc__, _NAME)
    work: Path = arguments.work
    recipe = resolve_training_recipe("crowd/nano")
    run = TrainingRun(
        recipe=recipe,
        places=DataPlaces(data=draw_crowds(training_crowds(), work / "train")),
        output=work / "run",
        machines=Machines(devices=1, workers=arguments.workers),
        existing="resume",
    )
    result = train(run, _show)
    labelled = label_weights(result.weights, work / "labelled.safetensors", _DATA)
    files = {}
    for format_ in ("onnx", "safetensors"):
        files[format_] = work / f"{_NAME}.{format_}"
        export_detector(labelled, files[format_], format=format_, overwrite=True)
    scores = score(files["onnx"], draw_crowds(test_crowds(), work / "test"))
    (work / "scores.json").write_text(json.dumps(scores, indent=2, sort_keys=True) + "\n")
    show_files(files.values(), install=arguments.install)


if __name__ == "__main__":
    main()
