"""MOTChallenge text in and out: rows, sequence information and the half split."""

from faimtrack.motfile.mots import (
    MotsTable,
    format_mots,
    masks_of_tracks,
    mots_classes,
    mots_id,
    read_mots,
    track_number,
)
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
    "MotsTable",
    "Numbering",
    "SequenceInfo",
    "SplitName",
    "find_sequences",
    "format_mots",
    "format_tracks",
    "masks_of_tracks",
    "mots_classes",
    "mots_id",
    "read_mot",
    "read_mots",
    "read_sequence_info",
    "renumber",
    "split_frames",
    "track_number",
    "write_tracks",
]
