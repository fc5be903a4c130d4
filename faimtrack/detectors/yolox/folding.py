"""A network for inference: its batch norms merged into its convolutions."""

from __future__ import annotations

import copy
from typing import TypeVar

from torch import nn

from faimtrack.detectors.yolox.blocks import fold_blocks

Network = TypeVar("Network", bound=nn.Module)


def fold_batch_norm(network: Network) -> Network:
    """A copy that evaluates to the same within rounding, without its batch norms.

    The statistics are the running ones. Weights of a folded `Yolox` load into
    `Yolox(..., folded=True)`.

    Args:
        network: A `Yolox`, or whatever else is made of `ConvBlock`s.
    """
    folded = copy.deepcopy(network)
    folded.eval()
    fold_blocks(folded)
    return folded
