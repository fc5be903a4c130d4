"""What goes into one sequence's run: its detector, and the hashes of all it reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.motfile import Numbering, read_mot
from faimtrack.pipeline.loader import DetectorLoader
from faimtrack.pipeline.tasks import DetectionTask, SequenceTask, Task
from faimtrack.provenance import Provenance, file_sha256, files_sha256
from faimtrack.video import FrameSource
from faimtrack.video.images import ImageFiles, MotSequence


def make_detector(task: Task, source: FrameSource, loader: DetectorLoader) -> Detector:
    """The detector of a task: an ONNX network, or a replay of recorded detections.

    Raises:
        ValueError: There are no detections, they are faulty, or the classes do not fit.
        OSError: A file cannot be read.
    """
    classes = task.recipe.settings.classes
    if task.weights is not None:
        return loader.load(task.weights, task.recipe.detector, classes)
    path = _detections_path(task, source)
    if len(classes) > 1:
        raise ValueError(
            f"classes: expected one name for {path}, whose rows carry no class, "
            f"got {', '.join(classes)}"
        )
    table = read_mot(
        path, "detections", frame_count=_full_length(source), allow_empty=task.allow_empty
    )
    return RecordedDetections(table, classes or ("person",))


def _detections_path(task: Task, source: FrameSource) -> Path:
    if task.detections is not None:
        return task.detections
    if isinstance(source, MotSequence) and source.sequence.detections_path.exists():
        return source.sequence.detections_path
    expected = "det/det.txt" if isinstance(source, MotSequence) else "detections"
    raise ValueError(
        f"{task.name}: expected {expected}, got none: name a file of detections "
        "(--detections FILE) or a detector (--detector MODEL.onnx)"
    )


def _full_length(source: FrameSource) -> int | None:
    """Frames of the whole sequence, whatever the split; None where nobody knows."""
    if isinstance(source, MotSequence):
        return source.sequence.frame_count
    if isinstance(source, ImageFiles):
        return len(source.paths)
    count = source.info.frame_count
    return None if count is None else source.info.first_index - 1 + count


def tracks_record(task: SequenceTask, source: FrameSource) -> Provenance:
    """The provenance of the tracks, known before the first frame.

    Raises:
        OSError: An input cannot be read.
        ValueError: There are no detections.
    """
    return _record(task, source, numbering=task.recipe.settings.numbering)


def detections_record(task: DetectionTask, source: FrameSource) -> Provenance:
    """The provenance of a file of detections, known before the first frame.

    Raises:
        OSError: An input cannot be read.
        ValueError: There is no detector.
    """
    record = _record(task, source, numbering="kept")
    unused = ("tracker", "numbering")
    tree = {key: value for key, value in record.configuration.items() if key not in unused}
    return dataclasses.replace(record, configuration={**tree, "format": task.format})


def _record(task: Task, source: FrameSource, *, numbering: Numbering) -> Provenance:
    recipe = task.recipe
    tree = recipe.tree()
    inputs: dict[str, str | None] = {}
    weights: dict[str, str] = {}
    if isinstance(source, MotSequence):
        inputs["seqinfo"] = file_sha256(source.sequence.folder / "seqinfo.ini")
    if task.weights is not None:
        weights["detector"] = file_sha256(task.weights)
    else:
        del tree["detector"]
        inputs["detections"] = file_sha256(_detections_path(task, source))
    if task.weights is not None or not isinstance(source, MotSequence):
        inputs["frames"] = _frames_sha256(task, source)
    return Provenance(
        kind=task.product,
        configuration=tree,
        inputs=inputs,
        weights=weights,
        split=recipe.settings.split,
        numbering=numbering,
        mode="online",
    )


def video_record(task: SequenceTask, source: FrameSource, tracks: Provenance) -> Provenance:
    """The provenance of the annotated video of these tracks.

    Raises:
        OSError: An input cannot be read.
    """
    inputs = {**tracks.inputs, "frames": _frames_sha256(task, source)}
    return dataclasses.replace(tracks, kind="video", inputs=inputs)


def _frames_sha256(task: Task, source: FrameSource) -> str | None:
    """Of the pixels' files: all of a folder of images, or the video; None of a live source."""
    if isinstance(source, ImageFiles):
        return files_sha256(source.paths)
    if isinstance(source, MotSequence):
        folder = source.sequence.image_folder
        return files_sha256([path for path in folder.iterdir() if path.is_file()])
    path = Path(task.source)
    return file_sha256(path) if path.is_file() else None
