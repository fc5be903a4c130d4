"""`--detector NAME|FILE`: a network, fetched if it must be, or a file of detections."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from faimtrack.cli.weights import pull_with_bar
from faimtrack.detectors.families import YOLOX_ARCHITECTURES, detector_file
from faimtrack.detectors.files.formats import SUFFIXES
from faimtrack.detectors.made_weights import RANDOM, weights_for
from faimtrack.recipes import Recipe, resolve_recipe
from faimtrack.weights import weights_entries

Found = TypeVar("Found")

DETECTOR = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE",
        help="Looks at the pixels: a name of `faimtrack weights list` (fetched when first used), "
        "a YOLOX (.pth, .onnx), a YOLOV (.pth), a Faster R-CNN (.pth), our own .safetensors, a "
        "file of detections; or a network such as faim-s with --weights.",
    ),
]
WEIGHTS = Annotated[
    str | None,
    typer.Option(
        metavar="random|NAME|FILE",
        help="For a network that --detector names (faim-s, yolov-l, yolox-x, ...): random, a "
        "file, or a name of `faimtrack weights list`; what does not fit is told.",
    ),
]


def resolve_with_weights(
    recipe: str | None, *, detector: str | None, weights: str | None, **others: Any
) -> Recipe:
    """As `resolve_recipe`; with `--weights` the detector is the network that `--detector` names.

    What is wrong with a setting is said before weights are made, which takes a while.

    Args:
        recipe: A recipe's name or file.
        detector: A name or a file.
        weights: `random`, a name or a file; None if nothing was said.
        others: What else `resolve_recipe` takes.
    """
    if weights is None:
        return resolve_recipe(recipe, detector=detector, **others)
    if detector not in YOLOX_ARCHITECTURES:
        raise typer.BadParameter(
            f"--weights {weights}: expected a network beside it, --detector "
            f"{', '.join(YOLOX_ARCHITECTURES)}, got {detector or 'none'}"
        )
    resolve_recipe(recipe, detector=detector, **others)
    if weights != RANDOM:
        fetched(weights, _file_of_weights)
    made = weights_for(detector, weights)
    if made.note is not None:
        print(f"faimtrack: warning: {made.note}", file=sys.stderr)
    return resolve_recipe(recipe, detector=str(made.path), **others)


def _file_of_weights(weights: str) -> Path:
    """As `detector_file`, in whose messages the option is named that the word stood in."""
    try:
        return detector_file(weights)
    except (FileNotFoundError, IsADirectoryError, ValueError) as error:
        told = str(error).removeprefix("detector: ")
        raise type(error)(f"--weights: {told}") from None


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
