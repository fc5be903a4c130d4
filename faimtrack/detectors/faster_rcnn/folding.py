"""Batch norms merged into the convolutions before them, for inference."""

from __future__ import annotations

import copy

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d

from faimtrack.detectors.faster_rcnn.network import FasterRcnn


def fold_batch_norms(network: FasterRcnn) -> FasterRcnn:
    """A copy that evaluates to the same within rounding, without its batch norms.

    Half precision needs it: variances of some channels would be rounded to zero there.
    """
    folded = copy.deepcopy(network)
    folded.eval()
    for module in list(folded.modules()):
        _fold_children(module)
    return folded


def _fold_children(module: nn.Module) -> None:
    """Merge each norm into the convolution that stands before it, as torchvision orders them."""
    before: nn.Module | None = None
    for name, child in list(module.named_children()):
        if isinstance(child, (nn.BatchNorm2d, FrozenBatchNorm2d)):
            assert isinstance(before, nn.Conv2d), f"{name}: a batch norm without a convolution"
            before.weight, before.bias = fuse_conv_bn_weights(
                before.weight, before.bias,
                child.running_mean, child.running_var, child.eps, child.weight, child.bias,
            )  # fmt: skip
            setattr(module, name, nn.Identity())
        before = child
