"""MOTChallenge text in and out: rows, sequence information and the half split."""

from faimtrack.motfile.sequence import (
    Numbering,
    SequenceInfo,
    SplitName,
    find_sequences,
    read_sequence_info,
    renumber,
    split_frames,
)
from faimtrack.motfile.table import Kind, MotTable, format_tracks, read_mot, write_tracks

__all__ = [
    "Kind",
    "MotTable",
    "Numbering",
    "SequenceInfo",
    "SplitName",
    "find_sequences",
    "format_tracks",
    "read_mot",
    "read_sequence_info",
    "renumber",
    "split_frames",
    "write_tracks",
]
