"""Samples as YOLOX's recipes make them: mosaic, affine, mixup, HSV, flip, grey margins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, clip_boxes
from faimtrack.datasets.annotated import AnnotatedImage, AnnotatedImages
from faimtrack.detectors.yolox.letterbox import PADDING, letterbox
from faimtrack.structures import Image
from faimtrack.training.augmentation.affine import (
    Matrix,
    random_affine,
    transformed,
    transformed_boxes,
)
from faimtrack.training.augmentation.colour import shift_hsv
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.scene import (
    Keep,
    Scene,
    flipped,
    large_enough,
    load_scene,
    placed,
)

Draw = Callable[[str], np.random.Generator]
"""A generator for a purpose, the same whenever it is asked for."""

_MIXUP_TRIALS = 10


def yolox_scene(
    images: AnnotatedImages,
    index: int,
    config: AugmentationConfig,
    draw: Draw,
    size: tuple[int, int],
    *,
    strong: bool,
) -> Scene:
    """One input.

    Args:
        images: Where it and its partners come from.
        index: Of the image.
        config: What may happen.
        draw: Random numbers.
        size: Height and width of the input in pixels.
        strong: Whether there may be mosaics and mixups.
    """
    is_flipped = draw("flip").random() < config.flip_probability
    if not (strong and draw("mosaic choice").random() < config.mosaic_probability):
        return plain_scene(images[index], config, draw, size)
    scene = _mosaic(images, index, config, draw, size)
    if len(scene) and draw("mixup choice").random() < config.mixup_probability:
        scene = _mixup(scene, images, config, draw)
    shift_hsv(scene.image, config, draw("colour"))
    return flipped(scene) if is_flipped else scene


def plain_scene(
    annotated: AnnotatedImage, config: AugmentationConfig, draw: Draw, size: tuple[int, int]
) -> Scene:
    """One input of one image: mirrored or not, in other colours, in another size.

    Args:
        annotated: The image.
        config: What may happen.
        draw: Random numbers.
        size: Height and width of the input in pixels.
    """
    is_flipped = draw("flip").random() < config.flip_probability
    scene = load_scene(annotated)
    return _fitted(flipped(scene) if is_flipped else scene, config, draw, size)


def _fitted(scene: Scene, config: AugmentationConfig, draw: Draw, size: tuple[int, int]) -> Scene:
    """The scene as the detector sees it when it detects, but for its colours."""
    image, ratio = letterbox(scene.image, size)
    height, width = _scaled(scene.image, ratio)
    shift_hsv(image[:height, :width], config, draw("colour"))
    return placed(scene, image, (ratio, ratio), (0.0, 0.0))


def _scaled(image: Image, ratio: float) -> tuple[int, int]:
    """Height and width of an image in its letterbox."""
    return max(1, int(image.shape[0] * ratio)), max(1, int(image.shape[1] * ratio))


def _mosaic(
    images: AnnotatedImages,
    index: int,
    config: AugmentationConfig,
    draw: Draw,
    size: tuple[int, int],
) -> Scene:
    """A view of four images around a point of a canvas of twice the input's sides."""
    generator = draw("mosaic")
    centre = [int(generator.uniform(0.5, 1.5) * side) for side in size]
    partners = generator.integers(len(images), size=3).tolist()
    canvas_size = 2 * size[0], 2 * size[1]
    matrix = random_affine(config, draw("affine"), canvas_size, size)
    canvas = np.full((*canvas_size, 3), PADDING, np.uint8)
    mosaic = None
    for corner, number in enumerate([index, *partners]):
        is_right, is_low = corner % 2 == 1, corner >= 2

        def place(
            image: Image, is_right: bool = is_right, is_low: bool = is_low
        ) -> tuple[float, int, int]:
            ratio = min(size[0] / image.shape[0], size[1] / image.shape[1])
            height, width = _scaled(image, ratio)
            left = centre[1] if is_right else centre[1] - width
            return ratio, left, centre[0] if is_low else centre[0] - height

        def keep(image: Image, place: Callable[[Image], tuple[float, int, int]] = place) -> Keep:
            ratio, left, top = place(image)
            moved = np.array([left, top, left, top])
            return lambda boxes: _is_in_view(
                boxes * ratio + moved, matrix, canvas_size, size, config
            )

        scene = load_scene(images[number], keep)
        ratio, left, top = place(scene.image)
        _paste(canvas, scene.image, _scaled(scene.image, ratio), (left, top))
        tile = placed(scene, canvas, (ratio, ratio), (left, top))
        mosaic = tile if mosaic is None else mosaic.with_objects(tile)
    assert mosaic is not None
    return transformed(mosaic, matrix, size)


def _is_in_view(
    boxes: Boxes,
    matrix: Matrix,
    canvas: tuple[int, int],
    view: tuple[int, int],
    config: AugmentationConfig,
) -> NDArray[np.bool_]:
    """Which boxes on a canvas a view of it shows large enough, `(G,)`."""
    on_canvas = clip_boxes(boxes, canvas[1], canvas[0])
    has_area = np.asarray((on_canvas[:, 2:] > on_canvas[:, :2]).all(axis=1))
    shown = clip_boxes(transformed_boxes(on_canvas, matrix), view[1], view[0])
    return has_area & large_enough(shown, config)


def _paste(canvas: Image, image: Image, size: tuple[int, int], corner: tuple[int, int]) -> None:
    """Scale an image to `size` and put it on a canvas; what does not fit is cut."""
    (left, top), (height, width) = corner, size
    scaled = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
    rows = slice(max(top, 0), min(top + height, canvas.shape[0]))
    columns = slice(max(left, 0), min(left + width, canvas.shape[1]))
    canvas[rows, columns] = scaled[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def _mixup(scene: Scene, images: AnnotatedImages, config: AugmentationConfig, draw: Draw) -> Scene:
    """The scene blended half and half with another image, which has objects."""
    generator = draw("mixup")
    scale = generator.uniform(config.smallest_mixup_scale, config.largest_mixup_scale)
    is_flipped = generator.random() < 0.5
    places = generator.random(2)
    candidates = generator.integers(len(images), size=_MIXUP_TRIALS).tolist()
    number = next((each for each in candidates if len(images[each])), None)
    if number is None:
        return scene
    partner = load_scene(images[number])
    if is_flipped:
        partner = flipped(partner)
    size = scene.image.shape[0], scene.image.shape[1]
    boxed, ratio = letterbox(partner.image, size)
    height, width = (max(1, int(side * scale)) for side in size)
    boxed = cv2.resize(boxed, (width, height), interpolation=cv2.INTER_LINEAR)
    top, left = (
        -int(place * (max(side - whole, 0) + 1))
        for place, side, whole in zip(places, (height, width), size, strict=True)
    )
    other = np.full_like(scene.image, PADDING)
    part = boxed[-top : -top + size[0], -left : -left + size[1]]
    other[: part.shape[0], : part.shape[1]] = part
    factors = ratio * width / size[1], ratio * height / size[0]
    added = placed(partner, other, factors, (left, top))
    blended = cv2.addWeighted(scene.image, 0.5, other, 0.5, 0.0)
    return replace(scene.with_objects(added), image=blended)
