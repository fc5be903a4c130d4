"""A file of detections in the place of a detector, if it is of the frames at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from faimtrack.detectors.files import read_detections
from faimtrack.detectors.files.formats import EMBEDDING_FORMATS
from faimtrack.detectors.files.parquet_embeddings import EMBEDDING_KEY
from faimtrack.detectors.files.reading import format_of
from faimtrack.detectors.files.table import DetectionTable
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.pipeline.frames import are_frames_at_hand, frames_sha256, full_length
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS, Task
from faimtrack.provenance import Provenance
from faimtrack.structures import SourceInfo
from faimtrack.video import FrameSource
from faimtrack.video.images import MotSequence


def open_recording(path: Path, task: Task, source: FrameSource) -> RecordedDetections:
    """The detector that answers from a file of detections.

    Raises:
        ValueError: They are faulty, not of this sequence, or the classes do not fit.
        OSError: The file cannot be read.
    """
    classes = task.recipe.settings.classes
    table = read_detections(path, frame_count=full_length(source), allow_empty=task.allow_empty)
    _refuse_other_sequence(table, source)
    if table.class_names is not None:
        return RecordedDetections(table, classes=classes or None)
    if len(classes) > 1:
        raise ValueError(
            f"classes: expected one name for {path}, whose rows carry no class, "
            f"got {', '.join(classes)}"
        )
    return RecordedDetections(table, classes or ("person",))


def require_masks(detector: Detector, info: SourceInfo) -> None:
    """See that a file of detections has masks of the frames; a network says itself if it has none.

    Raises:
        ValueError: It has not.
    """
    if not isinstance(detector, RecordedDetections):
        return
    table = detector.table
    if isinstance(table, DetectionTable) and table.masks is None and len(table):
        raise ValueError(
            f"{table.path}: expected detections with masks, got none: faimtrack detect --masks "
            "--format parquet writes them with a detector that has a mask branch"
        )
    if isinstance(table, DetectionTable) and table.masks is not None:
        _refuse_other_size(table.path, table.masks.sizes, info)


def recorded_embedding_name(detector: Detector) -> str | None:
    """Whose embeddings a file of detections has; None for a network, or a file without any."""
    if not isinstance(detector, RecordedDetections) or not len(detector.table):
        return None
    return detector.table.embedding_name if isinstance(detector.table, DetectionTable) else None


def has_embeddings(path: Path) -> bool:
    """Whether a file of detections has embeddings, without reading its rows.

    Raises:
        ValueError: It is not whole.
        OSError: It cannot be read.
    """
    if format_of(path) not in EMBEDDING_FORMATS:
        return False
    try:
        return EMBEDDING_KEY in (pq.read_metadata(path).metadata or {})
    except pa.ArrowException as error:
        raise ValueError(f"{path}: expected a whole Parquet file, got none") from error


def require_embeddings(detector: Detector, task: Task) -> None:
    """See that a file of detections has the embeddings that a detector was to give.

    A network says itself if it has no mask branch to give them.

    Raises:
        ValueError: It has none.
    """
    keep = task.recipe.detector.keep
    if not isinstance(detector, RecordedDetections) or keep not in EMBEDDING_KEEPS:
        return
    if len(detector.table) and recorded_embedding_name(detector) is None:
        raise ValueError(
            f"{detector.table.path}: expected detections with embeddings, got none: faimtrack "
            f"detect --set detector.keep={keep} --format parquet writes them with a detector that "
            "has a mask branch"
        )


def _refuse_other_size(path: Path, sizes: NDArray[np.int64], info: SourceInfo) -> None:
    """Refuse masks, `(R, 2)` height and width, of frames that are not those at hand."""
    if info.height is None or info.width is None:
        return
    others = np.flatnonzero((sizes != [info.height, info.width]).any(axis=1))
    if len(others):
        height, width = sizes[others[0]].tolist()
        raise ValueError(
            f"{path}: expected masks of {info.width} x {info.height} pixels, got some of "
            f"{width} x {height}"
        )


def detections_path(task: Task, source: FrameSource) -> Path:
    """The file of detections of a task that has no detector.

    Raises:
        ValueError: There is none.
    """
    if task.detections is not None:
        return task.detections
    if isinstance(source, MotSequence) and source.sequence.detections_path.exists():
        return source.sequence.detections_path
    expected = "det/det.txt" if isinstance(source, MotSequence) else "detections"
    raise ValueError(
        f"{task.name}: expected {expected}, got none: name a file of detections "
        "(--detections FILE) or a detector (--detector NAME or FILE)"
    )


def same_frames_sha256(
    path: Path, made: Provenance | None, task: Task, source: FrameSource
) -> str | None:
    """The hash of the frames at hand, if they are known to be those of the detections.

    Args:
        path: The file of detections.
        made: How it was made, if that is known.
        task: The task.
        source: The frames.

    Returns:
        None where one of the two hashes is not to be had.

    Raises:
        ValueError: The frames are others.
        OSError: A frame's file cannot be read.
    """
    expected = None if made is None else made.inputs.get("frames")
    if expected is None or not are_frames_at_hand(source):
        return None
    came = frames_sha256(task.source, source)
    if came is not None and came != expected:
        raise ValueError(
            f"{path}: expected detections of the frames of {task.source}, got those of other "
            f"frames: their SHA-256 is {came[:12]}..., the detections' {expected[:12]}..."
        )
    return came


def _refuse_other_sequence(table: DetectionTable, source: FrameSource) -> None:
    """Where no hash tells, name and size may."""
    contents, info = table.contents, source.info
    if contents is None:
        return
    size, found = (info.width, info.height), (contents.width, contents.height)
    if None not in size and None not in found and size != found:
        raise ValueError(
            f"{table.path}: expected detections in {size[0]} x {size[1]} pixels as {info.name} "
            f"has, got them in {found[0]} x {found[1]}"
        )
    is_hashed = table.record is not None and table.record.inputs.get("frames") is not None
    if contents.sequence not in (None, info.name) and not (
        is_hashed and are_frames_at_hand(source)
    ):
        raise ValueError(
            f"{table.path}: expected detections of {info.name}, got those of {contents.sequence}"
        )
