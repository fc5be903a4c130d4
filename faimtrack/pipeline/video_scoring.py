"""Files of detections scored against annotated videos, by `faimtrack.eval.vod`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from faimtrack.datasets.videos import AnnotatedVideos
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
from faimtrack.pipeline.video_files import (
    DETECTION_SUFFIXES,
    Found,
    Joining,
    chosen_classes,
    read_found,
    read_truth,
)
from faimtrack.provenance import file_sha256

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
        ValueError: The videos' objects are not public, a class is none of the videos', results of
            one folder were made online and offline, or there is no object in the videos that
            could be scored.
        NotADirectoryError: A folder is none.
    """
    if not videos.has_ground_truth:
        raise ValueError(
            "split: expected one whose objects are public, such as those that end in -local, got "
            f"{len(videos)} videos whose objects are held back"
        )
    for folder in folders.values():
        if not folder.is_dir():
            raise NotADirectoryError(f"{folder}: expected a folder of detections, got none")
    joining = Joining(
        class_names=videos.class_names,
        chosen=chosen_classes(videos.class_names, classes),
        others_are_dropped=classes is not None,
        allow_missing=allow_missing,
    )
    scorers = {name: VideoScorer(joining.chosen, config) for name in folders}
    done, digest = VideoScoring(missing={name: [] for name in folders}), hashlib.sha256()
    kept: dict[str, list[tuple[VideoTruth, VideoDetections]]] = {name: [] for name in folders}
    for video in (videos[number] for number in range(len(videos))):
        try:
            truth = read_truth(video, joining)
            found = {name: read_found(folders[name], video, joining) for name in folders}
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


def _note_file(done: VideoScoring, name: str, folder: Path, video: str, found: Found) -> None:
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
        suffix = next((each for each in DETECTION_SUFFIXES if path.name.endswith(each)), None)
        is_sidecar = path.suffix == ".json" and path.with_suffix("").is_file()
        if suffix and not is_sidecar and path.name.removesuffix(suffix) not in known:
            others.append(path.name)
    if others:
        shown = ", ".join(others[:_SHOWN_NAMES])
        more = f" and {len(others) - _SHOWN_NAMES} others" if len(others) > _SHOWN_NAMES else ""
        yield f"{folder}: files of no video in the data, not scored: {shown}{more}"
