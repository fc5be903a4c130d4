"""Two images with objects in the same boxes but of other shapes."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.masks.mask import Mask

HEIGHT, WIDTH = 96, 128
BOXES = [[10.0, 12, 50, 76], [60, 20, 110, 84]]


def _shapes(kind):
    """`(2, height, width)` bool: in each box a disc or what lies left of a diagonal."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    shapes = []
    for left, top, right, bottom in BOXES:
        x, y = (columns - left) / (right - left), (rows - top) / (bottom - top)
        is_inside = (x > 0) & (x < 1) & (y > 0) & (y < 1)
        shape = (x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.2 if kind == "disc" else x + y < 0.7
        shapes.append(shape & is_inside)
    return np.stack(shapes)


@pytest.fixture(scope="session")
def scene():
    """Images `(2, 3, H, W)` 0 to 1, boxes and class ids of two objects each, dense masks.

    In image 0 the objects are discs, in image 1 triangles; their classes are 0 and 1.
    """
    random = torch.Generator().manual_seed(0)
    dense = np.stack([_shapes("disc"), _shapes("triangle")])
    colours = torch.rand(2, 3, 1, 1, generator=random)
    images = torch.rand(2, 3, HEIGHT, WIDTH, generator=random) * 0.3
    for image, shapes in zip(images, torch.from_numpy(dense), strict=True):
        for shape, colour in zip(shapes, colours, strict=True):
            image += 0.7 * shape * colour
    return SimpleNamespace(
        images=images,
        boxes=torch.tensor(BOXES),
        class_ids=torch.tensor([0, 1]),
        dense=dense,
        masks=[instance_masks(each) for each in dense],
    )


def instance_masks(pixels):
    return InstanceMasks.from_masks(
        [None if each is None else Mask.encode(each) for each in pixels]
    )


@pytest.fixture(scope="session")
def masks_with():
    """The masks of an image of which only some objects have one; an empty one for others."""

    def make(pixels, kept, missing):
        empty = {"none": None, "empty": np.zeros_like(pixels[0])}[missing]
        return instance_masks(
            [each if number in kept else empty for number, each in enumerate(pixels)]
        )

    return make
