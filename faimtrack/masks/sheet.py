"""A contact sheet: many objects with their masks, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.drawing import colour_of, contact_sheet
from faimtrack.masks.mask import Mask
from faimtrack.masks.objects import SequenceObjects, classes_named, image_size, read_objects
from faimtrack.masks.table import MaskTable
from faimtrack.motfile import SplitName
from faimtrack.structures import Image
from faimtrack.video.images import MotSequence

_TILE_HEIGHT = 192
_TILE_WIDTH = 116
_EMPTY = 245
_MARGIN = 0.15
_OPACITY = 0.5
_BOX_COLOUR = (255, 255, 255)


def mask_sheet(
    sequence: Path,
    stores: Sequence[Path],
    *,
    count: int = 48,
    columns: int = 12,
    split: SplitName = "full",
) -> Image:
    """Paint objects from all over a sequence, each with its mask; one without a mask says so.

    Objects are drawn evenly over all rows of the ground truth: the same ones for every store, so
    that sheets of two methods can be laid beside each other. Several stores give an object as
    many tiles.

    Args:
        sequence: The sequence's folder, with its images.
        stores: Files of masks.
        count: How many objects.
        columns: Tiles in a row.
        split: Which of the frames.

    Returns:
        `(H, W, 3)` uint8 RGB. Above each object: frame, track id and quality.

    Raises:
        ValueError: A store is damaged, was made for other boxes or another image size, or an
            image is broken.
        OSError: A file cannot be read.
    """
    if not stores or count < 1:
        raise ValueError(f"expected stores and a count from 1, got {len(stores)} and {count}")
    source = MotSequence(sequence, split=split)
    info = source.sequence
    size = image_size(source)
    tables = [MaskTable.open(path, info.ground_truth_path, size=size) for path in stores]
    if not any(len(table) for table in tables):
        raise ValueError(f"{stores[0]}: expected masks to show, got none")
    objects = read_objects(info, size, classes=classes_named(tables[0].metadata), split=split)
    chosen = np.unique(np.linspace(0, len(objects) - 1, min(count, len(objects))).astype(np.int64))
    tiles, titles = [], []
    for frame in source:
        rows = [row for row in chosen.tolist() if objects.frames[row] == frame.index]
        if not rows:
            continue
        found = [table.frame(frame.index) for table in tables]
        for row in rows:
            track = int(objects.track_ids[row])
            for masks in found:
                mask = masks.get(track)
                tiles.append(_tile(frame.image, objects, row, mask))
                ending = "none" if mask is None else f"{mask.quality:.2f}"
                titles.append(f"{frame.index}:{track} {ending}")
        frame.release()
    return contact_sheet(tiles, titles, columns=columns, tile_height=_TILE_HEIGHT)


def _tile(image: Image, objects: SequenceObjects, row: int, mask: Mask | None) -> Image:
    """The surroundings of one object, its box and its mask, enlarged."""
    import cv2

    x1, y1, x2, y2 = objects.windows[row].tolist()
    left, top, right, bottom = _surroundings((x1, y1, x2, y2), image.shape[:2])
    crop = np.ascontiguousarray(image[top:bottom, left:right])
    if mask is not None:
        covered = mask.window((left, top, right, bottom))
        colour = np.array(colour_of(int(objects.track_ids[row])), np.float64)
        crop[covered] = ((1 - _OPACITY) * crop[covered] + _OPACITY * colour).astype(np.uint8)
    scale = min(_TILE_HEIGHT / crop.shape[0], _TILE_WIDTH / crop.shape[1])
    size = max(1, round(crop.shape[1] * scale)), max(1, round(crop.shape[0] * scale))
    tile: Image = np.full((_TILE_HEIGHT, _TILE_WIDTH, 3), _EMPTY, np.uint8)
    large = cv2.resize(crop, size, interpolation=cv2.INTER_LINEAR)
    tile[: size[1], : size[0]] = large[:_TILE_HEIGHT, :_TILE_WIDTH]
    corners = np.rint(np.array([x1 - left, y1 - top, x2 - left, y2 - top]) * scale).astype(int)
    _outline(tile, corners)
    return tile


def _outline(image: Image, corners: NDArray[np.int64]) -> None:
    import cv2

    x1, y1, x2, y2 = corners.tolist()
    cv2.rectangle(image, (x1, y1), (x2 - 1, y2 - 1), _BOX_COLOUR, 1)


def _surroundings(
    window: tuple[int, int, int, int], size: tuple[int, ...]
) -> tuple[int, int, int, int]:
    """A window with margins, as wide as a tile is, moved into the image where it can be."""
    x1, y1, x2, y2 = window
    longest = max(y2 - y1, (x2 - x1) * _TILE_HEIGHT / _TILE_WIDTH)
    height = max(8, round(longest * (1 + 2 * _MARGIN)))
    width = round(height * _TILE_WIDTH / _TILE_HEIGHT)
    spans = []
    for middle, length, limit in (
        ((x1 + x2) // 2, width, size[1]),
        ((y1 + y2) // 2, height, size[0]),
    ):
        length = min(length, limit)
        start = min(max(0, middle - length // 2), limit - length)
        spans.append((start, start + length))
    (left, right), (top, bottom) = spans
    return left, top, right, bottom
