"""A recipe resolved: every setting of a tracking run, after files, presets and overrides."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.camera_motion.config import CameraMotionConfig
from faimtrack.config import PresetConfig
from faimtrack.detectors.config import DetectorConfig, Keep
from faimtrack.detectors.families import Family, config_class_of, config_class_of_family
from faimtrack.detectors.files.formats import SUFFIXES
from faimtrack.motfile import Numbering, SplitName
from faimtrack.postprocess.config import PostprocessConfig
from faimtrack.recipes.schema import BLOCKS, RecipeSchema
from faimtrack.recipes.values import nearest, parse_text, parse_value
from faimtrack.recipes.yaml_files import merged, read_recipe_tree
from faimtrack.trackers import tracker_entry, tracker_names

DEFAULT_TRACKER = "bytetrack"
OWN_FEATURES: dict[str, Keep] = {
    "instance-features": "instance_features",
    "mask-features": "mask_features",
}
"""Words for an embedder that is the detector itself, and what its mask branch keeps then."""
NO_EMBEDDER = "none"
NO_CAMERA_MOTION = CameraMotionConfig(method="none")
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
        camera_motion: Who tells how the picture moved. Its file may also be a folder with one a
            sequence, or the word `sequence` for each one's own ``camera_motion.txt``.
        embedder_weights: The name or file of the network that describes how people look; None:
            nobody does, or the detector itself (its `keep` says so).
        embedder: The embedder's configuration; of no meaning without weights.
        regressor_weights: The name or file of the network that moves boxes, for trackers that
            need one; None: the detector does it.
        regressor: The regressor's configuration; of no meaning without weights.
        postprocess: What is done with the tracks when all are there.
    """

    tracker_name: str
    tracker: PresetConfig
    weights: str | None
    detector: DetectorConfig
    settings: RunSettings
    camera_motion: CameraMotionConfig = NO_CAMERA_MOTION
    embedder_weights: str | None = None
    embedder: EmbedderConfig = field(default_factory=EmbedderConfig)
    regressor_weights: str | None = None
    regressor: DetectorConfig = field(default_factory=DetectorConfig)
    postprocess: PostprocessConfig = field(default_factory=PostprocessConfig)

    @property
    def is_postprocessed(self) -> bool:
        """Whether anything is done with the tracks when all are there."""
        steps = self.postprocess
        return steps.interpolation != "none" or steps.minimum_length_frames > 1

    def tree(self) -> dict[str, Any]:
        """All settings as plain values, as a recipe file would write them.

        Of a file only the last part of its path is told; blocks of what is not used are left out.
        """
        tree: dict[str, Any] = {
            "tracker": {"name": self.tracker_name, **dataclasses.asdict(self.tracker)},
            "detector": {"weights": _name(self.weights), **dataclasses.asdict(self.detector)},
        }
        if self.camera_motion.method != "none":
            tree["camera_motion"] = dataclasses.asdict(self.camera_motion)
            tree["camera_motion"]["file"] = _name(self.camera_motion.file)
        for block, weights, config in (
            ("embedder", self.embedder_weights, self.embedder),
            ("regressor", self.regressor_weights, self.regressor),
        ):
            if weights is not None:
                tree[block] = {"weights": _name(weights), **dataclasses.asdict(config)}
        if self.is_postprocessed:
            tree["postprocess"] = dataclasses.asdict(self.postprocess)
        settings = dataclasses.asdict(self.settings)
        return {**tree, **{name: _plain(value) for name, value in settings.items()}}


def _name(path: str | None) -> str | None:
    return None if path is None else Path(path).name


def _featured(values: Mapping[str, Any]) -> str:
    """The block of the network whose own features are meant: the one that looks at pixels."""
    weights = values.get("detector.weights")
    is_network = weights is not None and Path(weights).suffix.lower() not in SUFFIXES.values()
    return "detector" if is_network or values.get("regressor.weights") is None else "regressor"


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
        settings: Values by key, such as those of `RunSettings`; those that are None are left
            alone.
        overrides: ``key=value`` as typed: dotted keys, or bare ones while they are unique.

    Raises:
        ValueError: A key is unknown (the nearest known one is named) or a value does not fit.
        OSError: The recipe cannot be read.
    """
    tree: dict[str, Any] = {} if recipe is None else read_recipe_tree(recipe)
    where = "" if recipe is None else f"{os.fspath(recipe)}: "
    network = tree.get("network")
    tree = {block: content for block, content in tree.items() if block not in TRAINING_BLOCKS}
    for block in BLOCKS:
        if tree.get(block) is None:
            tree[block] = {}
        if not isinstance(tree[block], dict):
            raise ValueError(f"{where}{block}: expected a mapping, got {tree[block]!r}")
    given = {key: value for key, value in (settings or {}).items() if value is not None}
    # Which keys there are depends on these three; their bare keys are known before.
    for block, key, wanted in (
        ("tracker", "name", _last(overrides, {"tracker.name", "name"}) or tracker),
        ("detector", "weights", _last(overrides, {"detector.weights", "weights"}) or detector),
        ("regressor", "weights", _last(overrides, {"regressor.weights"})),
    ):
        wanted = wanted or given.get(f"{block}.{key}")
        if wanted is not None:
            tree = merged(tree, {block: {key: wanted}})
    name = tree["tracker"].get("name", DEFAULT_TRACKER)
    if name not in tracker_names():
        raise ValueError(
            f"{where}tracker: expected {', '.join(tracker_names())}, got {name!r}; "
            f"the nearest is {nearest(str(name), tracker_names())}"
        )
    schema = _schema(name, tree, network)
    values = _laid({}, schema.from_tree(where, tree))
    layer = {}
    for key, value in given.items():
        found = schema.find(key)
        layer[found] = parse_value(key, value, schema.types[found])
    values, layer = _laid(values, layer), {}
    for text in overrides:
        found = schema.find(_key(text))
        layer[found] = parse_text(found, text.partition("=")[2].strip(), schema.types[found])
    return _build(name, schema, _laid(values, layer))


def _schema(tracker_name: str, tree: Mapping[str, Any], network: Any) -> RecipeSchema:
    """The keys that there are with this tracker and these networks."""
    detector, regressor = tree["detector"].get("weights"), tree["regressor"].get("weights")
    configs: dict[str, type[PresetConfig]] = {
        "tracker": tracker_entry(tracker_name).config_class,
        "detector": _detector_config(detector if isinstance(detector, str) else None, network),
        "camera_motion": CameraMotionConfig,
        "embedder": EmbedderConfig,
        "regressor": config_class_of(regressor)
        if isinstance(regressor, str)
        else config_class_of_family("faster-rcnn"),
        "postprocess": PostprocessConfig,
    }
    return RecipeSchema(configs, RunSettings)


def _laid(values: Mapping[str, Any], layer: Mapping[str, Any]) -> dict[str, Any]:
    """Values with a layer of later ones over them.

    Who names another source of camera motion means no file that was named before, and who names a
    file means that it is read.
    """
    method, file = "camera_motion.method", "camera_motion.file"
    laid = dict(values)
    if layer.get(method, "file") != "file":
        laid.pop(file, None)
    if layer.get(file) is not None:
        laid[method] = "file"
    return {**laid, **layer}


def _build(tracker_name: str, schema: RecipeSchema, values: Mapping[str, Any]) -> Recipe:
    """The recipe of validated values; the detector's own features become what it keeps."""
    values = dict(values)
    if not any(key.startswith("camera_motion.") for key in values):
        values["camera_motion.method"] = "none"
    if values.get("embedder.weights") == NO_EMBEDDER:
        values["embedder.weights"] = None
    own = OWN_FEATURES.get(values.get("embedder.weights") or "")
    if own is not None:
        del values["embedder.weights"]
        values[f"{_featured(values)}.keep"] = own
    built, weights = schema.build(values)
    return Recipe(
        tracker_name=tracker_name,
        weights=weights["detector"],
        settings=built.pop(""),
        embedder_weights=weights["embedder"],
        regressor_weights=weights["regressor"],
        **built,
    )


def _detector_config(weights: str | None, network: Any) -> type[DetectorConfig]:
    """The configuration of the weights; without any, of the network that would be trained."""
    name = network.get("name") if isinstance(network, dict) else None
    if weights is None and isinstance(name, str):
        families: dict[str, Family] = {"faster": "faster-rcnn", "faim": "video", "yolov": "video"}
        return config_class_of_family(families.get(name.partition("-")[0], "yolox"))
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
