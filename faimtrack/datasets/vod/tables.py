"""Annotated videos as tables: arrays alone, which forked processes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.datasets.annotated import NO_TRACK, AnnotatedImage, check_index
from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.masks.mask import Mask


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoTable:
    """A video's annotated frames and, frame by frame, their objects.

    Attributes:
        name: Of the video.
        folder: Where its images are; files' names are relative to it.
        frame_numbers: `(F,)` int64, ascending, as `open_source` of the folder counts.
        file_names: `(F,)` names of the images.
        sizes: `(F, 2)` int64 height and width of the images in pixels; 0 where nobody says.
        ends: `(F,)` int64: how many objects there are up to and with each frame.
        boxes: `(N, 4)` float64 corners `x1 y1 x2 y2` in pixels.
        class_ids: `(N,)` int64.
        track_ids: `(N,)` int64; −1 where nobody follows the object.
        has_tracks: Whether track ids tell the same object in several frames.
        read_masks: Gives the masks of the frame of a place; None: there are none.
    """

    name: str
    folder: Path
    frame_numbers: NDArray[np.int64]
    file_names: NDArray[np.str_]
    sizes: NDArray[np.int64]
    ends: NDArray[np.int64]
    boxes: Boxes
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    has_tracks: bool
    read_masks: Callable[[int], Sequence[Mask | None]] | None = None

    def rows_of(self, place: int) -> slice:
        """Where the objects of a frame are, by the frame's place from 0."""
        return slice(int(self.ends[place - 1]) if place else 0, int(self.ends[place]))

    def image(self, place: int) -> AnnotatedImage:
        """The annotated frame of a place."""
        rows = self.rows_of(place)
        file_name = str(self.file_names[place])
        height, width = self.sizes[place].tolist()
        masks = self.read_masks
        return AnnotatedImage(
            name=f"{self.name}/{Path(file_name).stem}",
            path=self.folder / file_name,
            boxes=self.boxes[rows].copy(),
            class_ids=self.class_ids[rows].copy(),
            track_ids=self.track_ids[rows].copy(),
            visibilities=np.full(rows.stop - rows.start, -1.0),
            size=(height, width) if height and width else None,
            read_masks=None if masks is None else lambda: masks(place),
        )

    def video(self) -> AnnotatedVideo:
        """The same as who learns from it wants it."""
        return AnnotatedVideo(
            name=self.name,
            source=self.folder,
            frame_numbers=self.frame_numbers,
            has_tracks=self.has_tracks,
            read=self.image,
        )


class VideoTables:
    """A set of annotated videos.

    Attributes:
        class_names: What class ids mean.
        has_masks: Whether any object may have a mask.
        has_ground_truth: Whether the objects are known; the published test sets hold theirs back,
            and their videos have no annotated frames here.
        left_out: How much is not learnt, by the reason.
        tables: A video each.
    """

    def __init__(
        self,
        class_names: Sequence[str],
        tables: Sequence[VideoTable],
        *,
        left_out: Mapping[str, int] | None = None,
        has_ground_truth: bool = True,
    ) -> None:
        """Take over tables; names of videos are different.

        Raises:
            ValueError: Two videos have one name.
        """
        names = [table.name for table in tables]
        if len(set(names)) < len(names):
            twin = next(name for place, name in enumerate(names) if name in names[:place])
            raise ValueError(f"videos: expected different names, got {twin} twice")
        self.class_names = tuple(class_names)
        self.tables = tuple(tables)
        self.has_masks = any(table.read_masks is not None for table in tables)
        self.has_ground_truth = has_ground_truth
        self.left_out = dict(left_out or {})

    def __len__(self) -> int:
        """Number of videos."""
        return len(self.tables)

    def __getitem__(self, index: int) -> AnnotatedVideo:
        """A video by its number from 0.

        Raises:
            IndexError: There is none.
        """
        check_index(index, len(self))
        return self.tables[index].video()

    def summary(self) -> str:
        """How much there is, for a log."""
        frames = sum(len(table.frame_numbers) for table in self.tables)
        objects = sum(len(table.boxes) for table in self.tables)
        reasons = "".join(f"; {count} {what}" for what, count in self.left_out.items())
        return f"{len(self)} videos, {frames} annotated frames, {objects} objects{reasons}"


def unannotated(name: str, folder: Path) -> VideoTable:
    """A video of which only the images are known."""
    return VideoTable(
        name=name,
        folder=folder,
        frame_numbers=np.zeros(0, np.int64),
        file_names=np.zeros(0, np.str_),
        sizes=np.zeros((0, 2), np.int64),
        ends=np.zeros(0, np.int64),
        boxes=np.zeros((0, 4)),
        class_ids=np.zeros(0, np.int64),
        track_ids=np.zeros(0, np.int64),
        has_tracks=False,
    )


def twin_tracks(frames: NDArray[np.int64], track_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which objects have a track id that an earlier object of their frame has.

    >>> twin_tracks(np.array([0, 0, 1, 1]), np.array([5, 5, 5, -1])).tolist()
    [False, True, False, False]
    """
    keys = np.stack([frames, track_ids], axis=1)
    _, first = np.unique(keys, axis=0, return_index=True)
    is_twin = np.ones(len(keys), bool)
    is_twin[first] = False
    return np.asarray(is_twin & (track_ids != NO_TRACK))
