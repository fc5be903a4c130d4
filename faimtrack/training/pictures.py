"""Pictures of what a network sees while it learns: predictions beside the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from faimtrack.boxes import Boxes
from faimtrack.detectors.config import Keep, TorchConfig
from faimtrack.detectors.images import ImageDetector
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.drawing import contact_sheet, draw_detections
from faimtrack.run_lengths import encode_window
from faimtrack.structures import Detections, Frame, Image
from faimtrack.training.recipe import TrainingRecipe

_SHOWN_FROM = 0.3
_TILE_HEIGHT = 360


@dataclass(frozen=True, eq=False)
class Shown:
    """An image to look at.

    Attributes:
        title: Above it.
        image: `(H, W, 3)` uint8 RGB.
        boxes: `(G, 4)` what is to be found in it, corners ``x1 y1 x2 y2`` in pixels.
        masks: Of its `G` objects, if they are learnt from it.
    """

    title: str
    image: Image
    boxes: Boxes
    masks: InstanceMasks | None = None


def open_viewer(recipe: TrainingRecipe, weights: Path) -> ImageDetector:
    """The detector of a file of weights that also predicts masks, if it has learnt any.

    Raises:
        ValueError: The file is none of the recipe's network.
        OSError: It cannot be read.
    """
    config = recipe.tracking.detector
    assert isinstance(config, TorchConfig)
    keep: Keep = "none" if recipe.mask_branch is None else "masks"
    config = replace(config, keep=keep, score_threshold=_SHOWN_FROM)  # type: ignore[call-arg]  # all have one
    return open_detector(weights, config)


def prediction_sheet(detector: ImageDetector, shown: Sequence[Shown]) -> Image:
    """Images in pairs: what was predicted with a score of 0.3 or more, then the truth.

    Args:
        detector: What predicts.
        shown: At least one image.
    """
    frames = [Frame(number, image=each.image) for number, each in enumerate(shown, 1)]
    tiles, titles = [], []
    for each, detections in zip(shown, detector.detect(frames), strict=True):
        tiles += [
            draw_detections(each.image, detections),
            draw_detections(each.image, as_found(each)),
        ]
        titles += [f"{each.title}: {len(detections)} predicted", f"{len(each.boxes)} there"]
    return contact_sheet(tiles, titles, columns=4, tile_height=_TILE_HEIGHT)


def as_found(each: Shown) -> Detections:
    """What is to be found, as if it had been: with the masks that are learnt, if there are any."""
    count, size = len(each.boxes), (each.image.shape[0], each.image.shape[1])
    masks = None
    if each.masks is not None:
        whole = np.s_[0 : size[0], 0 : size[1]]
        masks = tuple(encode_window(size, whole, mask) for mask in each.masks.dense(*size).numpy())
    return Detections(
        each.boxes, np.ones(count), np.zeros(count, np.int64), ("person",), masks=masks
    )
