"""What tells one job from another: the settings of trainings and of linking."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from faimtrack.detectors.video.linking.coefficients import bundled_path
from faimtrack.detectors.video.linking.config import LinkConfig, ReppConfig
from faimtrack.provenance import file_sha256

if TYPE_CHECKING:
    from faimtrack.training.recipe import TrainingRecipe

_TRAINING_BLOCKS = (
    "network", "losses", "assignment", "data", "augmentation", "schedule", "mask_branch",
)  # fmt: skip
# They change no weight.
_FREE = ("log_every", "checkpoint_every", "checkpoints_kept")


def training_tree(recipe: TrainingRecipe, *, initial_weights: str | None) -> dict[str, Any]:
    """All settings that weights depend on.

    Args:
        recipe: Whose.
        initial_weights: What tells them from others, in place of where they lie; None: random
            ones, or those of a job.
    """
    tree = {block: value for block, value in recipe.tree().items() if block in _TRAINING_BLOCKS}
    tree["schedule"] = {
        name: value for name, value in tree["schedule"].items() if name not in _FREE
    }
    tree["network"] = {**tree["network"], "initial_weights": initial_weights}
    return tree


def link_settings(config: LinkConfig) -> dict[str, Any]:
    """All settings that linked detections depend on, the coefficients that come along too."""
    settings = dataclasses.asdict(config)
    if isinstance(config, ReppConfig) and config.coefficients is None:
        settings["coefficients"] = file_sha256(bundled_path())
    return settings
