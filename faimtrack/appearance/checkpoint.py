"""From a file of weights to a re-identification network, and what such a file says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from faimtrack.appearance.conventions import ARCHITECTURE_PREFIX
from faimtrack.appearance.network import BACKBONES, ReidNetwork
from faimtrack.weights.files import Checkpoint, WeightsMetadata

_NORMALISATION = "imagenet"


def describe_reid_network(network: ReidNetwork, **texts: str) -> WeightsMetadata:
    """What a file with this network's weights has to say, for `write_weights`.

    Args:
        network: The network.
        texts: `recipe`, `data` and `licence`.
    """
    settings = {
        "input_size": list(network.input_size),
        "normalisation": _NORMALISATION,
        "hidden_channels": network.hidden_channels,
        "dimension": network.dimension,
    }
    return WeightsMetadata(
        architecture=ARCHITECTURE_PREFIX + network.backbone_name,
        classes=(),
        settings=settings,
        **texts,
    )


def is_reid_network(metadata: WeightsMetadata | None) -> bool:
    """Whether a file that says this of itself holds a re-identification network of ours."""
    return metadata is not None and metadata.architecture.startswith(ARCHITECTURE_PREFIX)


def load_reid_network(checkpoint: Checkpoint) -> ReidNetwork:
    """Make the network that a checkpoint is of, ready to embed.

    Args:
        checkpoint: What `read_checkpoint` gave for a file that `faimtrack train` wrote.

    Returns:
        The network in evaluation mode, on the CPU.

    Raises:
        ValueError: It is another kind of network, it was built as this version knows nothing of,
            or tensors are missing, have other shapes or are no floats.
    """
    path, metadata = checkpoint.path, checkpoint.metadata
    if metadata is None:
        keys = ", ".join(list(checkpoint.tensors)[:3])
        raise ValueError(
            f"{path}: expected a re-identification network that faimtrack trained, got a file "
            f"that says nothing of itself, with tensors named {keys}"
        )
    if not is_reid_network(metadata):
        raise ValueError(
            f"{path}: expected a re-identification network, got {metadata.architecture}"
        )
    network = _build(metadata, path)
    _load(network, checkpoint.tensors, path)
    network.eval()
    return network


def _build(metadata: WeightsMetadata, path: Path) -> ReidNetwork:
    """The network with random weights."""
    backbone = metadata.architecture.removeprefix(ARCHITECTURE_PREFIX)
    if backbone not in BACKBONES:
        known = ", ".join(ARCHITECTURE_PREFIX + each for each in BACKBONES)
        raise ValueError(f"{path}: expected {known}, got {metadata.architecture}")
    settings = metadata.settings
    if settings.get("normalisation") != _NORMALISATION:
        raise ValueError(
            f"{path}: normalisation: expected {_NORMALISATION}, got "
            f"{settings.get('normalisation')!r}"
        )
    size = settings.get("input_size")
    if not (isinstance(size, list) and len(size) == 2 and all(map(_is_count, size))):
        raise ValueError(f"{path}: input_size: expected height and width, got {size!r}")
    counts: dict[str, Any] = {
        name: settings.get(name) for name in ("hidden_channels", "dimension")
    }
    for name, value in counts.items():
        if not _is_count(value):
            raise ValueError(f"{path}: {name}: expected a number above 0, got {value!r}")
    return ReidNetwork(backbone, input_size=(size[0], size[1]), **counts)


def _load(network: ReidNetwork, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Load the weights; each key, shape and kind of number must be right.

    Raises:
        ValueError: One is not.
    """
    own = network.state_dict()
    for key, tensor in own.items():
        if tensor.is_floating_point() and key in tensors and not tensors[key].is_floating_point():
            raise ValueError(f"{path}: {key}: expected floats, got {tensors[key].dtype}")
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise ValueError(
            f"{path}: expected the tensors of {ARCHITECTURE_PREFIX}{network.backbone_name}, got "
            f"others: {lines[0] if lines else error}"
        ) from None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
