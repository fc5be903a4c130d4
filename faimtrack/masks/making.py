"""Pseudo masks of one sequence: from its boxes to a store with its provenance."""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from faimtrack.masks.mask import Mask
from faimtrack.masks.objects import SequenceObjects, image_size, read_objects
from faimtrack.masks.parts import MaskParts
from faimtrack.masks.segmenter import FrameObjects, Segment
from faimtrack.masks.sources import SegmenterLoader, open_masks
from faimtrack.masks.tasks import MaskTask, refuse_existing
from faimtrack.motfile import SequenceInfo
from faimtrack.provenance import (
    Provenance,
    file_sha256,
    files_sha256,
    provenance_path,
    read_provenance,
    write_provenance,
)
from faimtrack.structures import Frame
from faimtrack.video.images import ImageFiles, MotSequence
from faimtrack.video.sources import FrameSource

_LOG = logging.getLogger(__name__)

_FRAMES_A_PART = 64
_SECONDS_A_PART = 15.0

Report = Callable[[int, int], None]
"""Called after each frame with the frames done and the frames to do."""

OUTCOMES = ("kept", "outside", "unmatched", "empty", "low_quality")
"""What becomes of an object: it has a mask, its box lies outside the image, the method has none
for it, the mask is empty inside the box, or its quality is under the floor."""


@dataclass(frozen=True, kw_only=True)
class MaskSummary:
    """What came of one sequence.

    Attributes:
        counts: Objects by what became of them, see `OUTCOMES`.
        frames: Frames that have objects.
        seconds: From start to end; None if the store had been finished before and was kept.
        notes: What else is worth telling.
    """

    counts: dict[str, int]
    frames: int
    seconds: float | None
    notes: tuple[str, ...] = ()

    @property
    def objects(self) -> int:
        """How many there are."""
        return sum(self.counts.values())


def make_masks(
    task: MaskTask, report: Report | None = None, loader: SegmenterLoader | None = None
) -> MaskSummary:
    """Make the masks of one sequence, one for each object of its ground truth that counts.

    They are found by frame and track id; an object without a mask has no row. What an earlier run
    of the same task had done when it was broken off is not done again.

    Args:
        task: What to make, as `plan_masks` plans it.
        report: Called after each frame.
        loader: Where a network comes from; None loads it for this sequence.

    Raises:
        ValueError: The ground truth, an image, the weights or stored masks are not what they
            should be.
        OSError: Something cannot be read or written, or is there already.
        ModuleNotFoundError: The method needs a package that is not installed.
    """
    refuse_existing(task)
    source, objects, inputs = _open(task)
    record = _record(task, inputs)
    notes = []
    if task.existing == "resume" and task.output.exists():
        reason = _reason_to_begin_again(task, record)
        if reason is None:
            contents = dict(read_provenance(task.output).contents)
            return MaskSummary(
                counts=contents.get("counts", {}), frames=len(objects.frame_numbers), seconds=None
            )
        notes.append(f"made again: {reason}")
    start_s = time.monotonic()
    with MaskParts(task.output, record, keep=task.existing != "overwrite") as parts:
        if parts.last_frame:
            notes.append(f"frames up to {parts.last_frame} had been done before")
        _make_frames(task, source, objects, parts, report, loader)
        counts = {name: parts.counts[name] for name in OUTCOMES}
        parts.join(_metadata(task, objects, record, counts))
        write_provenance(task.output, dataclasses.replace(record, contents={"counts": counts}))
    _LOG.info("%s: %s: %s", task.name, task.method, counts)
    return MaskSummary(
        counts=counts,
        frames=len(objects.frame_numbers),
        seconds=time.monotonic() - start_s,
        notes=tuple(notes),
    )


def _open(task: MaskTask) -> tuple[FrameSource, SequenceObjects, dict[str, str | None]]:
    """Frames and objects of a task, and the hashes of what they were read from."""
    if task.video is not None:
        inputs: dict[str, str | None] = {"ground_truth": task.video.sha256}
        if task.needs_images:
            inputs["frames"] = files_sha256(list(task.video.images))
        return ImageFiles.of_folder(task.sequence), task.video.objects, inputs
    source = MotSequence(task.sequence, split=task.split)
    objects = read_objects(
        source.sequence, image_size(source), classes=task.config.classes, split=task.split
    )
    return source, objects, _sequence_inputs(task, source.sequence)


def _make_frames(
    task: MaskTask,
    source: FrameSource,
    objects: SequenceObjects,
    parts: MaskParts,
    report: Report | None,
    loader: SegmenterLoader | None,
) -> None:
    """Make what is not there yet, frame by frame."""
    wanted = set(objects.frame_numbers)
    done = sum(frame <= parts.last_frame for frame in wanted)
    if done == len(wanted):
        return
    masks = open_masks(task, objects, loader)
    flushed_s = time.monotonic()
    try:
        for frame in source:
            if frame.index not in wanted or frame.index <= parts.last_frame:
                continue
            there, counts = _objects_of(frame, objects)
            found = masks.segments(there)
            parts.add(frame.index, *_kept(task, objects, there, found, counts))
            frame.release()
            done += 1
            if report is not None:
                report(done, len(wanted))
            is_late = time.monotonic() - flushed_s >= _SECONDS_A_PART
            if is_late or parts.pending_frames >= _FRAMES_A_PART:
                parts.flush()
                flushed_s = time.monotonic()
    finally:
        parts.flush()


def _objects_of(frame: Frame, objects: SequenceObjects) -> tuple[FrameObjects, Counter[str]]:
    """The objects of a frame whose boxes are in the image, and how many are not."""
    rows = np.arange(len(objects))[objects.rows_of(frame.index)]
    windows = objects.windows[rows]
    inside = (windows[:, 2:] > windows[:, :2]).all(axis=1)
    there = FrameObjects(
        index=frame.index,
        size=objects.size,
        track_ids=objects.track_ids[rows[inside]],
        windows=windows[inside],
        load_image=lambda: frame.image,
    )
    return there, Counter(outside=int((~inside).sum()))


def _kept(
    task: MaskTask,
    objects: SequenceObjects,
    there: FrameObjects,
    segments: Sequence[Segment | None],
    counts: Counter[str],
) -> tuple[dict[int, Mask], Counter[str]]:
    """The masks that are good enough, by track id, and what became of the others."""
    rows = objects.rows_of(there.index)
    kinds = dict(
        zip(objects.track_ids[rows].tolist(), objects.class_ids[rows].tolist(), strict=True)
    )
    masks: dict[int, Mask] = {}
    for track, (left, top, *_), segment in zip(
        there.track_ids.tolist(), there.windows.tolist(), segments, strict=True
    ):
        outcome = _outcome(segment, task.config.minimum_quality)
        counts[outcome] += 1
        if segment is not None and outcome == "kept":
            masks[track] = Mask.encode_part(
                segment.pixels, left, top, there.size,
                class_id=kinds[track], method=task.method,
                quality=float(np.float32(segment.quality)),
            )  # fmt: skip
    return masks, counts


def _outcome(segment: Segment | None, minimum_quality: float) -> str:
    if segment is None:
        return "unmatched"
    if not segment.pixels.any():
        return "empty"
    return "low_quality" if segment.quality < minimum_quality else "kept"


def _sequence_inputs(task: MaskTask, sequence: SequenceInfo) -> dict[str, str | None]:
    """Hashes of a MOTChallenge sequence's files."""
    inputs: dict[str, str | None] = {
        "ground_truth": file_sha256(sequence.ground_truth_path),
        "seqinfo": file_sha256(sequence.folder / "seqinfo.ini"),
    }
    if task.needs_images:
        folder = sequence.image_folder
        if not folder.is_dir():
            raise FileNotFoundError(
                f"{folder}: expected a folder of images, got no such: {task.method} looks at "
                "pixels"
            )
        inputs["frames"] = files_sha256([path for path in folder.iterdir() if path.is_file()])
    return inputs


def _record(task: MaskTask, inputs: dict[str, str | None]) -> Provenance:
    """The provenance of the store, known before the first frame."""
    inputs = dict(inputs)
    for role, path in (("instances", task.instances), ("masks", task.donors)):
        if path is not None:
            inputs[role] = file_sha256(path)
    return Provenance(
        kind="masks",
        configuration={"method": task.method, **dataclasses.asdict(task.config)},
        inputs=inputs,
        weights={} if task.weights_digest is None else {"segmenter": task.weights_digest},
        split=task.split,
    )


def _metadata(
    task: MaskTask, objects: SequenceObjects, record: Provenance, counts: dict[str, int]
) -> dict[str, object]:
    """What the store says of its masks."""
    return {
        "source": "faimtrack masks make",
        "method": task.method,
        "class_names": list(objects.class_names),
        "counts": counts,
        "ground_truth_sha256": record.inputs["ground_truth"],
        "minimum_quality": task.config.minimum_quality,
        "split": task.split,
        "weights_sha256": task.weights_digest,
    }


def _reason_to_begin_again(task: MaskTask, record: Provenance) -> str | None:
    """Why the store that is there is not that of this task; None if it is."""
    try:
        found = read_provenance(task.output)
        if found.output_sha256 != file_sha256(task.output):
            return f"{task.output.name} is not the file that its sidecar describes"
    except (OSError, ValueError):
        sidecar = provenance_path(task.output).name
        return f"{task.output.name} or its sidecar {sidecar} is not there whole"
    differences = found.differences(record)
    return f"it was made with another {', '.join(differences)}" if differences else None
