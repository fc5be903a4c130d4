"""The mask branch for a detector's network: a new one, or out of a file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import torch

from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.faster_rcnn_branch import FasterRcnnMaskBranch
from faimtrack.detectors.mask_branch.yolox_branch import YoloxMaskBranch
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.weights.files import Checkpoint

PREFIX = "mask_branch."
"""What the keys of the branch's tensors begin with in a file of weights."""

SETTING = "mask_branch"
"""Under which name the file's metadata tell how the branch was built."""


def build_mask_branch(
    config: MaskBranchConfig, network: Yolox | FasterRcnn
) -> YoloxMaskBranch | FasterRcnnMaskBranch:
    """A branch with random weights for a detector's network, which stays as it is.

    Random numbers are drawn from torch's global generator: whoever must not lose any forks it.

    Raises:
        ValueError: The configuration does not suit the network.
    """
    if isinstance(network, Yolox):
        return YoloxMaskBranch(config, network)
    return FasterRcnnMaskBranch(config, network)


def load_mask_branch(
    checkpoint: Checkpoint, network: Yolox | FasterRcnn
) -> YoloxMaskBranch | FasterRcnnMaskBranch | None:
    """The branch that a network was trained with, on the CPU and ready to predict.

    Args:
        checkpoint: The file that `network` came from.
        network: Which the branch belongs to.

    Returns:
        None if the file holds none: the network was trained without, or was exported.

    Raises:
        ValueError: Some of its tensors are missing, too many or of other shapes, or the file does
            not say how it was built.
    """
    tensors = {
        key.removeprefix(PREFIX): tensor
        for key, tensor in checkpoint.tensors.items()
        if key.startswith(PREFIX)
    }
    if not tensors:
        return None
    settings = checkpoint.metadata.settings if checkpoint.metadata else {}
    config = _config_from(settings.get(SETTING), checkpoint)
    with torch.random.fork_rng(devices=[]):
        branch = build_mask_branch(config, network)
    try:
        branch.load_state_dict(tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{checkpoint.path}: expected the mask branch that its settings tell of, got others: "
            f"{reason}"
        ) from None
    branch.eval()
    return branch


def _config_from(values: Any, checkpoint: Checkpoint) -> MaskBranchConfig:
    known = {each.name for each in fields(MaskBranchConfig)}
    if not isinstance(values, Mapping) or not values.keys() <= known:
        raise ValueError(
            f"{checkpoint.path}: expected settings of the mask branch whose tensors it holds, "
            f"got {values!r}"
        )
    try:
        return MaskBranchConfig(**values)
    except ValueError as error:
        raise ValueError(f"{checkpoint.path}: settings of the mask branch: {error}") from None
