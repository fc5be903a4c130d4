"""The mask branch of a Faster R-CNN."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from faimtrack.detectors.faster_rcnn.answers import Encoding, Targets, TrainingAnswer
from faimtrack.detectors.faster_rcnn.architectures import PYRAMID_CHANNELS
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool
from faimtrack.detectors.mask_branch.branch import LEVEL_STRIDES, MaskBranch, require_masks
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.losses import MaskLoss
from faimtrack.detectors.mask_branch.positives import faster_rcnn_positives

_BOXES_ACROSS = 4  # and down: what is usual in an image is learnt from that many boxes
_SIDE_CELLS = 20  # boxes of 14 to 28 cells of a level are pooled from it


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
            stride = LEVEL_STRIDES[config.level]
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

    def cells_of_level(
        self, maps: Mapping[str, Tensor], number: int, image: int, size: tuple[int, int]
    ) -> Tensor:
        """See `MaskBranch`: of boxes spread over the image, of a size that suits the level."""
        level = list(maps.values())[number]
        boxes = _spread_boxes(size, _SIDE_CELLS * self.pool.strides[number]).to(level.device)
        pooled = self.pool.of_level(number)({"": level[image : image + 1]}, [boxes])
        cells: Tensor = self.extraction([pooled])[0]
        return cells.transpose(0, 1).flatten(1).T

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
        require_masks(targets, masks)
        positives = faster_rcnn_positives(answer, targets, masks, self.config.max_positives)
        return self._loss(answer.encoding, positives, targets, masks, divide_by)


def _spread_boxes(size: tuple[int, int], side: float) -> Tensor:
    """`(K, 4)` float32 squares of a side in pixels around a grid of points, cut to an image."""
    height, width = size
    steps = (torch.arange(_BOXES_ACROSS) + 0.5) / _BOXES_ACROSS
    y, x = torch.meshgrid(steps * height, steps * width, indexing="ij")
    centres = torch.stack([x, y, x, y], dim=-1).reshape(-1, 4)
    limits = torch.tensor([width, height, width, height])
    half = torch.tensor([-side, -side, side, side]) / 2
    return (centres + half).clamp(min=0).minimum(limits)
