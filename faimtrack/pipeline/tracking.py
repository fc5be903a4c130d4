"""One sequence from its source to tracks on the disk, each file with its provenance."""

from __future__ import annotations

import contextlib

from faimtrack.pipeline.cache import KeptDetector, kept_detector
from faimtrack.pipeline.inputs import make_detector, masks_record, tracks_record, video_record
from faimtrack.pipeline.loader import DetectorLoader
from faimtrack.pipeline.replay import require_masks
from faimtrack.pipeline.run import PipelineSummary, Sink, run_pipeline
from faimtrack.pipeline.sequence import (
    Report,
    SequenceResult,
    look_back,
    refuse_existing,
    stopped,
)
from faimtrack.pipeline.sinks import DetectionSink, MaskFile, Progress, TrackFile, TrackVideo
from faimtrack.pipeline.tasks import SequenceTask
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.trackers import create_tracker
from faimtrack.video import FrameSource, open_source


def track_sequence(
    task: SequenceTask, report: Report | None = None, loader: DetectorLoader | None = None
) -> SequenceResult:
    """Track one sequence and write its files.

    Args:
        task: What to do.
        report: Called after each frame.
        loader: Where the network comes from, if there is one; None loads it for this sequence.

    Raises:
        SequenceStopped: Frames had been tracked already when something failed; they are kept
            under a name that the message gives. The cause is the error itself.
        ValueError: The source, the detections or a setting is not what it should be.
        OSError: Something cannot be read or written, or is there already.
    """
    refuse_existing(task)
    with open_source(task.source, split=task.recipe.settings.split) as source:
        record = tracks_record(task, source)
        is_done, notes = look_back(task, record)
        if is_done:
            return SequenceResult(summary=None)
        kept = _detector(task, source, record, loader or DetectorLoader())
        if task.masks is not None:
            require_masks(kept.detector, source.info)
        summary = _run(task, source, kept, report)
        write_provenance(task.output, record)
        if task.masks is not None:
            write_provenance(task.masks, masks_record(record, kept.detector.class_names))
        if task.video is not None:
            write_provenance(task.video, video_record(task, source, record))
    if kept.warning is not None:
        notes.append(kept.warning)
    if not summary.detections:
        notes.append("not a single detection in any frame; the result is empty")
    elif not summary.rows:
        notes.append("the detections gave no track; the result is empty")
    remarks = () if kept.remark is None else (kept.remark,)
    return SequenceResult(summary=summary, notes=tuple(notes), remarks=remarks)


def _detector(
    task: SequenceTask, source: FrameSource, record: Provenance, loader: DetectorLoader
) -> KeptDetector:
    if task.cache is None:
        return KeptDetector(detector=make_detector(task, source, loader))
    return kept_detector(
        task.cache, source.info, record, lambda: make_detector(task, source, loader)
    )


def _run(
    task: SequenceTask, source: FrameSource, kept: KeptDetector, report: Report | None
) -> PipelineSummary:
    """Track and write; nothing gets its final name before all is whole."""
    info, recipe, detector = source.info, task.recipe, kept.detector
    tracker = create_tracker(recipe.tracker_name, recipe.tracker, frame_rate=info.frame_rate)
    from_one = recipe.settings.numbering == "from-1"
    one_class = len(recipe.settings.classes) == 1 or len(detector.class_names) == 1
    shift = info.first_index - 1 if from_one else 0
    result = TrackFile(task.output, frame_shift=shift, with_classes=not one_class)
    try:
        with contextlib.ExitStack() as files:
            # First in, last out: it gets its name when the video is whole. It also claims both.
            files.enter_context(result)
            refuse_existing(task)  # another run may have ended since this one began
            sinks: list[Sink] = []
            if task.video is not None:
                named = () if one_class else detector.class_names  # one needs no label
                sinks.append(files.enter_context(_video(task, source, named)))
            if task.masks is not None:
                masks = MaskFile(task.masks, detector.class_names, frame_shift=shift)
                sinks.append(files.enter_context(masks))
            sinks.append(result)
            if kept.file is not None:
                # Another run may be keeping the same ones at this moment.
                with contextlib.suppress(BlockingIOError):
                    sinks.append(DetectionSink(files.enter_context(kept.file)))
            if report is not None:
                sinks.append(Progress(lambda done: report(done, info.frame_count)))
            summary = run_pipeline(source, detector, tracker, sinks)
            if not summary.frames:
                raise ValueError(f"{task.name}: expected frames, got none")
    except Exception as error:
        if (told := stopped(error, result)) is error:
            raise
        raise told from error
    return summary


def _video(task: SequenceTask, source: FrameSource, class_names: tuple[str, ...]) -> TrackVideo:
    from faimtrack.drawing import TrackDrawer

    assert task.video is not None
    return TrackVideo(
        task.video,
        source.info.frame_rate,
        TrackDrawer(class_names).draw,
        with_masks=task.masks is not None,
    )
