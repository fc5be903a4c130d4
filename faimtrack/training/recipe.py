"""A training recipe resolved: network, data, augmentation, schedule, and the scoring tracker."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from faimtrack.config import PresetConfig
from faimtrack.detectors.faster_rcnn.config import Architecture
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.recipes import Recipe, read_recipe_tree, recipe_names, resolve_recipe
from faimtrack.recipes.recipe import TRAINING_BLOCKS
from faimtrack.recipes.values import (
    build_config,
    field_types,
    nearest,
    parse_text,
    parse_value,
)
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.config import (
    DataConfig,
    FasterRcnnNetworkConfig,
    NetworkConfig,
    ScheduleConfig,
    ValidationConfig,
    YoloxNetworkConfig,
)
from faimtrack.training.reid.config import (
    REID_NAMES,
    ReidAugmentationConfig,
    ReidDataConfig,
    ReidLossConfig,
    ReidNetworkConfig,
    ReidValidationConfig,
)

Family = Literal["yolox", "faster-rcnn", "reid"]
YOLOX_NAMES = tuple(f"yolox-{size}" for size in ("nano", "tiny", "s", "m", "l", "x"))
FASTER_RCNN_NAMES = tuple(f"faster-rcnn-{name}" for name in Architecture.__args__)  # type: ignore[attr-defined]


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """Everything that decides what the training of a detector gives, and nothing else.

    Attributes:
        name: Of the recipe, or of its file.
        family: Which kind of network.
        network: Which one, and from which weights.
        losses: A YOLOX's `YoloxLossConfig` by name and value; empty for others.
        assignment: A YOLOX's `SimOtaConfig`, likewise.
        data: What is learnt from.
        augmentation: How it is changed.
        schedule: How long and how fast.
        validation: On what and how often it is scored.
        mask_branch: What learns masks beside the detector; None for the plain twin.
        tracking: The tracker that scores it, and how its detections are read.
    """

    name: str
    family: Literal["yolox", "faster-rcnn"]
    network: NetworkConfig
    losses: Mapping[str, Any]
    assignment: Mapping[str, Any]
    data: DataConfig
    augmentation: AugmentationConfig
    schedule: ScheduleConfig
    validation: ValidationConfig
    mask_branch: MaskBranchConfig | None
    tracking: Recipe

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
    schema = _Schema(where, tree, overrides)
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
    return schema.build(name, values, tracking)


class _Schema:
    """Every key that a certain recipe may have under its training blocks, and its type."""

    def __init__(self, where: str, tree: Mapping[str, Any], overrides: Sequence[str]) -> None:
        name = tree["network"].get("name")
        for text in overrides:
            key, _, typed = (part.strip() for part in text.partition("="))
            name = typed if key == "network.name" else name
        self._where = where
        self.family = _family(where, name)
        self.classes: dict[str, type[PresetConfig]] = {
            "network": YoloxNetworkConfig if self.family == "yolox" else FasterRcnnNetworkConfig,
            "data": DataConfig,
            "augmentation": AugmentationConfig,
            "schedule": ScheduleConfig,
            "validation": ValidationConfig,
        }
        if self.family == "reid":
            self.classes |= {
                "network": ReidNetworkConfig,
                "losses": ReidLossConfig,
                "data": ReidDataConfig,
                "augmentation": ReidAugmentationConfig,
                "validation": ReidValidationConfig,
            }
        if self.family == "yolox":
            # They live beside torch, which resolving a training recipe may ask for.
            from faimtrack.detectors.yolox.assignment import SimOtaConfig
            from faimtrack.detectors.yolox.losses import YoloxLossConfig

            self.classes |= {"losses": YoloxLossConfig, "assignment": SimOtaConfig}
        if tree.get("mask_branch") is not None and self.family != "reid":
            self.classes["mask_branch"] = MaskBranchConfig
        self.types: dict[str, Any] = {
            f"{block}.{name}": expected
            for block, kind in self.classes.items()
            for name, expected in {"preset": str, **field_types(kind)}.items()
        }

    def check(self, where: str, key: str) -> None:
        """Refuse an unknown key."""
        if key in self.types:
            return
        is_detector = self.family != "reid"
        if key.startswith("mask_branch.") and "mask_branch" not in self.classes and is_detector:
            raise ValueError(
                f"{where}{key}: expected a recipe with a mask branch, got one without"
            )
        raise ValueError(f"{where}{key}: unknown key; the nearest is {nearest(key, self.types)}")

    def find(self, key: str) -> str | None:
        """The full key for one that may be bare; None if it is none of training's.

        Raises:
            ValueError: It is a bare key of several, or an unknown one of a block of training.
        """
        if key in self.types:
            return key
        if key.partition(".")[0] in TRAINING_BLOCKS and "." in key:
            self.check("", key)
        found = [known for known in self.types if known.partition(".")[2] == key]
        if len(found) > 1 and key not in {"preset", "name"}:
            raise ValueError(f"{key}: expected one of {', '.join(found)}, got a name of several")
        return found[0] if len(found) == 1 else None

    def with_nearest(self, message: str, overrides: Sequence[str]) -> str:
        """The complaint about an unknown key, with the nearest one of training's too."""
        key = message.partition(":")[0]
        if "unknown key" not in message or not any(text.startswith(key) for text in overrides):
            return message
        bare = {known.partition(".")[2]: known for known in self.types}
        tracking = message.rpartition(" ")[2]
        return f"{key}: unknown key; the nearest is {nearest(key, [tracking, *bare])}"

    def build(
        self, name: str, values: dict[str, dict[str, Any]], tracking: Recipe
    ) -> AnyTrainingRecipe:
        """The recipe of validated values."""
        made: dict[str, Any] = {}
        for block, kind in self.classes.items():
            preset = values[block].pop("preset", "default")
            try:
                base = kind.preset(preset)
            except ValueError as error:
                raise ValueError(f"{self._where}{block}.{error}") from None
            made[block] = build_config(block, base, values[block])
        if self.family == "reid":
            return ReidTrainingRecipe(name=name, tracking=tracking, **made)
        for block in ("losses", "assignment"):
            made[block] = dataclasses.asdict(made[block]) if block in made else {}
        made.setdefault("mask_branch", None)
        style = made["augmentation"].style
        if style != self.family:
            raise ValueError(
                f"{self._where}augmentation.style: expected {self.family} for "
                f"{made['network'].name}, got {style}"
            )
        return TrainingRecipe(name=name, family=self.family, tracking=tracking, **made)


def _family(where: str, name: Any) -> Family:
    if name in YOLOX_NAMES:
        return "yolox"
    if name in FASTER_RCNN_NAMES:
        return "faster-rcnn"
    if name in REID_NAMES:
        return "reid"
    known = (*YOLOX_NAMES, *FASTER_RCNN_NAMES, *REID_NAMES)
    raise ValueError(
        f"{where}network.name: expected {', '.join(known)}, got {name!r}; the nearest is "
        f"{nearest(str(name), known)}"
    )


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
