"""Files of weights: what is in them, where they come from, and the cache that holds them."""

from faimtrack.weights.cache import (
    CachedWeights,
    WeightsCheck,
    cache_folder,
    cached_weights,
    find_weights,
    verify_weights,
)
from faimtrack.weights.files import (
    Checkpoint,
    WeightsMetadata,
    read_checkpoint,
    read_metadata,
    write_weights,
)
from faimtrack.weights.identity import published_entry, weights_files, weights_sha256
from faimtrack.weights.obtain import add_weights, pull_weights
from faimtrack.weights.registry import WeightsEntry, weights_entries, weights_entry

__all__ = [
    "CachedWeights",
    "Checkpoint",
    "WeightsCheck",
    "WeightsEntry",
    "WeightsMetadata",
    "add_weights",
    "cache_folder",
    "cached_weights",
    "find_weights",
    "published_entry",
    "pull_weights",
    "read_checkpoint",
    "read_metadata",
    "verify_weights",
    "weights_entries",
    "weights_entry",
    "weights_files",
    "weights_sha256",
    "write_weights",
]
