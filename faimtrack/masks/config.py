"""Parameters of the ways in which pseudo masks are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.masks.methods import MaskMethod

Device = Literal["auto", "cpu", "cuda", "mps"]

PEDESTRIAN = 1
"""MOTChallenge's class of a person who walks; a crowd's people have it too."""


@dataclass(frozen=True, kw_only=True)
class MaskConfig(PresetConfig):
    """What all methods share."""

    minimum_quality: float = parameter(
        0.0, "Masks that the method itself judges worse are dropped.", low=0, high=1
    )
    classes: tuple[int, ...] = parameter(
        (PEDESTRIAN,),
        "Column 8 of the ground truth: whose masks are made, where it has classes at all.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.classes or len(set(self.classes)) != len(self.classes):
            raise ValueError(
                f"classes: expected at least one, and each once, got {list(self.classes)}"
            )


@dataclass(frozen=True, kw_only=True)
class GrabCutConfig(MaskConfig):
    """Colours inside of a box against those around it, the nearest object first.

    Presets: `default` is for people, who stand in the middle of their boxes from top to bottom;
    `objects` takes only the middle for granted.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "objects": {"core_width": 0.2, "core_height": 0.2},
    }

    iterations: int = parameter(1, "Rounds of OpenCV's GrabCut.", unit="rounds", low=1)
    margin: float = parameter(
        0.3, "What is seen around a box, as a share of its width and height.", low=0.05
    )
    core_width: float = parameter(
        0.4, "Share of the box's width that surely is the person, as an ellipse.", low=0, high=1
    )
    core_height: float = parameter(
        0.95, "Share of the box's height that surely is the person.", low=0, high=1
    )
    longest_side: int = parameter(
        256, "Larger surroundings are made smaller for speed.", unit="px", low=16
    )


@dataclass(frozen=True, kw_only=True)
class PromptConfig(MaskConfig):
    """Networks that a box tells what to segment."""

    boxes_at_once: int = parameter(32, "More need more memory.", unit="boxes", low=1)
    device: Device = parameter("auto", "Where the network runs.")


@dataclass(frozen=True, kw_only=True)
class InstancesConfig(MaskConfig):
    """Instances that another program found, aligned with the ground truth."""

    minimum_iou: float = parameter(
        0.5, "Of the instance's own box with an object's.", unit="IoU", low=0, high=1
    )
    minimum_score: float = parameter(0.0, "Instances below it are not looked at.", low=0, high=1)


@dataclass(frozen=True, kw_only=True)
class ShuffledConfig(MaskConfig):
    """Masks of other objects, stretched to the box."""

    seed: int = parameter(0, "Another one draws other objects.", low=0)


CONFIG_CLASSES: Mapping[MaskMethod, type[MaskConfig]] = MappingProxyType(
    {
        "grabcut": GrabCutConfig,
        "sam": PromptConfig,
        "mobile-sam": PromptConfig,
        "sam2": PromptConfig,
        "box2mask": InstancesConfig,
        "box": MaskConfig,
        "shuffled": ShuffledConfig,
        "truth": MaskConfig,
    }
)
"""The parameters of each method."""
