"""Several images in one, with titles."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from faimtrack.atomic import atomic_file
from faimtrack.drawing.lettering import INK, PAPER, text_size, text_thickness
from faimtrack.structures import Image


def side_by_side(images: Sequence[Image], titles: Sequence[str] = ()) -> Image:
    """Images beside each other, scaled to the height of the first, with a title above each.

    Args:
        images: `(H, W, 3)` uint8 RGB each, at least one; not modified.
        titles: One an image, or none.
    """
    return contact_sheet(images, titles, columns=max(1, len(images)))


def contact_sheet(
    images: Sequence[Image],
    titles: Sequence[str] = (),
    *,
    columns: int = 4,
    tile_height: int | None = None,
) -> Image:
    """Images in rows, each scaled to one height, with a title above each.

    Args:
        images: `(H, W, 3)` uint8 RGB each, at least one; not modified.
        titles: One an image, or none.
        columns: Images in a row.
        tile_height: Of each image in pixels; None takes the first one's.

    Raises:
        ValueError: There is no image, or titles are not as many as images.
    """
    import cv2

    if not len(images) or columns < 1:
        raise ValueError(f"expected images and columns, got {len(images)} and {columns}")
    if titles and len(titles) != len(images):
        raise ValueError(f"titles: expected {len(images)}, one an image, got {len(titles)}")
    height = tile_height or images[0].shape[0]
    tiles = []
    for number, image in enumerate(images):
        width = max(1, round(image.shape[1] * height / image.shape[0]))
        shrinks = height < image.shape[0]
        kind = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        tile = cv2.resize(image, (width, height), interpolation=kind)
        tiles.append(_with_title(tile, titles[number]) if titles else tile)
    gap = max(2, height // 120)
    cell_height, cell_width = tiles[0].shape[0], max(tile.shape[1] for tile in tiles)
    columns = min(columns, len(tiles))
    rows = -(-len(tiles) // columns)
    size = (rows * (cell_height + gap) - gap, columns * (cell_width + gap) - gap, 3)
    sheet: Image = np.full(size, PAPER, np.uint8)
    for number, tile in enumerate(tiles):
        y = number // columns * (cell_height + gap)
        x = number % columns * (cell_width + gap)
        sheet[y : y + cell_height, x : x + tile.shape[1]] = tile
    return sheet


def write_picture(image: Image, path: str | os.PathLike[str]) -> None:
    """Write a PNG; it appears when it is whole.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        path: Where to; the name should end in ``.png``.

    Raises:
        ValueError: The suffix is another.
        OSError: The file cannot be written; nothing is left behind.
    """
    import cv2

    if not os.fspath(path).lower().endswith(".png"):
        raise ValueError(f"{path}: expected a name that ends in .png")
    encoded, content = cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))
    if not encoded:
        raise OSError(f"{path}: expected OpenCV to encode a PNG, got a failure")
    with atomic_file(path) as temporary:
        temporary.write_bytes(content.tobytes())


def _with_title(image: Image, title: str) -> Image:
    """The image under a bar with its title, cut to the image's width."""
    import cv2

    scale = max(0.4, min(1.2, image.shape[0] / 720))
    text_height = text_size("0", scale)[1]
    bar: Image = np.full((2 * text_height + 4, image.shape[1], 3), PAPER, np.uint8)
    cv2.putText(
        bar, title, (text_height // 2, text_height * 3 // 2 + 2), cv2.FONT_HERSHEY_SIMPLEX, scale,
        INK, text_thickness(scale), cv2.LINE_AA,
    )  # fmt: skip
    return np.concatenate([bar, image])
