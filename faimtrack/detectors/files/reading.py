"""Reading detections in whichever format they are."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np

from faimtrack.detectors.files.contents import FileContents
from faimtrack.detectors.files.formats import DetectionFormat
from faimtrack.detectors.files.table import DetectionTable
from faimtrack.motfile import read_mot
from faimtrack.provenance import Provenance, file_sha256, provenance_path, read_provenance

_SUFFIX_FORMATS: dict[str, DetectionFormat] = {
    ".txt": "mot",
    ".csv": "mot",
    ".gz": "mot",
    ".json": "coco",
    ".parquet": "parquet",
}


def read_detections(
    path: str | os.PathLike[str],
    *,
    frame_count: int | None = None,
    allow_empty: bool = False,
) -> DetectionTable:
    """Read a file of detections: MOTChallenge text, COCO's JSON or Parquet.

    The sidecar that `faimtrack detect` wrote is read too, where it is there; it names the classes
    of a MOTChallenge file.

    Args:
        path: The file; its suffix tells the format, and where it does not its beginning does.
        frame_count: Length of the sequence; rows beyond it are refused. None: anything goes.
        allow_empty: Whether a file without rows that does not say which frames were looked at is
            an answer ("nothing there") or a fault.

    Raises:
        ValueError: A row is wrong, the file is damaged, or it is not the one that its sidecar
            describes; the message names the file and the line or record.
        OSError: The file cannot be read.
    """
    path = Path(path)
    record = _sidecar(path)
    contents = None
    if record is not None:
        contents = FileContents.from_tree(str(provenance_path(path)), record.contents)
    kind = format_of(path)
    if kind == "mot":
        return _read_mot(path, contents, record, frame_count, allow_empty)
    if kind == "coco":
        from faimtrack.detectors.files.coco_reading import read_coco

        table = read_coco(path)
    else:
        from faimtrack.detectors.files.parquet import read_parquet

        table = read_parquet(path)
    if not len(table) and table.contents is None and not allow_empty:
        raise ValueError(f"{path}: expected detections, got none")
    beyond = np.flatnonzero(table.frames > (frame_count or np.inf))
    if len(beyond):
        raise ValueError(
            f"{path}: expected frames up to {frame_count}, the sequence's length, "
            f"got {table.frames[beyond[0]]}"
        )
    return dataclasses.replace(table, record=record or table.record)


def format_of(path: Path) -> DetectionFormat:
    """The format of a file that is there, by its suffix or else by its beginning.

    Raises:
        OSError: The file cannot be read.
    """
    known = _SUFFIX_FORMATS.get(path.suffix.lower())
    if known is not None:
        return known
    with path.open("rb") as file:
        start = file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.startswith(b"PAR1"):
        return "parquet"
    return "coco" if start.startswith((b"{", b"[")) else "mot"


def detections_provenance(path: Path) -> Provenance | None:
    """How a file of detections was made, by its sidecar or by itself; None if nobody knows.

    Raises:
        ValueError: The sidecar describes another file, or is none.
        OSError: The file cannot be read.
    """
    record = _sidecar(path)
    if record is None and format_of(path) == "parquet":
        from faimtrack.detectors.files.parquet import read_parquet_record

        record = read_parquet_record(path)
    return record


def _sidecar(path: Path) -> Provenance | None:
    """What the sidecar says, if there is one that `faimtrack detect` wrote."""
    try:
        record = read_provenance(path)
    except FileNotFoundError:
        return None
    if record.kind != "detections" or not record.contents:
        return None
    if record.output_sha256 != file_sha256(path):
        raise ValueError(
            f"{path}: expected the file that its sidecar {provenance_path(path).name} describes, "
            "got another; without the sidecar it would be read as it is"
        )
    return record


def _read_mot(
    path: Path,
    contents: FileContents | None,
    record: Provenance | None,
    frame_count: int | None,
    allow_empty: bool,
) -> DetectionTable:
    is_known = contents is not None
    rows = read_mot(
        path,
        "detections",
        frame_count=frame_count,
        allow_empty=allow_empty or is_known,
        allow_twins=is_known,  # what a detector gave twice, it gave twice
    )
    names = None if contents is None else contents.class_names
    class_ids = np.zeros(len(rows), np.int64)
    if names is not None and len(names) > 1:
        class_ids = rows.class_ids - 1
        wrong = np.flatnonzero((class_ids < 0) | (class_ids >= len(names)))
        if len(wrong):
            raise ValueError(
                f"{path}: expected classes from 1 to {len(names)} in column 8, got "
                f"{rows.class_ids[wrong[0]]} in frame {rows.frames[wrong[0]]}"
            )
    return DetectionTable(
        path=path,
        frames=rows.frames,
        boxes=rows.boxes,
        scores=rows.confidences,
        class_ids=class_ids,
        class_names=names,
        contents=contents,
        record=record,
    )
