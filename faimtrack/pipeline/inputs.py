"""What goes into one sequence's run: its detector, and the hashes of all it reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

from faimtrack.detectors.config import TorchConfig
from faimtrack.detectors.files.reading import detections_provenance
from faimtrack.detectors.session import Detector
from faimtrack.motfile import Numbering, mots_classes
from faimtrack.pipeline.frames import are_frames_at_hand, frames_sha256
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.look_ahead import knows_later_frames
from faimtrack.pipeline.replay import (
    detections_path,
    has_embeddings,
    open_recording,
    same_frames_sha256,
)
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS, DetectionTask, SequenceTask, Task
from faimtrack.provenance import Provenance, file_sha256
from faimtrack.trackers import create_tracker, tracker_entry
from faimtrack.video import FrameSource
from faimtrack.video.images import MotSequence
from faimtrack.weights import weights_sha256


def make_detector(task: Task, source: FrameSource, loader: NetworkLoader) -> Detector:
    """The detector of a task: a network, or a replay of recorded detections.

    Raises:
        ValueError: There are no detections, they are faulty, or the classes do not fit.
        OSError: A file cannot be read.
    """
    if task.weights is not None:
        return load_detector(task, loader)
    return open_recording(detections_path(task, source), task, source)


def load_detector(task: Task, loader: NetworkLoader) -> Detector:
    """The network of a task that has one.

    If it also moves or describes boxes of the tracker's own it leaves in each frame what it needs
    for that.

    Raises:
        As `NetworkLoader.load`.
    """
    assert task.weights is not None
    recipe = task.recipe
    is_asked_again = False
    if isinstance(task, SequenceTask) and tracker_entry(recipe.tracker_name).needs_regressor:
        describes = describes_by_itself(task) and isinstance(recipe.detector, TorchConfig)
        is_asked_again = task.regressor is None or describes
    classes = recipe.settings.classes
    return loader.load(task.weights, recipe.detector, classes, keep_features=is_asked_again)


def describes_by_itself(task: Task) -> bool:
    """Whether a task's network also says how people look."""
    return task.weights is not None and task.recipe.detector.keep in EMBEDDING_KEEPS


def tracks_record(task: SequenceTask, source: FrameSource) -> Provenance:
    """The provenance of the tracks as they come frame by frame, known before the first.

    Raises:
        OSError: An input cannot be read.
        ValueError: There are no detections, or they are of other frames.
    """
    record = _record(task, source, numbering=task.recipe.settings.numbering)
    tree, inputs = dict(record.configuration), dict(record.inputs)
    weights = dict(record.weights)
    tree.pop("postprocess", None)
    if task.regressor is not None:
        weights["regressor"] = weights_sha256(task.regressor)
    else:
        tree.pop("regressor", None)
    if task.camera_motion is not None:
        inputs["camera_motion"] = file_sha256(task.camera_motion)
        tree["camera_motion"] = {**tree["camera_motion"], "file": task.camera_motion.name}
    return dataclasses.replace(record, configuration=tree, inputs=inputs, weights=weights)


def postprocessed_record(task: SequenceTask, tracks: Provenance) -> Provenance:
    """The provenance of the tracks that are written; online ones if nothing is done with them.

    Args:
        task: The task.
        tracks: That of the tracks as they came.
    """
    tree = task.recipe.tree()
    if "postprocess" not in tree:
        return tracks
    configuration = {**tracks.configuration, "postprocess": tree["postprocess"]}
    return dataclasses.replace(tracks, configuration=configuration, mode="offline")


def detections_record(task: DetectionTask, source: FrameSource) -> Provenance:
    """The provenance of a file of detections, known before the first frame.

    Raises:
        OSError: An input cannot be read.
        ValueError: There is no detector, or a file in its place is of other frames.
    """
    record = _record(task, source, numbering="kept")
    unused = ("tracker", "numbering", "camera_motion", "regressor", "postprocess")
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
    if not _uses_embedder(task, source):
        tree.pop("embedder", None)
    elif isinstance(task.embedder, Path):
        weights["embedder"] = weights_sha256(task.embedder)
    if task.weights is not None:
        weights["detector"] = weights_sha256(task.weights)
        inputs["frames"] = frames_sha256(task.source, source)
        if knows_later_frames(task, source.info):
            mode = "offline"
    else:
        del tree["detector"]
        path = detections_path(task, source)
        inputs["detections"] = file_sha256(path)
        made = detections_provenance(path)
        frames = same_frames_sha256(path, made, task, source)
        looks = looks_at_pixels(task) is not None
        if frames is not None or looks or not isinstance(source, MotSequence):
            inputs["frames"] = frames or frames_sha256(task.source, source)
        if made is not None:
            tree["detections"] = {**made.configuration, "version": made.version}
            weights = {**made.weights, **weights}
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


def _uses_embedder(task: Task, source: FrameSource) -> bool:
    """Whether a task's embedder is asked about anybody."""
    if task.embedder is None:
        return False
    if isinstance(task, SequenceTask):
        name = task.recipe.tracker_name
        if tracker_entry(name).needs_regressor:
            return True  # it asks about boxes of its own
        tracker = create_tracker(name, task.recipe.tracker)
        if getattr(tracker, "appearance_threshold", None) is None:
            return False
    return task.weights is not None or not has_embeddings(detections_path(task, source))


def require_images(task: Task, source: FrameSource) -> None:
    """See that there are pixels for who looks at them beside a detector.

    Raises:
        ValueError: There are none.
    """
    who = looks_at_pixels(task)
    if who is not None and task.weights is None and not are_frames_at_hand(source):
        raise ValueError(f"{task.name}: expected images for {who}, got a sequence without any")


def looks_at_pixels(task: Task) -> str | None:
    """Who looks at a sequence's pixels for the sake of its tracks; None if nobody does."""
    if task.weights is not None:
        return "a detector"
    if task.embedder is not None:
        return "an embedder"
    if not isinstance(task, SequenceTask):
        return None
    if task.regressor is not None:
        return "a regressor"
    method = task.recipe.camera_motion.method
    return None if method in {"none", "file"} else f"camera motion by {method}"


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
