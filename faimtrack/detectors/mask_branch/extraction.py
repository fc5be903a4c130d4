"""The instance feature extraction module (IFEM): from a detector's features to instances'."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor, nn

from faimtrack.detectors.mask_branch.config import MaskBranchConfig, Norm

_MOST_GROUPS = 32  # of a group norm


class InstanceFeatureExtraction(nn.Module):
    """One 3 by 3 convolution, norm and SiLU for the maps of a pyramid (paper, 3.1).

    Attributes:
        blocks: One for all maps, or one a map.
        channels: Of the instance features.
    """

    def __init__(self, in_channels: int, config: MaskBranchConfig, map_count: int = 1) -> None:
        """Make the module with random weights.

        Args:
            in_channels: Of the maps.
            config: The branch's parameters.
            map_count: How many maps it will be given.
        """
        super().__init__()
        self.channels = config.instance_channels or in_channels
        count = 1 if config.shared_levels else map_count
        self.blocks = nn.ModuleList(
            _block(in_channels, self.channels, config.norm) for _ in range(count)
        )

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Maps `(N, in, h, w)` to maps `(N, channels, h, w)`."""
        last = len(self.blocks) - 1
        return [self.blocks[min(number, last)](each) for number, each in enumerate(maps)]


def _block(in_channels: int, channels: int, norm: Norm) -> nn.Sequential:
    convolution = nn.Conv2d(in_channels, channels, 3, padding=1, bias=norm == "none")
    layers: dict[Norm, nn.Module] = {
        "batch": nn.BatchNorm2d(channels, eps=1e-3, momentum=0.03),  # as YOLOX has them
        "group": nn.GroupNorm(math.gcd(_MOST_GROUPS, channels), channels),
        "none": nn.Identity(),
    }
    return nn.Sequential(convolution, layers[norm], nn.SiLU())
