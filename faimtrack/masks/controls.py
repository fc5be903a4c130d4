"""Masks that no picture is looked at for: the box, another object's mask, and the truth."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.masks.objects import SequenceObjects
from faimtrack.masks.segmenter import FrameObjects, Segment
from faimtrack.masks.table import MaskTable

_MOST_DRAWS = 64


class WholeBoxes:
    """The box itself."""

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """As `MaskSource.segments`."""
        return [
            Segment(np.ones((y2 - y1, x2 - x1), dtype=bool))
            for x1, y1, x2, y2 in objects.windows.tolist()
        ]


class StoredMasks:
    """The masks of a store, such as a crowd's exact ones, cut to the boxes."""

    def __init__(self, path: Path, size: tuple[int, int]) -> None:
        """Open a store.

        Args:
            path: Where it lies.
            size: Height and width in pixels that its frames are to have.

        Raises:
            ValueError: It is no whole store, or one of frames of another size.
            OSError: It cannot be read.
        """
        self._table = MaskTable.open(path, size=size)

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """As `MaskSource.segments`."""
        masks = self._table.frame(objects.index)
        return [
            None if track not in masks
            else Segment(masks[track].window(window), masks[track].quality)
            for track, window in zip(
                objects.track_ids.tolist(), objects.windows.tolist(), strict=True
            )
        ]  # fmt: skip


class ShuffledMasks:
    """Other objects' masks: drawn from the whole sequence, and stretched to the box.

    Which one is drawn depends on the seed, the frame and the track id alone.
    """

    def __init__(self, path: Path, objects: SequenceObjects, *, seed: int = 0) -> None:
        """Open the store of masks to shuffle.

        Args:
            path: Where it lies.
            objects: Whose masks are drawn; those of the store that are not among them are not.
            seed: Another one draws other objects.

        Raises:
            ValueError: It is no whole store, one of frames of another size, or none of its masks
                is that of an object.
            OSError: It cannot be read.
        """
        self._table = MaskTable.open(path, size=objects.size)
        self._objects, self._seed = objects, seed
        self._rows = self._rows_with_masks()
        if not len(self._rows):
            raise ValueError(f"{path}: expected masks of objects to shuffle, got none")

    def _rows_with_masks(self) -> NDArray[np.int64]:
        """The objects that have a mask in the store and a window to cut it to."""
        windows = self._objects.windows
        has_room = (windows[:, 2:] > windows[:, :2]).all(axis=1)
        has_mask = np.zeros(len(self._objects), dtype=bool)
        for frame in self._objects.frame_numbers:
            rows = self._objects.rows_of(frame)
            has_mask[rows] = np.isin(self._objects.track_ids[rows], self._table.track_ids(frame))
        return np.flatnonzero(has_room & has_mask)

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """As `MaskSource.segments`."""
        return [
            self._segment(objects.index, track, window)
            for track, window in zip(
                objects.track_ids.tolist(), objects.windows.tolist(), strict=True
            )
        ]

    def _segment(self, frame: int, track: int, window: list[int]) -> Segment | None:
        row = self._draw(frame, track)
        if row is None:
            return None
        other = self._table.frame(int(self._objects.frames[row]))
        mask = other[int(self._objects.track_ids[row])]
        bitmap = mask.window(self._objects.windows[row].tolist())
        x1, y1, x2, y2 = window
        stretched = cv2.resize(
            bitmap.astype(np.uint8), (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST
        )
        return Segment(stretched == 1, mask.quality)

    def _draw(self, frame: int, track: int) -> int | None:
        """A row of another object; None if there hardly is any other."""
        for attempt in range(_MOST_DRAWS):
            key = f"{self._seed} {frame} {track} {attempt}".encode()
            number = int.from_bytes(hashlib.sha256(key).digest()[:8], "little")
            row = int(self._rows[number % len(self._rows)])
            if self._objects.track_ids[row] != track:
                return row
        return None
