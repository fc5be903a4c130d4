"""Embeddings as a column of Parquet: `embedding`, as many float32 in each row.

The file's metadata say under `EMBEDDING_KEY` which model and kind made them; a column of that name
in a file that does not is another thing, and passed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

EMBEDDING_KEY = b"faimtrack.detections.embedding"
_COLUMN = "embedding"


def embedding_field(dimension: int) -> pa.Field:
    """The column's place in a schema."""
    number = pa.field("element", pa.float32(), nullable=False)
    return pa.field(_COLUMN, pa.list_(number, dimension), nullable=False)


def embedding_array(vectors: Sequence[NDArray[np.float32] | None]) -> pa.Array:
    """The column's rows: `(N, D)` of each frame one after the other."""
    rows = np.concatenate([each for each in vectors if each is not None])
    numbers = pa.array(rows.ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(numbers, type=embedding_field(rows.shape[1]).type)


def read_embeddings(
    path: Path, file: pq.ParquetFile, metadata: dict[bytes, bytes]
) -> tuple[NDArray[np.float32] | None, str | None]:
    """The embeddings `(R, D)` of a file and their name; None and None if it has none.

    Args:
        path: The file, for messages.
        file: As it was opened.
        metadata: The file's.

    Raises:
        ValueError: The column is missing or of another type, or a number is not finite.
    """
    if EMBEDDING_KEY not in metadata:
        return None, None
    name = metadata[EMBEDDING_KEY].decode(errors="replace")
    if file.schema_arrow.names.count(_COLUMN) != 1:
        raise ValueError(f"{path}: expected a column {_COLUMN}, for it is said to hold {name}")
    column = file.read(columns=[_COLUMN]).column(_COLUMN)
    kind = column.type
    if not (pa.types.is_fixed_size_list(kind) and pa.types.is_float32(kind.value_type)):
        raise ValueError(f"{path}: expected as many float32 in each row of {_COLUMN}, got {kind}")
    chunks = [np.zeros(0, np.float32)]
    for chunk in column.chunks:
        numbers = chunk.flatten()
        if chunk.null_count or numbers.null_count:
            raise ValueError(f"{path}: expected a value in each row of {_COLUMN}, got null")
        chunks.append(numbers.to_numpy())
    vectors: NDArray[np.float32] = np.concatenate(chunks).reshape(len(column), kind.list_size)
    wrong = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(wrong):
        raise ValueError(f"{path}, row {wrong[0] + 1}: expected finite numbers in {_COLUMN}")
    return vectors, name
