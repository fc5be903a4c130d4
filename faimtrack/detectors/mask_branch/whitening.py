"""Vectors of a frame's boxes, so turned that what all of the frame has in common counts little.

Instance features tell people from what is no person: nearly all of a person's vector is what makes
it a person, and the cosine of any two people is near 1. What varies much from cell to cell of the
frame is that same difference, so it is divided out: with M the mean of x xᵀ over the cells x of a
frame, a vector v becomes M^(-1/2) v. The square root is the symmetric one (ZCA; Kessy, Lewin and
Strimmer, "Optimal whitening and decorrelation", 2018), which turns vectors as little as can be:
those of two frames of one scene stay comparable. Nothing is learnt or remembered, and which boxes
are asked for makes no difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from faimtrack.detectors.mask_branch.branch import MaskBranch

_LEAST_SHARE = 1e-3
"""Of the mean variance of all directions, added to each: rare ones are noise."""


def unit_vectors(
    branch: MaskBranch[Any],
    maps: Mapping[str, Tensor],
    boxes: Sequence[Tensor],
    vectors: Sequence[Tensor],
    sizes: Sequence[tuple[int, int]] | None,
) -> list[Tensor]:
    """Vectors of length 1, whitened by their frames.

    Args:
        branch: What made the vectors.
        maps: What its `maps` gave.
        boxes: `(P, 4)` corners in pixels of the input for each image.
        vectors: `(P, stripes, C)` theirs.
        sizes: Height and width in pixels of what each image fills of the input; None: they are
            not whitened.

    Returns:
        `(P, stripes * C)` float32 for each image; zeros where all is zero.
    """
    if sizes is not None:
        vectors = [
            _whitened(branch, maps, image, (corners, rows), size)
            for image, (corners, rows, size) in enumerate(zip(boxes, vectors, sizes, strict=True))
        ]
    return [functional.normalize(each.flatten(1), dim=1) for each in vectors]


def whitening_matrix(cells: Tensor) -> Tensor:
    """The symmetric matrix with which vectors like these become even in all directions.

    Args:
        cells: `(K, C)`, K of 1 or more.

    Returns:
        `(C, C)` float32 on the same device.

    Raises:
        ValueError: A number is not finite.
    """
    cells = cells.float()
    moments = (cells.T @ cells / len(cells)).double().cpu()
    if not torch.isfinite(moments).all():
        raise ValueError("the mask branch gave an instance feature that is not a finite number")
    values, directions = torch.linalg.eigh(moments)
    least = values.clamp(min=0).mean() * _LEAST_SHARE
    scales = (values.clamp(min=0) + least).clamp(min=1e-30).rsqrt()
    return ((directions * scales) @ directions.T).float().to(cells.device)


def _whitened(
    branch: MaskBranch[Any],
    maps: Mapping[str, Tensor],
    image: int,
    boxes_vectors: tuple[Tensor, Tensor],
    size: tuple[int, int],
) -> Tensor:
    """One image's vectors, each by the level that its box is pooled from."""
    boxes, vectors = boxes_vectors
    levels, whitened = branch.pool.levels_of(boxes), torch.zeros_like(vectors)
    for number in levels.unique().tolist():
        here = levels == number
        matrix = whitening_matrix(branch.cells_of_level(maps, number, image, size))
        whitened[here] = vectors[here] @ matrix
    return whitened
