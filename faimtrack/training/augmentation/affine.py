"""Turned, sheared, scaled and moved scenes."""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faimtrack.boxes import Boxes
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.yolox.letterbox import PADDING
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.scene import Scene, cut

Matrix = NDArray[np.float64]
"""`(2, 3)`: from points of one image to those of another; its first pixel reaches from 0 to 1."""


def random_affine(
    config: AugmentationConfig,
    generator: np.random.Generator,
    canvas: tuple[int, int],
    view: tuple[int, int],
) -> Matrix:
    """A way to look at a canvas: its middle comes to the middle of the view, about.

    YOLOX up to 0.1.0 and ByteTrack turn and scale about the middle; later versions do it about
    the left top corner, and so look at little else than the first of a mosaic's four images.

    Args:
        config: How far things may go.
        generator: For this purpose alone.
        canvas: Height and width in pixels.
        view: Height and width in pixels.
    """
    angle = math.radians(generator.uniform(-config.rotation, config.rotation))
    scale = generator.uniform(config.smallest_scale, config.largest_scale)
    shear_x, shear_y = np.tan(np.radians(generator.uniform(-config.shear, config.shear, 2)))
    moved = 0.5 + generator.uniform(-config.translation, config.translation, 2)
    turn = scale * np.array(
        [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    )
    linear = np.array([[1.0, shear_x], [shear_y, 1.0]]) @ turn
    target = moved * np.array(view[::-1], np.float64)
    middle = np.array(canvas[::-1], np.float64) / 2
    return np.column_stack([linear, target - linear @ middle])


def transformed(scene: Scene, matrix: Matrix, view: tuple[int, int]) -> Scene:
    """The scene as a view of another size shows it, grey where the scene ends.

    Boxes become those of their turned corners. Pixels are read between their four neighbours, as
    YOLOX reads them. Not by torchvision, which takes no matrix and pads with what it read last.
    """
    image = cv2.warpAffine(
        scene.image,
        _between_centres(matrix),
        view[::-1],
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(PADDING,) * 3,
    )
    return cut(
        replace(
            scene,
            image=image,
            boxes=transformed_boxes(scene.boxes, matrix),
            whole_boxes=transformed_boxes(scene.whole_boxes, matrix),
            masks=transformed_masks(scene.masks, matrix, view),
        )
    )


def transformed_boxes(boxes: Boxes, matrix: Matrix) -> Boxes:
    """The boxes of all four transformed corners, `(G, 4)`."""
    corners = boxes[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2)
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def transformed_masks(
    masks: InstanceMasks, matrix: Matrix, view: tuple[int, int]
) -> InstanceMasks:
    """The masks after their image was transformed; bitmaps are drawn anew only if they must."""
    (x, xy, dx), (yx, y, dy) = matrix.tolist()
    if xy == 0 and yx == 0 and x > 0 and y > 0:
        return masks.scaled(x, y).shifted(dx, dy)
    bitmaps, corners = [], []
    rectangles = masks.rectangles.double().numpy()
    for number, rectangle in enumerate(rectangles):
        height, width = int(masks.heights[number]), int(masks.widths[number])
        start = int(masks.offsets[number])
        bitmap = masks.pixels[start : start + height * width].view(height, width)
        drawn, corner = _transformed_bitmap(bitmap.numpy(), rectangle, matrix, view)
        bitmaps.append(drawn)
        corners.append([*corner, corner[0] + drawn.shape[1], corner[1] + drawn.shape[0]])
    return _masks_of(bitmaps, torch.tensor(corners, dtype=torch.float32).reshape(-1, 4))


def _transformed_bitmap(
    bitmap: NDArray[np.uint8],
    rectangle: NDArray[np.float64],
    matrix: Matrix,
    view: tuple[int, int],
) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A bitmap in pixels of the view, and where in the view its left top corner lies."""
    nothing = np.zeros((0, 0), np.uint8), (0, 0)
    if not bitmap.size:
        return nothing
    box = transformed_boxes(rectangle[None], matrix)[0]
    left, top = np.floor(np.maximum(box[:2], 0)).astype(int).tolist()
    right, bottom = np.ceil(np.minimum(box[2:], view[::-1])).astype(int).tolist()
    if right <= left or bottom <= top:
        return nothing
    steps = (rectangle[2:] - rectangle[:2]) / bitmap.shape[::-1]
    linear = matrix[:, :2] * steps
    shift = matrix[:, :2] @ rectangle[:2] + matrix[:, 2] - (left, top)
    drawn = cv2.warpAffine(
        bitmap * np.uint8(255),
        _between_centres(np.column_stack([linear, shift])),
        (right - left, bottom - top),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    covered: NDArray[np.uint8] = (drawn > 127).astype(np.uint8)
    return (covered, (left, top)) if covered.any() else nothing


def _masks_of(bitmaps: list[NDArray[np.uint8]], rectangles: Tensor) -> InstanceMasks:
    """Masks of bitmaps; empty ones are none."""
    heights = torch.tensor([each.shape[0] for each in bitmaps], dtype=torch.int64)
    widths = torch.tensor([each.shape[1] for each in bitmaps], dtype=torch.int64)
    sizes = heights * widths
    flat = [each.ravel() for each in bitmaps]
    pixels = np.concatenate([np.zeros(0, np.uint8), *flat])
    return InstanceMasks(
        torch.from_numpy(pixels),
        sizes.cumsum(0) - sizes,
        heights,
        widths,
        rectangles * (sizes > 0)[:, None],
    )


def _between_centres(matrix: Matrix) -> Matrix:
    """The same for OpenCV, whose points count from the centre of the first pixel."""
    half = np.full(2, 0.5)
    return np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ half - half])
