"""`--detector NAME|FILE`: a network, fetched if it must be, or a file of detections."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import typer

from faimtrack.cli.weights import pull_with_bar
from faimtrack.detectors.families import detector_file
from faimtrack.detectors.files.formats import SUFFIXES
from faimtrack.weights import weights_entries

Found = TypeVar("Found")

DETECTOR_HELP = (
    "Looks at the pixels: a name of `faimtrack weights list` (fetched when first used), a YOLOX "
    "(.pth, .onnx), a Faster R-CNN (.pth), our own .safetensors, or a file of detections."
)


def detector_inputs(
    weights: str | None, detections: Path | None
) -> tuple[Path | None, Path | None]:
    """The file of weights and the file of detections, one of them None, that are to be used.

    Registered weights that are not in the cache are fetched, under a progress bar.

    Args:
        weights: A recipe's detector: a name, a file of weights or of detections.
        detections: What `--detections` names.
    """
    if weights is None:
        return None, detections
    if detections is not None:
        raise typer.BadParameter("expected either --detections or a detector, got both")
    path = fetched(weights, detector_file)
    return (None, path) if path.suffix.lower() in SUFFIXES.values() else (path, None)


def fetched(weights: str, find: Callable[[str], Found]) -> Found | Path:
    """The file behind a name; registered weights that are not in the cache are fetched.

    Args:
        weights: A name, or a file.
        find: Finds it where it is there.

    Raises:
        As `find`.
    """
    try:
        return find(weights)
    except FileNotFoundError:
        if weights not in {entry.name for entry in weights_entries()}:
            raise
        print(f"faimtrack: fetching {weights}, which is not in the cache", file=sys.stderr)
        return pull_with_bar(weights)
