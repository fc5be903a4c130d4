"""Make the base detector `crowd-objects-nano`: train on videos, then on scenes, score, export.

    python scripts/train_crowd_objects_nano.py --work out/crowd-objects-nano

First `crowd/yolox-objects` on the training half of objects-v1, then `crowd/objects-nano` on 3000
short scenes of other seeds, which show many more objects, and then in two processes on 6000, the
first 3000 among them. A broken run goes on where it stopped. The file ends in the work folder;
--install puts it into the package and prints its hash, which faimtrack/weights/registry.py must
say. Scenes and scored crowds are of no bench's seeds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bundled_detectors import label_weights, parse_arguments, show_files
from drawn_crowds import draw_crowds

from faimtrack.datasets.crowd import CrowdConfig, write_bench
from faimtrack.detectors.export import export_detector
from faimtrack.reproduce.budget import Budget
from faimtrack.reproduce.detecting import detect_videos, score_detections
from faimtrack.reproduce.tasks import DetectionTask, ScoredVideos, ScoresTask
from faimtrack.training.recipe import resolve_training_recipe

_BENCH = "objects-v1"
_SCENE_SEED, _FEW_SCENES, _MANY_SCENES = 80_000, 3000, 6000
_SCENE_FRAMES, _SCENE_FRAME_RATE = 3, 6  # frames/s: things have moved from one to the next
_TEST_SEED, _TEST_CROWDS = 100_000, 120
_TEST_FRAMES, _TEST_FRAME_RATE = 20, 25
_NAME, _DATA = "crowd-objects-nano", "objects drawn by faimtrack"


def scenes(count: int) -> list[CrowdConfig]:
    """Short ones with many objects in all."""
    seeds = range(_SCENE_SEED, _SCENE_SEED + count)
    return [_crowd("stills", seed, _SCENE_FRAMES, frame_rate=_SCENE_FRAME_RATE) for seed in seeds]


def test_crowds() -> list[CrowdConfig]:
    """Videos that nothing is trained on: 257 objects."""
    seeds = range(_TEST_SEED, _TEST_SEED + _TEST_CROWDS)
    return [_crowd("clips", seed, _TEST_FRAMES, frame_rate=_TEST_FRAME_RATE) for seed in seeds]


def _crowd(name: str, seed: int, frames: int, *, frame_rate: int) -> CrowdConfig:
    """Objects; every third crowd is seen by a camera that moves."""
    return CrowdConfig(
        name=f"{name}-{seed}",
        seed=seed,
        scene="objects",
        frames=frames,
        frame_rate=frame_rate,
        width=320,
        height=256,
        camera=("static", "moving")[seed % 3 == 0],
    )


def train_stage(
    recipe: str, data: Path, output: Path, *arguments: str, processes: int = 1
) -> Path:
    """Train as a user does, from the last checkpoint if there is one; gives the weights.

    Several processes of one training start as commands of their own, and each of them would do
    all that this script does.

    Raises:
        CalledProcessError: The command failed, and has said why.
    """
    program = Path(sys.executable).with_name("faimtrack")
    command = [str(program), "train", recipe, "--data", str(data)]
    command += ["--output", str(output), "--devices", str(processes), "--resume", *arguments]
    threads = {} if processes == 1 else {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, check=True, env={**os.environ, **threads})
    return output / "weights.safetensors"


def _begin(weights: Path) -> tuple[str, ...]:
    return ("--set", f"network.initial_weights={weights}")


def score(weights: Path, data: Path, folder: Path) -> dict[str, float]:
    """Average precisions of the VID protocol and of COCO."""
    videos = ScoredVideos(dataset="crowd", data=data, split="full")
    recipe = resolve_training_recipe("crowd/objects-nano")
    found = DetectionTask(recipe=recipe, weights=weights, videos=videos, folder=folder)
    detect_videos(found, Budget(None), print)
    scores = score_detections(ScoresTask(videos=videos, folder=folder))
    return {name: round(value, 4) for name, value in scores.items() if isinstance(value, float)}


def main() -> None:
    """Do what is not done yet."""
    arguments = parse_arguments(__doc__, _NAME)
    work: Path = arguments.work
    videos = work / _BENCH
    if not videos.is_dir():  # it appears when it is whole
        write_bench(_BENCH, videos, masks=False)
    workers = ("--workers", str(arguments.workers))
    weights = train_stage("crowd/yolox-objects", videos / "train", work / "first", *workers)
    weights = train_stage(
        "crowd/objects-nano",
        draw_crowds(scenes(_FEW_SCENES), work / "few"),
        work / "second",
        *workers,
        *_begin(weights),
    )
    weights = train_stage(
        "crowd/objects-nano",
        draw_crowds(scenes(_MANY_SCENES), work / "many"),
        work / "third",
        *workers,
        *_begin(weights),
        *("--set", "schedule.steps=3000", "--set", "schedule.seed=1"),
        processes=2,
    )
    labelled = label_weights(weights, work / "labelled.safetensors", _DATA)
    file = work / f"{_NAME}.safetensors"
    export_detector(labelled, file, format="safetensors", overwrite=True)
    scores = score(file, draw_crowds(test_crowds(), work / "test"), work / "detections")
    print(scores)
    (work / "scores.json").write_text(json.dumps(scores, indent=2, sort_keys=True) + "\n")
    show_files([file], install=arguments.install)


if __name__ == "__main__":
    main()
