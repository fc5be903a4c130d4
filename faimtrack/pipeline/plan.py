"""From what a user names to one task a sequence: sources, names, detections, output files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from faimtrack.detectors.files.formats import MASK_FORMATS, SUFFIXES, DetectionFormat
from faimtrack.motfile import find_sequences
from faimtrack.pipeline.sequence import refuse_existing
from faimtrack.pipeline.tasks import DetectionTask, Existing, SequenceTask, Task
from faimtrack.recipes import Recipe
from faimtrack.video.sources import source_name

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})
_MASKS_SUFFIX = ".mots.txt"
_OTHER_VIDEO_SUFFIXES = frozenset({".avi", ".flv", ".gif", ".mkv", ".mpg", ".mpeg", ".webm"})


def plan_tasks(
    sources: Sequence[str],
    recipe: Recipe,
    output: Path,
    *,
    detections: Path | None = None,
    weights: Path | None = None,
    video: Path | None = None,
    cache: Path | None = None,
    masks: bool = False,
    existing: Existing = "refuse",
    allow_empty: bool = False,
) -> list[SequenceTask]:
    """One task a sequence; a folder of sequences stands for all of them.

    Args:
        sources: What `faimtrack.video.open_source` takes, and folders of sequences.
        recipe: For all of them.
        output: Folder of the results, ``<sequence>.txt``.
        detections: A file of detections, or a folder of ``<sequence>.txt``, ``.json`` or
            ``.parquet``.
        weights: A detector's file.
        video: A video file where there is one sequence, else a folder of ``<sequence>.mp4``.
        cache: A folder where the detector's answers are kept for later runs.
        masks: Whether the tracks' masks are written too, as MOTS text ``<sequence>.mots.txt``,
            and drawn in the video. A detector is then told to keep masks.
        existing: What to do with outputs that are there.
        allow_empty: Whether a detection file without rows is an answer.

    Raises:
        ValueError: Two sequences have one name, or one file is named for several.
        OSError: An output is there already, or would replace a source.
    """
    named = _named(sources, detections, weights)
    if cache is not None and weights is None:
        raise ValueError(f"{cache}: expected a detector whose answers can be kept, got none")
    _refuse_one_for_many(len(named), detections, video)
    _refuse_other_video(video)
    if masks:
        _refuse_names_of_masks(named)
        recipe = _keeping_masks(recipe)
    tasks = [
        SequenceTask(
            name=name,
            source=source,
            output=output / f"{name}.txt",
            recipe=recipe,
            detections=_detections_of(name, detections),
            weights=weights,
            video=video if _is_video_file(video) else _inside(video, f"{name}.mp4"),
            cache=cache,
            masks=output / f"{name}{_MASKS_SUFFIX}" if masks else None,
            existing=existing,
            allow_empty=allow_empty,
        )
        for name, source in named
    ]
    _refuse_to_replace(tasks)
    return tasks


def plan_detection(
    sources: Sequence[str],
    recipe: Recipe,
    output: Path,
    *,
    format: DetectionFormat = "mot",  # noqa: A002 - it is the word of the command line
    detections: Path | None = None,
    weights: Path | None = None,
    masks: bool = False,
    existing: Existing = "refuse",
    allow_empty: bool = False,
) -> list[DetectionTask]:
    """One task a sequence, as `plan_tasks` makes them, to write detections.

    Args:
        sources: What `faimtrack.video.open_source` takes, and folders of sequences.
        recipe: For all of them.
        output: Folder of the results, ``<sequence>`` and the suffix of the format.
        format: How detections are written.
        detections: A file of detections to write in another format, or a folder of them.
        weights: A detector's file.
        masks: Whether masks are written too, which not every format can. A detector is then told
            to keep them.
        existing: What to do with outputs that are there.
        allow_empty: Whether a detection file without rows is an answer.

    Raises:
        ValueError: Two sequences have one name, one file is named for several, or the format has
            no place for masks.
        OSError: An output is there already, or would replace a source.
    """
    named = _named(sources, detections, weights)
    _refuse_one_for_many(len(named), detections, None)
    masks = masks or (weights is not None and recipe.detector.keep == "masks")
    if masks:
        _refuse_format_without_masks(format)
        recipe = _keeping_masks(recipe)
    tasks = [
        DetectionTask(
            name=name,
            source=source,
            output=output / f"{name}{SUFFIXES[format]}",
            recipe=recipe,
            detections=_detections_of(name, detections),
            weights=weights,
            existing=existing,
            allow_empty=allow_empty,
            format=format,
            masks=masks,
        )
        for name, source in named
    ]
    _refuse_to_replace(tasks)
    return tasks


def _keeping_masks(recipe: Recipe) -> Recipe:
    return replace(recipe, detector=replace(recipe.detector, keep="masks"))


def _refuse_names_of_masks(named: Sequence[tuple[str, str]]) -> None:
    """A sequence's tracks must not have the name of another one's masks."""
    names = {f"{name}.txt" for name, _ in named}
    for name, _ in named:
        if f"{name}{_MASKS_SUFFIX}" in names:
            raise ValueError(
                f"sequences: expected no {name}.mots beside {name}, whose masks have that name"
            )


def _refuse_format_without_masks(format: DetectionFormat) -> None:  # noqa: A002
    if format not in MASK_FORMATS:
        raise ValueError(
            f"format: expected {' or '.join(MASK_FORMATS)} for detections with masks, got "
            f"{format}, which has no place for them"
        )


def _named(
    sources: Sequence[str], detections: Path | None, weights: Path | None
) -> list[tuple[str, str]]:
    """Every sequence's name and its source."""
    if detections is not None and weights is not None:
        raise ValueError("expected either detections or a detector, got both")
    if not all(sources):  # as a path it would be the working directory
        raise ValueError("sources: expected a name each, got an empty one")
    named = [(source_name(source), source) for given in sources for source in _expanded(given)]
    names = [name for name, _ in named]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"sources: expected sequences of different names, got {twice[0]} twice")
    return named


def _refuse_to_replace(tasks: Sequence[Task]) -> None:
    """Neither an input nor, unless it may be, an output that is there is replaced."""
    for task in tasks:
        _refuse_own_source(task)
        refuse_existing(task)


def _expanded(source: str) -> Iterable[str]:
    """The sequences of a folder of sequences; anything else is itself."""
    path = Path(source)
    try:
        if path.is_dir() and not (path / "seqinfo.ini").is_file():
            return [str(found) for found in find_sequences(path)]
    except (OSError, ValueError):
        pass  # a folder of images, or one whose fault is told when it is opened
    return [source]


def _inside(folder: Path | None, name: str) -> Path | None:
    return None if folder is None else folder / name


def _detections_of(name: str, detections: Path | None) -> Path | None:
    """A sequence's file in a folder of detections, in any format; a file stands for itself.

    Raises:
        ValueError: There are several.
    """
    if detections is None or not detections.is_dir():
        return detections
    paths = [detections / f"{name}{suffix}" for suffix in SUFFIXES.values()]
    found = [path for path in paths if path.exists()]
    if len(found) > 1:
        raise ValueError(
            f"{detections}: expected one file of detections for {name}, got "
            f"{' and '.join(path.name for path in found)}"
        )
    return found[0] if found else paths[0]


def _is_video_file(path: Path | None) -> bool:
    return path is not None and path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _refuse_one_for_many(count: int, detections: Path | None, video: Path | None) -> None:
    if count < 2:
        return
    if detections is not None and not detections.is_dir():
        raise ValueError(
            f"{detections}: expected a folder of <sequence>.txt for {count} sequences, got a file"
        )
    if _is_video_file(video):
        raise ValueError(f"{video}: expected a folder for {count} sequences, got one file's name")


def _refuse_other_video(video: Path | None) -> None:
    """Who writes `out.avi` means no folder of that name."""
    if video is not None and video.suffix.lower() in _OTHER_VIDEO_SUFFIXES and not video.is_dir():
        raise ValueError(f"{video}: expected a name that ends in .mp4, or a folder")


def _refuse_own_source(task: Task) -> None:
    """An output must not replace what is read."""
    read = {Path(task.source).resolve()}
    read.update(path.resolve() for path in (task.detections, task.weights) if path is not None)
    for path in task.outputs:
        if path.resolve() in read:
            raise ValueError(f"{path}: expected an output of its own, got an input's name")
