"""OVIS: videos of 25 classes with true masks, in YouTube-VIS's JSON."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np

from faimtrack.datasets.vod.box_checks import usable_boxes
from faimtrack.datasets.vod.faults import Faults
from faimtrack.datasets.vod.image_folders import frame_numbers
from faimtrack.datasets.vod.json_files import box_of, list_of, record_of, whole_of
from faimtrack.datasets.vod.local_split import is_held_out
from faimtrack.datasets.vod.ovis_file import OvisFile, OvisVideo, read_ovis_file
from faimtrack.datasets.vod.ovis_masks import OvisMasks
from faimtrack.datasets.vod.tables import VideoTable, VideoTables, unannotated
from faimtrack.errors import shown

_LOG = logging.getLogger(__name__)

OvisSplit = Literal["train", "valid", "test", "train-local", "val-local"]
"""`valid` and `test` are published without objects; the local ones are parts of `train`, 4 : 1."""

_ONE_IN = 5


def annotation_file(data: Path, split: OvisSplit) -> Path:
    """Where the annotations of a split are.

    Raises:
        FileNotFoundError: Nowhere.
    """
    name = f"annotations_{published_split(split)}.json"
    for path in (data / name, data / "annotations" / name):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{data / name}: expected OVIS's annotations, got no such file")


def published_split(split: OvisSplit) -> str:
    """Whose files a split's videos are in."""
    return "train" if split.endswith("-local") else split


def open_ovis(
    data: str | os.PathLike[str],
    split: OvisSplit,
    faults: Faults | None = None,
    *,
    with_masks: bool = False,
) -> VideoTables:
    """OVIS's videos with boxes, tracks and, if they are wanted, the true masks.

    All frames that a video lists are annotated, also those without objects. `valid` and `test`
    come without annotated frames, for their objects are not published; `train-local` and
    `val-local` are `train`, cut by a hash of the videos' names.

    Args:
        data: The folder that has `annotations_train.json` and `train`, …; or with the former in
            `annotations`.
        split: Which videos.
        faults: What to do with faults; None refuses them.
        with_masks: Whether the true masks are kept.

    Raises:
        ValueError: A record is wrong, or there is nothing to learn.
        OSError: Annotations or images are missing or cannot be read.
    """
    data, faults = Path(data), faults or Faults()
    listed = read_ovis_file(annotation_file(data, split))
    images = _image_root(data, split)
    is_held_back = "annotations" not in listed.tree or listed.tree["annotations"] is None
    objects = {} if is_held_back else _objects_by_video(listed)
    missing: list[Path] = []
    tables = []
    for video in listed.videos.values():
        if not _belongs(video.name, split):
            continue
        numbers = frame_numbers(images / video.name)
        places = [place for place, name in enumerate(video.file_names) if name in numbers]
        missing += [images / video.name / name for name in video.file_names if name not in numbers]
        if is_held_back:
            tables.append(unannotated(video.name, images / video.name))
        elif places:
            _check_order(listed.path, video, [numbers[video.file_names[each]] for each in places])
            reader = _VideoReader(listed, video, places, objects.get(video.number, []), faults)
            tables.append(reader.table(images / video.name, numbers, with_masks))
    faults.missing(missing)
    names = tuple(listed.categories.values())
    made = VideoTables(names, tables, left_out=faults.left_out, has_ground_truth=not is_held_back)
    if not is_held_back and not any(len(table.boxes) for table in tables):
        faults.error("nothing to learn", f"{listed.path}: expected objects in {split}, got none")
    _LOG.info("%s: OVIS %s: %s", data, split, made.summary())
    return made


def _image_root(data: Path, split: OvisSplit) -> Path:
    name = published_split(split)
    other = data / f"{name}_images"
    return other if other.is_dir() and not (data / name).is_dir() else data / name


def _belongs(name: str, split: OvisSplit) -> bool:
    if not split.endswith("-local"):
        return True
    return is_held_out(name, _ONE_IN, salt="ovis") == (split == "val-local")


def _check_order(path: Path, video: OvisVideo, numbers: list[int]) -> None:
    if numbers != sorted(numbers):
        raise ValueError(
            f"{path}: expected the frames of {video.name} in the order of their names, got "
            "another order"
        )


def _objects_by_video(listed: OvisFile) -> dict[int, list[tuple[int, Mapping[str, Any]]]]:
    """The annotations by their videos, each with its place in the file."""
    found: dict[int, list[tuple[int, Mapping[str, Any]]]] = defaultdict(list)
    seen: set[int] = set()
    for place, entry in enumerate(list_of(str(listed.path), listed.tree, "annotations"), 1):
        where = f"{listed.path}, annotation {place}"
        record = record_of(where, entry)
        video = whole_of(where, record, "video_id")
        if video not in listed.videos:
            raise ValueError(f"{where}: expected video_id to be one of the videos, got {video}")
        track = whole_of(where, record, "id")
        if track in seen:
            raise ValueError(f"{where}: expected an id of its own, got {track} again")
        seen.add(track)
        found[video].append((place, record))
    return found


class _VideoReader:
    """Reads the objects of one video, which the file has track by track, frame by frame."""

    def __init__(
        self,
        listed: OvisFile,
        video: OvisVideo,
        places: list[int],
        records: list[tuple[int, Mapping[str, Any]]],
        faults: Faults,
    ) -> None:
        self._listed, self._video, self._places, self._faults = listed, video, places, faults
        self._class_of = {number: place for place, number in enumerate(listed.categories)}
        self._rows: list[tuple[int, int, int, int]] = []  # frame, track, class, annotation
        self._boxes: list[list[float]] = []
        self._segments: list[object] = []
        for place, record in records:
            self._add(place, record)

    def _add(self, place: int, record: Mapping[str, Any]) -> None:
        where = f"{self._listed.path}, annotation {place}"
        kind, track = whole_of(where, record, "category_id"), whole_of(where, record, "id")
        if kind not in self._class_of:
            self._faults.error(
                "classes that the benchmark does not have",
                f"{where}: expected category_id to be one of the categories, got {kind}",
            )
            return
        boxes = list_of(where, record, "bboxes")
        segments = record.get("segmentations") or [None] * len(boxes)
        length = len(self._video.file_names)
        if len(boxes) != length or not isinstance(segments, list) or len(segments) != length:
            raise ValueError(
                f"{where}: expected bboxes and segmentations for {length} frames, got "
                f"{len(boxes)} and {shown(segments)}"
            )
        for owner, frame in enumerate(self._places):
            if boxes[frame] is not None:
                self._rows.append((owner, track, self._class_of[kind], place))
                self._boxes.append(box_of(f"{where}: bbox {frame + 1}", boxes[frame]))
                self._segments.append(segments[frame])

    def table(self, folder: Path, numbers: Mapping[str, int], with_masks: bool) -> VideoTable:
        """What was read, in the order of the frames."""
        video, faults = self._video, self._faults
        rows = np.array(self._rows, np.int64).reshape(-1, 4)
        boxes = np.array(self._boxes, np.float64).reshape(-1, 4)
        sizes = np.tile(np.array([video.height, video.width], np.int64), (len(self._places), 1))

        def where(row: int) -> str:
            name = video.file_names[self._places[rows[row, 0]]]
            return f"{self._listed.path}, annotation {rows[row, 3]}: {video.name}/{name}"

        is_kept = usable_boxes(boxes, sizes[rows[:, 0]], where, faults)
        kept = np.flatnonzero(is_kept)
        order = kept[np.lexsort([rows[kept, 1], rows[kept, 0]])]
        ends = np.cumsum(np.bincount(rows[order, 0], minlength=len(self._places)))
        masks = None
        if with_masks:
            masks = OvisMasks(
                where=f"{self._listed.path}: {video.name}",
                size=(video.height, video.width),
                ends=ends,
                class_ids=rows[order, 2],
                segments=[self._segments[row] for row in order.tolist()],
            )
        names = [video.file_names[place] for place in self._places]
        return VideoTable(
            name=video.name,
            folder=folder,
            frame_numbers=np.array([numbers[name] for name in names], np.int64),
            file_names=np.array(names, np.str_),
            sizes=sizes,
            ends=ends.astype(np.int64),
            boxes=boxes[order],
            class_ids=rows[order, 2],
            track_ids=rows[order, 1],
            has_tracks=True,
            read_masks=masks,
        )
