"""From what a user names to one task a sequence: sources, names, detections, output files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from faimtrack.detectors.files.formats import SUFFIXES, DetectionFormat
from faimtrack.motfile import find_sequences
from faimtrack.pipeline.following import require_regressor
from faimtrack.pipeline.motion import motion_path
from faimtrack.pipeline.refusals import (
    MASKS_SUFFIX,
    is_video_file,
    refuse_format_without_embeddings,
    refuse_format_without_masks,
    refuse_masks_and_embeddings,
    refuse_names_of_masks,
    refuse_one_for_many,
    refuse_one_motion_for_many,
    refuse_other_video,
    refuse_own_source,
    refuse_two_embedders,
)
from faimtrack.pipeline.sequence import refuse_existing
from faimtrack.pipeline.tasks import (
    EMBEDDING_KEEPS,
    DetectionTask,
    Existing,
    SequenceTask,
    Task,
)
from faimtrack.recipes import Recipe
from faimtrack.trackers import tracker_entry
from faimtrack.video.sources import source_name


def plan_tasks(
    sources: Sequence[str],
    recipe: Recipe,
    output: Path,
    *,
    detections: Path | None = None,
    weights: Path | None = None,
    embedder: Path | str | None = None,
    regressor: Path | None = None,
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
        embedder: The file of what describes how detections look, or its name if it has none.
        regressor: The file of the network that moves boxes, for a tracker that needs one; None:
            the detector does it.
        video: A video file where there is one sequence, else a folder of ``<sequence>.mp4``.
        cache: A folder where the detector's and the embedder's answers are kept for later runs.
        masks: Whether the tracks' masks are written too, as MOTS text ``<sequence>.mots.txt``,
            and drawn in the video. A detector is then told to keep masks.
        existing: What to do with outputs that are there.
        allow_empty: Whether a detection file without rows is an answer.

    Raises:
        ValueError: Two sequences have one name, one file is named for several, or what is asked
            for does not go together.
        OSError: An output is there already, or would replace a source.
    """
    named = _named(sources, detections, weights)
    if cache is not None and weights is None and embedder is None:
        raise ValueError(f"{cache}: expected a detector whose answers can be kept, got none")
    refuse_one_for_many(len(named), detections, video)
    refuse_one_motion_for_many(len(named), recipe)
    refuse_other_video(video)
    refuse_two_embedders(recipe, weights, embedder)
    needs_regressor = tracker_entry(recipe.tracker_name).needs_regressor
    if masks:
        refuse_names_of_masks(named)
        refuse_masks_and_embeddings(recipe, weights)
        recipe = _keeping_masks(recipe)
    recipe = _naming(recipe, embedder, regressor if needs_regressor else None)
    tasks = [
        SequenceTask(
            name=name,
            source=source,
            output=output / f"{name}.txt",
            recipe=recipe,
            detections=_detections_of(name, detections),
            weights=weights,
            embedder=embedder,
            regressor=regressor if needs_regressor else None,
            camera_motion=_motion_of(name, source, recipe),
            video=video if is_video_file(video) else _inside(video, f"{name}.mp4"),
            cache=cache,
            masks=output / f"{name}{MASKS_SUFFIX}" if masks else None,
            existing=existing,
            allow_empty=allow_empty,
        )
        for name, source in named
    ]
    require_regressor(recipe, weights, regressor)
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
    embedder: Path | str | None = None,
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
        embedder: The file of what describes how detections look, or its name if it has none; its
            vectors are written too, which not every format can.
        masks: Whether masks are written too, which not every format can. A detector is then told
            to keep them.
        existing: What to do with outputs that are there.
        allow_empty: Whether a detection file without rows is an answer.

    Raises:
        ValueError: Two sequences have one name, one file is named for several, or the format has
            no place for masks or embeddings.
        OSError: An output is there already, or would replace a source.
    """
    named = _named(sources, detections, weights)
    refuse_one_for_many(len(named), detections, None)
    masks = masks or (weights is not None and recipe.detector.keep == "masks")
    if masks:
        refuse_format_without_masks(format)
        refuse_masks_and_embeddings(recipe, weights)
        recipe = _keeping_masks(recipe)
    refuse_two_embedders(recipe, weights, embedder)
    keeps = weights is not None and recipe.detector.keep in EMBEDDING_KEEPS
    if embedder is not None or keeps:
        refuse_format_without_embeddings(format)
    recipe = _naming(recipe, embedder, None)
    tasks = [
        DetectionTask(
            name=name,
            source=source,
            output=output / f"{name}{SUFFIXES[format]}",
            recipe=recipe,
            detections=_detections_of(name, detections),
            weights=weights,
            embedder=embedder,
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


def _naming(recipe: Recipe, embedder: Path | str | None, regressor: Path | None) -> Recipe:
    """The recipe with the names of all networks that are given; those that it has stand.

    Else nothing that is written would tell that they were used.
    """
    if embedder is not None and recipe.embedder_weights is None:
        recipe = replace(recipe, embedder_weights=str(embedder))
    if regressor is not None and recipe.regressor_weights is None:
        recipe = replace(recipe, regressor_weights=str(regressor))
    return recipe


def _motion_of(name: str, source: str, recipe: Recipe) -> Path | None:
    file = recipe.camera_motion.file
    return None if file is None else motion_path(name, source, file)


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
        refuse_own_source(task)
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
