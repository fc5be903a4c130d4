"""Masks of videos' objects in mask stores, as `faimtrack masks make` writes them."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.annotated import NO_TRACK
from faimtrack.datasets.vod.tables import VideoTable, VideoTables, twin_tracks
from faimtrack.masks.mask import Mask
from faimtrack.masks.methods import MaskMethod
from faimtrack.masks.places import mask_file
from faimtrack.masks.table import MaskTable


def with_stored_masks(
    videos: VideoTables, method: MaskMethod, root: Path | None = None
) -> VideoTables:
    """The same videos with masks.

    Args:
        videos: Without masks.
        method: How their masks were made.
        root: Where the stores are, `<root>/<video>/<method>.parquet`; None: `masks` in each
            video's folder.

    Raises:
        ValueError: A store is wrong, or was made for other objects.
        OSError: There is none, or it cannot be read.
    """
    return VideoTables(
        videos.class_names,
        [_with_masks(table, method, root) for table in videos.tables],
        left_out=videos.left_out,
        has_ground_truth=videos.has_ground_truth,
    )


def _with_masks(table: VideoTable, method: MaskMethod, root: Path | None) -> VideoTable:
    if not len(table.boxes):
        return dataclasses.replace(table, read_masks=_no_masks)
    path = mask_file(table.folder, method, root)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: expected masks of {table.name}, got no such file: `faimtrack masks make "
            f"--method {method}` makes them"
        )
    masks = MaskTable.open(path)
    if masks.metadata.get("ground_truth_sha256") != objects_sha256(table):
        raise ValueError(
            f"{path}: expected masks that were made for the objects of {table.name} as they are, "
            "got masks for others: `faimtrack masks make` makes them again"
        )
    keys = mask_keys(table)

    def read(place: int) -> Sequence[Mask | None]:
        found = masks.frame(int(table.frame_numbers[place]))
        return [found.get(key) for key in keys[table.rows_of(place)].tolist()]

    return dataclasses.replace(table, read_masks=read)


def _no_masks(place: int) -> Sequence[Mask | None]:
    return ()


def mask_keys(table: VideoTable) -> NDArray[np.int64]:
    """What a store calls a video's objects, different ones in each frame.

    Track ids where every object has one of its own; or else numbers from 1 in each frame.

    Returns:
        `(N,)`, in the order of the objects.
    """
    frames = object_frames(table)
    has_ids = bool((table.track_ids != NO_TRACK).all())
    if has_ids and not twin_tracks(frames, table.track_ids).any():
        return table.track_ids
    starts = np.concatenate([[0], table.ends])[frames]
    return np.asarray(np.arange(len(frames)) - starts + 1, np.int64)


def object_frames(table: VideoTable) -> NDArray[np.int64]:
    """`(N,)` the places from 0 of the frames whose objects these are."""
    counts = np.diff(table.ends, prepend=0)
    return np.repeat(np.arange(len(counts)), counts)


def objects_sha256(table: VideoTable) -> str:
    """What a video's objects are, in one number: its frames with their boxes, classes and ids."""
    digest = hashlib.sha256()
    for column in (
        table.frame_numbers, table.ends, table.boxes, table.class_ids, table.track_ids,
    ):  # fmt: skip
        digest.update(f"{column.dtype.str}{column.shape}".encode())
        digest.update(np.ascontiguousarray(column).tobytes())
    digest.update("\0".join(table.file_names.tolist()).encode())
    return digest.hexdigest()
