"""ImageNet's annotations in one Parquet file: reading a million XML files takes minutes, once.

The index keeps a signature of each folder, over the names, sizes and times of change of its
files. A folder whose signature is another is read again; so nobody need remember to delete it.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from faimtrack.atomic import atomic_file
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.imagenet_xml import XmlAnnotation, parse_annotation
from faimtrack.weights.cache import cache_folder

_LOG = logging.getLogger(__name__)

_VERSION = b"1"
_SCHEMA = pa.schema(
    {
        "folder": pa.string(),
        "signature": pa.string(),
        "stems": pa.list_(pa.string()),
        "heights": pa.list_(pa.int32()),
        "widths": pa.list_(pa.int32()),
        "counts": pa.list_(pa.int32()),
        "wordnet_ids": pa.list_(pa.string()),
        "track_ids": pa.list_(pa.int32()),
        "boxes": pa.list_(pa.float64()),
        "occluded": pa.list_(pa.int8()),
        "generated": pa.list_(pa.int8()),
    },
    metadata={b"faimtrack.annotation_index": _VERSION},
)

_Row = dict[str, Any]  # by the columns of the schema: Python's lists, or Arrow's


@dataclass(frozen=True, kw_only=True, eq=False)
class FolderAnnotations:
    """The annotations of one folder's images.

    Attributes:
        stems: `(F,)` names of the images without their suffixes, sorted.
        sizes: `(F, 2)` int64 height and width in pixels.
        counts: `(F,)` int64 objects an image.
        wordnet_ids: `(N,)` classes of the objects, image by image.
        track_ids: `(N,)` int64; −1 where there are none.
        boxes: `(N, 4)` float64 corners `x1 y1 x2 y2` in pixels, as written.
        occluded: `(N,)` int8, 1 if something covers the object.
        generated: `(N,)` int8, 1 if the box was interpolated.
    """

    stems: NDArray[np.str_]
    sizes: NDArray[np.int64]
    counts: NDArray[np.int64]
    wordnet_ids: NDArray[np.str_]
    track_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    occluded: NDArray[np.int8]
    generated: NDArray[np.int8]


def read_annotations(
    root: Path, folders: Sequence[str], index_name: str, faults: Faults
) -> dict[str, FolderAnnotations]:
    """The annotations of some folders, from the index where it knows them.

    The index is written beside the root, or into the cache's folder `datasets` where that cannot
    be; where neither can it is not written, which is logged. One that nobody can read is made
    again.

    Args:
        root: The folder of annotations.
        folders: Folders below it, with `/`.
        index_name: The index's file name.
        faults: Told of files that are wrong.

    Raises:
        ValueError: A file is wrong, and nobody counts faults.
        OSError: A folder or a file cannot be read.
    """
    places = _index_places(root, index_name)
    known = next((found for place in places if (found := _read_index(place)) is not None), {})
    rows, read = [], 0
    is_whole = True
    for folder in folders:
        files, signature = _files_of(root / folder)
        row = known.get(folder)
        if row is None or row["signature"] != signature:
            row, is_right = _read_folder(root, folder, files, faults)
            row["signature"] = signature
            read += len(files)
            is_whole &= is_right
        rows.append(row)
    if read:
        _LOG.info("%s: read %d files of annotations", root, read)
        if is_whole:
            _write_index(places, [*rows, *_others(known, folders)])
    return {row["folder"]: _columns(row) for row in rows}


def _index_places(root: Path, name: str) -> list[Path]:
    digest = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]
    return [root.parent / name, cache_folder() / "datasets" / f"{digest}-{name}"]


def _read_index(path: Path) -> dict[str, _Row] | None:
    """Rows by folder; None if there is no index that can be read."""
    if not path.is_file():
        return None
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        if not table.schema.equals(_SCHEMA, check_metadata=False) or (
            (table.schema.metadata or {}).get(b"faimtrack.annotation_index") != _VERSION
        ):
            raise ValueError("another version")
    except (pa.ArrowException, OSError, ValueError) as error:
        _LOG.warning("%s: made again, because it cannot be read: %s", path, error)
        return None
    columns = {name: table.column(name) for name in table.schema.names}
    names, signatures = columns["folder"].to_pylist(), columns["signature"].to_pylist()
    return {
        name: {"folder": name, "signature": signature}
        | {key: columns[key][place] for key in _SCHEMA.names[2:]}
        for place, (name, signature) in enumerate(zip(names, signatures, strict=True))
    }


def _others(known: dict[str, _Row], folders: Sequence[str]) -> list[_Row]:
    wanted = set(folders)
    return [row for name, row in known.items() if name not in wanted]


def _write_index(places: Sequence[Path], rows: Sequence[_Row]) -> None:
    columns = {name: [_plain(row[name]) for row in rows] for name in _SCHEMA.names}
    table = pa.table(
        [pa.array(columns[name], _SCHEMA.field(name).type) for name in _SCHEMA.names],
        schema=_SCHEMA,
    )
    for place in places:
        try:
            with atomic_file(place) as temporary:
                pq.write_table(
                    table, temporary, compression="zstd", row_group_size=256,
                    write_page_checksum=True,
                )  # fmt: skip
        except OSError as error:
            _LOG.info("%s: no index could be written: %s", place, error)
        else:
            return


def _plain(value: object) -> object:
    return value.as_py() if isinstance(value, pa.Scalar) else value


def _files_of(folder: Path) -> tuple[list[str], str]:
    """The names of a folder's XML files, sorted, and the folder's signature."""
    with os.scandir(folder) as entries:
        found = sorted(
            (entry.name, entry.stat()) for entry in entries if entry.name.endswith(".xml")
        )
    digest = hashlib.sha256()
    for name, status in found:
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return [name for name, _ in found], digest.hexdigest()


def _read_folder(
    root: Path, folder: str, files: Sequence[str], faults: Faults
) -> tuple[_Row, bool]:
    """A folder's row, and whether all of its files could be read."""
    stems: list[str] = []
    found: list[XmlAnnotation] = []
    for name in files:
        path = root / folder / name
        try:
            found.append(parse_annotation(str(path), path.read_bytes()))
        except ValueError as error:
            faults.error("lines that cannot be read", str(error))
            continue
        stems.append(name.removesuffix(".xml"))
    row: _Row = {
        "folder": folder,
        "stems": stems,
        "heights": [each.height for each in found],
        "widths": [each.width for each in found],
        "counts": [len(each.boxes) for each in found],
        "wordnet_ids": [name for each in found for name in each.wordnet_ids],
        "track_ids": [track for each in found for track in each.track_ids],
        "boxes": [value for each in found for box in each.boxes for value in box],
        "occluded": [flag for each in found for flag in each.occluded],
        "generated": [flag for each in found for flag in each.generated],
    }
    return row, len(stems) == len(files)


def _columns(row: _Row) -> FolderAnnotations:
    def numbers(name: str, kind: type[Any]) -> NDArray[Any]:
        value = row[name]
        if isinstance(value, pa.ListScalar):
            made: NDArray[Any] = value.values.to_numpy(zero_copy_only=False).astype(kind)
            return made
        return np.array(value, kind)

    def texts(name: str) -> NDArray[np.str_]:
        return np.array(_plain(row[name]), dtype=np.str_)

    sizes = np.stack([numbers("heights", np.int64), numbers("widths", np.int64)], axis=1)
    return FolderAnnotations(
        stems=texts("stems"),
        sizes=sizes,
        counts=numbers("counts", np.int64),
        wordnet_ids=texts("wordnet_ids"),
        track_ids=numbers("track_ids", np.int64),
        boxes=numbers("boxes", np.float64).reshape(-1, 4),
        occluded=numbers("occluded", np.int8),
        generated=numbers("generated", np.int8),
    )


def rows_of_places(
    found: FolderAnnotations, places: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The objects of some images.

    Args:
        found: A folder.
        places: `(P,)` which of its images.

    Returns:
        `(M,)` rows of the objects, image by image, and `(M,)` whose they are, as places among
        `places`.
    """
    counts = found.counts[places]
    starts = (np.cumsum(found.counts) - found.counts)[places]
    frames = np.repeat(np.arange(len(places)), counts)
    within = np.arange(len(frames)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.repeat(starts, counts) + within, frames
