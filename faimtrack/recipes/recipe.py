"""A recipe resolved: every setting of a tracking run, after files, presets and overrides."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faimtrack.config import PresetConfig
from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.families import config_class_of, config_class_of_family
from faimtrack.motfile import Numbering, SplitName
from faimtrack.recipes.values import (
    build_config,
    field_types,
    nearest,
    parse_text,
    parse_value,
)
from faimtrack.recipes.yaml_files import merged, read_recipe_tree
from faimtrack.trackers import tracker_entry, tracker_names

DEFAULT_TRACKER = "bytetrack"
TRAINING_BLOCKS = (
    "network", "losses", "assignment", "data", "augmentation", "schedule", "validation",
    "mask_branch",
)  # fmt: skip
"""What a recipe says about training its detector; tracking passes over it."""


@dataclass(frozen=True, kw_only=True)
class RunSettings:
    """What a run does besides detecting and tracking."""

    split: SplitName = field(
        default="full", metadata={"unit": "", "help": "Which part of each sequence to track."}
    )
    numbering: Numbering = field(
        default="kept",
        metadata={
            "unit": "",
            "help": "kept: the full sequence's frame numbers; from-1: counted from the split's "
            "first frame.",
        },
    )
    classes: tuple[str, ...] = field(
        default=(), metadata={"unit": "", "help": "Which classes to track; none named: all."}
    )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that decides what a run gives, and nothing else.

    Attributes:
        tracker_name: As in `faimtrack trackers`.
        tracker: The tracker's configuration.
        weights: The detector's name or file; None if detections come from elsewhere.
        detector: The detector's configuration; of no meaning without `weights`.
        settings: Split, numbering and what is tracked.
    """

    tracker_name: str
    tracker: PresetConfig
    weights: str | None
    detector: DetectorConfig
    settings: RunSettings

    def tree(self) -> dict[str, Any]:
        """All settings as plain values, as a recipe file would write them.

        Of a file of weights only the last part of its path is told.
        """
        weights = None if self.weights is None else Path(self.weights).name
        return {
            "tracker": {"name": self.tracker_name, **dataclasses.asdict(self.tracker)},
            "detector": {"weights": weights, **dataclasses.asdict(self.detector)},
            **{name: _plain(value) for name, value in dataclasses.asdict(self.settings).items()},
        }


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def resolve_recipe(
    recipe: str | os.PathLike[str] | None = None,
    *,
    tracker: str | None = None,
    detector: str | None = None,
    settings: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> Recipe:
    """Put a recipe together; what comes later wins.

    The order is: defaults, the preset, the recipe, `tracker`, `detector` and `settings`,
    `overrides`. A preset is applied first whoever names it, so that a single parameter beside it
    stands.

    Args:
        recipe: A YAML file or the name of a shipped recipe; what it says about training is not
            looked at.
        tracker: Name of a tracker; another one than the recipe's starts from its own defaults.
        detector: Name or file of a detector's weights; which settings it has depends on them.
        settings: Values of `RunSettings`; those that are None are left alone.
        overrides: ``key=value`` as typed: dotted keys, or bare ones while they are unique.

    Raises:
        ValueError: A key is unknown (the nearest known one is named) or a value does not fit.
        OSError: The recipe cannot be read.
    """
    tree: dict[str, Any] = {} if recipe is None else read_recipe_tree(recipe)
    where = "" if recipe is None else f"{os.fspath(recipe)}: "
    network = tree.get("network")
    tree = {block: content for block, content in tree.items() if block not in TRAINING_BLOCKS}
    for block in ("tracker", "detector"):
        if tree.get(block) is None:
            tree[block] = {}
        if not isinstance(tree[block], dict):
            raise ValueError(f"{where}{block}: expected a mapping, got {tree[block]!r}")
    # Which keys there are depends on these two; their bare keys are known before.
    wanted = _last(overrides, {"tracker.name", "name"}) or tracker
    if wanted is not None:
        tree = merged(tree, {"tracker": {"name": wanted}})
    detector = _last(overrides, {"detector.weights", "weights"}) or detector
    if detector is not None:
        tree = merged(tree, {"detector": {"weights": detector}})
    name = tree["tracker"].get("name", DEFAULT_TRACKER)
    if name not in tracker_names():
        raise ValueError(
            f"{where}tracker: expected {', '.join(tracker_names())}, got {name!r}; "
            f"the nearest is {nearest(str(name), tracker_names())}"
        )
    weights = tree["detector"].get("weights")
    schema = _Schema(
        tracker_entry(name).config_class,
        _detector_config(weights if isinstance(weights, str) else None, network),
    )
    values = schema.from_tree(where, tree)
    for key, value in (settings or {}).items():
        if value is not None:
            values[schema.find(key)] = parse_value(key, value, schema.types[schema.find(key)])
    for text in overrides:
        key = schema.find(_key(text))
        values[key] = parse_text(key, text.partition("=")[2].strip(), schema.types[key])
    return schema.build(name, values)


def _detector_config(weights: str | None, network: Any) -> type[DetectorConfig]:
    """The configuration of the weights; without any, of the network that would be trained."""
    name = network.get("name") if isinstance(network, dict) else None
    if weights is None and isinstance(name, str):
        return config_class_of_family("faster-rcnn" if name.startswith("faster") else "yolox")
    return config_class_of(weights)


def _last(overrides: Sequence[str], keys: set[str]) -> str | None:
    """The value of the last override of one of these keys; None without any."""
    values = [text.partition("=")[2].strip() for text in overrides if _key(text) in keys]
    return values[-1] if values else None


def _key(override: str) -> str:
    key, equals, _ = override.partition("=")
    if not equals or not key.strip():
        raise ValueError(f"--set {override}: expected key=value")
    return key.strip()


class _Schema:
    """Every key that a recipe with a certain tracker may have, dotted, and its type."""

    def __init__(
        self, tracker_config: type[PresetConfig], detector_config: type[DetectorConfig]
    ) -> None:
        self._configs = {"tracker": tracker_config, "detector": detector_config}
        self.types: dict[str, Any] = {
            "tracker.name": str,
            "tracker.preset": str,
            "detector.weights": str | None,
            "detector.preset": str,
        }
        for prefix, config_class in (
            ("tracker.", tracker_config),
            ("detector.", detector_config),
            ("", RunSettings),
        ):
            for name, expected in field_types(config_class).items():
                self.types[prefix + name] = expected

    def find(self, key: str) -> str:
        """The full key for one that may be bare."""
        if key in self.types:
            return key
        if key == "preset":  # who names no block means the tracker, which has many
            return "tracker.preset"
        found = [known for known in self.types if known.rpartition(".")[2] == key]
        if len(found) > 1:
            raise ValueError(f"{key}: expected one of {', '.join(found)}, got a name of several")
        if not found:
            bare = [known.rpartition(".")[2] for known in self.types]
            closest = nearest(key, [*self.types, *bare])
            raise ValueError(f"{key}: unknown key; the nearest is {closest}")
        return found[0]

    def from_tree(self, where: str, tree: Mapping[str, Any]) -> dict[str, Any]:
        """Validated values of a recipe's tree, by dotted key."""
        values = {}
        for block, content in tree.items():
            inside = (
                {f"{block}.{key}": value for key, value in content.items()}
                if (isinstance(content, dict))
                else {block: content}
            )
            for key, value in inside.items():
                if key not in self.types:
                    raise ValueError(
                        f"{where}{key}: unknown key; the nearest is {nearest(key, self.types)}"
                    )
                values[key] = parse_value(f"{where}{key}", value, self.types[key])
        return values

    def build(self, name: str, values: Mapping[str, Any]) -> Recipe:
        """The recipe of validated values."""
        blocks: dict[str, dict[str, Any]] = {"tracker": {}, "detector": {}, "": {}}
        for key, value in values.items():
            block, _, bare = key.rpartition(".")
            blocks[block][bare] = value
        blocks["tracker"].pop("name", None)
        return Recipe(
            tracker_name=name,
            weights=blocks["detector"].pop("weights", None),
            tracker=self._block("tracker", blocks["tracker"]),
            detector=self._block("detector", blocks["detector"]),
            settings=build_config("", RunSettings(), blocks[""]),
        )

    def _block(self, block: str, values: dict[str, Any]) -> Any:
        """The configuration of a block: its preset, and single values over it."""
        preset = values.pop("preset", "default")
        try:
            base = self._configs[block].preset(preset)
        except ValueError as error:
            raise ValueError(f"{block}.{error}") from None
        return build_config(block, base, values)
