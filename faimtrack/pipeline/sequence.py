"""One sequence from its source to files on the disk, each with its provenance."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from faimtrack.errors import describe_error
from faimtrack.pipeline.inputs import SequenceTask, make_detector, tracks_record, video_record
from faimtrack.pipeline.run import PipelineSummary, Sink, run_pipeline
from faimtrack.pipeline.sinks import Progress, TrackFile, TrackVideo
from faimtrack.provenance import (
    Provenance,
    file_sha256,
    provenance_path,
    read_provenance,
    write_provenance,
)
from faimtrack.trackers import create_tracker
from faimtrack.video import FrameSource, open_source

Report = Callable[[int, "int | None"], None]
"""Called after each frame with the frames done and the frames to do, None if nobody knows."""


@dataclass(frozen=True, kw_only=True)
class SequenceResult:
    """A sequence that is done.

    Attributes:
        summary: What the run did; None if it had been done before and was kept.
        notes: Lines for the reader, such as that there was not a single detection.
    """

    summary: PipelineSummary | None
    notes: tuple[str, ...] = ()


class SequenceStopped(ValueError):
    """A sequence that could not be finished; its one line says what was saved."""


def track_sequence(task: SequenceTask, report: Report | None = None) -> SequenceResult:
    """Track one sequence and write its files.

    Args:
        task: What to do.
        report: Called after each frame.

    Raises:
        SequenceStopped: Frames had been tracked already when something failed; they are kept
            under a name that the message gives. The cause is the error itself.
        ValueError: The source, the detections or a setting is not what it should be.
        OSError: Something cannot be read or written, or is there already.
    """
    refuse_existing(task)
    notes = []
    with open_source(task.source, split=task.recipe.settings.split) as source:
        record = tracks_record(task, source)
        if task.existing == "resume" and task.output.exists():
            reason = _why_again(task, record)
            if reason is None:
                return SequenceResult(summary=None)
            notes.append(f"tracked again: {reason}")
        summary = _run(task, source, report)
        write_provenance(task.output, record)
        if task.video is not None:
            write_provenance(task.video, video_record(task, source, record))
    if not summary.detections:
        notes.append("not a single detection in any frame; the result is empty")
    elif not summary.rows:
        notes.append("the detections gave no track; the result is empty")
    return SequenceResult(summary=summary, notes=tuple(notes))


def refuse_existing(task: SequenceTask) -> None:
    """Do nothing unless the task would have to touch an output that is there.

    Raises:
        FileExistsError: It would.
    """
    for path in (task.output, task.video):
        if task.existing == "refuse" and path is not None and path.exists():
            raise FileExistsError(
                f"{path}: already there; --resume keeps what is finished, --overwrite starts again"
            )


def _why_again(task: SequenceTask, record: Provenance) -> str | None:
    """Why outputs that are there are not those of this run; None if they are."""
    for path in (task.output, task.video):
        if path is None:
            continue
        try:
            found = read_provenance(path)
            if found.output_sha256 != file_sha256(path):
                return f"{path.name} is not the file that its sidecar describes"
        except (OSError, ValueError):
            return f"{path.name} or its sidecar {provenance_path(path).name} is not there whole"
        if path == task.output and (differences := found.differences(record)):
            return f"it was made with another {', '.join(differences)}"
    return None


def _run(task: SequenceTask, source: FrameSource, report: Report | None) -> PipelineSummary:
    """Track and write; nothing gets its final name before all is whole."""
    info, recipe = source.info, task.recipe
    detector = make_detector(task, source)
    tracker = create_tracker(recipe.tracker_name, recipe.tracker, frame_rate=info.frame_rate)
    from_one = recipe.settings.numbering == "from-1"
    one_class = len(recipe.settings.classes) == 1 or len(detector.class_names) == 1
    result = TrackFile(
        task.output,
        frame_shift=info.first_index - 1 if from_one else 0,
        with_classes=not one_class,
    )
    try:
        with contextlib.ExitStack() as files:
            # First in, last out: it gets its name when the video is whole. It also claims both.
            files.enter_context(result)
            refuse_existing(task)  # another run may have ended since this one began
            sinks: list[Sink] = []
            if task.video is not None:
                named = () if one_class else detector.class_names  # one needs no label
                sinks.append(files.enter_context(_video(task.video, source, named)))
            sinks.append(result)
            if report is not None:
                sinks.append(Progress(lambda done: report(done, info.frame_count)))
            summary = run_pipeline(source, detector, tracker, sinks)
            if not summary.frames:
                raise ValueError(f"{task.name}: expected frames, got none")
    except Exception as error:
        if not result.last_frame:
            raise
        raise SequenceStopped(
            f"{describe_error(error)}; frames {result.first_frame} to {result.last_frame} are "
            f"kept in {result.partial_path}"
        ) from error
    return summary


def _video(path: Path, source: FrameSource, class_names: tuple[str, ...]) -> TrackVideo:
    from faimtrack.drawing import TrackDrawer

    return TrackVideo(path, source.info.frame_rate, TrackDrawer(class_names).draw)
