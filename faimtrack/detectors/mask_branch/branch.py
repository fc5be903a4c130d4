"""What the mask branches of all detectors share: they learn beside one, and give masks on demand.

A branch is a module of its own: a detector's outputs are the same with and without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from faimtrack.detectors.faster_rcnn.answers import Targets
from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.mask_branch.head import MaskHead
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.losses import (
    MaskLoss,
    MaskPairs,
    mask_ious,
    mask_losses,
    mask_pairs,
)
from faimtrack.detectors.mask_branch.pasting import THRESHOLD as MASK_THRESHOLD
from faimtrack.detectors.mask_branch.positives import Positives
from faimtrack.detectors.yolox.losses import YoloxTargets

Features = TypeVar("Features")

LEVEL_STRIDES = {"p3": 8, "p4": 16, "p5": 32}
"""Pixels of the input to a cell of a level."""

_BOXES_AT_ONCE = 64  # that are pooled for detecting: 64 MiB with 32 cells and 256 channels


class MaskBranch(nn.Module, ABC, Generic[Features]):
    """What the branches of all detectors share.

    Attributes:
        config: How it was built and learns.
        extraction: Makes instance features (IFEM).
        mask_head: Makes masks of pooled instance features.
        pool: Cuts boxes out of the pyramid.
    """

    def __init__(
        self,
        config: MaskBranchConfig,
        extraction: InstanceFeatureExtraction,
        class_count: int,
        pool: PyramidRoiPool,
    ) -> None:
        super().__init__()
        self.config = config
        self.extraction = extraction
        self.mask_head = MaskHead(extraction.channels, class_count, config)
        self.pool = pool

    def pooled(self, features: Features, boxes: Sequence[Tensor]) -> Tensor:
        """Instance features of boxes.

        Args:
            features: What the detector computed for a batch.
            boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the input for each image.

        Returns:
            `(sum of P, C, S, S)`, image after image.
        """
        return self.pooled_from(self.maps(features), boxes)

    @abstractmethod
    def maps(self, features: Features) -> dict[str, Tensor]:
        """What boxes are pooled from: a map `(N, C, h, w)` a level, the finest first."""

    @abstractmethod
    def pooled_from(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """As `pooled`, of what `maps` gave."""

    def predict(
        self, features: Features, boxes: Sequence[Tensor], class_ids: Sequence[Tensor]
    ) -> list[Tensor]:
        """Masks of boxes; without gradient.

        Args:
            features: What the detector computed for a batch.
            boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the input for each image.
            class_ids: `(P,)` int64 for each image: of which class to give the mask.

        Returns:
            For each image `(P, M, M)` float32: how probable it is that a cell of the grid over a
            box is the object.
        """
        ids = torch.cat(list(class_ids)).split(_BOXES_AT_ONCE)
        with torch.no_grad():
            maps = self.maps(features)
            masks = [
                self.mask_head(self.pooled_from(maps, some), some_ids).float().sigmoid()
                for some, some_ids in zip(_in_turns(boxes), ids, strict=True)
            ]
        return list(torch.cat(masks).split([len(each) for each in boxes]))

    def instance_features(self, features: Features, boxes: Sequence[Tensor]) -> list[Tensor]:
        """One vector a box: its instance features' mean over the box; without gradient.

        Args:
            features: What the detector computed for a batch.
            boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the input for each image.

        Returns:
            `(P, C)` float32 for each image.
        """
        with torch.no_grad():
            return [each[:, 0] for each in self.vectors_from(self.maps(features), boxes)]

    def mask_features(
        self, features: Features, boxes: Sequence[Tensor], class_ids: Sequence[Tensor]
    ) -> list[Tensor]:
        """One vector a box: its instance features' mean in its predicted mask; without gradient.

        A cell counts by how probably it is the object. Where the mask is empty, which is to say
        no cell reaches `MASK_THRESHOLD`, it is the mean over the box.

        Args:
            features: What the detector computed for a batch.
            boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the input for each image.
            class_ids: `(P,)` int64 for each image: of which class to predict the mask.

        Returns:
            `(P, C)` float32 for each image.
        """
        with torch.no_grad():
            vectors = self.vectors_from(self.maps(features), boxes, class_ids)
        return [each[:, 0] for each in vectors]

    def vectors_from(
        self,
        maps: Mapping[str, Tensor],
        boxes: Sequence[Tensor],
        class_ids: Sequence[Tensor] | None = None,
        stripes: int = 1,
    ) -> list[Tensor]:
        """As `mask_features`, or without `class_ids` as `instance_features`, of what `maps` gave.

        Returns:
            `(P, stripes, C)` float32 for each image, from the top of a box to its bottom.
        """
        ids = None if class_ids is None else torch.cat(list(class_ids)).split(_BOXES_AT_ONCE)
        vectors = []
        for turn, some in enumerate(_in_turns(boxes)):
            pooled = self.pooled_from(maps, some)
            masks = None if ids is None else self.mask_head(pooled, ids[turn]).float().sigmoid()
            vectors.append(mean_of_stripes(pooled.float(), masks, stripes))
        return list(torch.cat(vectors).split([len(each) for each in boxes]))

    @abstractmethod
    def cells_of_level(
        self, maps: Mapping[str, Tensor], number: int, image: int, size: tuple[int, int]
    ) -> Tensor:
        """Instance features from all over one image, to know what is usual there.

        Args:
            maps: What `maps` gave.
            number: Of the pool's level.
            image: Of the batch.
            size: Height and width in pixels of what the image fills of the input.

        Returns:
            `(K, C)` as fine as the level, with K of 1 or more.
        """

    def _loss(
        self,
        features: Features,
        positives: Sequence[Positives],
        targets: Sequence[YoloxTargets | Targets],
        masks: Sequence[InstanceMasks],
        divide_by: Callable[[int], float] | None,
        channels: Sequence[Tensor] | None = None,
    ) -> MaskLoss:
        pairs = self._pairs(features, positives, targets, masks, channels)
        if pairs is None:
            # Parallel training waits for the gradients of every weight in every step.
            costs = sum((each.sum() * 0 for each in self.parameters()), torch.zeros(()))
            count, mean_iou = 0, costs.detach()
            divisor = 1.0 if divide_by is None else divide_by(0)
            return MaskLoss(costs / divisor, count, mean_iou)
        with torch.autocast(pairs.logits.device.type, enabled=False):
            costs = mask_losses(pairs, self.config.loss).sum()
        count = len(pairs.logits)
        divisor = max(count, 1) if divide_by is None else divide_by(count)
        mean_iou = mask_ious(pairs).sum() / max(count, 1)
        return MaskLoss(self.config.weight * costs / divisor, count, mean_iou)

    def _pairs(
        self,
        features: Features,
        positives: Sequence[Positives],
        targets: Sequence[YoloxTargets | Targets],
        masks: Sequence[InstanceMasks],
        channels: Sequence[Tensor] | None,
    ) -> MaskPairs | None:
        """Predicted masks beside the true ones; None if no box is to learn a mask.

        The masks are those of the classes `channels` `(P,)` an image, else of the objects' own.
        """
        if not any(len(each.objects) for each in positives):
            return None
        class_ids = [each.class_ids for each in targets]
        if channels is None:
            channels = [ids[each.objects] for ids, each in zip(class_ids, positives, strict=True)]
        pooled = self.pooled(features, [each.boxes for each in positives])
        logits = self.mask_head(pooled, torch.cat(list(channels)))
        with torch.autocast(logits.device.type, enabled=False):
            return mask_pairs(
                logits, positives, masks, [each.boxes for each in targets], class_ids, self.config
            )


class PyramidMaskBranch(MaskBranch[Features]):
    """A branch whose `maps` are instance features all over the levels that `pool` reads."""

    def pooled_from(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """See `MaskBranch`."""
        pooled: Tensor = self.pool(maps, boxes)
        return pooled

    def cells_of_level(
        self, maps: Mapping[str, Tensor], number: int, image: int, size: tuple[int, int]
    ) -> Tensor:
        """See `MaskBranch`: all cells of the level, but those of the margins."""
        stride = self.pool.strides[number]
        rows, columns = (max(side // stride, 1) for side in size)
        cells = list(maps.values())[number][image, :, :rows, :columns]
        return cells.flatten(1).T


def mean_of_stripes(pooled: Tensor, masks: Tensor | None, stripes: int) -> Tensor:
    """Means of pooled features; in masks each cell is weighed by how probably it is the object.

    Args:
        pooled: `(P, C, S, S)`.
        masks: `(P, M, M)` probabilities over the same boxes, M not below S; None: all cells count
            alike, as they do in a stripe where no cell reaches `MASK_THRESHOLD`.
        stripes: Into how many of nearly the same height a box is cut, S at most.

    Returns:
        `(P, stripes, C)`.
    """
    weights = torch.ones_like(pooled[:, :1])
    if masks is not None:
        weights = functional.adaptive_avg_pool2d(masks[:, None], pooled.shape[-1])
    means = []
    for cells, share in zip(
        pooled.tensor_split(stripes, dim=2), weights.tensor_split(stripes, dim=2), strict=True
    ):
        is_empty = (share < MASK_THRESHOLD).flatten(1).all(dim=1)[:, None, None, None]
        counted = torch.where(is_empty, torch.ones_like(share), share)
        means.append((cells * counted).sum(dim=(2, 3)) / counted.sum(dim=(2, 3)))
    return torch.stack(means, dim=1)


def _in_turns(boxes: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """The boxes of all images, a bounded number at a time; none at all are one turn."""
    counts = [len(each) for each in boxes]
    starts = [sum(counts[:row]) for row in range(len(counts))]
    for first in range(0, max(sum(counts), 1), _BOXES_AT_ONCE):
        last = first + _BOXES_AT_ONCE
        yield [
            each[max(first - start, 0) : max(last - start, 0)]
            for each, start in zip(boxes, starts, strict=True)
        ]


def require_masks(
    targets: Sequence[YoloxTargets | Targets], masks: Sequence[InstanceMasks]
) -> None:
    """See that there is a mask or none for each object of each image.

    Raises:
        ValueError: There is not; the image's place in the batch is named.
    """
    if len(masks) != len(targets):
        raise ValueError(f"masks: expected {len(targets)}, one an image, got {len(masks)}")
    for number, (target, each) in enumerate(zip(targets, masks, strict=True)):
        if len(each) != len(target.boxes):
            raise ValueError(
                f"image {number} of the batch: expected masks of {len(target.boxes)} objects, "
                f"got {len(each)}"
            )
