"""The mask branch beside a detector: it learns with it, and masks come from it on demand.

It is a module of its own: a detector's outputs are the same with and without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from faimtrack.detectors.faster_rcnn.answers import Encoding, Targets, TrainingAnswer
from faimtrack.detectors.faster_rcnn.architectures import PYRAMID_CHANNELS
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
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
from faimtrack.detectors.mask_branch.positives import (
    Positives,
    faster_rcnn_positives,
    yolox_positives,
)
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.detectors.yolox.losses import YoloxLoss, YoloxTargets
from faimtrack.detectors.yolox.network import Yolox, YoloxOutput

Features = TypeVar("Features")

_LEVEL_STRIDES = {"p3": 8, "p4": 16, "p5": 32}
_BOXES_AT_ONCE = 64  # that are pooled for detecting: 64 MiB with 32 cells and 256 channels


class MaskBranch(nn.Module, Generic[Features]):
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

    def maps(self, features: Features) -> dict[str, Tensor]:
        """What boxes are pooled from: a map `(N, C, h, w)` a level, the finest first."""
        raise NotImplementedError

    def pooled_from(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """As `pooled`, of what `maps` gave."""
        raise NotImplementedError

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
            maps = self.maps(features)
            vectors = [
                self.pooled_from(maps, some).float().mean(dim=(2, 3)) for some in _in_turns(boxes)
            ]
        return list(torch.cat(vectors).split([len(each) for each in boxes]))

    def _loss(
        self,
        features: Features,
        positives: Sequence[Positives],
        targets: Sequence[YoloxTargets | Targets],
        masks: Sequence[InstanceMasks],
        divide_by: Callable[[int], float] | None,
    ) -> MaskLoss:
        pairs = self._pairs(features, positives, targets, masks)
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
    ) -> MaskPairs | None:
        """Predicted masks beside the true ones; None if no box is to learn a mask."""
        if not any(len(each.objects) for each in positives):
            return None
        class_ids = [each.class_ids for each in targets]
        wanted_classes = [
            ids[each.objects] for ids, each in zip(class_ids, positives, strict=True)
        ]
        pooled = self.pooled(features, [each.boxes for each in positives])
        logits = self.mask_head(pooled, torch.cat(wanted_classes))
        with torch.autocast(logits.device.type, enabled=False):
            return mask_pairs(
                logits, positives, masks, [each.boxes for each in targets], class_ids, self.config
            )


class YoloxMaskBranch(MaskBranch[YoloxOutput]):
    """A YOLOX's: instance features of its dense classification features, then pooled."""

    def __init__(self, config: MaskBranchConfig, network: Yolox) -> None:
        level = config.level
        strides = STRIDES if level == "by-size" else (_LEVEL_STRIDES[level],)
        extraction = InstanceFeatureExtraction(
            int(256 * network.size.width), config, map_count=len(strides)
        )
        pool = PyramidRoiPool(strides, config.roi_size, sampling_ratio=0, aligned=True)
        super().__init__(config, extraction, network.class_count, pool)

    def instance_maps(self, output: YoloxOutput) -> dict[int, Tensor]:
        """Instance features `(N, C, h, w)` of the levels that are used, by their strides."""
        maps = dict(zip(output.strides, output.classification, strict=True))
        chosen = [maps[stride] for stride in self.pool.strides]
        return dict(zip(self.pool.strides, self.extraction(chosen), strict=True))

    def maps(self, features: YoloxOutput) -> dict[str, Tensor]:
        """See `MaskBranch`."""
        return {str(stride): each for stride, each in self.instance_maps(features).items()}

    def pooled_from(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """See `MaskBranch`."""
        pooled: Tensor = self.pool(maps, boxes)
        return pooled

    def loss(
        self,
        output: YoloxOutput,
        loss: YoloxLoss,
        targets: Sequence[YoloxTargets],
        masks: Sequence[InstanceMasks],
        divide_by: Callable[[int], float] | None = None,
    ) -> MaskLoss:
        """What the masks cost of the boxes that answer for an object.

        Args:
            output: Of a batch of `N` images.
            loss: Of the same batch: it says which anchors answer for whom.
            targets: `N`, as for `loss`.
            masks: `N`, on the same device, a mask or none for each object of the targets.
            divide_by: From the number of boxes that are compared to what their sum is divided
                by, above 0; None: that number itself, or 1 if it is 0.

        Raises:
            ValueError: There are not as many masks as objects; the image's place is named.
        """
        _require_masks(targets, masks)
        positives = yolox_positives(output, loss, masks, self.config.max_positives)
        return self._loss(output, positives, targets, masks, divide_by)


class FasterRcnnMaskBranch(MaskBranch[Encoding]):
    """A Faster R-CNN's: boxes pooled from its pyramid, then instance features of these."""

    def __init__(self, config: MaskBranchConfig, network: FasterRcnn) -> None:
        if not config.shared_levels:
            raise ValueError(
                "shared_levels: expected true for a Faster R-CNN, whose levels are pooled before "
                "instance features are made, got false"
            )
        pool = network.roi_heads.box_roi_pool.resized(config.roi_size)
        first_level = 0
        if config.level != "by-size":
            stride = _LEVEL_STRIDES[config.level]
            if stride not in pool.strides:
                raise ValueError(
                    f"level: expected by-size or one of strides {pool.strides} for a "
                    f"{network.architecture}, got {config.level}, whose stride is {stride}"
                )
            first_level = pool.strides.index(stride)
            pool = PyramidRoiPool(
                (stride,), config.roi_size,
                sampling_ratio=pool.sampling_ratio, aligned=pool.aligned,
            )  # fmt: skip
        extraction = InstanceFeatureExtraction(PYRAMID_CHANNELS, config)
        super().__init__(config, extraction, len(network.class_names), pool)
        self._first_level = first_level

    def maps(self, features: Encoding) -> dict[str, Tensor]:
        """See `MaskBranch`."""
        return dict(list(features.levels.items())[self._first_level :])

    def pooled_from(self, maps: Mapping[str, Tensor], boxes: Sequence[Tensor]) -> Tensor:
        """See `MaskBranch`."""
        pooled: Tensor = self.extraction([self.pool(maps, boxes)])[0]
        return pooled

    def loss(
        self,
        answer: TrainingAnswer,
        targets: Sequence[Targets],
        masks: Sequence[InstanceMasks],
        divide_by: Callable[[int], float] | None = None,
    ) -> MaskLoss:
        """What the masks cost of the proposals that were found to be an object.

        Args:
            answer: Of a batch of `N` images.
            targets: `N`, that the answer was asked with.
            masks: `N`, on the same device, a mask or none for each object of the targets.
            divide_by: From the number of boxes that are compared to what their sum is divided
                by, above 0; None: that number itself, or 1 if it is 0.

        Raises:
            ValueError: There are not as many masks as objects; the image's place is named.
        """
        _require_masks(targets, masks)
        positives = faster_rcnn_positives(answer, targets, masks, self.config.max_positives)
        return self._loss(answer.encoding, positives, targets, masks, divide_by)


def build_mask_branch(
    config: MaskBranchConfig, network: Yolox | FasterRcnn
) -> YoloxMaskBranch | FasterRcnnMaskBranch:
    """A branch with random weights for a detector's network, which stays as it is.

    Random numbers are drawn from torch's global generator: whoever must not lose any forks it.

    Raises:
        ValueError: The configuration does not suit the network.
    """
    if isinstance(network, Yolox):
        return YoloxMaskBranch(config, network)
    return FasterRcnnMaskBranch(config, network)


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


def _require_masks(
    targets: Sequence[YoloxTargets | Targets], masks: Sequence[InstanceMasks]
) -> None:
    if len(masks) != len(targets):
        raise ValueError(f"masks: expected {len(targets)}, one an image, got {len(masks)}")
    for number, (target, each) in enumerate(zip(targets, masks, strict=True)):
        if len(each) != len(target.boxes):
            raise ValueError(
                f"image {number} of the batch: expected masks of {len(target.boxes)} objects, "
                f"got {len(each)}"
            )
