"""A video's ground truth and its file of detections, as arrays whose class ids agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.detectors.files import SUFFIXES, DetectionTable, read_detections
from faimtrack.detectors.files.contents import is_within, spans_text
from faimtrack.eval.scores import ResultMode
from faimtrack.eval.vod import VideoDetections, VideoTruth
from faimtrack.recipes.values import nearest
from faimtrack.video import open_source

DETECTION_SUFFIXES = (*SUFFIXES.values(), ".txt.gz")
"""Of files in which detections are looked for."""


@dataclass(frozen=True, kw_only=True)
class Joining:
    """How classes and files of detections are found for those of the data.

    Attributes:
        class_names: Of the data.
        chosen: Those that are scored.
        others_are_dropped: Whether detections of other classes are passed over, or refused.
        allow_missing: Whether no file means nothing found.
    """

    class_names: tuple[str, ...]
    chosen: tuple[str, ...]
    others_are_dropped: bool
    allow_missing: bool


def chosen_classes(known: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Those of the data's classes that are wanted, in their order; None: all.

    Raises:
        ValueError: One is none of the data's.
    """
    for name in wanted or ():
        if name not in known:
            raise ValueError(
                f"classes: expected some of the data's, got {name!r}; the nearest is "
                f"{nearest(name, known)}"
            )
    return tuple(name for name in known if wanted is None or name in wanted)


def read_truth(video: AnnotatedVideo, joining: Joining) -> VideoTruth:
    """The objects of the chosen classes in all annotated frames; no image is decoded.

    Raises:
        ValueError: They are wrong.
        OSError: They cannot be read.
    """
    images = [video[place] for place in range(len(video))]
    nothing = np.zeros(0, np.int64)
    class_ids = np.concatenate([nothing, *(image.class_ids for image in images)])
    counts = [len(image) for image in images]
    class_ids = _places(joining.class_names, joining.chosen)[class_ids]
    kept = class_ids >= 0
    tracks = np.concatenate([nothing, *(image.track_ids for image in images)])
    return VideoTruth(
        name=video.name,
        frame_numbers=video.frame_numbers,
        frames=np.repeat(video.frame_numbers, counts)[kept],
        boxes=np.concatenate([np.zeros((0, 4)), *(image.boxes for image in images)])[kept],
        class_ids=class_ids[kept],
        track_ids=tracks[kept] if video.has_tracks else None,
    )


def _places(names: Sequence[str], among: Sequence[str]) -> NDArray[np.int64]:
    """For each name its place `among` others, −1 if it is none of them."""
    places = {name: place for place, name in enumerate(among)}
    return np.array([places.get(name, -1) for name in names], np.int64)


@dataclass(frozen=True, eq=False)
class Found:
    """A video's detections, the file they are from (None: there is none) and how it was made."""

    detections: VideoDetections
    path: Path | None
    mode: ResultMode | None


def read_found(folder: Path, video: AnnotatedVideo, joining: Joining) -> Found:
    """What a folder has of a video.

    Raises:
        ValueError: Its file is damaged, does not cover the annotated frames or has other classes.
        OSError: There is none and there must be one, or it cannot be read.
    """
    path = _find_file(folder, video.name)
    if path is None:
        if not joining.allow_missing:
            raise FileNotFoundError(
                f"{folder}: expected {video.name} as {', '.join(SUFFIXES.values())}, got no such "
                "file (--allow-missing takes that for nothing found)"
            )
        return Found(VideoDetections.none(video.name), None, None)
    table = read_detections(path, frame_count=_last_frame(video), allow_empty=True)
    _check_frames(table, video)
    class_ids = _class_ids(table, joining)
    kept = class_ids >= 0
    detections = VideoDetections(
        name=video.name,
        frames=table.frames[kept],
        boxes=table.boxes[kept],
        scores=table.scores[kept],
        class_ids=class_ids[kept],
    )
    return Found(detections, path, None if table.record is None else table.record.mode)


def _find_file(folder: Path, name: str) -> Path | None:
    paths = [folder / f"{name}{suffix}" for suffix in DETECTION_SUFFIXES]
    there = [path for path in paths if path.is_file()]
    if len(there) > 1:
        raise ValueError(
            f"{folder}: expected one file of {name}, got {', '.join(each.name for each in there)}"
        )
    return there[0] if there else None


def _last_frame(video: AnnotatedVideo) -> int | None:
    """The number of the video's last frame; None if the frames are not here to be counted."""
    try:
        with open_source(video.source) as source:
            info = source.info
    except (ValueError, OSError):
        return None  # scoring needs no pixels
    return None if info.frame_count is None else info.first_index + info.frame_count - 1


def _check_frames(table: DetectionTable, video: AnnotatedVideo) -> None:
    """Refuse detections of a part: frames that nobody looked at are not empty."""
    if table.contents is None:
        return
    spans = table.contents.frames
    left_out = [each for each in video.frame_numbers.tolist() if not is_within(spans, each, each)]
    if left_out:
        raise ValueError(
            f"{table.path}: expected all {len(video)} annotated frames, got frames "
            f"{spans_text(spans)}: {len(left_out)} not looked at, the first {left_out[0]}"
        )


def _class_ids(table: DetectionTable, joining: Joining) -> NDArray[np.int64]:
    """Places of the rows' classes among the chosen ones, −1 for what is not scored."""
    if not len(table):
        return np.zeros(0, np.int64)
    class_names, names = joining.class_names, table.class_names
    if names is None:
        if len(class_names) > 1:
            raise ValueError(
                f"{table.path}: expected names of classes, which the data have "
                f"{len(class_names)} of, got none in the file or beside it"
            )
        names = class_names
    used = [names[number] for number in np.unique(table.class_ids).tolist()]
    unknown = [name for name in used if name not in class_names]
    if unknown and not joining.others_are_dropped:
        raise ValueError(
            f"{table.path}: expected classes of the data, got {unknown[0]!r}; the nearest is "
            f"{nearest(unknown[0], class_names)} (--classes scores some and leaves out the rest)"
        )
    return _places(names, joining.chosen)[table.class_ids]
