"""Instance masks on disk: one Parquet file a sequence, one row a mask.

Columns: `frame` (int32, from 1), `track_id` (int32), `class_id` (int16), `height` and `width` of
the frame in pixels (int32), `counts` (binary, COCO's compressed run lengths), `method` (string:
how the mask came about) and `quality` (float32, 0 to 1, as the method judges it). Rows are in
order of their frames. The file's metadata hold a format version and whatever the writer adds.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from faimtrack.atomic import atomic_file
from faimtrack.masks.mask import Mask
from faimtrack.masks.seal import check_seal, seal_parquet

FORMAT_VERSION = 1
"""Raised whenever older readers would misunderstand a file."""

_VERSION_KEY = b"faimtrack.mask_store.version"
_METADATA_KEY = b"faimtrack.mask_store.metadata"
_ROWS_A_GROUP = 4096
_SCHEMA = pa.schema(
    [
        pa.field("frame", pa.int32(), nullable=False),
        pa.field("track_id", pa.int32(), nullable=False),
        pa.field("class_id", pa.int16(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("counts", pa.binary(), nullable=False),
        pa.field("method", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("quality", pa.float32(), nullable=False),
    ]
)


class MaskStoreWriter:
    """Writes masks frame by frame; the file appears when the `with` block ends without an error.

    Example:
        >>> import numpy as np, tempfile, pathlib
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "masks.parquet"
        >>> with MaskStoreWriter(path) as writer:
        ...     writer.write(1, {7: Mask.encode(np.ones((2, 3), dtype=bool))})
        >>> MaskStore.open(path).frame(1)[7].area
        6
    """

    def __init__(
        self, path: str | os.PathLike[str], *, metadata: Mapping[str, object] | None = None
    ) -> None:
        """Prepare to write.

        Args:
            path: The file; one that is there is replaced when the new one is whole.
            metadata: JSON values to keep with the masks, such as their source and class names.
        """
        self._path = Path(path)
        self._metadata = dict(metadata or {})
        self._stack = ExitStack()
        self._rows: list[tuple[int, int, Mask]] = []
        self._last_frame = 0

    def __enter__(self) -> MaskStoreWriter:
        schema = _SCHEMA.with_metadata(
            {
                _VERSION_KEY: str(FORMAT_VERSION).encode(),
                _METADATA_KEY: json.dumps(self._metadata, sort_keys=True).encode(),
            }
        )
        with ExitStack() as stack:
            temporary = stack.enter_context(atomic_file(self._path))
            stack.push(_seal_at_end(temporary))
            self._writer = stack.enter_context(
                pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True)
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._flush()
        except BaseException as failure:
            if not self._stack.__exit__(type(failure), failure, failure.__traceback__):
                raise
        else:
            self._stack.__exit__(kind, error, trace)

    def write(self, frame: int, masks: Mapping[int, Mask]) -> None:
        """Add the masks of one frame: track id → mask. Frames must come in rising order.

        Raises:
            ValueError: The frame does not come after the last one.
        """
        if frame <= self._last_frame:
            raise ValueError(
                f"{self._path}: expected a frame after {self._last_frame}, got {frame}"
            )
        self._last_frame = frame
        self._rows.extend((frame, track, mask) for track, mask in masks.items())
        if len(self._rows) >= _ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if not self._rows:
            return
        frames, tracks, masks = zip(*self._rows, strict=True)
        columns = {
            "frame": frames,
            "track_id": tracks,
            **{
                name: [getattr(mask, name) for mask in masks]
                for name in ("class_id", "height", "width", "counts", "method", "quality")
            },
        }
        arrays = [pa.array(columns[field.name], field.type) for field in _SCHEMA]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._writer.schema))
        self._rows.clear()


class MaskStore:
    """Reads the masks of one file, a row group at a time.

    Attributes:
        metadata: JSON values that the writer kept with the masks.
        is_sealed: Whether the file has a checksum: then `MaskStoreWriter` wrote it.
    """

    def __init__(
        self,
        path: Path,
        file: pq.ParquetFile,
        metadata: dict[str, object],
        is_sealed: bool = False,
    ) -> None:
        self._path = path
        self._file = file
        self._group = -1
        self._rows: dict[int, list[dict[str, object]]] = {}
        self.metadata = metadata
        self.is_sealed = is_sealed
        self._spans = [self._span(group) for group in range(file.metadata.num_row_groups)]

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> MaskStore:
        """Open a file.

        Raises:
            ValueError: It is no mask store, or not a whole one.
            OSError: It cannot be read.
        """
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: expected a mask store, got no such file")
        is_sealed = check_seal(path)
        try:
            file = pq.ParquetFile(path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            raise ValueError(f"{path}: expected a whole Parquet file: {_line(error)}") from error
        schema = file.schema_arrow
        found = schema.metadata or {}
        if _VERSION_KEY not in found:
            raise ValueError(f"{path}: expected a mask store, got another Parquet file")
        if found[_VERSION_KEY] != str(FORMAT_VERSION).encode():
            came = found[_VERSION_KEY].decode(errors="replace")
            raise ValueError(f"{path}: expected mask store version {FORMAT_VERSION}, got {came}")
        for field in _SCHEMA:
            if field.name not in schema.names or schema.field(field.name).type != field.type:
                raise ValueError(f"{path}: expected a column {field.name} of {field.type}")
        try:
            metadata = json.loads(found.get(_METADATA_KEY, b"{}"))
        except ValueError as error:
            raise ValueError(f"{path}: expected metadata in JSON: {error}") from error
        return cls(path, file, metadata, is_sealed)

    def __len__(self) -> int:
        """Number of masks."""
        return int(self._file.metadata.num_rows)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def __enter__(self) -> MaskStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def frames(self) -> list[int]:
        """The frames that have masks, rising."""
        found: set[int] = set()
        for group in range(len(self._spans)):
            found.update(row["frame"] for row in self._read(group, ["frame"]))
        return sorted(found)

    def frame(self, index: int) -> dict[int, Mask]:
        """The masks of one frame: track id → mask; empty if there are none.

        Raises:
            ValueError: The file is damaged where the frame should be.
        """
        masks: dict[int, Mask] = {}
        for group, (first, last) in enumerate(self._spans):
            if first <= index <= last:
                masks.update(self._masks_in(group, index))
        return masks

    def __iter__(self) -> Iterator[tuple[int, dict[int, Mask]]]:
        """All frames that have masks, in order, each with its masks."""
        for index in self.frames:
            yield index, self.frame(index)

    def _span(self, group: int) -> tuple[int, int]:
        """The first and the last frame of a row group."""
        column = self._file.schema_arrow.get_field_index("frame")
        statistics = self._file.metadata.row_group(group).column(column).statistics
        if statistics is None or not statistics.has_min_max:
            raise ValueError(f"{self._path}: expected statistics of frames in row group {group}")
        return int(statistics.min), int(statistics.max)

    def _masks_in(self, group: int, index: int) -> dict[int, Mask]:
        masks: dict[int, Mask] = {}
        for row in self._load(group).get(index, ()):
            values = dict(row)
            track = values.pop("track_id")
            try:
                masks[track] = Mask(**values)  # type: ignore[arg-type, index]
            except (TypeError, ValueError) as error:
                raise ValueError(f"{self._path}: frame {index}, track {track}: {error}") from error
        return masks

    def _load(self, group: int) -> dict[int, list[dict[str, object]]]:
        """The rows of a row group by frame; the group read last stays in memory."""
        if group != self._group:
            self._rows = {}
            for row in self._read(group, _SCHEMA.names):
                self._rows.setdefault(row.pop("frame"), []).append(row)
            self._group = group
        return self._rows

    def _read(self, group: int, columns: list[str]) -> list[dict[str, Any]]:
        try:
            rows: list[dict[str, Any]] = self._file.read_row_group(
                group, columns=columns
            ).to_pylist()
        except (pa.ArrowException, OSError, ValueError) as error:
            raise ValueError(f"{self._path}: expected readable masks: {_line(error)}") from error
        return rows


def _seal_at_end(path: Path) -> Callable[..., None]:
    """A context's exit that seals a file if nothing went wrong."""

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            seal_parquet(path)

    return leave


def _line(error: BaseException) -> str:
    """The first line of a message."""
    return str(error).strip().partition("\n")[0]
