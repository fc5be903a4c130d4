"""Images with boxes, and where they have them masks: what detectors learn from."""

from __future__ import annotations

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.masks.mask import Mask
from faimtrack.structures import Image
from faimtrack.video.images import read_image

NO_TRACK = -1
"""The track id of an object that nobody follows."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AnnotatedImage:
    """An image and its objects; pixels and masks are read when they are asked for, every time.

    Attributes:
        name: For people, such as ``MOT20-02/000123``.
        path: The file.
        boxes: `(G, 4)` float64 corners ``x1 y1 x2 y2`` in pixels, each of some area; they may
            reach out of the image.
        class_ids: `(G,)` int64 indices into the set's class names.
        track_ids: `(G,)` int64; −1 where nobody follows the object.
        visibilities: `(G,)` float64, 0 to 1; −1 where nobody says.
        size: Height and width in pixels that the image is to have; None: whatever it has.
        read_masks: Gives a mask or None for each track id; None: the set has no masks.
    """

    name: str
    path: Path
    boxes: Boxes
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    visibilities: NDArray[np.float64]
    size: tuple[int, int] | None = None
    read_masks: Callable[[], Sequence[Mask | None]] | None = None

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.boxes)

    def image(self) -> Image:
        """The pixels, `(height, width, 3)` uint8 RGB.

        Raises:
            OSError: The file cannot be read.
            ValueError: It is no image, or one of another size.
        """
        image = read_image(self.path)
        if self.size is not None and image.shape[:2] != self.size:
            raise ValueError(
                f"{self.path}: expected {self.size[1]} x {self.size[0]} pixels as the sequence "
                f"has, got {image.shape[1]} x {image.shape[0]}"
            )
        return image

    def masks(self) -> tuple[Mask | None, ...]:
        """A mask a box, in their order; None where there is none."""
        if self.read_masks is None:
            return (None,) * len(self)
        return tuple(self.read_masks())


class AnnotatedImages(Protocol):
    """A set of images with their objects; asking for one decodes nothing."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """What class ids mean."""

    @property
    def has_masks(self) -> bool:
        """Whether any object may have a mask."""

    def __len__(self) -> int:
        """Number of images."""

    def __getitem__(self, index: int) -> AnnotatedImage:
        """An image by its number from 0.

        Raises:
            IndexError: There is none.
        """


class _Joined:
    """Several sets, one after the other."""

    def __init__(self, sets: Sequence[AnnotatedImages]) -> None:
        self._sets = tuple(sets)
        self._ends = list(accumulate(len(each) for each in sets))
        self.class_names = self._sets[0].class_names
        self.has_masks = any(each.has_masks for each in sets)

    def __len__(self) -> int:
        return self._ends[-1]

    def __getitem__(self, index: int) -> AnnotatedImage:
        check_index(index, len(self))
        number = bisect.bisect_right(self._ends, index)
        return self._sets[number][index - (self._ends[number - 1] if number else 0)]


def joined(sets: Sequence[AnnotatedImages]) -> AnnotatedImages:
    """Several sets as one, in their order.

    Raises:
        ValueError: There is none, or they differ in their classes.
    """
    if not sets:
        raise ValueError("sets: expected at least one set of images, got none")
    for each in sets[1:]:
        if each.class_names != sets[0].class_names:
            raise ValueError(
                f"sets: expected the classes {', '.join(sets[0].class_names)} in all of them, "
                f"got {', '.join(each.class_names)}"
            )
    return sets[0] if len(sets) == 1 else _Joined(sets)


def check_index(index: int, count: int) -> None:
    """Refuse the number of an image that is not there.

    Raises:
        IndexError: It is none of 0 to `count` − 1.
    """
    if not 0 <= index < count:
        raise IndexError(f"image: expected a number from 0 to {count - 1}, got {index}")
