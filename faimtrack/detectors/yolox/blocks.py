"""The building blocks of a YOLOX: convolutions with batch norm, and what is made of them."""

# Attributes here, in backbone.py and in network.py bear the official checkpoints' names (`dconv`,
# `m`, `C3_p4`, `lateral_conv0`): they are the keys of the state dict, so the naming rules do not
# reach them. Modules are made in the official order: a seed gives the official initial weights.

from __future__ import annotations

import torch
from torch import Tensor, nn


class ConvBlock(nn.Module):
    """Convolution, batch norm, SiLU.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel: Side of the square kernel in cells; the margin keeps the map's size.
        stride: Cells of the input to a cell of the output.
        groups: Groups of channels that are convolved apart.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(
            in_channels, out_channels, kernel, stride,
            padding=(kernel - 1) // 2, groups=groups, bias=False,
        )  # fmt: skip
        self.bn = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU(inplace=True)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, in, h, w)` to `(N, out, h / stride, w / stride)`."""
        return self.act(self.bn(self.conv(maps)))

    def fold(self) -> None:
        """Merge the batch norm, with its running statistics, into the convolution, in place.

        What was folded before stays as it is.
        """
        if isinstance(self.bn, nn.Identity):
            return
        norm, kernels = self.bn, self.conv.weight

        def exact(numbers: Tensor) -> Tensor:  # the fold itself should cost no accuracy
            device = "cpu" if numbers.device.type == "mps" else numbers.device  # mps has no such
            return numbers.detach().to(device, torch.float64)

        scale = exact(norm.weight) / (exact(norm.running_var) + norm.eps).sqrt()
        shift = exact(norm.bias) - exact(norm.running_mean) * scale
        folded = exact(kernels) * scale[:, None, None, None]
        self.conv.weight = nn.Parameter(folded.to(kernels))
        self.conv.bias = nn.Parameter(shift.to(kernels))
        self.bn = nn.Identity()


class DepthwiseConvBlock(nn.Module):
    """A convolution of each channel for itself, then one across the channels."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.dconv = ConvBlock(in_channels, in_channels, kernel, stride, groups=in_channels)
        self.pconv = ConvBlock(in_channels, out_channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, in, h, w)` to `(N, out, h / stride, w / stride)`."""
        return self.pconv(self.dconv(maps))


def conv_block(
    in_channels: int, out_channels: int, kernel: int, stride: int = 1, *, depthwise: bool
) -> ConvBlock | DepthwiseConvBlock:
    """A convolution in the way that a size of YOLOX has it: plain or depthwise."""
    kind = DepthwiseConvBlock if depthwise else ConvBlock
    return kind(in_channels, out_channels, kernel, stride)


class Bottleneck(nn.Module):
    """Two convolutions and, if wanted, the input added to what they give."""

    def __init__(self, channels: int, *, shortcut: bool, depthwise: bool) -> None:
        super().__init__()
        self.conv1 = ConvBlock(channels, channels, 1)
        self.conv2 = conv_block(channels, channels, 3, depthwise=depthwise)
        self.has_shortcut = shortcut

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, channels, h, w)` to the same shape."""
        result = self.conv2(self.conv1(maps))
        return result + maps if self.has_shortcut else result


class CspBlock(nn.Module):
    """Half of the channels go through bottlenecks, half go past them (cross stage partial)."""

    def __init__(
        self, in_channels: int, out_channels: int, count: int, *, shortcut: bool, depthwise: bool
    ) -> None:
        super().__init__()
        hidden = out_channels // 2
        self.conv1 = ConvBlock(in_channels, hidden, 1)
        self.conv2 = ConvBlock(in_channels, hidden, 1)
        self.conv3 = ConvBlock(2 * hidden, out_channels, 1)
        self.m = nn.Sequential(
            *(Bottleneck(hidden, shortcut=shortcut, depthwise=depthwise) for _ in range(count))
        )

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, in, h, w)` to `(N, out, h, w)`."""
        through = self.conv1(maps)
        past = self.conv2(maps)
        return self.conv3(torch.cat((self.m(through), past), dim=1))


class SpatialPyramidPooling(nn.Module):
    """Maxima over windows of 5, 9 and 13 cells beside the map itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = channels // 2
        self.conv1 = ConvBlock(channels, hidden, 1)
        self.m = nn.ModuleList(
            nn.MaxPool2d(window, stride=1, padding=window // 2) for window in (5, 9, 13)
        )
        self.conv2 = ConvBlock(4 * hidden, channels, 1)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps `(N, channels, h, w)` to the same shape."""
        maps = self.conv1(maps)
        return self.conv2(torch.cat([maps, *(pool(maps) for pool in self.m)], dim=1))


class Focus(nn.Module):
    """Squares of 2 by 2 pixels become channels, then a convolution."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = ConvBlock(4 * in_channels, out_channels, 3)

    def forward(self, images: Tensor) -> Tensor:
        """Images `(N, in, H, W)` to maps `(N, out, H / 2, W / 2)`."""
        corners = (
            images[..., ::2, ::2],
            images[..., 1::2, ::2],
            images[..., ::2, 1::2],
            images[..., 1::2, 1::2],
        )
        return self.conv(torch.cat(corners, dim=1))


def fold_blocks(module: nn.Module) -> None:
    """Fold every `ConvBlock` in a module, in place."""
    for each in list(module.modules()):
        if isinstance(each, ConvBlock):
            each.fold()
