"""What goes into one sequence's run: its detector, and the hashes of all it reads."""

from __future__ import annotations

import dataclasses
from typing import Literal

from faimtrack.detectors.files.reading import detections_provenance
from faimtrack.detectors.session import Detector
from faimtrack.motfile import Numbering, mots_classes
from faimtrack.pipeline.frames import frames_sha256
from faimtrack.pipeline.loader import DetectorLoader
from faimtrack.pipeline.replay import detections_path, open_recording, same_frames_sha256
from faimtrack.pipeline.tasks import DetectionTask, SequenceTask, Task
from faimtrack.provenance import Provenance, file_sha256
from faimtrack.video import FrameSource
from faimtrack.video.images import MotSequence
from faimtrack.weights import weights_sha256


def make_detector(task: Task, source: FrameSource, loader: DetectorLoader) -> Detector:
    """The detector of a task: a network, or a replay of recorded detections.

    Raises:
        ValueError: There are no detections, they are faulty, or the classes do not fit.
        OSError: A file cannot be read.
    """
    classes = task.recipe.settings.classes
    if task.weights is not None:
        return loader.load(task.weights, task.recipe.detector, classes)
    return open_recording(detections_path(task, source), task, source)


def tracks_record(task: SequenceTask, source: FrameSource) -> Provenance:
    """The provenance of the tracks, known before the first frame.

    Raises:
        OSError: An input cannot be read.
        ValueError: There are no detections, or they are of other frames.
    """
    return _record(task, source, numbering=task.recipe.settings.numbering)


def detections_record(task: DetectionTask, source: FrameSource) -> Provenance:
    """The provenance of a file of detections, known before the first frame.

    Raises:
        OSError: An input cannot be read.
        ValueError: There is no detector, or a file in its place is of other frames.
    """
    record = _record(task, source, numbering="kept")
    unused = ("tracker", "numbering")
    tree = {key: value for key, value in record.configuration.items() if key not in unused}
    tree["format"] = task.format
    if task.masks:
        tree["masks"] = True
    return dataclasses.replace(record, configuration=tree)


def _record(task: Task, source: FrameSource, *, numbering: Numbering) -> Provenance:
    recipe = task.recipe
    tree = recipe.tree()
    inputs: dict[str, str | None] = {}
    weights: dict[str, str] = {}
    if isinstance(source, MotSequence):
        inputs["seqinfo"] = file_sha256(source.sequence.folder / "seqinfo.ini")
    mode: Literal["online", "offline"] = "online"
    if task.weights is not None:
        weights["detector"] = weights_sha256(task.weights)
        inputs["frames"] = frames_sha256(task.source, source)
    else:
        del tree["detector"]
        path = detections_path(task, source)
        inputs["detections"] = file_sha256(path)
        made = detections_provenance(path)
        frames = same_frames_sha256(path, made, task, source)
        if frames is not None or not isinstance(source, MotSequence):
            inputs["frames"] = frames or frames_sha256(task.source, source)
        if made is not None:
            tree["detections"] = {**made.configuration, "version": made.version}
            weights.update(made.weights)
            mode = made.mode or mode
    return Provenance(
        kind=task.product,
        configuration=tree,
        inputs=inputs,
        weights=weights,
        split=recipe.settings.split,
        numbering=numbering,
        mode=mode,
    )


def masks_record(tracks: Provenance, class_names: tuple[str, ...]) -> Provenance:
    """The provenance of the masks of these tracks.

    Args:
        tracks: That of the tracks.
        class_names: What their class ids mean.
    """
    numbers = mots_classes(class_names)
    classes = {str(number): name for number, name in zip(numbers, class_names, strict=True)}
    return dataclasses.replace(tracks, kind="masks", contents={"classes": classes})


def video_record(task: SequenceTask, source: FrameSource, tracks: Provenance) -> Provenance:
    """The provenance of the annotated video of these tracks.

    Raises:
        OSError: An input cannot be read.
    """
    inputs = {**tracks.inputs, "frames": frames_sha256(task.source, source)}
    return dataclasses.replace(tracks, kind="video", inputs=inputs)
