"""Videos with boxes, tracks and where they have them masks: what video detectors learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.annotated import AnnotatedImage, check_index


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedVideo:
    """A video and the objects of those of its frames that somebody annotated.

    Attributes:
        name: Also of its file of detections, such as ``ILSVRC2015_val_00007010``.
        source: What `faimtrack.video.open_source` makes its frames of.
        frame_numbers: `(F,)` int64 numbers of the annotated frames, as `Frame.index` has them,
            ascending. A frame without objects may be among them; frames that are not are neither
            learnt from nor scored.
        has_tracks: Whether `track_ids` tell the same object in several frames.
        read: Gives the annotated frame of a place in `frame_numbers`; decodes nothing.
    """

    name: str
    source: Path
    frame_numbers: NDArray[np.int64]
    has_tracks: bool
    read: Callable[[int], AnnotatedImage]

    def __len__(self) -> int:
        """Number of annotated frames."""
        return len(self.frame_numbers)

    def __getitem__(self, place: int) -> AnnotatedImage:
        """The annotated frame number `place`, from 0.

        Raises:
            IndexError: There is none.
        """
        check_index(place, len(self))
        return self.read(place)


class AnnotatedVideos(Protocol):
    """A set of videos with their objects; asking for one decodes nothing."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class ids mean."""

    @property
    def has_masks(self) -> bool:
        """Whether any object may have a mask."""

    @property
    def has_ground_truth(self) -> bool:
        """Whether the objects are known; published test sets hold theirs back."""

    def __len__(self) -> int:
        """Number of videos."""

    def __getitem__(self, index: int) -> AnnotatedVideo:
        """A video by its number from 0.

        Raises:
            IndexError: There is none.
        """


class VideoFrames:
    """Annotated frames of videos as images to learn from one by one, every `stride`-th of each.

    Attributes:
        class_names: What class ids mean.
        has_masks: Whether any object may have a mask.
    """

    def __init__(self, videos: AnnotatedVideos, *, stride: int = 1) -> None:
        """Take frames evenly from each video, at least one of those that have any.

        Raises:
            ValueError: `stride` is less than 1.
        """
        if stride < 1:
            raise ValueError(f"stride: expected 1 or more, got {stride}")
        self.class_names = videos.class_names
        self.has_masks = videos.has_masks
        self._videos = videos
        counts = [len(range(0, len(videos[number]), stride)) for number in range(len(videos))]
        self._ends = np.cumsum(counts)
        self._stride = stride

    def __len__(self) -> int:
        """Number of images."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def __getitem__(self, index: int) -> AnnotatedImage:
        """An image by its number from 0.

        Raises:
            IndexError: There is none.
        """
        check_index(index, len(self))
        number = int(np.searchsorted(self._ends, index, side="right"))
        start = int(self._ends[number - 1]) if number else 0
        return self._videos[number][(index - start) * self._stride]
