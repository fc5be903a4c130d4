"""Random changes of colours."""

from __future__ import annotations

import cv2
import numpy as np
from torchvision.transforms.v2 import functional

from faimtrack.structures import Image
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.scene import array_of, tensor_of

_HUES = 180  # OpenCV's, in half degrees


def shift_hsv(image: Image, config: AugmentationConfig, generator: np.random.Generator) -> None:
    """Add a random number each to hue, saturation and value, in place, as YOLOX does.

    Each is left alone half of the time. Not by torchvision, whose functions multiply where
    YOLOX's recipes add, and take ten times as long.

    Args:
        image: `(H, W, 3)` uint8 RGB, also a part of a larger one.
        config: How much at most.
        generator: For this purpose alone.
    """
    gains = np.array([config.hue_gain, config.saturation_gain, config.value_gain])
    shifts = (generator.uniform(-1, 1, 3) * gains * generator.integers(0, 2, 3)).astype(int)
    if not shifts.any() or not image.size:
        return
    steps = np.arange(256)
    table = np.stack(
        [
            (steps + shifts[0]) % _HUES,
            np.clip(steps + shifts[1], 0, 255),
            np.clip(steps + shifts[2], 0, 255),
        ],
        axis=-1,
    ).astype(np.uint8)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)
    image[:] = cv2.cvtColor(cv2.LUT(hsv, table[:, None]), cv2.COLOR_HSV2RGB)


def distort_colours(
    image: Image, config: AugmentationConfig, generator: np.random.Generator
) -> Image:
    """Change brightness, contrast, saturation, hue and the order of channels, each at random.

    What `torchvision.transforms.v2.RandomPhotometricDistort` does, in its order; it draws from
    torch's global generator, so the drawing is done here.

    Args:
        image: `(H, W, 3)` uint8 RGB.
        config: How often, and how much at most.
        generator: For this purpose alone.
    """
    pixels = tensor_of(image)
    wanted = generator.random(5) < config.colour_probability
    is_contrast_last = generator.random() < 0.5
    brightness, contrast, saturation = (
        generator.uniform(1 - range_, 1 + range_)
        for range_ in (config.brightness, config.contrast, config.saturation)
    )
    hue = generator.uniform(-config.hue, config.hue)
    order = generator.permutation(3).tolist()
    if wanted[0]:
        pixels = functional.adjust_brightness(pixels, brightness)
    if wanted[1] and not is_contrast_last:
        pixels = functional.adjust_contrast(pixels, contrast)
    if wanted[2]:
        pixels = functional.adjust_saturation(pixels, saturation)
    if wanted[3]:
        pixels = functional.adjust_hue(pixels, hue)
    if wanted[1] and is_contrast_last:
        pixels = functional.adjust_contrast(pixels, contrast)
    if wanted[4]:
        pixels = functional.permute_channels(pixels, order)
    return array_of(pixels)
