"""What a Faster R-CNN is given, and what its stages make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Encoding:
    """What the backbone makes of a batch.

    Attributes:
        levels: The pyramid's maps `(N, 256, h, w)` by name, the finest first; the last one,
            `pool`, is for proposals only.
        input_sizes: Height and width in pixels of each image as the network sees it.
        image_sizes: Height and width in pixels of each image as it came.
        padded_size: Height and width in pixels of the batch.
    """

    levels: dict[str, Tensor]
    input_sizes: list[tuple[int, int]]
    image_sizes: list[tuple[int, int]]
    padded_size: tuple[int, int]

    def one(self, row: int) -> Encoding:
        """The encoding of one image, in memory of its own."""
        levels = {name: level[row : row + 1].clone() for name, level in self.levels.items()}
        return Encoding(levels, [self.input_sizes[row]], [self.image_sizes[row]], self.padded_size)


class BoxAnswer(NamedTuple):
    """What the second stage says of one image's boxes.

    Attributes:
        scores: `(P, 1 + outputs)` float32, background first; rows add up to one.
        boxes: `(P, 1 + outputs, 4)` float32, where the object is if it is of that class; corners
            in pixels of the input, not cut to the image.
    """

    scores: Tensor
    boxes: Tensor


class Targets(NamedTuple):
    """The objects in one training image.

    Attributes:
        boxes: `(M, 4)` corners in pixels of the image, of positive width and height.
        class_ids: `(M,)` int64, indices into the network's `class_names`.
    """

    boxes: Tensor
    class_ids: Tensor


class TrainingAnswer(NamedTuple):
    """Losses of a batch, and what a mask branch needs to add its own.

    Attributes:
        losses: `proposal_objectness`, `proposal_boxes`, `classes`, `boxes`: scalars to be added.
        encoding: Of the batch.
        boxes: The sampled proposals of each image, `(S, 4)` in pixels of the input.
        labels: `(S,)` outputs they are to give: 0 is background.
        matches: `(S,)` row of each one's target; 0 where `labels` says background.
    """

    losses: dict[str, Tensor]
    encoding: Encoding
    boxes: list[Tensor]
    labels: list[Tensor]
    matches: list[Tensor]
