"""Files of detections scored against annotated videos, by `faimtrack.eval.vod`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.videos import AnnotatedVideo, AnnotatedVideos
from faimtrack.detectors.files import SUFFIXES, DetectionTable, read_detections
from faimtrack.detectors.files.contents import is_within, spans_text
from faimtrack.errors import describe_error
from faimtrack.eval.scores import ResultMode
from faimtrack.eval.vod import (
    VideoDetections,
    VideoScorer,
    VideoTruth,
    VodConfig,
    VodScores,
    coco_scores_by_pycocotools,
)
from faimtrack.provenance import file_sha256
from faimtrack.recipes.values import nearest
from faimtrack.video import open_source

_SUFFIXES = (*SUFFIXES.values(), ".txt.gz")
_SHOWN_NAMES = 3


@dataclass(kw_only=True)
class VideoScoring:
    """Scores of several results on the same videos, and what is to be known of them.

    Attributes:
        scores: By the result's name, in the order they were given; empty if no video could be
            scored.
        failures: Why a video could not be scored in one of the results, by its name; it is then
            scored in none of them.
        notes: What was passed over, a line each.
        missing: Names of videos without a file, by the result's name; nothing was found there.
        modes: How each result was made, as far as its files say; None: nobody knows.
        inputs: SHA-256 of all that was read, by its role.
        cross_checks: By how much pycocotools' metrics differ from ours at most, by the result's
            name; empty if it was not asked.
    """

    scores: dict[str, VodScores] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    missing: dict[str, list[str]] = field(default_factory=dict)
    modes: dict[str, ResultMode | None] = field(default_factory=dict)
    inputs: dict[str, str | None] = field(default_factory=dict)
    cross_checks: dict[str, float] = field(default_factory=dict)


def score_detection_files(
    videos: AnnotatedVideos,
    folders: Mapping[str, Path],
    *,
    classes: Sequence[str] | None = None,
    config: VodConfig | None = None,
    allow_missing: bool = False,
    cross_check: bool = False,
) -> VideoScoring:
    """Score folders of detections, one file a video, read video by video.

    Args:
        videos: The ground truth.
        folders: Where files `<video>.parquet`, `.json`, `.txt` or `.txt.gz` are, by the name of
            the result.
        classes: Only these of the videos' classes, objects as well as detections; None: all, and
            a detection of any other class is refused.
        config: What the protocols leave open.
        allow_missing: Whether a video without a file is one in which nothing was found.
        cross_check: Whether pycocotools is asked, too: slow, and all is kept in memory for it.

    Raises:
        ValueError: A class is none of the videos', results of one folder were made online and
            offline, or there is no object in the videos that could be scored.
        NotADirectoryError: A folder is none.
    """
    for folder in folders.values():
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder}: expected a folder of detections, got none")
    joining = _Joining(
        class_names=videos.class_names,
        chosen=_chosen_classes(videos.class_names, classes),
        others_are_dropped=classes is not None,
        allow_missing=allow_missing,
    )
    scorers = {name: VideoScorer(joining.chosen, config) for name in folders}
    done, digest = VideoScoring(missing={name: [] for name in folders}), hashlib.sha256()
    kept: dict[str, list[tuple[VideoTruth, VideoDetections]]] = {name: [] for name in folders}
    for video in (videos[number] for number in range(len(videos))):
        try:
            truth = _read_truth(video, joining)
            found = {name: _read_found(folders[name], video, joining) for name in folders}
            for name, each in found.items():
                scorers[name].add(truth, each.detections)
                kept[name] += [(truth, each.detections)] if cross_check else []
        except (ValueError, OSError) as error:
            done.failures[video.name] = describe_error(error)
            continue
        _update_digest(digest, truth)
        for name, each in found.items():
            _note_file(done, name, folders[name], video.name, each)
    done.inputs["ground truth"] = digest.hexdigest()
    known = {videos[number].name for number in range(len(videos))}
    done.notes = [note for folder in folders.values() for note in _unscored(folder, known)]
    if len(done.failures) < len(videos):
        done.scores = {name: scorer.finish() for name, scorer in scorers.items()}
    if cross_check:
        done.cross_checks = {
            name: _difference_to_pycocotools(scores, kept[name])
            for name, scores in done.scores.items()
        }
    return done


def _difference_to_pycocotools(
    scores: VodScores, pairs: Sequence[tuple[VideoTruth, VideoDetections]]
) -> float:
    """The largest difference of a COCO metric of a class."""
    names = [each.name for each in scores.classes]
    theirs = coco_scores_by_pycocotools(pairs, names, max_detections=scores.coco_detections)
    return max(
        abs(value - (its.values[metric] or 0.0))
        for its, values in zip(scores.classes, theirs, strict=True)
        for metric, value in values.items()
        if value is not None
    )


@dataclass(frozen=True, kw_only=True)
class _Joining:
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


def _chosen_classes(known: Sequence[str], wanted: Sequence[str] | None) -> tuple[str, ...]:
    for name in wanted or ():
        if name not in known:
            raise ValueError(
                f"classes: expected some of the data's, got {name!r}; the nearest is "
                f"{nearest(name, known)}"
            )
    return tuple(name for name in known if wanted is None or name in wanted)


def _read_truth(video: AnnotatedVideo, joining: _Joining) -> VideoTruth:
    """The objects of the chosen classes in all annotated frames; no image is decoded."""
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
class _Found:
    """A video's detections, the file they are from (None: there is none) and how it was made."""

    detections: VideoDetections
    path: Path | None
    mode: ResultMode | None


def _read_found(folder: Path, video: AnnotatedVideo, joining: _Joining) -> _Found:
    path = _find_file(folder, video.name)
    if path is None:
        if not joining.allow_missing:
            raise FileNotFoundError(
                f"{folder}: expected {video.name} as {', '.join(SUFFIXES.values())}, got no such "
                "file (--allow-missing takes that for nothing found)"
            )
        return _Found(VideoDetections.none(video.name), None, None)
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
    return _Found(detections, path, None if table.record is None else table.record.mode)


def _note_file(done: VideoScoring, name: str, folder: Path, video: str, found: _Found) -> None:
    """Remember which file was read, or that there was none, and how it was made."""
    if found.path is None:
        done.missing[name].append(video)
        return
    done.inputs[f"{name}: {video}"] = file_sha256(found.path)
    before = done.modes.setdefault(name, found.mode)
    if {before, found.mode} == {"online", "offline"}:
        raise ValueError(
            f"{folder}: expected all online or all offline, got both: score them apart"
        )
    done.modes[name] = before or found.mode


def _find_file(folder: Path, name: str) -> Path | None:
    paths = [folder / f"{name}{suffix}" for suffix in _SUFFIXES]
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


def _class_ids(table: DetectionTable, joining: _Joining) -> NDArray[np.int64]:
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


def _update_digest(digest: hashlib._Hash, truth: VideoTruth) -> None:
    digest.update(f"{truth.name} {len(truth)}\n".encode())
    for column in (truth.frame_numbers, truth.frames, truth.boxes, truth.class_ids):
        digest.update(np.ascontiguousarray(column).tobytes())
    if truth.track_ids is not None:
        digest.update(np.ascontiguousarray(truth.track_ids).tobytes())


def _unscored(folder: Path, known: set[str]) -> Iterator[str]:
    """A line that names files of detections of no video."""
    others = []
    for path in sorted(folder.iterdir()):
        suffix = next((each for each in _SUFFIXES if path.name.endswith(each)), None)
        is_sidecar = path.suffix == ".json" and path.with_suffix("").is_file()
        if suffix and not is_sidecar and path.name.removesuffix(suffix) not in known:
            others.append(path.name)
    if others:
        shown = ", ".join(others[:_SHOWN_NAMES])
        more = f" and {len(others) - _SHOWN_NAMES} others" if len(others) > _SHOWN_NAMES else ""
        yield f"{folder}: files of no video in the data, not scored: {shown}{more}"
