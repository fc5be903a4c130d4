"""What every torch network asks of the tensors in a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor


def require_floats(tensors: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    """Refuse whole numbers where a network has floats: without their scale they mean nothing.

    Args:
        tensors: Of a file, by their keys.
        own: Those of the network.
        path: The file, for the message.

    Raises:
        ValueError: There are some.
    """
    for key, tensor in own.items():
        if tensor.is_floating_point() and key in tensors and not tensors[key].is_floating_point():
            raise ValueError(f"{path}: {key}: expected floats, got {tensors[key].dtype}")
