"""Scoring of tracks: HOTA, CLEAR and Identity through TrackEval."""

from faimtrack.eval.evaluate import evaluate_sequence, evaluate_sequences
from faimtrack.eval.events import EventCounts, FrameEvents, find_events, total_counts
from faimtrack.eval.files import evaluate_files, evaluate_folders, score_sequence_files
from faimtrack.eval.reading import EvaluationSettings, SequenceFiles
from faimtrack.eval.rules import (
    BENCHMARKS,
    EvaluationRules,
    benchmark_rules,
    choose_rules,
    class_rules,
)
from faimtrack.eval.scores import ALPHAS, CrossCheck, Failure, Report, Scores, SequenceScores

__all__ = [
    "ALPHAS",
    "BENCHMARKS",
    "CrossCheck",
    "EvaluationRules",
    "EvaluationSettings",
    "EventCounts",
    "Failure",
    "FrameEvents",
    "Report",
    "Scores",
    "SequenceFiles",
    "SequenceScores",
    "benchmark_rules",
    "choose_rules",
    "class_rules",
    "evaluate_files",
    "evaluate_folders",
    "evaluate_sequence",
    "evaluate_sequences",
    "find_events",
    "score_sequence_files",
    "total_counts",
]
