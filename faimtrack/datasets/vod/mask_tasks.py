"""Which masks are to be made for the objects of a data set of videos."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from faimtrack.datasets.vod.stored_masks import mask_keys, object_frames, objects_sha256
from faimtrack.datasets.vod.tables import VideoTable, VideoTables
from faimtrack.masks.objects import SequenceObjects, VideoObjects, image_windows
from faimtrack.video.image_headers import stored_size
from faimtrack.video.images import read_image


def videos_with_objects(videos: VideoTables) -> list[tuple[str, Path, VideoObjects]]:
    """Name, folder and objects of each video that has any, for `masks.plan_video_masks`.

    Raises:
        ValueError: A video's frames have several sizes, or its first image is none.
        OSError: The first image cannot be read.
    """
    return [
        (table.name, table.folder, _objects(table, videos.class_names))
        for table in videos.tables
        if len(table.boxes)
    ]


def _objects(table: VideoTable, class_names: tuple[str, ...]) -> VideoObjects:
    places, keys = object_frames(table), mask_keys(table)
    order = np.lexsort([keys, places])
    size = _size(table)
    return VideoObjects(
        objects=SequenceObjects(
            path=table.folder,
            size=size,
            frames=table.frame_numbers[places[order]],
            track_ids=keys[order],
            class_ids=table.class_ids[order],
            windows=image_windows(table.boxes[order], size),
            visibilities=np.full(len(order), -1.0),
            class_names=class_names,
        ),
        sha256=objects_sha256(table),
        images=tuple(table.folder / name for name in table.file_names.tolist()),
    )


def _size(table: VideoTable) -> tuple[int, int]:
    """Height and width of a video's images, which masks have, too."""
    sizes = np.unique(table.sizes, axis=0)
    if len(sizes) > 1:
        shown = " and ".join(f"{width} x {height}" for height, width in sizes[:2].tolist())
        raise ValueError(f"{table.folder}: expected frames of one size, got {shown}")
    height, width = sizes[0].tolist()
    if height and width:
        return height, width
    first = table.folder / str(table.file_names[0])
    size = stored_size(first) or read_image(first).shape[:2]
    return size[0], size[1]
