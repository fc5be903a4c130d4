"""The objects of a sequence that are to have masks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.masks.config import PEDESTRIAN
from faimtrack.motfile import MotTable, SequenceInfo, SplitName, read_mot, split_frames
from faimtrack.video.images import MotSequence

_LARGEST_ID = 2**31 - 1  # that a store holds


@dataclass(frozen=True, kw_only=True)
class SequenceObjects:
    """Objects of all frames, by frame and, in a frame, by track id.

    Attributes:
        path: Their ground truth.
        size: Height and width of the frames in pixels.
        frames: `(N,)` int64 from 1.
        track_ids: `(N,)` int64.
        class_ids: `(N,)` int64 indices into `class_names`.
        windows: `(N, 4)` int64 corners `x1 y1 x2 y2` in whole pixels: the boxes, rounded and cut
            at the image's borders. Such a window is empty if its box lies outside.
        visibilities: `(N,)` float64 0 to 1; −1 where the ground truth says nothing.
        class_names: What class ids mean.
    """

    path: Path
    size: tuple[int, int]
    frames: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    windows: NDArray[np.int64]
    visibilities: NDArray[np.float64]
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def frame_numbers(self) -> list[int]:
        """The frames that have objects, rising."""
        numbers: list[int] = np.unique(self.frames).tolist()
        return numbers

    def rows_of(self, frame: int) -> slice:
        """Where the objects of one frame are."""
        first, end = np.searchsorted(self.frames, [frame, frame + 1])
        return slice(int(first), int(end))


@dataclass(frozen=True, kw_only=True)
class VideoObjects:
    """Objects of a video that is a folder of images, and what tells them from others.

    Attributes:
        objects: As those of a sequence; where nobody follows them, track ids are numbers from 1
            in each frame.
        sha256: Of the objects, which a store of their masks keeps.
        images: The files of the frames that have objects.
    """

    objects: SequenceObjects
    sha256: str
    images: tuple[Path, ...]


def read_objects(
    sequence: SequenceInfo,
    size: tuple[int, int],
    *,
    classes: tuple[int, ...],
    split: SplitName = "full",
) -> SequenceObjects:
    """The objects of a sequence's ground truth that an evaluation counts.

    A row counts if column 7 is not 0 and column 8 names one of the classes; a ground truth
    without classes (MOT15) has one only.

    Args:
        sequence: What its `seqinfo.ini` says.
        size: Height and width of its frames in pixels.
        classes: Numbers of column 8.
        split: Which of its frames.

    Raises:
        FileNotFoundError: There is no ground truth.
        ValueError: It is faulty, or none of its rows counts.
    """
    path = sequence.ground_truth_path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected the ground truth, got no such file")
    table = read_mot(path, "ground truth", frame_count=sequence.frame_count)
    has_classes = _has_classes(table)
    _check_ids(path, table)
    is_marked = np.trunc(table.confidences) != 0
    counts = is_marked & np.isin(table.class_ids, classes) if has_classes else is_marked
    if not counts.any():
        wanted = f"of class {', '.join(map(str, classes))} " if has_classes else ""
        others = ",".join(map(str, np.unique(table.class_ids[is_marked]).tolist()))
        hint = f"; those of others are chosen by --classes {others}" if others else ""
        raise ValueError(
            f"{path}: expected rows {wanted}that count (column 7 not 0), got none of {len(table)}"
            f"{hint}"
        )
    frames = split_frames(sequence.frame_count, split)
    table = table.select(counts & (table.frames >= frames.start) & (table.frames < frames.stop))
    table = table.select(np.lexsort([table.ids, table.frames]))
    kinds = np.zeros(len(table), dtype=np.int64)
    if has_classes:
        kinds = np.array([classes.index(kind) for kind in table.class_ids.tolist()], np.int64)
    return SequenceObjects(
        path=path,
        size=size,
        frames=table.frames,
        track_ids=table.ids,
        class_ids=kinds,
        windows=image_windows(table.boxes, size),
        visibilities=table.visibilities if has_classes else np.full(len(table), -1.0),
        class_names=_class_names(classes) if has_classes else ("person",),
    )


def image_size(source: MotSequence) -> tuple[int, int]:
    """Height and width of the frames: as `seqinfo.ini` says, or else as the first image is.

    Raises:
        ValueError: The first image is broken.
        OSError: It cannot be read.
    """
    sequence = source.sequence
    if sequence.height is not None and sequence.width is not None:
        return sequence.height, sequence.width
    first = next(iter(source)).image
    return first.shape[0], first.shape[1]


def image_windows(boxes: NDArray[np.float64], size: tuple[int, int]) -> NDArray[np.int64]:
    """Boxes in whole pixels of an image: rounded to the nearest and cut at its borders.

    Args:
        boxes: `(N, 4)` corners `x1 y1 x2 y2` in pixels.
        size: Height and width of the image in pixels.

    Returns:
        `(N, 4)` int64 corners; what lies outside is empty.
    """
    height, width = size
    windows: NDArray[np.int64] = np.clip(np.rint(boxes), 0, [width, height, width, height]).astype(
        np.int64
    )
    return windows


def _check_ids(path: Path, table: MotTable) -> None:
    too_large = np.flatnonzero(np.abs(table.ids) > _LARGEST_ID)
    if len(too_large):
        row = too_large[0]
        raise ValueError(
            f"{path}: expected ids up to {_LARGEST_ID}, got {table.ids[row]} in frame "
            f"{table.frames[row]}"
        )


def _has_classes(table: MotTable) -> bool:
    """Whether columns 8 and 9 are class and visibility: old files have world coordinates there."""
    seen = table.visibilities
    is_world = ((seen > 1) | ((seen < 0) & (seen != -1))).any()
    return bool((table.class_ids > 0).any()) and not is_world


def _class_names(classes: tuple[int, ...]) -> tuple[str, ...]:
    return tuple("person" if kind == PEDESTRIAN else f"class {kind}" for kind in classes)


def classes_named(metadata: Mapping[str, object]) -> tuple[int, ...]:
    """Whose masks a store has, as `read_objects` wants them.

    Args:
        metadata: What the store says of its masks; without class names it has people.
    """
    names = metadata.get("class_names")
    texts = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    numbers = [text.removeprefix("class ") for text in texts]
    found = tuple(int(number) for number in numbers if number.isdecimal())
    return ((PEDESTRIAN,) if "person" in texts else ()) + found or (PEDESTRIAN,)
