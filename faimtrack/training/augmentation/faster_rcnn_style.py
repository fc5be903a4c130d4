"""Samples as MMTracking's recipes for Faster R-CNN make them: scaled, cut, distorted, flipped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torchvision.transforms.v2 import InterpolationMode, functional

from faimtrack.boxes import clip_boxes
from faimtrack.datasets.annotated import AnnotatedImages
from faimtrack.structures import Image
from faimtrack.training.augmentation.colour import distort_colours
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.scene import (
    Keep,
    Scene,
    array_of,
    flipped,
    large_enough,
    load_scene,
    placed,
    tensor_of,
)


def faster_rcnn_scene(
    images: AnnotatedImages,
    index: int,
    config: AugmentationConfig,
    draw: Callable[[str], np.random.Generator],
    size: tuple[int, int],
) -> Scene:
    """One input, at most as large as `size`, in its image's proportions.

    Images that are higher than wide have `size` the other way round, as when the network detects.

    Args:
        images: Where it comes from.
        index: Of the image.
        config: What may happen.
        draw: Random numbers for a purpose.
        size: Height and width in pixels: of what the image is scaled into, but for a random
            factor, and of the part that is cut out of it.
    """
    factor = draw("resize").uniform(config.smallest_resize, config.largest_resize)
    places = draw("crop").random(2)

    def place(image: Image) -> tuple[tuple[int, int], tuple[int, int], tuple[int, int]]:
        """The scaled size, the left top corner of the part and the part's size."""
        height, width = image.shape[:2]
        most = size if height <= width else size[::-1]
        ratio = factor * min(most[0] / height, most[1] / width)
        scaled = max(1, round(height * ratio)), max(1, round(width * ratio))
        part = min(most[0], scaled[0]), min(most[1], scaled[1])
        top, left = (
            int(share * (whole - side + 1))
            for share, whole, side in zip(places, scaled, part, strict=True)
        )
        return scaled, (top, left), part

    def keep(image: Image) -> Keep:
        scaled, (top, left), part = place(image)
        y, x = scaled[0] / image.shape[0], scaled[1] / image.shape[1]
        return lambda boxes: large_enough(
            clip_boxes(boxes * [x, y, x, y] - [left, top, left, top], part[1], part[0]), config
        )

    scene = load_scene(images[index], keep)
    scaled, (top, left), part = place(scene.image)
    # As the network scales images when it detects: between four neighbours, no more.
    pixels = functional.resize(
        tensor_of(scene.image), list(scaled), InterpolationMode.BILINEAR, antialias=False
    )
    pixels = functional.crop(pixels, top, left, *part)
    image = distort_colours(array_of(pixels), config, draw("colour"))
    factors = scaled[1] / scene.image.shape[1], scaled[0] / scene.image.shape[0]
    scene = placed(scene, image, factors, (-left, -top))
    return flipped(scene) if draw("flip").random() < config.flip_probability else scene
