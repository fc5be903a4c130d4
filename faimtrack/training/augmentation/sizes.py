"""The size of a step's inputs, where it changes while a detector learns; without torch."""

from __future__ import annotations

from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.randomness import random_generator

INPUT_STEP = 32
"""Inputs of YOLOX are multiples of its coarsest cells."""


def input_size_of(
    config: AugmentationConfig, base_size: tuple[int, int], seed: int, step: int
) -> tuple[int, int]:
    """Height and width in pixels of the inputs of a step's batch.

    The height is drawn for some steps at a time, the width follows in the proportions of
    `base_size`, rounded down to a multiple of 32.

    >>> config = AugmentationConfig(smallest_input=20, largest_input=20)
    >>> input_size_of(config, (896, 1600), 0, 7)
    (640, 1120)

    Args:
        config: The heights to choose from, and for how many steps.
        base_size: Height and width in pixels; the answer where nothing is to be drawn.
        seed: Of the run.
        step: From 0.
    """
    if config.smallest_input is None or config.largest_input is None:
        return base_size
    generator = random_generator(seed, "input size", step // config.input_interval)
    cells = int(generator.integers(config.smallest_input, config.largest_input + 1))
    columns = cells * base_size[1] // base_size[0]
    return INPUT_STEP * cells, INPUT_STEP * max(columns, 1)
