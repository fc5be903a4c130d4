"""Detections as Parquet: one row a detection, in row groups, sealed with a checksum.

Columns: `frame` (int64, from 1, rising), `x1`, `y1`, `x2`, `y2` (float64, pixels), `score`
(float64) and `class_id` (int32); with masks also `mask_height` and `mask_width` of the frame in
pixels (int32) and `mask_counts` (binary, COCO's compressed run lengths), and with embeddings
`embedding` (a list of as many float32 in each row). The file's metadata hold what it contains
(`FileContents`) and its provenance, both as JSON, and which model and kind made the embeddings.
In other people's files the numbers may be of other types, columns may be more, and `class_id` may
be missing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from faimtrack.atomic import PartialFile
from faimtrack.detectors.files.contents import FileContents
from faimtrack.detectors.files.parquet_embeddings import (
    EMBEDDING_KEY,
    embedding_array,
    embedding_field,
    read_embeddings,
)
from faimtrack.detectors.files.table import (
    DetectionTable,
    MaskColumn,
    check_rows,
    unnamed_classes,
)
from faimtrack.masks.seal import check_seal, seal_parquet
from faimtrack.provenance import Provenance, provenance_from_json
from faimtrack.structures import Detections

FORMAT_VERSION = 1
"""Raised whenever older readers would misunderstand a file."""

_VERSION_KEY = b"faimtrack.detections.version"
_CONTENTS_KEY = b"faimtrack.detections.contents"
_RECORD_KEY = b"faimtrack.detections.provenance"
_ROWS_A_GROUP = 16384
_NUMBERS = ("x1", "y1", "x2", "y2", "score")
_SCHEMA = pa.schema(
    [
        pa.field("frame", pa.int64(), nullable=False),
        *(pa.field(name, pa.float64(), nullable=False) for name in _NUMBERS),
        pa.field("class_id", pa.int32(), nullable=False),
    ]
)
_MASK_SIZES = ("mask_height", "mask_width")
_MASK_COUNTS = "mask_counts"
_MASK_FIELDS = (
    *(pa.field(name, pa.int32(), nullable=False) for name in _MASK_SIZES),
    pa.field(_MASK_COUNTS, pa.binary(), nullable=False),
)


class ParquetEncoder:
    """Writes detections as Parquet.

    Without its end a Parquet file cannot be read: after an error it is written, but of a process
    that is killed nothing stays.
    """

    can_lack_its_end = False

    def __init__(
        self,
        file: PartialFile,
        record: Provenance | None,
        *,
        with_masks: bool,
        with_embeddings: bool = False,
    ) -> None:
        self._file, self._record = file, record
        self._with_masks, self._with_embeddings = with_masks, with_embeddings
        self._schema = pa.schema([*_SCHEMA, *_MASK_FIELDS]) if with_masks else _SCHEMA
        self._embedding_name: str | None = None
        self._rows: list[tuple[int, Detections]] = []
        self._row_count = 0
        self._writer: pq.ParquetWriter | None = None

    def begin(self) -> None:
        """Write what comes before the first row group, if it is known how long embeddings are."""
        if not self._with_embeddings:
            self._open()

    def _open(self) -> pq.ParquetWriter:
        self._writer = pq.ParquetWriter(
            self._file.stream, self._schema, compression="zstd", write_page_checksum=True
        )
        return self._writer

    def add(self, frame: int, detections: Detections) -> None:
        """Take one frame's rows; they are written when there are enough for a row group."""
        if len(detections):
            if detections.embeddings is not None and self._embedding_name is None:
                self._embedding_name = detections.embedding_name
                field = embedding_field(detections.embeddings.shape[1])
                self._schema = self._schema.append(field)
            self._rows.append((frame, detections))
            self._row_count += len(detections)
        if self._row_count >= _ROWS_A_GROUP:
            self._flush()

    def end(self, contents: FileContents, is_whole: bool) -> None:
        """Write the rows that are left, and what makes the file readable."""
        metadata = {
            _VERSION_KEY: str(FORMAT_VERSION).encode(),
            _CONTENTS_KEY: json.dumps(contents.to_tree()).encode(),
        }
        if self._record is not None:
            metadata[_RECORD_KEY] = self._record.to_json().encode()
        if self._embedding_name is not None:
            metadata[EMBEDDING_KEY] = self._embedding_name.encode()
        writer = self._writer or self._open()
        try:
            if self._rows:
                self._flush()
            writer.add_key_value_metadata(metadata)
            writer.close()
        finally:
            writer.is_open = False  # else it tries again when it is thrown away
        self._file.stream.flush()
        seal_parquet(self._file.partial_path)
        self._file.keep()

    def _flush(self) -> None:
        frames, found = zip(*self._rows, strict=True)
        boxes = np.concatenate([each.boxes for each in found])
        columns = [
            np.repeat(np.array(frames, np.int64), [len(each) for each in found]),
            *boxes.T,
            np.concatenate([each.scores for each in found]),
            np.concatenate([each.class_ids for each in found]).astype(np.int32),
        ]
        arrays = [
            pa.array(np.ascontiguousarray(column), field.type)
            for column, field in zip(columns, _SCHEMA, strict=True)
        ]
        if self._with_masks:
            masks = MaskColumn.from_masks([mask for each in found for mask in each.masks or ()])
            arrays += [pa.array(side, pa.int32()) for side in masks.sizes.T]
            arrays.append(pa.array(masks.counts, pa.binary()))
        if self._embedding_name is not None:
            arrays.append(embedding_array([each.embeddings for each in found]))
        self._rows, self._row_count = [], 0
        writer = self._writer or self._open()
        writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))


def read_parquet(path: Path) -> DetectionTable:
    """Read detections.

    Raises:
        ValueError: It is no such file, or not a whole one, or a row is wrong.
        OSError: The file cannot be read.
    """
    check_seal(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            columns = _read_columns(path, file)
            masks = _read_masks(path, file)
            metadata = file.metadata.metadata or {}
            embeddings, embedding_name = read_embeddings(path, file, metadata)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a whole Parquet file: {_line(error)}") from error
    contents, record = _read_metadata(path, metadata)
    frames = columns["frame"]
    boxes = np.stack([columns[name] for name in _NUMBERS[:4]], axis=1)
    check_rows(path, "row", frames, boxes, columns["score"])
    class_names, class_ids = _classes(path, columns["class_id"], contents)
    order = np.argsort(frames, kind="stable")
    return DetectionTable(
        path=path,
        frames=frames[order],
        boxes=boxes[order],
        scores=columns["score"][order],
        class_ids=class_ids[order],
        class_names=class_names,
        contents=contents,
        record=record,
        masks=None if masks is None else masks.select(order),
        embeddings=None if embeddings is None else embeddings[order],
        embedding_name=embedding_name,
    )


def read_parquet_record(path: Path) -> Provenance | None:
    """Only how a file of detections was made; errors as of `read_parquet`."""
    check_seal(path)
    try:
        metadata = pq.read_metadata(path).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: expected a whole Parquet file: {_line(error)}") from error
    return _read_metadata(path, metadata)[1]


def _read_columns(path: Path, file: pq.ParquetFile) -> dict[str, NDArray[Any]]:
    found = file.schema_arrow.names
    wanted = [field.name for field in _SCHEMA if field.name != "class_id" or "class_id" in found]
    for name in wanted:
        if found.count(name) != 1:
            raise ValueError(
                f"{path}: expected a column {name}, got {', '.join(sorted(found)) or 'none'}"
            )
    table = file.read(columns=wanted)
    columns = {}
    for name in wanted:
        column = table.column(name)
        if column.null_count:
            raise ValueError(f"{path}: expected a value in each row of {name}, got null")
        is_whole = pa.types.is_integer(column.type)
        if not (is_whole or (name in _NUMBERS and pa.types.is_floating(column.type))):
            expected = "numbers" if name in _NUMBERS else "whole numbers"
            raise ValueError(f"{path}: expected {expected} in column {name}, got {column.type}")
        dtype = np.float64 if name in _NUMBERS else np.int64
        columns[name] = column.to_numpy().astype(dtype)
    columns.setdefault("class_id", np.zeros(len(table), np.int64))
    return columns


def _read_masks(path: Path, file: pq.ParquetFile) -> MaskColumn | None:
    """The masks; None if the file has no column of that name."""
    wanted = [*_MASK_SIZES, _MASK_COUNTS]
    if _MASK_COUNTS not in file.schema_arrow.names:
        return None
    if not set(wanted) <= set(file.schema_arrow.names):
        raise ValueError(f"{path}: expected columns {' and '.join(_MASK_SIZES)} beside the masks")
    table = file.read(columns=wanted)
    sizes = [table.column(name) for name in _MASK_SIZES]
    counts = table.column(_MASK_COUNTS)
    is_right = all(pa.types.is_integer(column.type) for column in sizes) and (
        pa.types.is_binary(counts.type) or pa.types.is_large_binary(counts.type)
    )
    if not is_right or any(column.null_count for column in (*sizes, counts)):
        raise ValueError(f"{path}: expected sizes in whole numbers and run lengths as bytes")
    heights_widths = np.stack([column.to_numpy().astype(np.int64) for column in sizes], axis=1)
    _check_mask_sizes(path, heights_widths)
    return MaskColumn(heights_widths, counts.to_numpy())


def _check_mask_sizes(path: Path, sizes: NDArray[np.int64]) -> None:
    wrong = np.flatnonzero(((sizes < 1) | (sizes > 2**15)).any(axis=1))
    if len(wrong):
        height, width = sizes[wrong[0]]
        raise ValueError(
            f"{path}, row {wrong[0] + 1}: expected a mask of 1 to {2**15} pixels a side, got "
            f"{width} x {height}"
        )


def _read_metadata(
    path: Path, metadata: dict[bytes, bytes]
) -> tuple[FileContents | None, Provenance | None]:
    if _VERSION_KEY not in metadata:
        return None, None
    if metadata[_VERSION_KEY] != str(FORMAT_VERSION).encode():
        came = metadata[_VERSION_KEY].decode(errors="replace")
        raise ValueError(f"{path}: expected detections of version {FORMAT_VERSION}, got {came}")
    try:
        tree = json.loads(metadata.get(_CONTENTS_KEY, b""))
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: expected what it contains as JSON, got other text") from None
    record = metadata.get(_RECORD_KEY)
    return (
        FileContents.from_tree(str(path), tree),
        None if record is None else provenance_from_json(record, path),
    )


def _classes(
    path: Path, kinds: NDArray[np.int64], contents: FileContents | None
) -> tuple[tuple[str, ...] | None, NDArray[np.int64]]:
    """Names of the classes, and ids that index them."""
    if contents is None:
        names, class_ids = unnamed_classes(kinds.tolist(), "class")
        return names, np.array(class_ids, np.int64)
    wrong = np.flatnonzero((kinds < 0) | (kinds >= len(contents.class_names)))
    if len(wrong):
        raise ValueError(
            f"{path}, row {wrong[0] + 1}: expected a class id below {len(contents.class_names)}, "
            f"got {kinds[wrong[0]]}"
        )
    return contents.class_names, kinds


def _line(error: BaseException) -> str:
    """The first line of a message."""
    return str(error).strip().partition("\n")[0]
