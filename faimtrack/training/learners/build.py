"""From a recipe to what learns, with random weights that depend on the seed alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, Literal, TypeVar

import torch

from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.network import FasterRcnn, build_faster_rcnn
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.yolox.assignment import SimOtaConfig
from faimtrack.detectors.yolox.losses import YoloxLossConfig
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.training.config import FasterRcnnNetworkConfig, YoloxNetworkConfig
from faimtrack.training.learners.faster_rcnn import FasterRcnnLearner
from faimtrack.training.learners.learner import Learner
from faimtrack.training.learners.yolox import YoloxLearner
from faimtrack.training.randomness import random_key
from faimtrack.training.recipe import TrainingRecipe

Made = TypeVar("Made")


def build_learner(
    recipe: TrainingRecipe,
    class_names: tuple[str, ...],
    *,
    input_convention: Literal["current", "legacy"] = "current",
) -> Learner:
    """A learner of single images with random weights.

    The network is the same with and without a mask branch: each is drawn from a seed of its own,
    and torch's own generator is left as it was.

    Args:
        recipe: What to build.
        class_names: What it learns to tell apart.
        input_convention: Of a YOLOX: how its initial weights want pixels.
    """
    config, seed = recipe.network, recipe.schedule.seed
    network: Yolox | FasterRcnn
    if isinstance(config, YoloxNetworkConfig):
        size = config.name.removeprefix("yolox-")
        network = seeded(seed, "network", lambda: Yolox(size, len(class_names)))
    else:
        assert isinstance(config, FasterRcnnNetworkConfig)
        architecture: Any = config.name.removeprefix("faster-rcnn-")
        names = [each.name for each in fields(FasterRcnnTrainingConfig)]
        building = FasterRcnnTrainingConfig(**{name: getattr(config, name) for name in names})
        network = seeded(
            seed, "network", lambda: build_faster_rcnn(architecture, class_names, building)
        )
    branch = None
    if (wanted := recipe.mask_branch) is not None:
        branch = seeded(seed, "mask_branch", lambda: build_mask_branch(wanted, network))
    if isinstance(network, FasterRcnn):
        return FasterRcnnLearner(network, mask_branch=branch)
    assert isinstance(config, YoloxNetworkConfig)
    return YoloxLearner(
        network,
        class_names,
        (config.input_height, config.input_width),
        input_convention=input_convention,
        loss=YoloxLossConfig(**recipe.losses),
        assignment=SimOtaConfig(**recipe.assignment),
        mask_branch=branch,
    )


def seeded(seed: int, purpose: str, build: Callable[[], Made]) -> Made:
    """What `build` makes while torch draws from a seed and a purpose; its state comes back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(random_key(seed, purpose))
        return build()
