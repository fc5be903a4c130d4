"""What is done with the tracks of a sequence when all are there."""

from __future__ import annotations

from collections.abc import Iterable

from faimtrack.pipeline.sinks import RevisedTrackFile, TrackFile
from faimtrack.pipeline.tasks import SequenceTask
from faimtrack.postprocess import TrackRows, postprocess
from faimtrack.structures import Tracks
from faimtrack.video import FrameSource


def require_an_end(task: SequenceTask, source: FrameSource) -> None:
    """See that the tracks of a source are all there at some time, if that is waited for.

    Raises:
        ValueError: It is a live source.
    """
    if task.recipe.is_postprocessed and source.is_live:
        raise ValueError(
            f"{task.name}: expected a source that ends for postprocessing, got a live one"
        )


def track_file(task: SequenceTask, *, frame_shift: int, with_classes: bool) -> TrackFile:
    """Where the tracks of a task go, postprocessed if that is wanted.

    Args:
        task: The task.
        frame_shift: Subtracted from each frame number.
        with_classes: Whether column 8 says the class.
    """
    if not task.recipe.is_postprocessed:
        return TrackFile(task.output, frame_shift=frame_shift, with_classes=with_classes)
    config = task.recipe.postprocess

    def revise(tracks_by_frame: Iterable[tuple[int, Tracks]]) -> Iterable[tuple[int, Tracks]]:
        rows = postprocess(TrackRows.from_tracks(tracks_by_frame), config)
        return rows.tracks_by_frame()

    return RevisedTrackFile(
        task.output, revise, frame_shift=frame_shift, with_classes=with_classes
    )
