"""What helps a tracker, on the command line: appearance, camera motion, regressor, postprocess."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import typer

from faimtrack.appearance.loading import embedder_file
from faimtrack.camera_motion.config import Method
from faimtrack.cli.detector_option import fetched
from faimtrack.detectors.families import detector_file
from faimtrack.pipeline.motion import OWN_MOTION
from faimtrack.recipes import Recipe
from faimtrack.recipes.values import nearest
from faimtrack.trackers import tracker_entry

EMBEDDER_HELP = (
    "Tells people apart by how they look: a re-identification network (.onnx, our own "
    ".safetensors, or a name of the cache), or instance-features or mask-features, the detector's "
    "own if it has a mask branch."
)
CAMERA_MOTION_HELP = (
    "Tells how the camera moves: none, sparse-flow, orb, ecc; a file of transforms (GMC text), a "
    "folder of <sequence>.txt or GMC-<sequence>.txt; or sequence, for the camera_motion.txt that "
    "each sequence has."
)
REGRESSOR_HELP = (
    "For trackers that move boxes by a network (tracktor), if that is another one than the "
    "detector: a Faster R-CNN (.pth, our .safetensors, or a name of `faimtrack weights list`)."
)
POSTPROCESS_HELP = (
    "Go over the tracks when all are there: fill gaps by linear or gaussian interpolation; more "
    "by --set postprocess.KEY=VALUE. The result is marked offline."
)
_FROM_FILE = "file"


def camera_motion_settings(text: str | None) -> dict[str, str]:
    """What `--camera-motion` means, by a recipe's keys."""
    methods = [method for method in get_args(Method) if method != _FROM_FILE]
    if text is None:
        return {}
    if text in methods:
        return {"camera_motion.method": text}
    if text == OWN_MOTION or Path(text).exists():
        return {"camera_motion.method": _FROM_FILE, "camera_motion.file": text}
    known = [*methods, OWN_MOTION]
    raise typer.BadParameter(
        f"--camera-motion: expected {', '.join(known)}, or a file or folder that is there, got "
        f"{text!r}; the nearest is {nearest(text, known)}"
    )


def refuse_idle_postprocessing(recipe: Recipe, overrides: Sequence[str]) -> None:
    """Settings of a step that is not taken would do nothing."""
    idle = [text for text in overrides if text.strip().startswith("postprocess.")]
    if idle and not recipe.is_postprocessed:
        raise typer.BadParameter(
            f"--set {idle[0]}: expected --postprocess linear or gaussian beside it (or "
            "postprocess.minimum_length_frames above 1), got neither"
        )


def embedder_input(weights: str | None) -> Path | str | None:
    """The file of an embedder, fetched if it must be, or the name of one that has none."""
    return None if weights is None else fetched(weights, embedder_file) or weights


def regressor_input(recipe: Recipe, given: str | None) -> Path | None:
    """The file of a recipe's regressor, fetched if it must be; None if nobody has use for it.

    Args:
        recipe: As it was resolved.
        given: What `--regressor` says.
    """
    name, weights = recipe.tracker_name, recipe.regressor_weights
    if not tracker_entry(name).needs_regressor:
        if given is not None:
            raise typer.BadParameter(
                f"--regressor: expected none for {name}, which moves no boxes"
            )
        return None
    return None if weights is None else fetched(weights, detector_file)
