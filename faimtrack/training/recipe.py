"""A training recipe resolved: network, data, augmentation, schedule, and the scoring tracker."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.recipes import Recipe, read_recipe_tree, recipe_names, resolve_recipe
from faimtrack.recipes.recipe import TRAINING_BLOCKS
from faimtrack.recipes.values import parse_text, parse_value
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.config import (
    DataConfig,
    NetworkConfig,
    ScheduleConfig,
    ValidationConfig,
)
from faimtrack.training.recipe_schema import TrainingSchema
from faimtrack.training.reid.config import (
    ReidAugmentationConfig,
    ReidDataConfig,
    ReidLossConfig,
    ReidNetworkConfig,
    ReidValidationConfig,
)
from faimtrack.training.video.config import VideoFramesConfig, VideoValidationConfig


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything that decides what the training of a detector gives, and nothing else.

    Attributes:
        name: Of the recipe, or of its file.
        family: Which kind of network.
        network: Which one, and from which weights.
        losses: A YOLOX's `YoloxLossConfig` or a video object detector's `VideoLossConfig` by name
            and value; empty for others.
        assignment: Their `SimOtaConfig`, likewise.
        data: What is learnt from.
        augmentation: How it is changed.
        schedule: How long and how fast.
        validation: On what and how often it is scored.
        mask_branch: What learns masks beside the detector; None for the plain twin.
        tracking: The tracker that scores it, and how its detections are read.
    """

    name: str
    family: Literal["yolox", "faster-rcnn", "video"]
    network: NetworkConfig
    losses: Mapping[str, Any]
    assignment: Mapping[str, Any]
    data: DataConfig | VideoFramesConfig
    augmentation: AugmentationConfig
    schedule: ScheduleConfig
    validation: ValidationConfig | VideoValidationConfig
    mask_branch: MaskBranchConfig | None
    tracking: Recipe

    @property
    def learns_from_videos(self) -> bool:
        """Whether its data are videos with objects of several kinds, not people to be tracked."""
        return isinstance(self.data, VideoFramesConfig)

    def tree(self) -> dict[str, Any]:
        """All settings as plain values, as a recipe file would write them.

        Of a file of weights only the last part of its path is told.
        """
        return {**_training_tree(self), **_plain(self.tracking.tree())}


@dataclass(frozen=True, kw_only=True)
class ReidTrainingRecipe:
    """Everything that decides what the training of a re-identification network gives.

    Attributes:
        name: Of the recipe, or of its file.
        family: Which kind of network.
        network: Which one, and from which weights.
        losses: What is to fall.
        data: What is learnt from, and in which groups.
        augmentation: How it is changed.
        schedule: How long and how fast.
        validation: On what and how often it is scored.
        tracking: What else stands in the recipe; nothing here depends on it.
    """

    name: str
    family: Literal["reid"] = "reid"
    network: ReidNetworkConfig
    losses: ReidLossConfig
    data: ReidDataConfig
    augmentation: ReidAugmentationConfig
    schedule: ScheduleConfig
    validation: ReidValidationConfig
    tracking: Recipe

    def tree(self) -> dict[str, Any]:
        """All settings as plain values, as a recipe file would write them.

        Of a file of weights only the last part of its path is told.
        """
        return _training_tree(self)


AnyTrainingRecipe = TrainingRecipe | ReidTrainingRecipe


def resolve_training_recipe(
    recipe: str | os.PathLike[str], *, overrides: Sequence[str] = ()
) -> AnyTrainingRecipe:
    """Put a training recipe together; what comes later wins.

    Args:
        recipe: A YAML file or the name of a shipped recipe.
        overrides: ``key=value`` as typed: dotted keys, or bare ones while they are unique among
            the settings of training; others are about the tracker that scores.

    Raises:
        ValueError: A key is unknown (the nearest known one is named), a value does not fit, or
            the recipe says nothing about training.
        OSError: The recipe cannot be read.
    """
    tree = read_recipe_tree(recipe)
    where = f"{os.fspath(recipe)}: "
    if not isinstance(tree.get("network"), dict):
        raise ValueError(
            f"{where}expected a recipe that trains, with the block network, got one that tracks"
        )
    for block in TRAINING_BLOCKS:
        if not isinstance(tree.get(block, {}), dict | None):
            raise ValueError(f"{where}{block}: expected a mapping, got {tree[block]!r}")
    schema = TrainingSchema(where, tree, overrides)
    values: dict[str, dict[str, Any]] = {block: {} for block in schema.classes}
    for block in TRAINING_BLOCKS:
        for key, value in (tree.get(block) or {}).items():
            schema.check(where, f"{block}.{key}")
            parsed = parse_value(f"{where}{block}.{key}", value, schema.types[f"{block}.{key}"])
            values[block][key] = parsed
    others = []
    for text in overrides:
        key, equals, typed = (part.strip() for part in text.partition("="))
        found = schema.find(key) if equals else None
        if found is None:
            others.append(text)
            continue
        block, _, bare = found.partition(".")
        values[block][bare] = parse_text(found, typed, schema.types[found])
    try:
        tracking = resolve_recipe(recipe, overrides=others)
    except ValueError as error:
        raise ValueError(schema.with_nearest(str(error), others)) from None
    name = os.fspath(recipe)
    name = name if name in recipe_names() else Path(name).name
    return _build(where, name, schema, values, tracking)


def _build(
    where: str,
    name: str,
    schema: TrainingSchema,
    values: Mapping[str, Mapping[str, Any]],
    tracking: Recipe,
) -> AnyTrainingRecipe:
    made = schema.build(values)
    if schema.family == "reid":
        return ReidTrainingRecipe(name=name, tracking=tracking, **made)
    for block in ("losses", "assignment"):
        made[block] = dataclasses.asdict(made[block]) if block in made else {}
    made.setdefault("mask_branch", None)
    augmentation: AugmentationConfig = made["augmentation"]
    style = "faster-rcnn" if schema.family == "faster-rcnn" else "yolox"
    if augmentation.style != style:
        raise ValueError(
            f"{where}augmentation.style: expected {style} for {made['network'].name}, got "
            f"{augmentation.style}"
        )
    if schema.family == "video" and augmentation.mosaic_probability:
        raise ValueError(
            f"{where}augmentation.mosaic_probability: expected 0 where clips are learnt, got "
            f"{augmentation.mosaic_probability}"
        )
    return TrainingRecipe(name=name, family=schema.family, tracking=tracking, **made)


def _training_tree(recipe: AnyTrainingRecipe) -> dict[str, Any]:
    """The blocks of training as plain values."""
    tree: dict[str, Any] = {}
    for block in TRAINING_BLOCKS:
        value: Any = getattr(recipe, block, None)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = dataclasses.asdict(value)
        if value:
            tree[block] = {key: _plain(each) for key, each in value.items()}
    weights = tree["network"]["initial_weights"]
    if weights is not None:
        tree["network"]["initial_weights"] = Path(weights).name
    return tree


def _plain(value: Any) -> Any:
    """A value as JSON and YAML know it."""
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return list(value) if isinstance(value, tuple) else value
