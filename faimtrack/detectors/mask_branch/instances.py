"""Masks of an image's objects as ragged bitmaps, which move with the image in training."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from faimtrack.masks.mask import Mask
from faimtrack.run_lengths import decode_window

_POINTS = 2  # a cell's side is sampled at so many places, as torchvision's second RoIAlign does


@dataclass(frozen=True, eq=False)
class InstanceMasks:
    """The masks of `G` objects of one image, some of which have none.

    A bitmap is as fine as the mask once was; where it lies, and how large it now is, says its
    rectangle. So scaling and shifting an image cost nothing here and lose nothing. Every method
    gives new masks and leaves these as they are.

    Attributes:
        pixels: `(T,)` uint8, 0 or 1: all bitmaps one after the other, row by row.
        offsets: `(G,)` int64, where in `pixels` each bitmap begins.
        heights: `(G,)` int64 rows of each bitmap; 0 where there is no mask.
        widths: `(G,)` int64 columns of each bitmap; 0 where there is no mask.
        rectangles: `(G, 4)` float32 corners ``x1 y1 x2 y2`` in pixels of the image as it now is:
            where the bitmap lies. Zeros where there is no mask.
    """

    pixels: Tensor
    offsets: Tensor
    heights: Tensor
    widths: Tensor
    rectangles: Tensor

    @classmethod
    def from_masks(cls, masks: Sequence[Mask | None]) -> InstanceMasks:
        """Take the masks of one image, an object each; None and masks without a pixel are none."""
        bitmaps, corners = [], []
        for mask in masks:
            rows, columns = slice(0, 0), slice(0, 0)
            window = np.zeros((0, 0), dtype=bool)
            if mask is not None:
                (rows, columns), window = decode_window(mask.rle)
            bitmaps.append(torch.from_numpy(window.astype(np.uint8)))
            corners.append([columns.start, rows.start, columns.stop, rows.stop])
        return cls._of(bitmaps, torch.tensor(corners, dtype=torch.float32).reshape(-1, 4))

    @classmethod
    def none(cls, count: int) -> InstanceMasks:
        """`count` objects without masks."""
        nothing = torch.zeros(count, dtype=torch.int64)
        return cls(
            torch.zeros(0, dtype=torch.uint8), nothing, nothing, nothing, torch.zeros(count, 4)
        )

    @classmethod
    def concatenate(cls, parts: Sequence[InstanceMasks]) -> InstanceMasks:
        """The objects of all parts, in their order; no part gives no object."""
        if not parts:
            return cls.none(0)
        starts = np.cumsum([0, *(len(part.pixels) for part in parts[:-1])]).tolist()
        return cls(
            torch.cat([part.pixels for part in parts]),
            torch.cat([part.offsets + start for part, start in zip(parts, starts, strict=True)]),
            torch.cat([part.heights for part in parts]),
            torch.cat([part.widths for part in parts]),
            torch.cat([part.rectangles for part in parts]),
        )

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def present(self) -> Tensor:
        """`(G,)` bool: which objects have a mask with at least one pixel."""
        return self.heights > 0

    def select(self, rows: Tensor) -> InstanceMasks:
        """The objects of some rows: `(N,)` int64 numbers or `(G,)` bool."""
        bitmaps = self._bitmaps()
        numbers = torch.arange(len(self), device=self.offsets.device)[rows].tolist()
        return self._of([bitmaps[number] for number in numbers], self.rectangles[rows])

    def scaled(self, x: float, y: float) -> InstanceMasks:
        """After the image was made `x` times as wide and `y` times as high; both above 0."""
        return replace(self, rectangles=self.rectangles * self.rectangles.new_tensor([x, y, x, y]))

    def shifted(self, dx: float, dy: float) -> InstanceMasks:
        """After the image moved `dx` pixels to the right and `dy` down."""
        by = self.rectangles.new_tensor([dx, dy, dx, dy])
        return replace(self, rectangles=(self.rectangles + by) * self.present[:, None])

    def flipped(self, width: float) -> InstanceMasks:
        """After an image of `width` pixels was mirrored, left to right."""
        left, top, right, bottom = self.rectangles.unbind(1)
        mirrored = torch.stack([width - right, top, width - left, bottom], dim=1)
        bitmaps = [each.flip(1) for each in self._bitmaps()]
        return self._of(bitmaps, mirrored * self.present[:, None])

    def cut(self, x1: float, y1: float, x2: float, y2: float) -> InstanceMasks:
        """Without what lies outside of a window, in pixels; the image itself does not move.

        Bitmaps keep the rows and columns whose centres lie in the window. An object of which no
        pixel is left has no mask any more.
        """
        bitmaps, corners = self._bitmaps(), []
        for number, (left, top, right, bottom) in enumerate(self.rectangles.tolist()):
            height, width = bitmaps[number].shape
            first, last = _kept(left, right, width, x1, x2)
            upper, lower = _kept(top, bottom, height, y1, y2)
            bitmaps[number] = bitmaps[number][upper:lower, first:last]
            x_step, y_step = (right - left) / max(width, 1), (bottom - top) / max(height, 1)
            corners.append(
                [left + first * x_step, top + upper * y_step,
                 left + last * x_step, top + lower * y_step]
            )  # fmt: skip
        return self._of(bitmaps, self.rectangles.new_tensor(corners).reshape(-1, 4))

    def sample(self, boxes: Tensor, rows: Tensor, size: int) -> Tensor:
        """What objects cover of the cells of grids laid over boxes.

        A cell's value is the mean of two by two points, each read between the four nearest pixels
        of the bitmap, as RoIAlign reads a map; beyond the bitmap there is no object.

        Args:
            boxes: `(P, 4)` float corners ``x1 y1 x2 y2`` in pixels of the image as it now is.
            rows: `(P,)` int64, whose mask each box wants; without a mask all is 0.
            size: Cells across and down a box.

        Returns:
            `(P, size, size)` float32, 0 to 1.
        """
        fine = size * _POINTS
        if not len(self.pixels) or not len(rows):
            return torch.zeros(len(rows), size, size, device=boxes.device)
        columns, x_weights = self._places(boxes, rows, axis=0, count=fine)
        lines, y_weights = self._places(boxes, rows, axis=1, count=fine)
        starts, widths = self.offsets[rows, None], self.widths[rows, None]
        total = torch.zeros(len(rows), fine, fine, device=boxes.device)
        for line, y_weight in zip(lines, y_weights, strict=True):
            for column, x_weight in zip(columns, x_weights, strict=True):
                places = (starts + line * widths)[:, :, None] + column[:, None]  # (P, fine, fine)
                weights = y_weight[:, :, None] * x_weight[:, None]
                total += weights * self.pixels[places.clamp_(max=len(self.pixels) - 1)]
        return total.view(-1, size, _POINTS, size, _POINTS).mean(dim=(2, 4))

    def dense(self, height: int, width: int) -> Tensor:
        """`(G, height, width)` bool: the pixels of an image whose centres are covered."""
        covered = torch.zeros(
            len(self), height, width, dtype=torch.bool, device=self.pixels.device
        )
        bitmaps = self._bitmaps()
        for number in self.present.nonzero()[:, 0].tolist():
            left, top, right, bottom = self.rectangles[number].tolist()
            bitmap = bitmaps[number]
            rows, lines = _nearest(top, bottom, bitmap.shape[0], height, bitmap.device)
            columns, places = _nearest(left, right, bitmap.shape[1], width, bitmap.device)
            covered[number, rows[:, None], columns] = bitmap[lines[:, None], places].bool()
        return covered

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> InstanceMasks:
        """The same on another device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> InstanceMasks:
        """The same in memory from which a GPU copies faster."""
        return self._each(Tensor.pin_memory)

    @classmethod
    def _of(cls, bitmaps: Sequence[Tensor], rectangles: Tensor) -> InstanceMasks:
        """Masks of `(h, w)` bitmaps; those without a pixel become none."""
        device = rectangles.device
        bitmaps = [each if each.any() else each[:0, :0] for each in bitmaps]
        heights = torch.tensor([each.shape[0] for each in bitmaps], dtype=torch.int64)
        widths = torch.tensor([each.shape[1] for each in bitmaps], dtype=torch.int64)
        sizes = heights * widths
        none = torch.zeros(0, dtype=torch.uint8, device=device)
        return cls(
            torch.cat([none, *(each.flatten() for each in bitmaps)]),
            (sizes.cumsum(0) - sizes).to(device),
            heights.to(device),
            widths.to(device),
            rectangles * (sizes > 0).to(device)[:, None],
        )

    def _bitmaps(self) -> list[Tensor]:
        """`(h, w)` views of the pixels, an object each."""
        shapes = zip(
            self.offsets.tolist(), self.heights.tolist(), self.widths.tolist(), strict=True
        )
        return [
            self.pixels[start : start + height * width].view(height, width)
            for start, height, width in shapes
        ]

    def _places(
        self, boxes: Tensor, rows: Tensor, *, axis: int, count: int
    ) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Between which two rows or columns of its bitmap each point of a box lies.

        Returns:
            Two `(P, count)` int64 numbers of columns (`axis` 0) or rows (1), and how much each of
            the two counts, 0 where it lies beyond the bitmap.
        """
        rectangles, lengths = self.rectangles[rows], (self.widths, self.heights)[axis][rows, None]
        low, high = rectangles[:, axis, None], rectangles[:, axis + 2, None]
        start, stop = boxes[:, axis, None].float(), boxes[:, axis + 2, None].float()
        steps = (torch.arange(count, device=boxes.device) + 0.5) / count
        points = start + (stop - start) * steps
        cells = (points - low) * (lengths / (high - low).clamp(min=1e-6)) - 0.5
        first = cells.floor()
        fraction = cells - first
        numbers = (first.long(), first.long() + 1)
        inside = [(number >= 0) & (number < lengths) for number in numbers]
        limit = (lengths - 1).clamp(min=0)
        return (
            (numbers[0].clamp(min=0).minimum(limit), numbers[1].clamp(min=0).minimum(limit)),
            ((1 - fraction) * inside[0], fraction * inside[1]),
        )

    def _each(self, change: Callable[[Tensor], Tensor]) -> InstanceMasks:
        return InstanceMasks(
            *(
                change(tensor)
                for tensor in (
                    self.pixels, self.offsets, self.heights, self.widths, self.rectangles
                )
            )
        )  # fmt: skip


def _kept(low: float, high: float, count: int, start: float, stop: float) -> tuple[int, int]:
    """The first cell whose centre lies in a window, and the one after the last."""
    if count == 0:
        return 0, 0
    step = (high - low) / count
    first = min(max(math.ceil((start - low) / step - 0.5), 0), count)
    last = min(max(math.ceil((stop - low) / step - 0.5), 0), count)
    return first, max(last, first)


def _nearest(
    low: float, high: float, count: int, length: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Which pixels of an axis have their centre in a bitmap, and in which cell of it."""
    centres = torch.arange(length, dtype=torch.float64, device=device) + 0.5
    cells = ((centres - low) * (count / (high - low))).floor().long()
    inside = ((cells >= 0) & (cells < count)).nonzero()[:, 0]
    return inside, cells[inside]
