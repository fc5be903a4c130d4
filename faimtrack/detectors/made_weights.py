"""Weights for a network that is named: random ones, or what fits of a file."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import faimtrack
from faimtrack.detectors.families import YOLOX_ARCHITECTURES, detector_file
from faimtrack.detectors.loading import with_published_input
from faimtrack.provenance import file_sha256
from faimtrack.weights import cache_folder, read_checkpoint, write_weights

RANDOM = "random"
"""The word for weights that nobody trained."""

_DIGITS = 16


@dataclass(frozen=True, kw_only=True)
class MadeWeights:
    """A file of weights for a network.

    Attributes:
        path: The file.
        note: What of the network is random and what of a file was left aside; None if nothing.
    """

    path: Path
    note: str | None = None


def weights_for(architecture: str, weights: str | os.PathLike[str]) -> MadeWeights:
    """A file of weights for a network that is named.

    A file that is of this network stands for itself. Others are made and kept in the folder
    `made` of the cache, so that whatever comes after has a file with a hash.

    Args:
        architecture: One of `YOLOX_ARCHITECTURES`, such as `faim-s`.
        weights: `random` (drawn from seed 0; ImageNet VID's classes for FAIM and YOLOV, COCO's
            for YOLOX), a file, or a name of the cache. What of it fits is taken, the rest is
            random; classes are the file's.

    Raises:
        ValueError: There is no such network, the file is of another size or of no YOLOX at all,
            or its heads disagree about the number of classes.
        OSError: A file cannot be read or written.
        ModuleNotFoundError: torch is not installed.
    """
    if architecture not in YOLOX_ARCHITECTURES:
        raise ValueError(
            f"expected a network, one of {', '.join(YOLOX_ARCHITECTURES)}, got {architecture!r}"
        )
    file = None if weights == RANDOM else detector_file(weights)
    # Imported here: torch takes seconds, and the base install has none.
    from faimtrack.detectors.video.making import fitted_weights, random_weights

    path = _path(architecture, RANDOM if file is None else file_sha256(file))
    if file is None:
        if not path.is_file():
            write_weights(path, *random_weights(architecture))
        return MadeWeights(path=path)
    fitted = fitted_weights(architecture, with_published_input(read_checkpoint(file)))
    if fitted is None:
        return MadeWeights(path=file)
    if not path.is_file():
        write_weights(path, fitted.tensors, fitted.metadata)
    return MadeWeights(path=path, note=fitted.note)


def _path(architecture: str, of: str) -> Path:
    """Where what is made lies; another version may draw other numbers."""
    digest = hashlib.sha256(f"{faimtrack.__version__} {of}".encode()).hexdigest()[:_DIGITS]
    kind = RANDOM if of == RANDOM else "fitted"
    return cache_folder() / "made" / f"{architecture}-{kind}-{digest}.safetensors"
