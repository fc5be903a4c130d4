"""How long a frame takes: in a detector, and in linking."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from faimtrack.detectors.files import read_detections
from faimtrack.detectors.video.linking.files import detection_files
from faimtrack.detectors.video.linking.link import link
from faimtrack.reproduce.detecting import open_scored
from faimtrack.reproduce.tasks import DetectionTask, ScoresTask
from faimtrack.structures import Frame

_WARM_UP_FRAMES = 4
_GPUS = Path("/proc/driver/nvidia/gpus")


def time_detector(task: DetectionTask, frame_count: int) -> dict[str, Any]:
    """Milliseconds of a frame, one at a time, its image in memory.

    For a video object detector that is the median of what a frame takes for itself, and the
    median over groups of what looking at them together takes, shared out among their frames.

    Args:
        task: Which network, how it detects, and videos whose frames are looked at.
        frame_count: How many.

    Raises:
        ValueError: An image is damaged.
        OSError: A file cannot be read.
    """
    from faimtrack.detectors.loading import open_detector
    from faimtrack.detectors.video.detector import VideoDetector

    detector = open_detector(task.weights, task.recipe.tracking.detector)
    frames = _frames(task, frame_count)
    if not isinstance(detector, VideoDetector):
        for frame in frames[:_WARM_UP_FRAMES]:
            detector.detect([frame])
        times = [_timed_ms(detector.detect, [frame])[0] for frame in frames]
        return {"ms": statistics.median(times), "frames": len(frames)}
    for frame in frames[:_WARM_UP_FRAMES]:
        detector.encode([frame], keep_base=False)
    times, encodings = [], []
    for frame in frames:
        ms, (encoding,) = _timed_ms(detector.encode, [frame], keep_base=False)
        times.append(ms)
        encodings.append(encoding)
    size = min(detector.config.group_frames, len(encodings))
    groups = [encodings[start : start + size] for start in range(0, len(encodings), size)]
    whole = [group for group in groups if len(group) == size]
    detector.decode(whole[0])
    together = [_timed_ms(detector.decode, group)[0] / size for group in whole]
    encode_ms, decode_ms = statistics.median(times), statistics.median(together)
    return {
        "ms": encode_ms + decode_ms,
        "encode_ms": encode_ms,
        "decode_ms": decode_ms,
        "frames": len(frames),
        "group_frames": size,
    }


def time_linking(task: ScoresTask, video_count: int) -> dict[str, Any]:
    """Milliseconds of a frame that linking adds, the median over videos.

    Raises:
        ValueError: A file of detections is damaged.
        OSError: It cannot be read.
    """
    assert task.linking is not None
    times = []
    for path in detection_files(task.folder)[:video_count]:
        table = read_detections(path, allow_empty=True)
        spans = table.contents.frames if table.contents is not None else ()
        numbers = [number for first, last in spans for number in range(first, last + 1)]
        names = table.class_names or ("object",)
        frames = [table.detections(number, names) for number in numbers]
        times.append(_timed_ms(link, frames, task.linking, numbers)[0] / max(len(frames), 1))
    return {"ms": statistics.median(times), "videos": len(times)}


def device_name() -> str:
    """What networks run on here, in words."""
    from faimtrack.detectors.running import choose_device

    kind = choose_device("auto").type
    if kind == "cuda":
        for path in sorted(_GPUS.glob("*/information")):
            for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
                if line.startswith("Model:"):
                    return line.partition(":")[2].strip()
        return "a GPU"
    return f"{_processor()}, {_cores()} cores" if kind == "cpu" else str(kind)


def _processor() -> str:
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import platform

    return platform.processor() or "CPU"


def _cores() -> int:
    import os

    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _frames(task: DetectionTask, count: int) -> Sequence[Frame]:
    videos = open_scored(task.videos)
    places = ((video, place) for video in map(videos.__getitem__, range(len(videos)))
              for place in range(len(video)))  # fmt: skip
    chosen = itertools.islice(places, count)
    return [
        Frame(number, image=video[place].image())
        for number, (video, place) in enumerate(chosen, 1)
    ]


def _timed_ms(call: Any, *arguments: Any, **keywords: Any) -> tuple[float, Any]:
    start_s = time.perf_counter()
    answer = call(*arguments, **keywords)
    return 1000 * (time.perf_counter() - start_s), answer
