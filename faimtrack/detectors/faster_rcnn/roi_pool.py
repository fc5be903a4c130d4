"""RoIAlign on the levels of a feature pyramid."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torchvision.ops import roi_align

_CANONICAL_SIDE = 224  # a box of this side is pooled from the level of this stride, as in the
_CANONICAL_STRIDE = 16  # paper on feature pyramids, equation 1
_EPSILON = 1e-6


class PyramidRoiPool(nn.Module):
    """Cuts boxes out of the pyramid, each from the level that suits its size.

    Unlike torchvision's pool it is told the levels' strides; that one infers them from the first
    image that it meets and never again.

    Attributes:
        strides: Pixels of the input to a cell of each level, the finest first.
        output_size: Cells across and down a pooled box.
        sampling_ratio: Points across a cell; 0 takes as many as the box has cells of its level.
        aligned: Whether a cell's centre lies at half coordinates.
    """

    def __init__(
        self, strides: Sequence[int], output_size: int, *, sampling_ratio: int, aligned: bool
    ) -> None:
        super().__init__()
        self.strides = tuple(strides)
        self.output_size = output_size
        self.sampling_ratio = sampling_ratio
        self.aligned = aligned

    def resized(self, output_size: int) -> PyramidRoiPool:
        """A pool of the same levels with another size (a mask branch has its own)."""
        return PyramidRoiPool(
            self.strides, output_size, sampling_ratio=self.sampling_ratio, aligned=self.aligned
        )

    def of_level(self, number: int) -> PyramidRoiPool:
        """A pool of the same size that cuts all boxes out of one level."""
        return PyramidRoiPool(
            self.strides[number : number + 1], self.output_size,
            sampling_ratio=self.sampling_ratio, aligned=self.aligned,
        )  # fmt: skip

    def forward(
        self,
        levels: Mapping[str, Tensor],
        boxes: Sequence[Tensor],
        input_sizes: Sequence[tuple[int, int]] | None = None,
    ) -> Tensor:
        """Pool the boxes of all images.

        Args:
            levels: `(N, C, h, w)` maps; the first ones are those of `strides`, more are ignored.
            boxes: One `(P, 4)` an image, corners in pixels of the input.
            input_sizes: Not needed; torchvision's heads pass it.

        Returns:
            `(sum of P, C, output_size, output_size)`, image after image, as fine as the levels.
        """
        maps = list(levels.values())[: len(self.strides)]
        images = [torch.full_like(each[:, :1], row) for row, each in enumerate(boxes)]
        rois = torch.cat([torch.cat(images), torch.cat(list(boxes))], dim=1)  # (P, 5)
        level_of = self.levels_of(rois[:, 1:])
        rows, pooled = [], []
        for number, (level, stride) in enumerate(zip(maps, self.strides, strict=True)):
            here = torch.where(level_of == number)[0]
            # Coordinates beyond 1024 would be rounded to whole pixels in half precision.
            cut = roi_align(
                level.float(), rois[here].float(), self.output_size,
                spatial_scale=1 / stride, sampling_ratio=self.sampling_ratio, aligned=self.aligned,
            )  # fmt: skip
            rows.append(here)
            pooled.append(cut.to(level.dtype))
        return torch.cat(pooled)[torch.argsort(torch.cat(rows))]

    def levels_of(self, boxes: Tensor) -> Tensor:
        """`(P,)` int64: which level each box is pooled from, by its size; 0 is the finest.

        Args:
            boxes: `(P, 4)` corners in pixels of the input.
        """
        sides = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).sqrt()
        ideal = math.log2(_CANONICAL_STRIDE) + torch.log2(sides / _CANONICAL_SIDE) + _EPSILON
        finest, coarsest = (int(math.log2(stride)) for stride in self._outer_strides)
        return ideal.floor().clamp(finest, coarsest).long() - finest

    @property
    def _outer_strides(self) -> tuple[int, int]:
        return self.strides[0], self.strides[-1]
