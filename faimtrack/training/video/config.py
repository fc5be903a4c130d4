"""How video object detectors and their base detectors are trained on videos; no torch here."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, TypeVar

from faimtrack.config import PresetConfig, parameter
from faimtrack.datasets.vod.opening import VideoDataset, check_split
from faimtrack.detectors.video.config import Partner, ProposalConfig, VideoNetworkConfig
from faimtrack.training.config import DataConfig, ValidationClock, YoloxNetworkConfig

Sampling = Literal["global", "local", "mixed"]
Frozen = Literal["base", "features", "none"]
Kind = TypeVar("Kind", bound=PresetConfig)

_PARTNERS: dict[str, Partner] = {"faim": "instance", "yolov": "regression"}
VIDEO_NAMES = tuple(
    f"{kind}-{size}" for kind in _PARTNERS for size in ("nano", "tiny", "s", "m", "l", "x")
)
"""Video object detectors: `faim-` or `yolov-` and the size of their YOLOX."""


@dataclass(frozen=True, kw_only=True)
class VideoTrainingNetworkConfig(YoloxNetworkConfig, VideoNetworkConfig, ProposalConfig):
    """A video object detector that is trained.

    A recipe whose network is a YOLOV begins with the preset `yolov` if it names none.

    Raises:
        ValueError: The name says another partner than `partner`, or a value is out of its range.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "yolov": {"name": "yolov-s", **VideoNetworkConfig._presets["yolov"]},
        "yolov-post-2023": {
            "name": "yolov-s",
            **VideoNetworkConfig._presets["yolov-post-2023"],
        },
    }

    name: str = parameter("faim-s", "faim- or yolov- and a size.")
    input_height: int = parameter(576, "Of the network's input.", unit="px", low=32)
    input_width: int = parameter(576, "Of the network's input.", unit="px", low=32)
    frozen: Frozen = parameter(
        "base",
        "What does not learn. base: the whole base detector, as the paper says; features: all of "
        "it but the last layers of classes and objectness, as YOLOV's code has it; none: "
        "everything learns.",
    )
    frozen_norms: bool = parameter(
        True,
        "Keep the batch norms of what is frozen as they are; else their averages follow the "
        "clips, as in YOLOV's code.",
    )
    branch_norms: Literal["follow", "stand"] = parameter(
        "follow",
        "Batch norms beside the base detector. follow: they see each step's clips, as in YOLOV's "
        "code; stand: they use the averages that they start with, as they will when it detects; "
        "the clip of one video is a poor sample of all.",
    )
    branch_start: Literal["random", "classification"] = parameter(
        "random",
        "What the video object branch starts as where the initial weights have none; "
        "classification: a copy of the base detector's classification branch, which is shorter "
        "to learn from.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = _PARTNERS.get(self.name.partition("-")[0])
        if wanted is not None and self.partner != wanted:
            raise ValueError(f"partner: expected {wanted} for {self.name}, got {self.partner}")

    @property
    def building(self) -> VideoNetworkConfig:
        """How the network is built."""
        return _part(self, VideoNetworkConfig)

    @property
    def proposing(self) -> ProposalConfig:
        """Which predictions are proposals while it learns."""
        return _part(self, ProposalConfig)


@dataclass(frozen=True, kw_only=True)
class VideoFramesConfig(PresetConfig):
    """Videos of which single frames are learnt."""

    dataset: VideoDataset = parameter(
        "vid",
        "vid: ImageNet VID; ovis; epic: EPIC-KITCHENS-55; crowd: built-in crowds, of several "
        "kinds of objects or of people.",
    )
    split: str = parameter(
        "train", "Which of the videos, by the data set's own word; full of a folder of crowds."
    )
    stride: int = parameter(1, "Take every so many-th annotated frame.", unit="frames", low=1)
    det: bool = parameter(
        False, "Add ImageNet DET's images of the same classes, which lie beside ImageNet VID's."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_split(self.dataset, self.split)
        if self.det and self.dataset != "vid":
            raise ValueError(
                f"det: expected true with dataset vid only, got it with {self.dataset}"
            )


@dataclass(frozen=True, kw_only=True)
class ClipsConfig(PresetConfig):
    """Which frames of a video are learnt from together.

    In an epoch each frame has its turn once, but for the rest of a video that fills no clip.
    """

    stride: int = parameter(1, "Take every so many-th annotated frame.", unit="frames", low=1)
    group_frames: int = parameter(
        16, "Frames of a clip; a video of fewer is one clip.", unit="frames", low=1
    )
    sampling: Sampling = parameter(
        "global",
        "global: from all over the video; local: one after the other; mixed: half of each.",
    )
    epoch_groups: int = parameter(
        15000, "Clips of an epoch at most; each epoch chooses others.", unit="clips", low=1
    )


@dataclass(frozen=True, kw_only=True)
class VideoClipsConfig(ClipsConfig, VideoFramesConfig):
    """Videos of which clips are learnt."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.det:
            raise ValueError("det: expected false where clips are learnt, got true")


@dataclass(frozen=True, kw_only=True)
class SequenceClipsConfig(ClipsConfig, DataConfig):
    """MOTChallenge sequences of which clips are learnt."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crowd_human:
            raise ValueError("crowd_human: expected false where clips are learnt, got true")


@dataclass(frozen=True, kw_only=True)
class VideoValidationConfig(ValidationClock):
    """How good a detector of objects in videos is while it learns."""

    split: str = parameter("val", "Which of the videos, by the data set's own word.")
    choose_by: Literal["AP50", "AP75", "AP", "VID"] = parameter(
        "AP50", "By which of the numbers `best.safetensors` is chosen."
    )
    videos: int | None = parameter(
        None, "Score so many videos, from all over the split; unset: all.", low=1
    )
    stride: int = parameter(1, "Score every so many-th annotated frame.", unit="frames", low=1)


def _part(config: PresetConfig, kind: type[Kind]) -> Kind:
    """The fields of a configuration that are those of a smaller one."""
    return kind(**{each.name: getattr(config, each.name) for each in fields(kind)})
