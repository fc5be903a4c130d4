"""The mask branch of a YOLOX."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from torch import Tensor

from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool
from faimtrack.detectors.mask_branch.branch import LEVEL_STRIDES, PyramidMaskBranch, require_masks
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.losses import MaskLoss
from faimtrack.detectors.mask_branch.positives import yolox_positives
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.detectors.yolox.losses import YoloxLoss, YoloxTargets
from faimtrack.detectors.yolox.network import Yolox, YoloxOutput


class YoloxMaskBranch(PyramidMaskBranch[YoloxOutput]):
    """A YOLOX's: instance features of its dense classification features, then pooled."""

    def __init__(self, config: MaskBranchConfig, network: Yolox) -> None:
        level = config.level
        strides = STRIDES if level == "by-size" else (LEVEL_STRIDES[level],)
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
        require_masks(targets, masks)
        positives = yolox_positives(output, loss, masks, self.config.max_positives)
        return self._loss(output, positives, targets, masks, divide_by)
