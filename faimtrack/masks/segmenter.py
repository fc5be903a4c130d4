"""What gives masks: from pixels and boxes (a segmenter), or from whatever else (a source)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Image


@dataclass(frozen=True)
class Segment:
    """Which pixels of a box belong to its object.

    Attributes:
        pixels: `(height, width)` bool of the box, as it is in whole pixels.
        quality: 0 to 1, as the method judges it.
    """

    pixels: NDArray[np.bool_]
    quality: float = 1.0


class Segmenter(Protocol):
    """Finds the objects that boxes hold, by the pixels of one image alone."""

    def segment(self, image: Image, boxes: NDArray[np.int64]) -> Sequence[Segment | None]:
        """Segment one image.

        Args:
            image: `(H, W, 3)` uint8 RGB; not modified.
            boxes: `(N, 4)` corners `x1 y1 x2 y2` in whole pixels of the image; none is empty.

        Returns:
            A segment a box, in their order; None where it finds none.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class FrameObjects:
    """The objects of one frame, by track id; their windows are not empty.

    Attributes:
        index: The frame, from 1.
        size: Its height and width in pixels.
        track_ids: `(N,)` int64, rising.
        windows: `(N, 4)` int64 corners `x1 y1 x2 y2` in whole pixels.
        load_image: Reads its pixels, `(H, W, 3)` uint8 RGB.
    """

    index: int
    size: tuple[int, int]
    track_ids: NDArray[np.int64]
    windows: NDArray[np.int64]
    load_image: Callable[[], Image]


class MaskSource(Protocol):
    """Gives the masks of one sequence, frame by frame."""

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """A segment an object of a frame, in their order; None where there is none."""
        ...


class SegmentedImages:
    """The masks that a segmenter finds in a sequence's images."""

    def __init__(self, segmenter: Segmenter) -> None:
        """Ask `segmenter`."""
        self._segmenter = segmenter

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """As `MaskSource.segments`."""
        return self._segmenter.segment(objects.load_image(), objects.windows)
