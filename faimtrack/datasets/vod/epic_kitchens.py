"""EPIC-KITCHENS-55: what hands do in kitchens, with boxes of active objects, without tracks."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from faimtrack.datasets.annotated import NO_TRACK
from faimtrack.datasets.vod.box_checks import usable_boxes
from faimtrack.datasets.vod.epic_labels import (
    NOUN_CLASSES,
    TRAIN_LABELS,
    EpicRow,
    find_table,
    read_labels,
    read_nouns,
    read_video_list,
    required_table,
)
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.image_folders import frame_numbers
from faimtrack.datasets.vod.local_split import is_held_out
from faimtrack.datasets.vod.tables import VideoTable, VideoTables, unannotated
from faimtrack.video.image_headers import stored_size
from faimtrack.video.images import read_image

_LOG = logging.getLogger(__name__)

EpicSplit = Literal["train", "S1", "S2", "train-local", "S1-local", "S2-local"]
"""`S1` (kitchens that are seen in training) and `S2` (others) are the published test sets, whose
objects are not public; the local ones imitate them within `train`."""

LOCAL_UNSEEN_KITCHENS = ("P03", "P06", "P21", "P27")
"""Of the 28 kitchens of training, those that `S2-local` keeps for itself: the first four by the
SHA-256 of `epic-kitchens/P01`, …"""

_ONE_IN = 4  # the published S1 has 106 of the 378 videos of its kitchens, 1 in 3.6

_FULL_SIZE = (1080, 1920)
_OTHER_SIZES = {
    **{f"P12_0{number}": (720, 1280) for number in range(1, 5)},
    **{f"P12_0{number}": (1440, 2560) for number in (5, 6)},
}
"""Height and width of the videos that were not filmed in 1080p, as the data set's page says."""


def open_epic_kitchens(
    data: str | os.PathLike[str], split: EpicSplit, faults: Faults | None = None
) -> VideoTables:
    """EPIC-KITCHENS-55's videos with the boxes of the nouns that are narrated, one frame a second.

    A frame is annotated if the table has a row for it, even one without boxes. Classes are those
    nouns of which training has a box, in the order of their numbers, whatever the split. Boxes
    are in pixels of the video; where a video's images have another size they are scaled to it.

    Args:
        data: The folder with `EPIC_train_object_labels.csv` and `EPIC_noun_classes.csv`, or with
            both in `annotations`; images are in `object_detection_images/train/P01/P01_01/`, or
            in `P01/object_detection_images/P01_01/` as the downloader leaves them.
        split: Which videos.
        faults: What to do with faults; None refuses them.

    Raises:
        ValueError: A row is wrong, or there is nothing to learn.
        OSError: Tables or images are missing or cannot be read.
    """
    data, faults = Path(data), faults or Faults()
    nouns = read_nouns(required_table(data, NOUN_CLASSES))
    labels = required_table(data, TRAIN_LABELS)
    rows = read_labels(labels, nouns, faults)
    with_boxes = {row.noun_class for row in rows if row.boxes}
    class_of = {number: place for place, number in enumerate(sorted(with_boxes))}
    names = tuple(nouns[number] for number in class_of)
    if split in ("S1", "S2"):
        tables = _held_back(data, split)
        made = VideoTables(names, tables, has_ground_truth=False)
        _LOG.info("%s: EPIC-KITCHENS-55 %s: %s, no objects", data, split, made.summary())
        return made
    videos: dict[str, list[EpicRow]] = defaultdict(list)
    for row in rows:
        if _belongs(row.video, split):
            videos[row.video].append(row)
    missing: list[Path] = []
    read = [
        _read_video(data, labels, name, of_video, class_of, missing, faults)
        for name, of_video in sorted(videos.items())
    ]
    faults.missing(missing)
    tables = [table for table in read if len(table.frame_numbers)]
    made = VideoTables(names, tables, left_out=faults.left_out)
    if not any(len(table.boxes) for table in tables):
        faults.error("nothing to learn", f"{labels}: expected objects in {split}, got none")
    _LOG.info("%s: EPIC-KITCHENS-55 %s: %s", data, split, made.summary())
    return made


def _belongs(video: str, split: EpicSplit) -> bool:
    if split == "train":
        return True
    is_unseen = video.partition("_")[0] in LOCAL_UNSEEN_KITCHENS
    if is_unseen or split == "S2-local":
        return is_unseen and split == "S2-local"
    return is_held_out(video, _ONE_IN, salt="epic-kitchens") == (split == "S1-local")


def _held_back(data: Path, split: EpicSplit) -> list[VideoTable]:
    name = f"EPIC_test_{split.lower()}_object_video_list.csv"
    path = find_table(data, name)
    if path is None:
        raise FileNotFoundError(
            f"{data / name}: expected the videos of {split}, got no such file (its objects are "
            f"not public; {split}-local is a part of training)"
        )
    return [
        unannotated(video, _image_folder(data, video, "test")) for video in read_video_list(path)
    ]


def _image_folder(data: Path, video: str, part: str) -> Path:
    kitchen = video.partition("_")[0]
    usual = data / "object_detection_images" / part / kitchen / video
    others = [
        root / kitchen / "object_detection_images" / video
        for root in (data, data / "EPIC-KITCHENS")
    ]
    return next((place for place in (usual, *others) if place.is_dir()), usual)


def _read_video(
    data: Path,
    labels: Path,
    name: str,
    rows: Sequence[EpicRow],
    class_of: Mapping[int, int],
    missing: list[Path],
    faults: Faults,
) -> VideoTable:
    folder = _image_folder(data, name, "train")
    numbers = frame_numbers(folder)
    files = {row.frame: f"{row.frame:010d}.jpg" for row in rows}
    missing += [folder / files[frame] for frame in sorted(files) if files[frame] not in numbers]
    frames = sorted(
        (frame for frame in files if files[frame] in numbers), key=lambda f: numbers[files[f]]
    )
    place_of = {frame: place for place, frame in enumerate(frames)}
    owners, kinds, corners, lines = [], [], [], []
    for row in sorted(rows, key=lambda each: (each.frame, each.line)):
        for top, left, height, width in row.boxes if row.frame in place_of else ():
            owners.append(place_of[row.frame])
            kinds.append(class_of[row.noun_class])
            corners.append([left, top, left + width, top + height])
            lines.append(row.line)
    owner_of = np.array(owners, np.int64)
    height, width, boxes = _in_pixels_of_images(
        name, [folder / files[frame] for frame in frames[:1]], np.array(corners, np.float64)
    )
    sizes = np.tile(np.array([height, width], np.int64), (len(frames), 1))
    is_kept = usable_boxes(
        boxes, sizes[owner_of], lambda row: f"{labels}, line {lines[row]}", faults
    )
    order = np.flatnonzero(is_kept)
    order = order[np.argsort(owner_of[order], kind="stable")]
    counts = np.bincount(owner_of[order], minlength=len(frames))
    return VideoTable(
        name=name,
        folder=folder,
        frame_numbers=np.array([numbers[files[frame]] for frame in frames], np.int64),
        file_names=np.array([files[frame] for frame in frames], np.str_),
        sizes=sizes,
        ends=np.cumsum(counts).astype(np.int64),
        boxes=boxes[order],
        class_ids=np.array(kinds, np.int64)[order],
        track_ids=np.full(len(order), NO_TRACK, np.int64),
        has_tracks=False,
    )


def _in_pixels_of_images(
    video: str, images: Sequence[Path], corners: np.ndarray
) -> tuple[int, int, np.ndarray]:
    """The size of a video's images, by the first of them, and the boxes in their pixels."""
    full = _OTHER_SIZES.get(video, _FULL_SIZE)
    boxes = corners.reshape(-1, 4)
    if not images:
        return *full, boxes
    size = stored_size(images[0]) or read_image(images[0]).shape[:2]
    if size == full:
        return *full, boxes
    _LOG.info(
        "%s: boxes in %d x %d pixels scaled to images of %d x %d", video, full[1], full[0],
        size[1], size[0],
    )  # fmt: skip
    return size[0], size[1], boxes * np.tile([size[1] / full[1], size[0] / full[0]], 2)
