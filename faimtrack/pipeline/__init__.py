"""Source → detector → tracker → sinks: one sequence, or many with several at a time."""

from faimtrack.pipeline.inputs import SequenceTask
from faimtrack.pipeline.many import SequenceOutcome, track_sequences
from faimtrack.pipeline.plan import plan_tasks
from faimtrack.pipeline.run import PipelineSummary, Sink, Source, run_pipeline
from faimtrack.pipeline.sequence import SequenceResult, SequenceStopped, track_sequence
from faimtrack.pipeline.sinks import TrackFile, TrackVideo

__all__ = [
    "PipelineSummary",
    "SequenceOutcome",
    "SequenceResult",
    "SequenceStopped",
    "SequenceTask",
    "Sink",
    "Source",
    "TrackFile",
    "TrackVideo",
    "plan_tasks",
    "run_pipeline",
    "track_sequence",
    "track_sequences",
]
