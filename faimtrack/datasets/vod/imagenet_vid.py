"""ImageNet VID, in ILSVRC2015's tree or with YOLOV's annotations in COCO's JSON."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.annotated import NO_TRACK
from faimtrack.datasets.vod.box_checks import usable_boxes
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.image_folders import frame_numbers
from faimtrack.datasets.vod.imagenet_classes import CLASS_NAMES, class_ids_of
from faimtrack.datasets.vod.imagenet_index import (
    FolderAnnotations,
    read_annotations,
    rows_of_places,
)
from faimtrack.datasets.vod.imagenet_json import find_json, read_json_videos
from faimtrack.datasets.vod.imagenet_lists import VidSplit, find_tree, listed_frames
from faimtrack.datasets.vod.tables import VideoTable, VideoTables, twin_tracks

_LOG = logging.getLogger(__name__)

IMAGE_SUFFIX = ".JPEG"
"""Of all images of ImageNet."""


def open_imagenet_vid(
    data: str | os.PathLike[str], split: VidSplit, faults: Faults | None = None
) -> VideoTables:
    """ImageNet VID's videos, with the objects of the 30 classes as they are annotated.

    Boxes are the corners as written, and may reach out of the image. Frames without objects
    belong to the set. Every image of a listed frame is looked for, none is decoded.

    Args:
        data: The folder of ILSVRC2015 (`Annotations`, `Data`, `ImageSets`), or one that holds it;
            or a file `*.json` of annotations as YOLOV writes them, or a folder with it.
        split: `train` or `val`.
        faults: What to do with faults; None refuses them.

    Raises:
        ValueError: Annotations are wrong, or there is nothing to learn.
        OSError: Annotations or images are missing or cannot be read.
    """
    data, faults = Path(data), faults or Faults()
    annotations = find_json(data, split)
    tables = (
        _read_tree(find_tree(data, "VID"), split, faults)
        if annotations is None
        else read_json_videos(annotations, split, faults)
    )
    made = VideoTables(CLASS_NAMES, tables, left_out=faults.left_out)
    if not any(len(table.boxes) for table in tables):
        faults.error("nothing to learn", f"{data}: expected objects in {split}, got none")
    _LOG.info("%s: ImageNet VID %s: %s", data, split, made.summary())
    return made


def _read_tree(root: Path, split: VidSplit, faults: Faults) -> list[VideoTable]:
    listed = listed_frames(root, split, faults)
    annotations = root / "Annotations" / "VID" / split
    images = root / "Data" / "VID" / split
    missing: list[Path] = []
    there = {folder: frame_numbers(images / folder) for folder in listed}
    without = [folder for folder in listed if not (annotations / folder).is_dir()]
    for folder in without:
        names = listed.pop(folder) or ["000000"]
        if there[folder]:
            faults.error(
                "no ground truth",
                f"{annotations / folder}: expected the annotations of a listed video, got no such "
                "folder",
            )
        else:
            missing += [images / folder / f"{stem}{IMAGE_SUFFIX}" for stem in names]
    found = read_annotations(annotations, list(listed), f"{split}.faimtrack.parquet", faults)
    tables = []
    for folder, stems in listed.items():
        places = _places(annotations / folder, found[folder], stems, there[folder], faults)
        numbers = there[folder]
        names = [f"{stem}{IMAGE_SUFFIX}" for stem in found[folder].stems[places].tolist()]
        is_there = np.array([name in numbers for name in names], bool)
        missing += [
            images / folder / name
            for name, has_image in zip(names, is_there, strict=True)
            if not has_image
        ]
        kept = places[is_there]
        order = np.argsort([numbers[name] for name in np.array(names)[is_there].tolist()])
        shown = images / folder, annotations / folder
        tables.append(_table(*shown, found[folder], kept[order], numbers, faults))
    faults.missing(missing)
    return [table for table in tables if len(table.frame_numbers)]


def _places(
    folder: Path,
    found: FolderAnnotations,
    stems: list[str] | None,
    images: dict[str, int],
    faults: Faults,
) -> NDArray[np.int64]:
    """Where a video's listed frames are among those that have annotations."""
    if stems is None:
        return np.arange(len(found.stems))
    place_of = {stem: place for place, stem in enumerate(found.stems.tolist())}
    absent = [stem for stem in stems if stem not in place_of]
    if absent:
        what = "annotation" if f"{absent[0]}{IMAGE_SUFFIX}" in images else "annotation and image"
        faults.error(
            "no ground truth",
            f"{folder / absent[0]}.xml: expected the {what} of a listed frame, got no such file "
            f"({len(absent)} in this video)",
            len(absent),
        )
    return np.array([place_of[stem] for stem in stems if stem in place_of], np.int64)


def _table(
    images: Path,
    annotations: Path,
    found: FolderAnnotations,
    places: NDArray[np.int64],
    numbers: dict[str, int],
    faults: Faults,
) -> VideoTable:
    names = [f"{stem}{IMAGE_SUFFIX}" for stem in found.stems[places].tolist()]
    rows, frames = rows_of_places(found, places)

    def where(row: int) -> str:
        return f"{annotations / str(found.stems[places[frames[row]]])}.xml"

    boxes = found.boxes[rows]
    kinds = class_ids_of(found.wordnet_ids[rows])
    unknown = np.flatnonzero(kinds < 0)
    if len(unknown):
        row = int(unknown[0])
        faults.error(
            "classes that the benchmark does not have",
            f"{where(row)}: expected one of ImageNet VID's 30 classes, got "
            f"{str(found.wordnet_ids[rows[row]])!r}",
            len(unknown),
        )
    is_kept = (kinds >= 0) & usable_boxes(boxes, found.sizes[places][frames], where, faults)
    tracks = found.track_ids[rows].copy()
    twins = np.flatnonzero(twin_tracks(frames, tracks))
    if len(twins):
        first = f"{where(int(twins[0]))}: track {tracks[twins[0]]}"
        faults.leave_out("ids twice in a frame", first, len(twins))
        tracks[twins] = NO_TRACK
    counts = np.bincount(frames[is_kept], minlength=len(places))
    return VideoTable(
        name=images.name,
        folder=images,
        frame_numbers=np.array([numbers[name] for name in names], np.int64),
        file_names=np.array(names, np.str_),
        sizes=found.sizes[places],
        ends=np.cumsum(counts).astype(np.int64),
        boxes=boxes[is_kept],
        class_ids=kinds[is_kept],
        track_ids=tracks[is_kept],
        has_tracks=bool((found.track_ids[rows] != NO_TRACK).all()),
    )
