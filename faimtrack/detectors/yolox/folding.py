"""A YOLOX for inference: its batch norms merged into its convolutions."""

from __future__ import annotations

import copy

from faimtrack.detectors.yolox.network import Yolox


def fold_batch_norm(network: Yolox) -> Yolox:
    """A copy that evaluates to the same within rounding, without its batch norms.

    The statistics are the running ones. Weights of the copy load into `Yolox(..., folded=True)`.
    """
    folded = copy.deepcopy(network)
    folded.eval()
    folded.fold()
    return folded
