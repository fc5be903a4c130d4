"""How re-identification networks are trained; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.appearance.conventions import INPUT_SIZE
from faimtrack.config import PresetConfig, parameter
from faimtrack.datasets.person_crops import PersonCropsConfig
from faimtrack.eval.reid import ReidEvaluationConfig
from faimtrack.motfile import SplitName
from faimtrack.training.config import NetworkConfig, ValidationTimes

REID_NAMES = ("reid-resnet50", "reid-resnet18", "reid-mobilenet-v3-small")
"""Networks that learn to tell people apart, `reid-` and a backbone."""


@dataclass(frozen=True, kw_only=True)
class ReidNetworkConfig(NetworkConfig):
    """A re-identification network that is trained."""

    name: str = parameter("reid-resnet50", "reid- and a backbone.")
    input_height: int = parameter(INPUT_SIZE[0], "To which crops are scaled.", unit="px", low=32)
    input_width: int = parameter(INPUT_SIZE[1], "To which crops are scaled.", unit="px", low=16)
    hidden_channels: int = parameter(1024, "Between the head's two linear layers.", low=1)
    dimension: int = parameter(128, "Of the vectors.", low=2)


@dataclass(frozen=True, kw_only=True)
class ReidDataConfig(PersonCropsConfig):
    """What is learnt from, and which crops are compared with each other.

    In an epoch each crop has its turn once: then it is learnt from in a group of its own, with
    other views of its person and some of other people. A batch is made of whole groups.
    """

    split: SplitName = parameter("train-half", "Which part of each sequence.")
    identities: int = parameter(8, "People of a group.", low=2)
    images_per_identity: int = parameter(4, "Views of each person of a group.", low=2)
    memory_mib: int = parameter(
        2048, "Scaled crops are kept in memory if all of them need no more than this; else each "
        "is cut out of its frame when it is asked for.",
        unit="MiB", low=0,
    )  # fmt: skip

    @property
    def group_size(self) -> int:
        """Crops of a group."""
        return self.identities * self.images_per_identity


@dataclass(frozen=True, kw_only=True)
class ReidAugmentationConfig(PresetConfig):
    """What may happen to a crop on its way to the network; the default is MMTracking's."""

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "erasing": {"erasing_probability": 0.5},
    }

    flip_probability: float = parameter(0.5, "Mirror so many crops.", low=0, high=1)
    erasing_probability: float = parameter(
        0.0, "Paint a rectangle over so many crops (Zhong et al. 2020).", low=0, high=1
    )
    smallest_erasing: float = parameter(0.02, "Of the crop's area.", low=0.001, high=1)
    largest_erasing: float = parameter(0.4, "Of the crop's area.", low=0.001, high=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smallest_erasing > self.largest_erasing:
            raise ValueError(
                f"smallest_erasing: expected at most {self.largest_erasing} (largest_erasing), "
                f"got {self.smallest_erasing}"
            )


@dataclass(frozen=True, kw_only=True)
class ReidLossConfig(PresetConfig):
    """What is to fall: cross-entropy over the people, and a triplet loss between their vectors."""

    identity_weight: float = parameter(1.0, "Of the cross-entropy.", low=0)
    triplet_weight: float = parameter(1.0, "Of the triplet loss.", low=0)
    margin: float = parameter(
        0.3, "By how much the farthest view of the same person is to be nearer than the nearest "
        "of another one.",
        low=0,
    )  # fmt: skip
    label_smoothing: float = parameter(
        0.0, "Part of the cross-entropy's target that is shared out among all people.",
        low=0, high=1,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.identity_weight and not self.triplet_weight:
            raise ValueError(
                "identity_weight: expected more than 0 where triplet_weight is 0, got 0.0"
            )


@dataclass(frozen=True, kw_only=True)
class ReidValidationConfig(ValidationTimes, ReidEvaluationConfig):
    """How well people are found again in what the network does not learn from."""

    choose_by: Literal["mAP", "rank1"] = parameter(
        "mAP", "By which of the numbers `best.safetensors` is chosen."
    )
    most_images: int = parameter(
        16, "Views of a person that are compared, evenly spaced in time.", unit="images", low=2
    )
