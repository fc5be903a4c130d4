"""One instance mask: which pixels of a frame belong to an object, and who says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from faimtrack.run_lengths import decode_counts, decode_window, encode_window
from faimtrack.structures import RunLengthMask


@dataclass(frozen=True, kw_only=True)
class Mask:
    """The visible pixels of one object in one frame.

    Attributes:
        height, width: Of the frame, in pixels.
        counts: COCO's compressed run lengths.
        class_id: Index into the writer's class names.
        method: How the mask came about, such as `simulator`.
        quality: 0 to 1, as the method judges it.

    Raises:
        ValueError: A value is out of its range, or the run lengths do not fill the frame.
    """

    height: int
    width: int
    counts: bytes
    class_id: int = 0
    method: str = "unknown"
    quality: float = 1.0

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1:
            raise ValueError(f"mask: expected a size above 0, got {self.width}x{self.height}")
        if not 0 <= self.quality <= 1:
            raise ValueError(f"mask: expected a quality from 0 to 1, got {self.quality}")
        # pycocotools trusts its input: runs that do not fit make it write outside its memory.
        lengths = decode_counts(self.counts)
        if (lengths < 0).any() or lengths.sum() != self.height * self.width:
            raise ValueError(
                f"mask: expected run lengths of {self.width}x{self.height} pixels, got others"
            )

    @classmethod
    def encode(
        cls,
        pixels: NDArray[np.bool_],
        *,
        class_id: int = 0,
        method: str = "unknown",
        quality: float = 1.0,
    ) -> Mask:
        """Make a mask from `pixels`, `(height, width)` bool; the rest as in the class.

        Raises:
            ValueError: `pixels` has another shape, or a value is out of its range.
        """
        if pixels.ndim != 2:
            raise ValueError(f"mask: expected shape (height, width), got {pixels.shape}")
        encoded = coco.encode(np.asfortranarray(pixels, dtype=np.uint8))
        return cls(
            height=pixels.shape[0],
            width=pixels.shape[1],
            counts=encoded["counts"],
            class_id=class_id,
            method=method,
            quality=quality,
        )

    @classmethod
    def encode_part(
        cls,
        part: NDArray[np.bool_],
        left: int,
        top: int,
        size: tuple[int, int],
        *,
        class_id: int = 0,
        method: str = "unknown",
        quality: float = 1.0,
    ) -> Mask:
        """Make a mask that is empty outside of a part, without making the whole of it.

        Args:
            part: `(rows, columns)` bool.
            left: The frame's column in which the part begins.
            top: The frame's row in which the part begins.
            size: Height and width of the frame in pixels.
            class_id: As in the class.
            method: As in the class.
            quality: As in the class.

        Raises:
            ValueError: The part lies not in the frame, or a value is out of its range.
        """
        height, width = size
        rows, columns = part.shape
        if min(left, top) < 0 or left + columns > width or top + rows > height:
            raise ValueError(
                f"mask: expected a part of a frame of {width}x{height} pixels, got "
                f"{columns}x{rows} at {left},{top}"
            )
        window = np.s_[top : top + rows, left : left + columns]
        counts = encode_window(size, window, part)["counts"]
        return cls(
            height=height,
            width=width,
            counts=counts,
            class_id=class_id,
            method=method,
            quality=quality,
        )

    @classmethod
    def unchecked(
        cls,
        *,
        height: int,
        width: int,
        counts: bytes,
        class_id: int,
        method: str,
        quality: float,
    ) -> Mask:
        """A mask of values that are known to be right, which takes a tenth of the time."""
        mask = object.__new__(cls)
        mask.__dict__.update(
            height=height,
            width=width,
            counts=counts,
            class_id=class_id,
            method=method,
            quality=quality,
        )
        return mask

    @property
    def rle(self) -> RunLengthMask:
        """As pycocotools and `Detections.masks` want it."""
        return {"size": [self.height, self.width], "counts": self.counts}

    @property
    def area(self) -> int:
        """Number of pixels."""
        return int(coco.area(self.rle))

    @property
    def box_xywh(self) -> tuple[float, float, float, float]:
        """Left, top, width, height in pixels of the tightest box; zeros for an empty mask."""
        left, top, width, height = coco.toBbox(self.rle).tolist()
        return left, top, width, height

    def decode(self) -> NDArray[np.bool_]:
        """`(height, width)` bool."""
        # Not by pycocotools, whose decoder warns of its own use of numpy 2.
        lengths = decode_counts(self.counts)
        runs = np.arange(len(lengths)) % 2 == 1
        columns: NDArray[np.bool_] = np.repeat(runs, lengths).reshape(self.width, self.height)
        return np.ascontiguousarray(columns.T)

    def window(self, corners: Sequence[int]) -> NDArray[np.bool_]:
        """What the mask covers of a window.

        Args:
            corners: `x1 y1 x2 y2` in whole pixels inside of the frame.

        Returns:
            `(y2 - y1, x2 - x1)` bool.
        """
        x1, y1, x2, y2 = corners
        pixels = np.zeros((y2 - y1, x2 - x1), dtype=bool)
        (rows, columns), covered = decode_window(self.rle)
        top, bottom = max(y1, rows.start), min(y2, rows.stop)
        left, right = max(x1, columns.start), min(x2, columns.stop)
        if top < bottom and left < right:
            pixels[top - y1 : bottom - y1, left - x1 : right - x1] = covered[
                top - rows.start : bottom - rows.start,
                left - columns.start : right - columns.start,
            ]
        return pixels
