"""One sequence from its source to tracks on the disk, each file with its provenance."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from faimtrack.detectors.files import DetectionFile
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.pipeline.cache import KeptDetector, kept_detector
from faimtrack.pipeline.embeddings import KeptEmbeddings, open_embeddings
from faimtrack.pipeline.enriching import Enricher, MotionEnricher
from faimtrack.pipeline.following import make_tracker, public_remark
from faimtrack.pipeline.inputs import (
    make_detector,
    masks_record,
    postprocessed_record,
    require_images,
    tracks_record,
    video_record,
)
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.look_ahead import require_two_passes
from faimtrack.pipeline.motion import open_camera_motion, require_motion_file
from faimtrack.pipeline.postprocessing import require_an_end, track_file
from faimtrack.pipeline.replay import require_embeddings, require_masks
from faimtrack.pipeline.run import run_pipeline
from faimtrack.pipeline.sequence import (
    Report,
    SequenceResult,
    look_back,
    refuse_existing,
    stopped,
)
from faimtrack.pipeline.sinks import DetectionSink, MaskFile, Progress, TrackVideo
from faimtrack.pipeline.stages import PipelineSummary, Sink
from faimtrack.pipeline.tasks import SequenceTask
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.trackers import Tracker
from faimtrack.video import FrameSource, open_source


@dataclass(frozen=True, kw_only=True)
class _Stages:
    """Who works on a sequence, each new for it or with nothing in mind from another one."""

    detector: KeptDetector
    motion: MotionEnricher | None
    embeddings: KeptEmbeddings
    tracker: Tracker

    @property
    def enrichers(self) -> list[Enricher]:
        enrichers: list[Enricher | None] = [self.motion, self.embeddings.enricher]
        return [enricher for enricher in enrichers if enricher is not None]

    @property
    def kept_files(self) -> list[DetectionFile]:
        """Where answers go for later runs."""
        files = [self.detector.file, self.embeddings.file]
        return [file for file in files if file is not None]


def track_sequence(
    task: SequenceTask, report: Report | None = None, loader: NetworkLoader | None = None
) -> SequenceResult:
    """Track one sequence and write its files.

    Args:
        task: What to do.
        report: Called after each frame.
        loader: Where networks come from, if there are any; None loads them for this sequence.

    Raises:
        SequenceStopped: Frames had been tracked already when something failed; they are kept
            under a name that the message gives. The cause is the error itself.
        ValueError: The source, the detections or a setting is not what it should be.
        OSError: Something cannot be read or written, or is there already.
    """
    refuse_existing(task)
    require_motion_file(task)
    with open_source(task.source, split=task.recipe.settings.split) as source:
        require_an_end(task, source)
        require_images(task, source)
        require_two_passes(task, source)
        online = tracks_record(task, source)
        record = postprocessed_record(task, online)
        is_done, notes = look_back(task, record)
        if is_done:
            return SequenceResult(summary=None)
        stages = _stages(task, source, online, loader or NetworkLoader())
        summary = _run(task, source, stages, report)
        write_provenance(task.output, record)
        if task.masks is not None:
            names = stages.detector.detector.class_names
            write_provenance(task.masks, masks_record(online, names))
        if task.video is not None:
            write_provenance(task.video, video_record(task, source, online))
    notes += _notes(task, stages, summary)
    remarks = (stages.detector.remark, public_remark(task, online), *stages.embeddings.remarks)
    told = tuple(remark for remark in remarks if remark is not None)
    return SequenceResult(summary=summary, notes=tuple(notes), remarks=told)


def _stages(
    task: SequenceTask, source: FrameSource, record: Provenance, loader: NetworkLoader
) -> _Stages:
    """What does the work, and before the first frame whatever can be wrong with it."""
    info = source.info
    motion = open_camera_motion(task, info)
    kept = _detector(task, source, record, loader)
    if task.masks is not None:
        require_masks(kept.detector, info)
    require_embeddings(kept.detector, task)
    tracker = make_tracker(task, info.frame_rate, loader)
    threshold = getattr(tracker, "appearance_threshold", None)
    embeddings = open_embeddings(task, info, record, kept.detector, threshold, loader)
    return _Stages(detector=kept, motion=motion, embeddings=embeddings, tracker=tracker)


def _detector(
    task: SequenceTask, source: FrameSource, record: Provenance, loader: NetworkLoader
) -> KeptDetector:
    if task.cache is None or task.weights is None:
        return KeptDetector(detector=make_detector(task, source, loader))
    return kept_detector(
        task.cache, source.info, record, lambda: make_detector(task, source, loader)
    )


def _run(
    task: SequenceTask, source: FrameSource, stages: _Stages, report: Report | None
) -> PipelineSummary:
    """Track and write; nothing gets its final name before all is whole."""
    info, recipe, detector = source.info, task.recipe, stages.detector.detector
    from_one = recipe.settings.numbering == "from-1"
    one_class = len(recipe.settings.classes) == 1 or len(detector.class_names) == 1
    shift = info.first_index - 1 if from_one else 0
    result = track_file(task, frame_shift=shift, with_classes=not one_class)
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
            for file in stages.kept_files:
                # Another run may be keeping the same ones at this moment.
                with contextlib.suppress(BlockingIOError):
                    sinks.append(DetectionSink(files.enter_context(file)))
            tell = None if report is None else lambda done: report(done, info.frame_count)
            if tell is not None:
                sinks.append(Progress(tell))
            summary = run_pipeline(
                source,
                detector,
                stages.tracker,
                sinks,
                enrichers=stages.enrichers,
                report_ahead=tell,
            )
            if not summary.frames:
                raise ValueError(f"{task.name}: expected frames, got none")
    except Exception as error:
        if (told := stopped(error, result)) is error:
            raise
        raise told from error
    return summary


def _notes(task: SequenceTask, stages: _Stages, summary: PipelineSummary) -> list[str]:
    """What the reader is warned of."""
    warnings = (stages.detector.warning, stages.embeddings.warning)
    notes = [warning for warning in warnings if warning is not None]
    tracker, motion = task.recipe.tracker_name, stages.motion
    if motion is not None and motion.failures:
        notes.append(
            f"camera motion: nothing to hold on to in {motion.failures:,} of {motion.frames:,} "
            "frames; taken as still there"
        )
    if task.embedder is not None and stages.embeddings.is_unused:
        notes.append(f"the embedder was not used: {tracker} as it is set looks at nobody")
    if task.recipe.is_postprocessed and (task.masks is not None or task.video is not None):
        others = ", ".join(what for what in task.files if what != task.product)
        notes.append(
            f"postprocessing changes the tracks alone; as they came they are in: {others}"
        )
    if not summary.detections:
        notes.append("not a single detection in any frame; the result is empty")
    elif not summary.rows:
        notes.append(_why_no_track(stages.detector.detector))
    return notes


def _why_no_track(detector: Detector) -> str:
    said = "the detections gave no track; the result is empty"
    if isinstance(detector, RecordedDetections) and detector.table.scores.max(initial=-1.0) <= 0:
        return (
            f"{said}: none of them has a score above 0. Public detections without scores are for "
            "--tracker tracktor --set public_detections=true"
        )
    return said


def _video(task: SequenceTask, source: FrameSource, class_names: tuple[str, ...]) -> TrackVideo:
    from faimtrack.drawing import TrackDrawer

    assert task.video is not None
    return TrackVideo(
        task.video,
        source.info.frame_rate,
        TrackDrawer(class_names).draw,
        with_masks=task.masks is not None,
    )
