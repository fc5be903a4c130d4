"""The parameters of linking, a class a method."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from faimtrack.config import PresetConfig, parameter

LinkMethod = Literal["seq-nms", "repp"]


@dataclass(frozen=True, kw_only=True)
class LinkConfig(PresetConfig):
    """What all methods share."""

    max_step_frames: int = parameter(
        1,
        "Frames whose numbers lie further apart are not linked; 2 where every second frame was "
        "looked at.",
        unit="frames",
        low=1,
    )


@dataclass(frozen=True, kw_only=True)
class SeqNmsConfig(LinkConfig):
    """Seq-NMS (Han et al., arXiv 1602.08465), with the paper's values."""

    link_iou: float = parameter(
        0.5,
        "Boxes of one class in consecutive frames are linked from this overlap on.",
        unit="IoU",
        low=0.01,
        high=1.0,
    )
    suppress_iou: float = parameter(
        0.3,
        "In each frame of a path, boxes of its class that overlap its box this much are removed.",
        unit="IoU",
        low=0.01,
        high=1.0,
    )
    rescore: Literal["average", "maximum"] = parameter(
        "average", "What a path makes of the scores of its boxes."
    )

    _presets: ClassVar[dict[str, dict[str, object]]] = {
        "default": {},
        "crowd": {"suppress_iou": 0.7},
    }


@dataclass(frozen=True, kw_only=True)
class ReppConfig(LinkConfig):
    """Linking in the manner of REPP (Sabater et al., IROS 2020)."""

    minimum_score: float = parameter(
        0.001,
        "Detections that score less are left out, and so are classes that a tubelet's mean "
        "scores less.",
        low=0.0,
    )
    link_threshold: float = parameter(
        0.7,
        "Two boxes are linked only if they show the same object with this probability.",
        low=0.0,
        high=1.0,
    )
    smoothing_std_frames: float = parameter(
        1.0,
        "Standard deviation of the Gaussian that smooths boxes along a tubelet; 0 leaves them.",
        unit="frames",
        low=0.0,
        high=1000.0,
    )
    keep_unlinked: bool = parameter(
        True, "Whether boxes that were seen in one frame only are kept, with their own score."
    )
    coefficients: str | None = parameter(
        None,
        "A JSON file that `faimtrack link train` wrote; none: those that come along, learnt from "
        "synthetic crowds.",
    )


CONFIG_CLASSES: dict[LinkMethod, type[LinkConfig]] = {
    "seq-nms": SeqNmsConfig,
    "repp": ReppConfig,
}
"""The configuration of each method by the name that a command line gives it."""
