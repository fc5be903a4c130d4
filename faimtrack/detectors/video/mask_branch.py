"""The mask branch of a video object detector: what makes its instance features learn instances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.ops import clip_boxes_to_image

from faimtrack.config import parameter
from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool
from faimtrack.detectors.mask_branch.branch import (
    LEVEL_STRIDES,
    PyramidMaskBranch,
    require_masks,
)
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.losses import MaskLoss
from faimtrack.detectors.mask_branch.positives import Positives
from faimtrack.detectors.video.losses import RefinedTargets
from faimtrack.detectors.video.network import VideoOutput, VideoYolox
from faimtrack.detectors.video.selection import Selection
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.detectors.yolox.losses import YoloxTargets

_BUILT = ("instance_channels", "norm", "shared_levels")
_SHORTEST_SIDE_PX = 1.0  # a box that the image's edge leaves less of has nothing to show


@dataclass(frozen=True, kw_only=True)
class VideoMaskBranchConfig(MaskBranchConfig):
    """The mask branch of a video object detector.

    How instance features are made is the network's own business where it compares them itself.
    """

    channel: Literal["target", "predicted"] = parameter(
        "target",
        "Which class's mask a proposal learns in: that of its object, or that which the refined "
        "classifier now thinks it is of (paper, Eq. 5).",
    )


class VideoMaskBranch(PyramidMaskBranch[VideoOutput]):
    """Masks of proposals, read from instance features (paper, 3.1).

    A network that compares instance features (FAIM) lends them; beside one that does not (YOLOV
    with IFEM) the branch makes its own out of the video object features. In both cases nothing
    of the branch is needed to detect.
    """

    config: VideoMaskBranchConfig

    def __init__(self, config: MaskBranchConfig, network: VideoYolox) -> None:
        """Make a branch with random weights.

        Args:
            config: The branch's parameters.
            network: It stays as it is.

        Raises:
            ValueError: The branch is to make instance features in another way than the network,
                whose it learns from.
        """
        if not isinstance(config, VideoMaskBranchConfig):
            config = VideoMaskBranchConfig(**vars(config))
        strides = STRIDES if config.level == "by-size" else (LEVEL_STRIDES[config.level],)
        own = network.video.extraction
        if own is None:
            channels = int(256 * network.size.width)
            extraction = InstanceFeatureExtraction(channels, config, map_count=len(strides))
        else:
            for name in _BUILT:
                here, there = getattr(config, name), getattr(network.config, name)
                if here != there:
                    raise ValueError(
                        f"mask_branch.{name}: expected {there}, as the network's own, whose "
                        f"instance features are learnt from, got {here}"
                    )
            extraction = _AsGiven(own.channels)
        pool = PyramidRoiPool(strides, config.roi_size, sampling_ratio=0, aligned=True)
        super().__init__(config, extraction, network.class_count, pool)
        self._is_lent = own is not None

    def maps(self, features: VideoOutput) -> dict[str, Tensor]:
        """See `MaskBranch`."""
        given = features.partner if self._is_lent else features.classification
        levels = dict(zip(features.base.strides, given, strict=True))
        strides = self.pool.strides
        made = self.extraction([levels[stride] for stride in strides])
        return {str(stride): each for stride, each in zip(strides, made, strict=True)}

    def loss(
        self,
        output: VideoOutput,
        selections: Sequence[Selection],
        given: Sequence[RefinedTargets],
        logits: Tensor,
        targets: Sequence[YoloxTargets],
        masks: Sequence[InstanceMasks],
        divide_by: Callable[[int], float] | None = None,
    ) -> MaskLoss:
        """What the masks cost of the proposals that learn a class.

        Args:
            output: Of `N` frames.
            selections: Their proposals.
            given: Which of them learn, and whose class.
            logits: `(sum of P, K)` refined class logits, frame after frame; no gradient.
            targets: `N`.
            masks: `N`, on the same device, a mask or none for each object of the targets.
            divide_by: As for `YoloxMaskBranch.loss`: the mean over the masks that are compared.

        Raises:
            ValueError: There are not as many masks as objects; the frame's place is named.
        """
        require_masks(targets, masks)
        size = tuple(output.base.strides[0] * side for side in output.partner[0].shape[-2:])
        parts = logits.detach().split([len(each.anchors) for each in selections])
        positives, channels = [], []
        for selection, rows, part, target, mask in zip(
            selections, given, parts, targets, masks, strict=True
        ):
            chosen, learnt = _positives(selection, rows, mask, self.config.max_positives, size)
            positives.append(chosen)
            is_target = self.config.channel == "target"
            wanted = target.class_ids[chosen.objects]
            channels.append(wanted if is_target else part[learnt].argmax(dim=1))
        return self._loss(output, positives, targets, masks, divide_by, channels)


class _AsGiven(InstanceFeatureExtraction):
    """Stands where the network has made the instance features already."""

    def __init__(self, channels: int) -> None:
        nn.Module.__init__(self)
        self.channels = channels
        self.blocks = nn.ModuleList()

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """The maps as they are."""
        return list(maps)


def _positives(
    selection: Selection,
    given: RefinedTargets,
    masks: InstanceMasks,
    limit: int,
    size: tuple[int, ...],
) -> tuple[Positives, Tensor]:
    """The proposals of a frame that learn a mask, and their rows: those that fit best."""
    with torch.no_grad():
        boxes = clip_boxes_to_image(selection.boxes[given.rows].float(), (size[0], size[1]))
        is_usable = (boxes[:, 2:] - boxes[:, :2] >= _SHORTEST_SIDE_PX).all(dim=1)
        is_usable &= masks.present[given.truths]
        rows = is_usable.nonzero()[:, 0]
        if len(rows) > limit:
            order = given.ious[rows].argsort(descending=True, stable=True)
            rows = rows[order[:limit]].sort().values
        return Positives(boxes[rows], given.truths[rows]), given.rows[rows]
