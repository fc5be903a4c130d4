"""Every key that a training recipe may have, by what it trains and on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from faimtrack.config import PresetConfig
from faimtrack.detectors.faster_rcnn.config import Architecture
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.recipes.recipe import TRAINING_BLOCKS
from faimtrack.recipes.values import build_config, field_types, nearest
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.config import (
    DataConfig,
    FasterRcnnNetworkConfig,
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
from faimtrack.training.video.config import (
    VIDEO_NAMES,
    SequenceClipsConfig,
    VideoClipsConfig,
    VideoFramesConfig,
    VideoTrainingNetworkConfig,
    VideoValidationConfig,
)

Family = Literal["yolox", "faster-rcnn", "video", "reid"]
YOLOX_NAMES = tuple(f"yolox-{size}" for size in ("nano", "tiny", "s", "m", "l", "x"))
FASTER_RCNN_NAMES = tuple(f"faster-rcnn-{name}" for name in Architecture.__args__)  # type: ignore[attr-defined]


class TrainingSchema:
    """Every key that a certain recipe may have under its training blocks, and its type.

    Attributes:
        family: Which kind of network is trained.
        classes: The configuration of each block.
        types: The type of each key's value, by its dotted name.
    """

    def __init__(self, where: str, tree: Mapping[str, Any], overrides: Sequence[str]) -> None:
        """Know the keys of a recipe.

        Args:
            where: What messages begin with.
            tree: As it was read.
            overrides: As they were typed.

        Raises:
            ValueError: There is no such network.
        """
        self._where = where
        self._name = _last("network.name", tree, overrides)
        self.family = _family(where, self._name)
        has_videos = _last("data.dataset", tree, overrides) is not None
        self.classes = _classes(self.family, has_videos=has_videos)
        if tree.get("mask_branch") is not None and self.family != "reid":
            self.classes["mask_branch"] = _mask_branch_class(self.family)
        self.types: dict[str, Any] = {
            f"{block}.{name}": expected
            for block, kind in self.classes.items()
            for name, expected in {"preset": str, **field_types(kind)}.items()
        }

    def check(self, where: str, key: str) -> None:
        """Refuse an unknown key.

        Raises:
            ValueError: It is one.
        """
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

    def build(self, values: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The configurations of validated values, by their blocks.

        Raises:
            ValueError: A configuration refuses a value, or knows no such preset.
        """
        made: dict[str, Any] = {}
        for block, kind in self.classes.items():
            own = dict(values[block])
            preset = own.pop("preset", self._usual_preset(block))
            try:
                base = kind.preset(preset)
            except ValueError as error:
                raise ValueError(f"{self._where}{block}.{error}") from None
            made[block] = build_config(block, base, own)
        return made

    def _usual_preset(self, block: str) -> str:
        """Which preset a block begins with that names none."""
        if self.family == "video":
            if block == "assignment":
                return "yolov"
            if block == "network" and self._name.startswith("yolov-"):
                return "yolov"
        return "default"


def _last(key: str, tree: Mapping[str, Any], overrides: Sequence[str]) -> Any:
    """The value of a key that decides which others there are; None without any."""
    block, _, bare = key.partition(".")
    content = tree.get(block)
    value = content.get(bare) if isinstance(content, dict) else None
    for text in overrides:
        typed, equals, given = (part.strip() for part in text.partition("="))
        value = given if equals and typed == key else value
    return value


def _family(where: str, name: Any) -> Family:
    if name in YOLOX_NAMES:
        return "yolox"
    if name in FASTER_RCNN_NAMES:
        return "faster-rcnn"
    if name in VIDEO_NAMES:
        return "video"
    if name in REID_NAMES:
        return "reid"
    known = (*YOLOX_NAMES, *FASTER_RCNN_NAMES, *VIDEO_NAMES, *REID_NAMES)
    raise ValueError(
        f"{where}network.name: expected {', '.join(known)}, got {name!r}; the nearest is "
        f"{nearest(str(name), known)}"
    )


def _classes(family: Family, *, has_videos: bool) -> dict[str, type[PresetConfig]]:
    """The configuration of each block but the mask branch's."""
    if family == "reid":
        return {
            "network": ReidNetworkConfig,
            "losses": ReidLossConfig,
            "data": ReidDataConfig,
            "augmentation": ReidAugmentationConfig,
            "schedule": ScheduleConfig,
            "validation": ReidValidationConfig,
        }
    networks: dict[Family, type[PresetConfig]] = {
        "yolox": YoloxNetworkConfig,
        "faster-rcnn": FasterRcnnNetworkConfig,
        "video": VideoTrainingNetworkConfig,
    }
    data: type[PresetConfig] = VideoFramesConfig if has_videos else DataConfig
    if family == "video":
        data = VideoClipsConfig if has_videos else SequenceClipsConfig
    classes: dict[str, type[PresetConfig]] = {
        "network": networks[family],
        "data": data,
        "augmentation": AugmentationConfig,
        "schedule": ScheduleConfig,
        "validation": VideoValidationConfig if has_videos else ValidationConfig,
    }
    if family == "faster-rcnn":
        return classes
    # They live beside torch, which resolving a training recipe may ask for.
    from faimtrack.detectors.video.losses import VideoLossConfig
    from faimtrack.detectors.yolox.assignment import SimOtaConfig
    from faimtrack.detectors.yolox.losses import YoloxLossConfig

    losses = VideoLossConfig if family == "video" else YoloxLossConfig
    return {**classes, "losses": losses, "assignment": SimOtaConfig}


def _mask_branch_class(family: Family) -> type[PresetConfig]:
    if family != "video":
        return MaskBranchConfig
    from faimtrack.detectors.video.mask_branch import VideoMaskBranchConfig

    return VideoMaskBranchConfig
