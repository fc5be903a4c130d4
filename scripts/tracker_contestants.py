"""Trackers side by side: each contestant answers in a process of its own, one line at a time.

A contestant's packages are imported in its own process only, and only if they are installed. The
parent (`benchmark_trackers.py`) writes one JSON object a line and reads one back.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import importlib.util
import json
import logging
import os
import sys
import time
import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tracker_scenarios import load_frames

Rows = NDArray[np.float64]

_NO_PICTURE = np.zeros((1080, 1920, 3), np.uint8)  # asked for by some, and not looked at


@dataclass(frozen=True)
class Contestant:
    """How to build a tracker, what it is fed, and how it is called.

    Attributes:
        make: A new tracker; its argument says whether the MOT20 settings apply.
        prepare: Corners and scores of a frame, `(N, 5)` → what the tracker takes (not timed).
        update: One timed call.
        version: Of the package.
    """

    make: Callable[[bool], Any]
    prepare: Callable[[Rows], Any]
    update: Callable[[Any, Any], Any]
    version: str


def _faimtrack(kind: str, preset: str) -> Contestant:
    from faimtrack import __version__, trackers
    from faimtrack.structures import Detections

    entry = trackers.tracker_entry(kind)
    tracker, config = entry.tracker_class, entry.config_class

    def make(crowded: bool) -> Any:
        if preset == "default":
            return tracker(config(), frame_rate=30.0)
        chosen = f"{preset}-mot20" if crowded else preset
        return tracker(config.preset(chosen), frame_rate=30.0)

    return Contestant(
        make,
        lambda rows: Detections(rows[:, :4], rows[:, 4]),
        lambda tracker, detections: tracker.update(detections),
        __version__,
    )


def _roboflow(kind: str) -> Contestant:
    import supervision
    import trackers

    def make(crowded: bool) -> Any:
        high = 0.4 if crowded and kind != "bytetrack" else 0.6
        if kind == "bytetrack":
            return trackers.ByteTrackTracker(
                lost_track_buffer=30,
                track_activation_threshold=0.7,
                high_conf_det_threshold=high,
                minimum_iou_threshold=0.1,
            )
        if kind == "ocsort":
            return trackers.OCSORTTracker(lost_track_buffer=30, high_conf_det_threshold=high)
        if kind != "sort":
            raise ImportError(f"trackers has no {kind}")
        return trackers.SORTTracker(lost_track_buffer=1, track_activation_threshold=high)

    def prepare(rows: Rows) -> Any:
        if kind == "sort":
            rows = rows[rows[:, 4] > 0.6]
        return supervision.Detections(
            xyxy=rows[:, :4].copy(),
            confidence=rows[:, 4].copy(),
            class_id=np.zeros(len(rows), dtype=int),
        )

    return Contestant(
        make,
        prepare,
        lambda tracker, detections: tracker.update(detections),
        importlib.metadata.version("trackers"),
    )


def _supervision(kind: str) -> Contestant:
    import supervision

    if kind != "bytetrack":
        raise ImportError(f"supervision has no {kind}")
    if not hasattr(supervision, "ByteTrack"):
        raise ImportError("this release of supervision has no ByteTrack")
    return Contestant(
        lambda crowded: supervision.ByteTrack(
            track_activation_threshold=0.6,
            lost_track_buffer=30,
            minimum_matching_threshold=0.9,
            frame_rate=30,
        ),
        lambda rows: supervision.Detections(
            xyxy=rows[:, :4].copy(),
            confidence=rows[:, 4].copy(),
            class_id=np.zeros(len(rows), dtype=int),
        ),
        lambda tracker, detections: tracker.update_with_detections(detections),
        importlib.metadata.version("supervision"),
    )


def _ultralytics(kind: str) -> Contestant:
    from ultralytics.engine.results import Boxes

    module, name = {
        "bytetrack": ("byte_tracker", "BYTETracker"),
        "ocsort": ("oc_sort", "OCSORT"),
        "botsort": ("bot_sort", "BOTSORT"),
        "deepocsort": ("deep_oc_sort", "DeepOCSORT"),
    }.get(kind, ("", ""))
    if not module:
        raise ImportError(f"ultralytics has no {kind}")
    tracker = getattr(importlib.import_module(f"ultralytics.trackers.{module}"), name)

    def make(crowded: bool) -> Any:
        options = types.SimpleNamespace(
            track_high_thresh=0.6, track_low_thresh=0.1, new_track_thresh=0.7, track_buffer=30,
            match_thresh=0.9, fuse_score=not crowded, delta_t=3, inertia=0.2, use_byte=False,
        )  # fmt: skip
        if kind in {"ocsort", "deepocsort"}:
            options.track_high_thresh = options.new_track_thresh = 0.4 if crowded else 0.6
            options.match_thresh = 0.7  # a distance: 1 − IoU of 0.3
            options.fuse_score = False
        if kind in {"botsort", "deepocsort"}:  # boxes alone
            vars(options).update(
                gmc_method="none", with_reid=False, model="auto", proximity_thresh=0.5,
                appearance_thresh=0.25, alpha_fixed_emb=0.95,
            )  # fmt: skip
        if kind == "botsort":
            options.match_thresh = 0.7 if crowded else 0.8
        return tracker(options)

    def prepare(rows: Rows) -> Any:
        return Boxes(np.column_stack([rows, np.zeros(len(rows))]), (1080, 1920))

    return Contestant(
        make,
        prepare,
        lambda tracker, boxes: tracker.update(boxes),
        importlib.metadata.version("ultralytics"),
    )


def _boxmot(kind: str) -> Contestant:
    import boxmot

    def make(crowded: bool) -> Any:
        if kind == "bytetrack":
            return boxmot.ByteTrack(track_thresh=0.6, match_thresh=0.9, track_buffer=30)
        if kind == "ocsort":
            return boxmot.OcSort(det_thresh=0.4 if crowded else 0.6)
        if kind == "botsort":
            return boxmot.BotSort(
                track_high_thresh=0.6, new_track_thresh=0.7, match_thresh=0.7 if crowded else 0.8,
                fuse_first_associate=not crowded, use_cmc=False, use_embeddings=False,
            )  # fmt: skip
        if kind == "deepocsort":
            return boxmot.DeepOcSort(
                det_thresh=0.4 if crowded else 0.6, use_embeddings=False, cmc_off=True
            )
        raise ImportError(f"boxmot has no {kind}")

    make(False)
    return Contestant(
        make,
        lambda rows: np.column_stack([rows, np.zeros(len(rows))]),
        lambda tracker, rows: tracker.update(rows, _NO_PICTURE),
        importlib.metadata.version("boxmot"),
    )


def _stand_in(name: str, **members: Any) -> types.ModuleType:
    """Put a module in place of one that the authors' code imports and never needs here."""
    sys.modules[name] = module = types.ModuleType(name)
    module.__dict__.update(members)
    return module


def _authors(kind: str, path: str | None) -> Contestant:
    """ByteTrack's own loop, from a checkout of its repository."""
    if path is None:
        raise ImportError("give --authors-path, a checkout of the ByteTrack repository")
    if kind != "bytetrack":
        raise ImportError(f"the ByteTrack repository's {kind} is not timed")
    from faimtrack.boxes import box_iou

    vars(np)["float"] = float  # the authors' code uses what numpy 1.24 took away
    if importlib.util.find_spec("cython_bbox") is None:
        _stand_in("cython_bbox", bbox_overlaps=lambda a, b: box_iou(a, b, pixel_offset=1.0))
    stands_in = [_stand_in(name) for name in ("torch", "torch.nn", "torch.nn.functional", "cv2")]
    stands_in[0].nn, stands_in[1].functional = stands_in[1], stands_in[2]  # type: ignore[attr-defined]
    package = _stand_in("yolox", __path__=[str(Path(path) / "yolox")])
    package.tracker = _stand_in(  # type: ignore[attr-defined]
        "yolox.tracker", __path__=[str(Path(path) / "yolox" / "tracker")]
    )
    tracker = importlib.import_module("yolox.tracker.byte_tracker").BYTETracker

    def make(crowded: bool) -> Any:
        options = {"track_thresh": 0.6, "match_thresh": 0.9, "track_buffer": 30}
        return tracker(argparse.Namespace(**options, mot20=crowded), frame_rate=30)

    return Contestant(
        make,
        lambda rows: rows.copy(),
        lambda tracker, rows: tracker.update(rows, (1, 1), (1, 1)),
        "repository",
    )


CONTESTANTS = (
    "faimtrack",
    "faimtrack-default",
    "roboflow",
    "ultralytics",
    "boxmot",
    "supervision",
    "authors",
)


def find_contestant(name: str, kind: str, authors_path: str | None) -> Contestant:
    """The contestant of a name for a kind of tracker.

    Raises:
        ImportError: It is not installed, or has no tracker of this kind.
    """
    if name in {"faimtrack", "faimtrack-default"}:
        return _faimtrack(kind, "default" if name.endswith("default") else "reference")
    if name == "authors":
        return _authors(kind, authors_path)
    peers = {
        "roboflow": _roboflow,
        "ultralytics": _ultralytics,
        "boxmot": _boxmot,
        "supervision": _supervision,
    }
    return peers[name](kind)


def _time(contestant: Contestant, frames: list[Rows], skip: int, crowded: bool) -> dict[str, Any]:
    """One pass over a sequence with a fresh tracker; the first `skip` frames are not counted.

    The clock is the processor's time of this process: other work on the machine disturbs it least.
    """
    tracker = contestant.make(crowded)
    inputs = [contestant.prepare(frame) for frame in frames]
    answers = [len(contestant.update(tracker, given)) for given in inputs[:skip]]
    start, wall_start = time.process_time(), time.perf_counter()
    for given in inputs[skip:]:
        answers.append(len(contestant.update(tracker, given)))
    elapsed, wall = time.process_time() - start, time.perf_counter() - wall_start
    counted = len(inputs) - skip
    return {
        "ms": 1000 * elapsed / counted,
        "wall_ms": 1000 * wall / counted,
        "answers": sum(answers) / len(answers),
    }


def main() -> None:
    """Answer requests until there are no more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=CONTESTANTS)
    parser.add_argument("--authors-path")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the packages print must not get among the answers
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    contestants: dict[str, Contestant] = {}
    for line in sys.stdin:
        request = json.loads(line)
        kind = request["tracker"]
        try:
            if kind not in contestants:
                contestants[kind] = find_contestant(arguments.name, kind, arguments.authors_path)
            answer: dict[str, Any] = {"version": contestants[kind].version}
            if "arrays" in request:
                frames = load_frames(Path(request["arrays"]))
                crowded = request["crowded"]
                answer |= _time(contestants[kind], frames, request["skip"], crowded)
        except Exception as error:  # told to the parent, which prints it
            answer = {"absent": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
