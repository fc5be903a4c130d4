"""Source → detector → tracker → sinks: one sequence, or many with several at a time."""

from faimtrack.pipeline.cluster import run_tasks_on_cluster
from faimtrack.pipeline.detecting import detect_sequence
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.many import SequenceOutcome, run_task, run_tasks
from faimtrack.pipeline.plan import plan_detection, plan_tasks
from faimtrack.pipeline.run import run_pipeline
from faimtrack.pipeline.sequence import SequenceResult, SequenceStopped
from faimtrack.pipeline.sinks import MaskFile, TrackFile, TrackVideo
from faimtrack.pipeline.stages import PipelineSummary, Sink, Source
from faimtrack.pipeline.tasks import DetectionTask, SequenceTask, Task
from faimtrack.pipeline.tracking import track_sequence

__all__ = [
    "DetectionTask",
    "MaskFile",
    "NetworkLoader",
    "PipelineSummary",
    "SequenceOutcome",
    "SequenceResult",
    "SequenceStopped",
    "SequenceTask",
    "Sink",
    "Source",
    "Task",
    "TrackFile",
    "TrackVideo",
    "detect_sequence",
    "plan_detection",
    "plan_tasks",
    "run_pipeline",
    "run_task",
    "run_tasks",
    "run_tasks_on_cluster",
    "track_sequence",
]
