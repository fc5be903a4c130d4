"""ImageNet VID's frames with annotations in COCO's JSON, as YOLOV's tools write them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from faimtrack.datasets.annotated import NO_TRACK
from faimtrack.datasets.vod.box_checks import usable_boxes
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.image_folders import confined, frame_numbers
from faimtrack.datasets.vod.imagenet_classes import CLASS_NAMES
from faimtrack.datasets.vod.imagenet_lists import VidSplit
from faimtrack.datasets.vod.json_files import box_of, list_of, read_tree, record_of, whole_of
from faimtrack.datasets.vod.tables import VideoTable, twin_tracks


def find_json(data: Path, split: VidSplit) -> Path | None:
    """The file of annotations in JSON, if the data have one."""
    if data.suffix.lower() == ".json":
        return data
    for name in (f"annotations_{split}.json", "annotations.json"):
        if (data / name).is_file():
            return data / name
    return None


def read_json_videos(path: Path, split: VidSplit, faults: Faults) -> list[VideoTable]:
    """The videos of a file; a frame is annotated if it is among the file's images.

    Images lie below the file's folder under the names that it gives, or under the last parts of
    these. Tracks are had where each object has a `track_id`.

    Args:
        path: The file.
        split: What the names of its images must not contradict (`VID/train/…`).
        faults: What to do with faults.

    Raises:
        ValueError: A record is wrong.
        OSError: The file or an image cannot be read.
    """
    tree = read_tree(path)
    kinds = _classes(path, tree, faults)
    videos: dict[str, dict[str, tuple[int, int, int]]] = defaultdict(dict)
    seen: set[int] = set()
    for place, entry in enumerate(list_of(str(path), tree, "images"), 1):
        where = f"{path}, image {place}"
        record = record_of(where, entry)
        name = confined(where, record.get("file_name"))
        if _is_of_another_split(name, split):
            raise ValueError(f"{where}: expected an image of {split}, got {name}")
        frames = videos[name.parent.as_posix()]
        if name.name in frames:
            faults.error("images twice", f"{where}: expected each image once, got {name} again")
        size = whole_of(where, record, "height", 1), whole_of(where, record, "width", 1)
        number = whole_of(where, record, "id")
        if number in seen:
            raise ValueError(f"{where}: expected an id of its own, got {number} again")
        seen.add(number)
        frames[name.name] = number, *size
    objects = _objects(path, tree, seen)
    missing: list[Path] = []
    tables = []
    for folder, frames in sorted(videos.items()):
        video_folder = _find_folder(path.parent, PurePosixPath(folder))
        numbers = frame_numbers(video_folder)
        missing += [video_folder / name for name in frames if name not in numbers]
        there = {name: frames[name] for name in numbers if name in frames}
        if there:
            tables.append(_table(path, video_folder, there, numbers, objects, kinds, faults))
    faults.missing(missing)
    return tables


def _classes(path: Path, tree: Mapping[str, Any], faults: Faults) -> dict[int, int]:
    """Our numbers of the file's categories."""
    kinds = {}
    for place, entry in enumerate(list_of(str(path), tree, "categories"), 1):
        where = f"{path}, category {place}"
        record = record_of(where, entry)
        name = record.get("name")
        if name not in CLASS_NAMES:
            faults.error(
                "classes that the benchmark does not have",
                f"{where}: expected the name of one of ImageNet VID's 30 classes, got {name!r}",
            )
        else:
            kinds[whole_of(where, record, "id")] = CLASS_NAMES.index(name)
    return kinds


def _is_of_another_split(name: PurePosixPath, split: VidSplit) -> bool:
    parts = name.parts
    return any(
        before == "VID" and after in ("train", "val", "test") and after != split
        for before, after in pairwise(parts)
    )


def _objects(
    path: Path, tree: Mapping[str, Any], images: set[int]
) -> dict[int, list[tuple[int, Mapping[str, Any]]]]:
    """The annotations by their images, each with its place in the file."""
    found: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    for place, entry in enumerate(list_of(str(path), tree, "annotations"), 1):
        where = f"{path}, annotation {place}"
        record = record_of(where, entry)
        image = whole_of(where, record, "image_id")
        if image not in images:
            raise ValueError(f"{where}: expected image_id to be one of the images, got {image}")
        found[image].append((place, record))
    return found


def _find_folder(root: Path, folder: PurePosixPath) -> Path:
    """Where a video's images are: the longest end of its path that is there."""
    for skipped in range(len(folder.parts)):
        place = root.joinpath(*folder.parts[skipped:])
        if place.is_dir():
            return place
    return root / folder


def _table(
    path: Path,
    folder: Path,
    frames: Mapping[str, tuple[int, int, int]],
    numbers: Mapping[str, int],
    objects: Mapping[int, list[tuple[int, Mapping[str, Any]]]],
    kinds: Mapping[int, int],
    faults: Faults,
) -> VideoTable:
    """A video, whose frames are in the order of their numbers."""
    owners, boxes, class_ids, tracks, places = [], [], [], [], []
    for owner, (number, _, _) in enumerate(frames.values()):
        for place, record in objects.get(number, ()):
            where = f"{path}, annotation {place}"
            kind = whole_of(where, record, "category_id")
            if kind not in kinds:
                faults.error(
                    "classes that the benchmark does not have",
                    f"{where}: expected category_id to be one of the categories, got {kind}",
                )
                continue
            owners.append(owner)
            places.append(place)
            class_ids.append(kinds[kind])
            boxes.append(box_of(f"{where}: bbox", record.get("bbox")))
            tracks.append(
                whole_of(where, record, "track_id") if "track_id" in record else NO_TRACK
            )
    owner_of, track_of = np.array(owners, np.int64), np.array(tracks, np.int64)
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    sizes = np.array([size for _, *size in frames.values()], np.int64)
    has_tracks = bool(len(tracks)) and bool((track_of != NO_TRACK).all())

    def where_of(row: int) -> str:
        return f"{path}, annotation {places[row]}"

    is_kept = usable_boxes(corners, sizes[owner_of], where_of, faults)
    twins = np.flatnonzero(twin_tracks(owner_of, track_of))
    if len(twins):
        faults.leave_out("ids twice in a frame", where_of(int(twins[0])), len(twins))
        track_of[twins] = NO_TRACK
    counts = np.bincount(owner_of[is_kept], minlength=len(frames))
    return VideoTable(
        name=folder.name,
        folder=folder,
        frame_numbers=np.array([numbers[name] for name in frames], np.int64),
        file_names=np.array(list(frames), np.str_),
        sizes=sizes,
        ends=np.cumsum(counts).astype(np.int64),
        boxes=corners[is_kept],
        class_ids=np.array(class_ids, np.int64)[is_kept],
        track_ids=track_of[is_kept],
        has_tracks=has_tracks,
    )
