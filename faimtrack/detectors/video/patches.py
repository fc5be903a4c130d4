"""The video object branch and IFEM where proposals are, instead of on whole maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.video.branch import VideoObjectBranch
from faimtrack.detectors.yolox.blocks import ConvBlock, DepthwiseConvBlock

EncodeMethod = Literal["auto", "dense", "patches"]

_PATCH_COST = 2.75
"""What a cell costs in a patch, as a multiple of what it costs in a whole map.

Measured on an AVX-512 CPU with 128 and 256 channels, where convolutions of whole maps do more
operations in a second than products of matrices.
"""
_WINDOWS_AT_ONCE = 512  # 128 channels: 2.4 MB that are read again soon after they are written


class AnchorFeatures(NamedTuple):
    """Features of anchors of all frames, frame after frame.

    Attributes:
        classification: `(P, C)`: F_cls.
        instance: `(P, C')`: F_ins; None without IFEM.
        operations: Multiplications and additions that convolutions took, each counted as one.
    """

    classification: Tensor
    instance: Tensor | None
    operations: int


def features_at(
    stems: Sequence[Tensor],
    branch: VideoObjectBranch,
    extraction: InstanceFeatureExtraction | None,
    anchors: Sequence[Tensor],
    method: EncodeMethod = "auto",
) -> AnchorFeatures:
    """What the branch and IFEM make of the stems, at some anchors only.

    A feature at an anchor depends on 7 by 7 cells around it (5 by 5 without IFEM). Cells that
    several anchors need are computed once; beyond the map all maps are 0, as the margins of
    convolutions are. A level is computed as whole where that is cheaper or, whatever the method,
    where a norm looks at whole maps.

    Args:
        stems: `(N, C, h, w)` a level.
        branch: The video object branch.
        extraction: IFEM, if there is one.
        anchors: `(P,)` rows of anchors for each of the N frames, in any order.
        method: `auto` chooses for each level what is cheaper.
    """
    levels = [list(each) for each in branch.levels]
    if extraction is not None:
        for number, blocks in enumerate(levels):
            blocks.append(extraction.blocks[min(number, len(extraction.blocks) - 1)])
    places = _places(stems, anchors)
    parts = [
        _level_features(stem, blocks, len(branch.levels[number]), place, method)
        for number, (stem, blocks, place) in enumerate(zip(stems, levels, places, strict=True))
    ]
    order = torch.cat([place.rows for place in places]).argsort()
    classification = torch.cat([each.classification for each in parts])[order]
    operations = sum(each.operations for each in parts)
    if extraction is None:
        return AnchorFeatures(classification, None, operations)
    instance = torch.cat([each.instance for each in parts if each.instance is not None])[order]
    return AnchorFeatures(classification, instance, operations)


def read_anchors(maps: Sequence[Tensor], anchors: Sequence[Tensor]) -> Tensor:
    """What maps have at some anchors.

    Args:
        maps: `(N, C, h, w)` a level.
        anchors: `(P,)` rows of anchors for each of the N frames, in any order.

    Returns:
        `(sum of P, C)`, frame after frame.
    """
    places = _places(maps, anchors)
    order = torch.cat([place.rows for place in places]).argsort()
    return torch.cat([place.read(each) for each, place in zip(maps, places, strict=True)])[order]


@dataclass(frozen=True)
class _Places:
    """Cells of one level that are wanted; `rows` is where each stands among all that are."""

    rows: Tensor
    frames: Tensor
    y: Tensor
    x: Tensor

    def read(self, maps: Tensor) -> Tensor:
        """`(P, C)` of maps `(N, C, h, w)`."""
        return maps.permute(0, 2, 3, 1)[self.frames, self.y, self.x]


def _places(maps: Sequence[Tensor], anchors: Sequence[Tensor]) -> list[_Places]:
    every = torch.cat(tuple(anchors))
    counts = torch.tensor([len(each) for each in anchors], device=every.device)
    frames = torch.arange(len(anchors), device=every.device).repeat_interleave(counts)
    places, first = [], 0
    for each in maps:
        height, width = each.shape[-2:]
        cells = every - first
        rows = ((cells >= 0) & (cells < height * width)).nonzero()[:, 0]
        cells = cells[rows]
        places.append(_Places(rows, frames[rows], cells // width, cells % width))
        first += height * width
    return places


def _level_features(
    stem: Tensor,
    blocks: Sequence[nn.Module],
    branch_length: int,
    places: _Places,
    method: EncodeMethod,
) -> AnchorFeatures:
    """One level's features, the way that is cheaper."""
    layers = [_Layer.of(block) for block in blocks]
    if method == "dense" or not all(map(_is_local, blocks)):
        return _whole(stem, blocks, layers, branch_length, places)
    grid = _Grid(stem)
    wanted = grid.cells(places)
    reaches = [grid.distinct(wanted)]  # of the last block, of the one before it, ...
    for _ in blocks:
        reaches.append(grid.around(reaches[-1]))
    in_patches = sum(len(cells) for cells in reaches[:-1])
    in_whole = len(blocks) * stem[:, 0].numel()
    if method == "auto" and _PATCH_COST * in_patches > in_whole:
        return _whole(stem, blocks, layers, branch_length, places)
    reaches.reverse()
    rows, operations = grid.read(stem, reaches[0]), 0
    classification = rows
    for number, layer in enumerate(layers):
        source, target = reaches[number : number + 2]
        rows = layer.at(rows, grid.find(grid.windows(target), source))
        operations += len(target) * layer.operations
        if number + 1 == branch_length:
            classification = rows[grid.find(wanted, target)]
    instance = None
    if len(layers) > branch_length:
        instance = rows[grid.find(wanted, reaches[-1])]
    return AnchorFeatures(classification, instance, operations)


def _whole(
    stem: Tensor,
    blocks: Sequence[nn.Module],
    layers: Sequence[_Layer],
    branch_length: int,
    places: _Places,
) -> AnchorFeatures:
    """One level's features from whole maps."""
    maps = stem
    for block in blocks[:branch_length]:
        maps = block(maps)
    classification, instance = places.read(maps), None
    for block in blocks[branch_length:]:
        instance = places.read(block(maps))
    operations = stem[:, 0].numel() * sum(layer.operations for layer in layers)
    return AnchorFeatures(classification, instance, operations)


def _is_local(block: nn.Module) -> bool:
    """Whether what it makes of a cell depends on the cells around it alone."""
    return not any(
        isinstance(each, nn.GroupNorm) or (isinstance(each, nn.BatchNorm2d) and each.training)
        for each in block.modules()
    )


class _Layer(NamedTuple):
    """A block as a 3 by 3 convolution and what is done to each cell afterwards."""

    convolution: nn.Conv2d
    rest: tuple[nn.Module, ...]

    @classmethod
    def of(cls, block: nn.Module) -> _Layer:
        if isinstance(block, ConvBlock):
            return cls(block.conv, (block.bn, block.act))
        if isinstance(block, DepthwiseConvBlock):
            first = cls.of(block.dconv)
            return cls(first.convolution, (*first.rest, block.pconv))
        assert isinstance(block, nn.Sequential)  # IFEM
        convolution, *rest = block
        assert isinstance(convolution, nn.Conv2d)
        return cls(convolution, tuple(rest))

    @property
    def convolutions(self) -> list[nn.Conv2d]:
        """All of them, in order."""
        later = [each for module in self.rest for each in module.modules()]
        return [self.convolution, *(each for each in later if isinstance(each, nn.Conv2d))]

    @property
    def operations(self) -> int:
        """Of its convolutions, a cell."""
        return sum(each.weight.numel() for each in self.convolutions)

    def at(self, rows: Tensor, windows: Tensor) -> Tensor:
        """From rows `(R, in)` to `(M, out)`, for windows `(M, 9)` of their numbers; R: outside."""
        if not len(windows):
            return rows.new_zeros(0, self.convolutions[-1].out_channels)
        rows = functional.pad(rows, (0, 0, 0, 1))
        return torch.cat([self._at(rows, each) for each in windows.split(_WINDOWS_AT_ONCE)])

    def _at(self, rows: Tensor, windows: Tensor) -> Tensor:
        kernels, bias = self.convolution.weight, self.convolution.bias
        cells = rows.index_select(0, windows.flatten())
        if self.convolution.groups == 1:
            # Without a copy where the kernels' channels lie next to each other.
            matrix = kernels.permute(0, 2, 3, 1).flatten(1)
            found = functional.linear(cells.view(len(windows), -1), matrix, bias)
        else:
            found = (cells.view(*windows.shape, -1) * kernels.flatten(1).T).sum(dim=1)
            found = found if bias is None else found + bias
        maps = found[:, :, None, None]  # each cell a map of its own
        for module in self.rest:
            maps = module(maps)
        return maps.flatten(1)


class _Grid:
    """Cells of all maps of a level, with a margin of one around each, numbered row by row."""

    def __init__(self, maps: Tensor) -> None:
        count, _, self._height, self._width = maps.shape
        self._pitch = self._width + 2
        self._area = (self._height + 2) * self._pitch
        is_inside = torch.zeros(
            count, self._height + 2, self._pitch, dtype=torch.bool, device=maps.device
        )
        is_inside[:, 1:-1, 1:-1] = True
        self._is_inside = is_inside.flatten()
        steps = torch.arange(-1, 2, device=maps.device)
        self._window = (steps[:, None] * self._pitch + steps).flatten()

    def cells(self, places: _Places) -> Tensor:
        """Numbers of cells."""
        return places.frames * self._area + (places.y + 1) * self._pitch + places.x + 1

    def distinct(self, cells: Tensor) -> Tensor:
        """Those of them that are inside, each once, in order."""
        is_needed = torch.zeros_like(self._is_inside)
        is_needed[cells] = True
        return (is_needed & self._is_inside).nonzero()[:, 0]

    def windows(self, cells: Tensor) -> Tensor:
        """`(M, 9)`: each and those around it, as kernels go: row by row."""
        return cells[:, None] + self._window

    def around(self, cells: Tensor) -> Tensor:
        """All that convolutions look at for some cells, as `distinct` gives them."""
        return self.distinct(self.windows(cells).flatten())

    def find(self, cells: Tensor, among: Tensor) -> Tensor:
        """Where they stand among others; at their end if they do not."""
        places = torch.full_like(self._is_inside, len(among), dtype=torch.int64)
        places[among] = torch.arange(len(among), device=among.device)
        return places[cells]

    def read(self, maps: Tensor, cells: Tensor) -> Tensor:
        """`(M, C)` of maps `(N, C, h, w)`."""
        place = cells % self._area
        return maps.permute(0, 2, 3, 1)[
            cells // self._area, place // self._pitch - 1, place % self._pitch - 1
        ]
