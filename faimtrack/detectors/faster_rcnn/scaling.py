"""From images of any size to one batch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from faimtrack.detectors.faster_rcnn.sizes import scaled_size

_MEAN = (0.485, 0.456, 0.406)
_DEVIATION = (0.229, 0.224, 0.225)
_STEP = 32  # pixels to a cell of the coarsest map that the body computes


def scale_image(image: Tensor, sides: tuple[int, int] | None) -> Tensor:
    """An image as the network sees it: scaled, and normalised as ImageNet's are.

    Args:
        image: `(3, height, width)`, RGB, uint8 or floats from 0 to 1.
        sides: See `scaled_size`; None leaves the size as it is.
    """
    pixels = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    if sides is not None:
        size = scaled_size((image.shape[1], image.shape[2]), sides)
        pixels = functional.interpolate(pixels[None], size=size, mode="bilinear")[0]
    return (pixels - _column(_MEAN, pixels)) / _column(_DEVIATION, pixels)


def pad_images(images: Sequence[Tensor]) -> Tensor:
    """Images in one `(N, 3, H, W)` batch, zeros at the right and the bottom.

    H and W are the largest height and width, filled up to a multiple of 32.
    """
    height, width = (
        (max(image.shape[axis] for image in images) + _STEP - 1) // _STEP * _STEP
        for axis in (1, 2)
    )
    return torch.stack(
        [
            functional.pad(image, (0, width - image.shape[2], 0, height - image.shape[1]))
            for image in images
        ]
    )


def _column(values: tuple[float, ...], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=like.dtype, device=like.device)[:, None, None]
