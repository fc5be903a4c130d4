"""What makes weights the same weights: all of their files, and what is published of them."""

from __future__ import annotations

import os
from pathlib import Path

from faimtrack.provenance import file_sha256, files_sha256
from faimtrack.weights.cache import weights_path
from faimtrack.weights.registry import WeightsEntry, weights_entries


def weights_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """A file of weights and those without which it is not whole: an ONNX model may have some.

    Raises:
        OSError: It cannot be read.
        ValueError: It names files outside of its folder.
    """
    path = Path(path)
    if path.suffix.lower() != ".onnx":
        return (path,)
    from faimtrack.onnx import onnx_files  # a list of weights waits for no numpy

    return onnx_files(path)


def weights_sha256(path: str | os.PathLike[str]) -> str:
    """The hash of a file of weights; if it consists of several, one hash for all of them.

    Raises:
        As `weights_files`.
    """
    files = weights_files(path)
    return file_sha256(files[0]) if len(files) == 1 else files_sha256(list(files))


def published_entry(path: str | os.PathLike[str]) -> WeightsEntry | None:
    """What the registry says of a file that is in the cache; None of any other file."""
    path = Path(path).absolute()
    return next((entry for entry in weights_entries() if weights_path(entry) == path), None)
