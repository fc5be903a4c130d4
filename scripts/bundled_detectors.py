"""What scripts that make bundled detectors have in common."""

from __future__ import annotations

import argparse
import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path

import faimtrack
from faimtrack.provenance import file_sha256
from faimtrack.weights.files import read_checkpoint, write_weights

_BUNDLE = Path(faimtrack.__file__).parent / "weights" / "bundled"


def parse_arguments(description: str | None, name: str) -> argparse.Namespace:
    """What a script that makes the detector `name` is told: `work`, `workers` and `install`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--work", type=Path, default=Path("out") / name)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--install", action="store_true", help="Put what it makes into the package."
    )
    return parser.parse_args()


def label_weights(weights: Path, output: Path, data: str) -> Path:
    """Write weights of a training with what they say of themselves in words; gives `output`.

    Raises:
        ValueError: They are no weights.
        OSError: A file cannot be read or written.
    """
    checkpoint = read_checkpoint(weights)
    assert checkpoint.metadata is not None, "it was written by our own training"
    metadata = dataclasses.replace(checkpoint.metadata, data=data, licence="Apache-2.0")
    write_weights(output, checkpoint.tensors, metadata)
    return output


def show_files(files: Iterable[Path], *, install: bool) -> None:
    """Print sizes and hashes, which the registry must say, and put files into the package.

    Raises:
        OSError: A file cannot be read or written.
    """
    for path in files:
        print(path, path.stat().st_size, file_sha256(path))
        if install:
            _BUNDLE.mkdir(exist_ok=True)
            shutil.copyfile(path, _BUNDLE / path.name)
