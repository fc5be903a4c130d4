"""The YOLOX network in torch, with the official checkpoints' keys and all it computes by name."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from faimtrack.detectors.yolox.backbone import PathAggregation, level_channels
from faimtrack.detectors.yolox.blocks import ConvBlock, conv_block, fold_blocks
from faimtrack.detectors.yolox.letterbox import STRIDES

_PRIOR = 0.01  # what objectness and class scores are near to before training


@dataclass(frozen=True, kw_only=True)
class YoloxSize:
    """How deep and wide a YOLOX is.

    Attributes:
        name: Such as `nano`.
        depth: Factor of the number of bottlenecks.
        width: Factor of the number of channels.
        depthwise: Whether 3 by 3 convolutions are depthwise.
        input_size: Height and width of the input in pixels for which it is usually trained.
    """

    name: str
    depth: float
    width: float
    depthwise: bool = False
    input_size: tuple[int, int] = (640, 640)


YOLOX_SIZES: dict[str, YoloxSize] = {
    size.name: size
    for size in (
        YoloxSize(name="nano", depth=0.33, width=0.25, depthwise=True, input_size=(416, 416)),
        YoloxSize(name="tiny", depth=0.33, width=0.375, input_size=(416, 416)),
        YoloxSize(name="s", depth=0.33, width=0.5),
        YoloxSize(name="m", depth=0.67, width=0.75),
        YoloxSize(name="l", depth=1.0, width=1.0),
        YoloxSize(name="x", depth=1.33, width=1.25),
    )
}
"""The official sizes, the smallest first."""


class YoloxOutput(NamedTuple):
    """What a YOLOX computes for a batch: each field a map a level, strides 8, 16 and 32.

    An anchor is a cell of a level; in rows, anchors come level by level and row by row.

    Attributes:
        levels: `(N, C, h, w)`, the pyramid's maps P3, P4, P5; C differs.
        classification: `(N, C, h, w)`, features that classes are read from.
        regression: `(N, C, h, w)`, features that boxes and objectness are read from.
        box_offsets: `(N, 4, h, w)`: centre ``x y`` from the cell's corner and logarithms of width
            and height, in cells.
        objectness: `(N, 1, h, w)` logits.
        class_logits: `(N, K, h, w)`.
        stems: `(N, C, h, w)`, what the branches of all these are fed.
    """

    levels: tuple[Tensor, ...]
    classification: tuple[Tensor, ...]
    regression: tuple[Tensor, ...]
    box_offsets: tuple[Tensor, ...]
    objectness: tuple[Tensor, ...]
    class_logits: tuple[Tensor, ...]
    stems: tuple[Tensor, ...]

    @property
    def strides(self) -> tuple[int, ...]:
        """Pixels of the input to a cell, a level."""
        return STRIDES

    def rows(self) -> Tensor:
        """Boxes and scores as the official network gives them in evaluation.

        `(N, A, 5 + K)`: centre ``x y``, width and height in pixels of the input, objectness, and
        a score a class. Of networks in half precision they are float32: half cannot tell pixels
        beyond 1024 apart.
        """
        scores = [
            torch.cat((offsets, objectness.sigmoid(), classes.sigmoid()), 1)
            for offsets, objectness, classes in self._predictions()
        ]
        return self._decode(_anchor_rows(scores))

    def logit_rows(self) -> Tensor:
        """`(N, A, 5 + K)` as `rows`, but logits in place of scores: what training wants."""
        return self._decode(_anchor_rows([torch.cat(each, 1) for each in self._predictions()]))

    def offset_rows(self) -> Tensor:
        """`(N, A, 4)`: the box offsets as they are, in cells."""
        return _anchor_rows(self.box_offsets)

    def grid(self) -> tuple[Tensor, Tensor]:
        """Where the anchors lie, in the precision of the rows.

        Returns:
            `(A, 2)` columns and rows ``x y`` of the cells, in cells of their level, and `(A, 1)`
            sizes of the cells in pixels.
        """
        first = self.box_offsets[0]
        kind = {"dtype": _row_dtype(first), "device": first.device}
        cells, sizes = [], []
        for offsets, stride in zip(self.box_offsets, self.strides, strict=True):
            height, width = offsets.shape[-2:]
            y, x = torch.meshgrid(
                torch.arange(height, **kind), torch.arange(width, **kind), indexing="ij"
            )
            cells.append(torch.stack((x, y), 2).view(-1, 2))
            sizes.append(torch.full((height * width, 1), stride, **kind))
        return torch.cat(cells), torch.cat(sizes)

    def _predictions(self) -> zip[tuple[Tensor, Tensor, Tensor]]:
        return zip(self.box_offsets, self.objectness, self.class_logits, strict=True)

    def _decode(self, rows: Tensor) -> Tensor:
        cells, sizes = self.grid()
        rows = rows.to(cells.dtype)
        centres = (rows[..., :2] + cells) * sizes
        return torch.cat((centres, torch.exp(rows[..., 2:4]) * sizes, rows[..., 4:]), dim=-1)


class Yolox(nn.Module):
    """A YOLOX; its parts can be run one by one: `head(features(images))` is the whole.

    Attributes:
        size: How deep and wide it is.
        class_count: Classes that it tells apart.
        backbone: From images to the pyramid's maps.
        head: From the maps to a `YoloxOutput`.
    """

    def __init__(
        self, size: str | YoloxSize, class_count: int = 80, *, folded: bool = False
    ) -> None:
        """Make a network with random weights.

        Args:
            size: A size, or the name of an official one.
            class_count: Classes to tell apart.
            folded: Leave the batch norms out, as in weights whose batch norms were merged into
                the convolutions.

        Raises:
            ValueError: There is no size of that name, or no class.
        """
        super().__init__()
        if isinstance(size, str):
            if size not in YOLOX_SIZES:
                raise ValueError(f"size: expected {', '.join(YOLOX_SIZES)}, got {size!r}")
            size = YOLOX_SIZES[size]
        if class_count < 1:
            raise ValueError(f"class_count: expected 1 or more, got {class_count}")
        self.size = size
        self.class_count = class_count
        self.backbone = PathAggregation(size.depth, size.width, depthwise=size.depthwise)
        self.head = YoloxHead(size.width, class_count, depthwise=size.depthwise)
        if folded:
            fold_blocks(self)

    @property
    def is_folded(self) -> bool:
        """Whether its batch norms are merged into the convolutions."""
        return not any(isinstance(module, nn.BatchNorm2d) for module in self.modules())

    def forward(self, images: Tensor) -> YoloxOutput:
        """All that the network computes for `images`, as `features` takes them."""
        output: YoloxOutput = self.head(self.features(images))
        return output

    def features(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The pyramid's maps P3, P4, P5.

        Args:
            images: `(N, 3, H, W)` floats in the convention of the weights; H and W are multiples
                of 32.

        Raises:
            ValueError: The images have another shape.
        """
        check_images(images)
        levels: tuple[Tensor, Tensor, Tensor] = self.backbone(images)
        return levels


def check_images(images: Tensor) -> None:
    """See that a YOLOX can take images.

    Raises:
        ValueError: They are not `(N, 3, H, W)`, or H or W is no multiple of 32.
    """
    shape = images.shape
    if len(shape) != 4 or shape[1] != 3 or shape[2] % 32 != 0 or shape[3] % 32 != 0:
        raise ValueError(
            "images: expected (N, 3, height, width) with height and width multiples of 32, "
            f"got {tuple(shape)}"
        )


class YoloxHead(nn.Module):
    """From the pyramid's maps to classes, boxes and objectness, each level for itself."""

    def __init__(self, width: float, class_count: int, *, depthwise: bool) -> None:
        super().__init__()
        channels = int(256 * width)
        for name in ("cls_convs", "reg_convs", "cls_preds", "reg_preds", "obj_preds", "stems"):
            setattr(self, name, nn.ModuleList())

        def branch() -> nn.Sequential:
            return nn.Sequential(
                *(conv_block(channels, channels, 3, depthwise=depthwise) for _ in range(2))
            )

        for in_channels in level_channels(width):
            self.stems.append(ConvBlock(in_channels, channels, 1))
            self.cls_convs.append(branch())
            self.reg_convs.append(branch())
            self.cls_preds.append(nn.Conv2d(channels, class_count, 1))
            self.reg_preds.append(nn.Conv2d(channels, 4, 1))
            self.obj_preds.append(nn.Conv2d(channels, 1, 1))
        for prediction in (*self.cls_preds, *self.obj_preds):
            nn.init.constant_(prediction.bias, -math.log((1 - _PRIOR) / _PRIOR))

    def forward(self, levels: tuple[Tensor, ...]) -> YoloxOutput:
        """Read the maps P3, P4, P5."""
        stems = [stem(level) for stem, level in zip(self.stems, levels, strict=True)]
        classification = _each(self.cls_convs, stems)
        regression = _each(self.reg_convs, stems)
        return YoloxOutput(
            levels=tuple(levels),
            classification=classification,
            regression=regression,
            box_offsets=_each(self.reg_preds, regression),
            objectness=_each(self.obj_preds, regression),
            class_logits=_each(self.cls_preds, classification),
            stems=tuple(stems),
        )


def _each(modules: nn.ModuleList, maps: list[Tensor] | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(module(each) for module, each in zip(modules, maps, strict=True))


def _anchor_rows(maps: list[Tensor] | tuple[Tensor, ...]) -> Tensor:
    """Maps `(N, channels, h, w)` a level to `(N, A, channels)`."""
    return torch.cat([each.flatten(start_dim=2) for each in maps], dim=2).permute(0, 2, 1)


def _row_dtype(predictions: Tensor) -> torch.dtype:
    return torch.promote_types(predictions.dtype, torch.float32)
