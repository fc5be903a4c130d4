"""The mask head: from a box's pooled instance features to the logits of its mask."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from faimtrack.detectors.mask_branch.config import MaskBranchConfig


class MaskHead(nn.Module):
    """Convolutions, twice as many cells, and a logit a cell and class (paper, 3.1).

    Attributes:
        convolutions: Each 3 by 3 and a ReLU.
        upsampling: A deconvolution and a ReLU; where cells are only interpolated, nothing.
        predictor: A 1 by 1 convolution.
    """

    def __init__(self, in_channels: int, class_count: int, config: MaskBranchConfig) -> None:
        """Make the head with random weights.

        Args:
            in_channels: Of the pooled features.
            class_count: Of the detector.
            config: The branch's parameters.
        """
        super().__init__()
        self._is_interpolated = config.upsampling == "bilinear"
        self._is_class_aware = config.class_aware
        layers: list[nn.Module] = []
        channels = in_channels
        for _ in range(config.convolutions):
            layers += [nn.Conv2d(channels, config.hidden_channels, 3, padding=1), nn.ReLU()]
            channels = config.hidden_channels
        self.convolutions = nn.Sequential(*layers)
        self.upsampling = (
            nn.Sequential(nn.ConvTranspose2d(channels, channels, 2, 2), nn.ReLU())
            if config.upsampling == "deconv"
            else nn.Identity()
        )
        self.predictor = nn.Conv2d(channels, class_count if config.class_aware else 1, 1)
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, pooled: Tensor, class_ids: Tensor) -> Tensor:
        """Logits of masks.

        Args:
            pooled: `(P, C, S, S)`.
            class_ids: `(P,)` int64: of which class to give the mask.

        Returns:
            `(P, M, M)`, with M twice S unless nothing makes it finer.
        """
        logits = self.predictor(self.upsampling(self.convolutions(pooled)))
        rows = class_ids if self._is_class_aware else class_ids.new_zeros(class_ids.shape)
        chosen = logits.gather(1, rows[:, None, None, None].expand(-1, 1, *logits.shape[2:]))
        if self._is_interpolated:
            # The paper interpolates before the 1 by 1 convolution. Both are linear and the
            # weights of an interpolation sum up to one, so this is the same and far cheaper.
            chosen = functional.interpolate(chosen, scale_factor=2, mode="bilinear")
        return chosen[:, 0]
