"""One sequence from its source to a file of detections, with its provenance."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from faimtrack.detectors.files import DetectionFile
from faimtrack.detectors.files.formats import EMBEDDING_FORMATS, MASK_FORMATS
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.pipeline.embeddings import refuse_other_embedder
from faimtrack.pipeline.enriching import EmbeddingEnricher, Enricher
from faimtrack.pipeline.inputs import detections_record, make_detector, require_images
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.look_ahead import require_two_passes
from faimtrack.pipeline.replay import recorded_embedding_name, require_masks
from faimtrack.pipeline.run import run_pipeline
from faimtrack.pipeline.sequence import (
    Report,
    SequenceResult,
    look_back,
    refuse_existing,
    stopped,
)
from faimtrack.pipeline.sinks import DetectionSink, Progress
from faimtrack.pipeline.stages import PipelineSummary, Sink
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS, DetectionTask
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.video import FrameSource, open_source


def detect_sequence(
    task: DetectionTask, report: Report | None = None, loader: NetworkLoader | None = None
) -> SequenceResult:
    """Find objects in one sequence and write them.

    Args:
        task: What to do.
        report: Called after each frame.
        loader: Where the network comes from, if there is one; None loads it for this sequence.

    Raises:
        SequenceStopped: Frames had been looked at already when something failed; they are kept
            under a name that the message gives. The cause is the error itself.
        ValueError: The source, the detector or a setting is not what it should be.
        OSError: Something cannot be read or written, or is there already.
    """
    refuse_existing(task)
    with open_source(task.source, split=task.recipe.settings.split) as source:
        require_images(task, source)
        require_two_passes(task, source)
        record = detections_record(task, source)
        is_done, notes = look_back(task, record)
        if is_done:
            return SequenceResult(summary=None)
        loader = loader or NetworkLoader()
        detector = make_detector(task, source, loader)
        if task.masks:
            require_masks(detector, source.info)
        enrichers = _enrichers(task, detector, loader)
        file = _file(task, source, detector, record)
        summary = _run(task, source, detector, enrichers, file, report)
        contents = file.contents.to_tree()
        write_provenance(task.output, dataclasses.replace(record, contents=contents))
    if _has_masks(detector) and task.format not in MASK_FORMATS:
        notes.append(f"masks are left out: the format {task.format} has no place for them")
    if recorded_embedding_name(detector) is not None and task.format not in EMBEDDING_FORMATS:
        notes.append(f"embeddings are left out: the format {task.format} has no place for them")
    if not summary.detections:
        notes.append("not a single detection in any frame; the result is empty")
    return SequenceResult(summary=summary, notes=tuple(notes))


def _file(
    task: DetectionTask, source: FrameSource, detector: Detector, record: Provenance
) -> DetectionFile:
    """Where the detections go; if one class is kept, the file knows of no other."""
    kept = task.recipe.settings.classes
    names = kept if len(kept) == 1 else detector.class_names
    with_masks = task.masks or (_has_masks(detector) and task.format in MASK_FORMATS)
    has_embeddings = (
        task.embedder is not None
        or recorded_embedding_name(detector) is not None
        or (task.weights is not None and task.recipe.detector.keep in EMBEDDING_KEEPS)
    )
    return DetectionFile(
        task.output,
        task.format,
        names,
        source.info,
        record=record,
        with_masks=with_masks,
        with_embeddings=has_embeddings and task.format in EMBEDDING_FORMATS,
    )


def _enrichers(task: DetectionTask, detector: Detector, loader: NetworkLoader) -> list[Enricher]:
    """What says how detections look, whatever they score."""
    if task.embedder is None:
        return []
    if recorded_embedding_name(detector) is not None:
        refuse_other_embedder(task, detector, loader)
        return []
    embedder = loader.load_embedder(task.embedder, task.recipe.embedder)
    return [EmbeddingEnricher(embedder, -math.inf)]


def _has_masks(detector: Detector) -> bool:
    """Whether this is a file of detections with masks."""
    return isinstance(detector, RecordedDetections) and detector.table.masks is not None


def _run(
    task: DetectionTask,
    source: FrameSource,
    detector: Detector,
    enrichers: Sequence[Enricher],
    file: DetectionFile,
    report: Report | None,
) -> PipelineSummary:
    """Detect and write; nothing gets its final name before all is whole."""
    sinks: list[Sink] = [DetectionSink(file)]
    tell = None if report is None else lambda done: report(done, source.info.frame_count)
    if tell is not None:
        sinks.append(Progress(tell))
    try:
        with file:
            refuse_existing(task)  # another run may have ended since this one began
            summary = run_pipeline(
                source, detector, None, sinks, enrichers=enrichers, report_ahead=tell
            )
            if not summary.frames:
                raise ValueError(f"{task.name}: expected frames, got none")
    except Exception as error:
        if (told := stopped(error, file)) is error:
            raise
        raise told from error
    return summary
