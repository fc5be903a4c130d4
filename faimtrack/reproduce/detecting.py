"""What trained networks find in videos, and how good it is."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from typing import Any, cast

from faimtrack.datasets.videos import AnnotatedVideos
from faimtrack.datasets.vod.opening import VideoDataset, open_videos
from faimtrack.detectors.video.linking.files import detection_files, link_file, linked_path
from faimtrack.pipeline import plan_detection, run_tasks
from faimtrack.pipeline.video_scoring import score_detection_files
from faimtrack.reproduce.budget import Budget
from faimtrack.reproduce.tasks import DetectionTask, ScoredVideos, ScoresTask

_RESULT = "ours"


def open_scored(videos: ScoredVideos) -> AnnotatedVideos:
    """Videos with the truth; nothing is decoded.

    Raises:
        ValueError: Something in them is wrong.
        OSError: A file cannot be read.
    """
    return open_videos(cast("VideoDataset", videos.dataset), videos.data, split=videos.split)


def detect_videos(
    task: DetectionTask, budget: Budget, say: Callable[[str], None], *, jobs: int = 1
) -> dict[str, Any]:
    """Write what a network finds, a file a video; videos that are finished stay.

    Raises:
        OutOfTime: The time is over.
        ValueError: A video failed, or has another name than its folder.
        OSError: A file cannot be read or written.
    """
    videos = open_scored(task.videos)
    everything = [videos[number] for number in range(len(videos))]
    tasks = plan_detection(
        [str(video.source) for video in everything],
        task.recipe.tracking,
        task.folder,
        format="parquet",
        weights=task.weights,
        existing="resume",
    )
    _check_names([each.name for each in tasks], [video.name for video in everything])
    done = 0
    with contextlib.closing(run_tasks(tasks, jobs=jobs)) as outcomes:
        for outcome in outcomes:
            if outcome.error is not None:
                raise ValueError(f"{outcome.task.name}: {outcome.error}")
            done += 1
            if done < len(tasks):
                budget.check(f"{done} of {len(tasks)} videos were looked at")
    say(f"{done} videos looked at")
    return {"videos": done, "folder": task.folder.name}


def score_detections(task: ScoresTask) -> dict[str, Any]:
    """Score detections by the code behind `faimtrack eval-vod`, linked before if they are to be.

    Raises:
        ValueError: A video could not be scored.
        OSError: A file cannot be read or written.
    """
    folder = task.folder
    if task.linking is not None:
        assert task.linked is not None
        folder = task.linked
        shutil.rmtree(folder, ignore_errors=True)
        for path in detection_files(task.folder):
            link_file(path, linked_path(path, folder), task.linking, allow_empty=True)
    done = score_detection_files(open_scored(task.videos), {_RESULT: folder})
    for name, message in done.failures.items():
        raise ValueError(f"{name}: {message}")
    if task.linking is not None:
        shutil.rmtree(folder, ignore_errors=True)
    scores = done.scores[_RESULT]
    return {
        **scores.mean,
        "videos": scores.videos,
        "frames": scores.frames,
        "truths": scores.truths,
        "detections": scores.detections,
        "no_groups_because": scores.no_groups_because,
        "classes": {each.name: dict(each.values) for each in scores.classes if each.truths},
    }


def _check_names(files: Sequence[str], videos: Sequence[str]) -> None:
    """See that files of detections will be found by the names of the videos.

    Raises:
        ValueError: They will not.
    """
    for file, video in zip(files, videos, strict=True):
        if file != video:
            raise ValueError(f"{video}: expected a folder of that name, got {file}")
