"""From a set of images to training samples, each a pure function of what it is asked for."""

from __future__ import annotations

import numpy as np

from faimtrack.datasets.annotated import AnnotatedImages
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.faster_rcnn_style import faster_rcnn_scene
from faimtrack.training.augmentation.sample import TrainingSample
from faimtrack.training.augmentation.scene import sample_of
from faimtrack.training.augmentation.yolox_style import yolox_scene
from faimtrack.training.randomness import random_generator


def make_sample(
    images: AnnotatedImages,
    index: int,
    config: AugmentationConfig,
    *,
    seed: int,
    epoch: int,
    input_size: tuple[int, int],
    strong: bool,
) -> TrainingSample:
    """One image with its objects, changed at random.

    What is drawn depends on seed, epoch and index alone, and each thing that is drawn on nothing
    else: with and without masks, and whatever else is switched on, an image is flipped the same.

    Args:
        images: The set; partners of mosaics and mixups come from it too.
        index: Of the image, from 0.
        config: What may happen.
        seed: Of the run.
        epoch: From 0.
        input_size: Height and width in pixels.
        strong: Whether there may be mosaics and mixups; not in the last epochs.

    Returns:
        In style yolox of `input_size`, in style faster-rcnn of at most that.

    Raises:
        IndexError: There is no such image.
        ValueError: An image or a mask is damaged.
        OSError: One cannot be read.
    """

    def draw(purpose: str) -> np.random.Generator:
        return random_generator(seed, "augmentation", purpose, epoch, index)

    if config.style == "faster-rcnn":
        scene = faster_rcnn_scene(images, index, config, draw, input_size)
    else:
        scene = yolox_scene(images, index, config, draw, input_size, strong=strong)
    return sample_of(scene, config)
