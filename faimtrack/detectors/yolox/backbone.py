"""What a YOLOX sees with: CSPDarknet, and the pyramid that joins its levels (PAFPN)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from faimtrack.detectors.yolox.blocks import (
    ConvBlock,
    CspBlock,
    Focus,
    SpatialPyramidPooling,
    conv_block,
)


class CspDarknet(nn.Module):
    """From images to maps of strides 8, 16 and 32."""

    def __init__(self, depth: float, width: float, *, depthwise: bool) -> None:
        super().__init__()
        channels = int(width * 64)
        count = max(round(depth * 3), 1)

        def stage(factor: int, repeats: int) -> list[nn.Module]:
            return [
                conv_block(
                    channels * factor // 2, channels * factor, 3, stride=2, depthwise=depthwise
                ),
                CspBlock(
                    channels * factor, channels * factor, repeats,
                    shortcut=factor < 16, depthwise=depthwise,
                ),
            ]  # fmt: skip

        self.stem = Focus(3, channels)
        self.dark2 = nn.Sequential(*stage(2, count))
        self.dark3 = nn.Sequential(*stage(4, 3 * count))
        self.dark4 = nn.Sequential(*stage(8, 3 * count))
        last = conv_block(channels * 8, channels * 16, 3, stride=2, depthwise=depthwise)
        pooling = SpatialPyramidPooling(channels * 16)
        block = CspBlock(channels * 16, channels * 16, count, shortcut=False, depthwise=depthwise)
        self.dark5 = nn.Sequential(last, pooling, block)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images `(N, 3, H, W)` to maps of strides 8, 16 and 32."""
        stride8 = self.dark3(self.dark2(self.stem(images)))
        stride16 = self.dark4(stride8)
        return stride8, stride16, self.dark5(stride16)


class PathAggregation(nn.Module):
    """CSPDarknet, its deep maps carried up to the fine ones and back down again."""

    def __init__(self, depth: float, width: float, *, depthwise: bool) -> None:
        super().__init__()
        fine, middle, deep = level_channels(width)
        count = round(3 * depth)

        def joined(in_channels: int, out_channels: int) -> CspBlock:
            return CspBlock(in_channels, out_channels, count, shortcut=False, depthwise=depthwise)

        self.backbone = CspDarknet(depth, width, depthwise=depthwise)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral_conv0 = ConvBlock(deep, middle, 1)
        self.C3_p4 = joined(int(2 * 512 * width), middle)
        self.reduce_conv1 = ConvBlock(middle, fine, 1)
        self.C3_p3 = joined(int(2 * 256 * width), fine)
        self.bu_conv2 = conv_block(fine, fine, 3, stride=2, depthwise=depthwise)
        self.C3_n3 = joined(int(2 * 256 * width), middle)
        self.bu_conv1 = conv_block(middle, middle, 3, stride=2, depthwise=depthwise)
        self.C3_n4 = joined(int(2 * 512 * width), deep)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images `(N, 3, H, W)` to the maps P3, P4, P5 of strides 8, 16 and 32."""
        stride8, stride16, stride32 = self.backbone(images)
        deep = self.lateral_conv0(stride32)
        joined = self.C3_p4(torch.cat([self.upsample(deep), stride16], 1))
        middle = self.reduce_conv1(joined)
        level3 = self.C3_p3(torch.cat([self.upsample(middle), stride8], 1))
        level4 = self.C3_n3(torch.cat([self.bu_conv2(level3), middle], 1))
        level5 = self.C3_n4(torch.cat([self.bu_conv1(level4), deep], 1))
        return level3, level4, level5


def level_channels(width: float) -> tuple[int, int, int]:
    """Channels of the maps P3, P4 and P5."""
    return int(256 * width), int(512 * width), int(1024 * width)
