"""One door to all embedders: a name or a file in, an embedder out."""

from __future__ import annotations

import os
from pathlib import Path

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.conventions import ARCHITECTURE_PREFIX, HASH_DIGITS
from faimtrack.appearance.onnx import OnnxEmbedder
from faimtrack.appearance.simple import ColourEmbedder, NoEmbedder
from faimtrack.interfaces import Embedder
from faimtrack.weights import (
    find_weights,
    read_checkpoint,
    read_metadata,
    weights_entries,
    weights_sha256,
)

_WITHOUT_WEIGHTS: dict[str, type[NoEmbedder | ColourEmbedder]] = {
    "none": NoEmbedder,
    "colours": ColourEmbedder,
}
_OTHER_KINDS = ("detector", "segmenter", "backbone")


def embedder_file(weights: str | os.PathLike[str]) -> Path | None:
    """The file behind an embedder's name; a file stands for itself, None for no weights at all.

    Raises:
        FileNotFoundError: There is no such file, or named weights are not in the cache.
        ValueError: Nothing is known under that name, or it is of another kind.
    """
    path, name = Path(weights), os.fspath(weights)
    if path.is_file():
        return path
    if name in _WITHOUT_WEIGHTS:
        return None
    if path.suffix or path.name != name:
        raise FileNotFoundError(f"{path}: expected an embedder, got no such file")
    kinds = {entry.name: entry.kind for entry in weights_entries()}
    if kinds.get(name) in _OTHER_KINDS:
        raise ValueError(
            f"embedder: expected weights for re-identification, got {name}, a {kinds[name]}"
        )
    try:
        return find_weights(name)
    except ValueError as error:
        raise ValueError(
            f"embedder: expected {', '.join(_WITHOUT_WEIGHTS)}, a file (.onnx or our "
            f".safetensors) or a name of the cache, got {name!r} ({error})"
        ) from None


def open_embedder(
    weights: str | os.PathLike[str], config: EmbedderConfig | None = None
) -> Embedder:
    """Load the embedder that a name or a file stands for.

    Args:
        weights: A re-identification model in ONNX, our own network (`.safetensors`), a name under
            which one is in the cache of weights; `colours` for a control without weights, `none`
            for an embedder that embeds nothing.
        config: Its parameters; None takes the defaults.

    Raises:
        ValueError: It embeds no crops, or the configuration does not fit.
        OSError: The file cannot be read, or is not there.
        ModuleNotFoundError: It needs torch, which is not installed.
    """
    config = config or EmbedderConfig()
    path = embedder_file(weights)
    if path is None:
        return _WITHOUT_WEIGHTS[os.fspath(weights)]()
    if path.suffix.lower() == ".onnx":
        return OnnxEmbedder(path, config)
    return _open_network(path, config)


def _open_network(path: Path, config: EmbedderConfig) -> Embedder:
    metadata = read_metadata(path)  # without torch: what it is not is said at once
    if metadata is None or not metadata.architecture.startswith(ARCHITECTURE_PREFIX):
        what = "a file that does not say so" if metadata is None else metadata.architecture
        raise ValueError(
            f"{path}: expected a re-identification network, .onnx or our own .safetensors, got "
            f"{what}"
        )
    default = EmbedderConfig()  # what our own networks learn from
    for name in ("normalisation", "colour_order"):
        expected, came = getattr(default, name), getattr(config, name)
        if came != expected:
            raise ValueError(f"{path}: {name}: expected {expected} as it was trained, got {came}")
    # Imported here: torch takes seconds, and the base install has none.
    from faimtrack.appearance.checkpoint import load_reid_network
    from faimtrack.appearance.network_embedder import NetworkEmbedder

    network = load_reid_network(read_checkpoint(path))
    digits = weights_sha256(path)[:HASH_DIGITS]
    return NetworkEmbedder(network, digits, config, size=network.input_size)
