"""What a plan refuses: inputs, outputs and settings that do not go together.

All of these raise ValueError and return nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from faimtrack.detectors.files.formats import EMBEDDING_FORMATS, MASK_FORMATS, DetectionFormat
from faimtrack.pipeline.motion import OWN_MOTION
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS, SequenceTask, Task
from faimtrack.recipes import Recipe

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov"})
MASKS_SUFFIX = ".mots.txt"
_OTHER_VIDEO_SUFFIXES = frozenset({".avi", ".flv", ".gif", ".mkv", ".mpg", ".mpeg", ".webm"})


def is_video_file(path: Path | None) -> bool:
    """Whether a path is that of a video, and not of a folder for videos."""
    return path is not None and path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def refuse_names_of_masks(named: Sequence[tuple[str, str]]) -> None:
    """A sequence's tracks must not have the name of another one's masks."""
    names = {f"{name}.txt" for name, _ in named}
    for name, _ in named:
        if f"{name}{MASKS_SUFFIX}" in names:
            raise ValueError(
                f"sequences: expected no {name}.mots beside {name}, whose masks have that name"
            )


def refuse_format_without_masks(format: DetectionFormat) -> None:  # noqa: A002 - its word
    """Not every format can hold masks."""
    if format not in MASK_FORMATS:
        raise ValueError(
            f"format: expected {' or '.join(MASK_FORMATS)} for detections with masks, got "
            f"{format}, which has no place for them"
        )


def refuse_format_without_embeddings(format: DetectionFormat) -> None:  # noqa: A002 - its word
    """Not every format can hold embeddings."""
    if format not in EMBEDDING_FORMATS:
        raise ValueError(
            f"format: expected {' or '.join(EMBEDDING_FORMATS)} for detections with embeddings, "
            f"got {format}, which has no place for them"
        )


def refuse_two_embedders(
    recipe: Recipe, weights: Path | None, embedder: Path | str | None
) -> None:
    """Vectors of two networks must not meet."""
    if embedder is not None and weights is not None and recipe.detector.keep in EMBEDDING_KEEPS:
        raise ValueError(
            f"embedder: expected none beside a detector that gives embeddings itself "
            f"(detector.keep={recipe.detector.keep}), got {Path(embedder).name}"
        )


def refuse_masks_and_embeddings(recipe: Recipe, weights: Path | None) -> None:
    """A detector gives one or the other."""
    keep = recipe.detector.keep
    if weights is not None and keep in EMBEDDING_KEEPS:
        raise ValueError(
            f"masks: expected none beside detector.keep={keep}, for a detector keeps one or the "
            "other"
        )


def refuse_one_motion_for_many(count: int, recipe: Recipe) -> None:
    """No two sequences have one camera."""
    file = recipe.camera_motion.file
    if count > 1 and file not in {None, OWN_MOTION} and not Path(file).is_dir():
        raise ValueError(
            f"{file}: expected a folder of <sequence>.txt or GMC-<sequence>.txt with the camera "
            f"motion of {count} sequences, got a file"
        )


def refuse_one_for_many(count: int, detections: Path | None, video: Path | None) -> None:
    """A file stands for one sequence."""
    if count < 2:
        return
    if detections is not None and not detections.is_dir():
        raise ValueError(
            f"{detections}: expected a folder of <sequence>.txt for {count} sequences, got a file"
        )
    if is_video_file(video):
        raise ValueError(f"{video}: expected a folder for {count} sequences, got one file's name")


def refuse_other_video(video: Path | None) -> None:
    """Who writes `out.avi` means no folder of that name."""
    if video is not None and video.suffix.lower() in _OTHER_VIDEO_SUFFIXES and not video.is_dir():
        raise ValueError(f"{video}: expected a name that ends in .mp4, or a folder")


def refuse_own_source(task: Task) -> None:
    """An output must not replace what is read."""
    read = {Path(task.source).resolve()}
    inputs: list[object] = [task.detections, task.weights, task.embedder]
    if isinstance(task, SequenceTask):
        inputs += [task.regressor, task.camera_motion]
    read.update(path.resolve() for path in inputs if isinstance(path, Path))
    for path in task.outputs:
        if path.resolve() in read:
            raise ValueError(f"{path}: expected an output of its own, got an input's name")
