"""How video object detectors are built and choose their proposals; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.mask_branch.config import Norm

Partner = Literal["instance", "regression"]
Value = Literal["classification", "sum"]
Refinement = Literal["replace", "add"]


@dataclass(frozen=True, kw_only=True)
class VideoNetworkConfig(PresetConfig):
    """What a YOLOX gets beside its own to look at many frames at once.

    Presets: `default` is FAIM; `yolov` is YOLOV as FAIM was built on it, with the detector's
    regression features in place of instance features; `yolov-post-2023` is what its code became
    in December 2023. YOLOV with an instance branch that only learns (Table 2) is built as
    `yolov`: the branch is the mask branch's then.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "yolov": {"partner": "regression"},
        "yolov-post-2023": {"partner": "regression", "partner_confidence": False},
    }

    partner: Partner = parameter(
        "instance",
        "Which features are compared beside classification features: instance features (IFEM), or "
        "those that boxes are read from.",
    )
    heads: int = parameter(4, "Heads of the attention.", low=1)
    scale: float = parameter(25.0, "Of the cosines in the attention.", low=0)
    partner_confidence: bool = parameter(
        True, "Whether the partner's attention is weighed by how surely there is an object."
    )
    value: Value = parameter(
        "classification",
        "What is summed up: projected classification features, or these plus the partner's.",
    )
    pooling: bool = parameter(
        True, "Average over proposals that look alike, after the attention (A.P.)."
    )
    refinement: Refinement = parameter(
        "replace",
        "What aggregated features give: a proposal's class logits, as in the paper, or what is "
        "added to those of the base detector; that begins at 0.",
    )
    similarity: float = parameter(
        0.75, "They look alike if the cosine of their values is above this.", low=-1, high=1
    )
    instance_channels: int | None = parameter(
        None, "Channels of instance features (C'); unset: as many as the detector's.", low=1
    )
    norm: Norm = parameter("batch", "What follows the convolution that makes instance features.")
    shared_levels: bool = parameter(
        True, "Make the instance features of all levels with one convolution."
    )

    @property
    def adds(self) -> bool:
        """Whether refined classes are added to the base detector's."""
        return self.refinement == "add"


@dataclass(frozen=True, kw_only=True)
class ProposalConfig(PresetConfig):
    """Which of a detector's predictions go on as proposals (FSPM; paper, 3.2)."""

    proposals: int = parameter(
        30, "Proposals of a frame (n); at least twice the objects of a crowded frame.", low=1
    )
    candidates: int = parameter(
        750, "Predictions of highest objectness that proposals are chosen among (k).", low=1
    )
    proposal_nms_threshold: float = parameter(
        0.75, "Of two candidates that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    proposal_nms_per_class: bool = parameter(
        True, "Only candidates of one class make each other go; false: those of any classes."
    )
    minimum_objectness: float = parameter(
        0.0, "Predictions below this are no candidates; 0 keeps all.", low=0, high=1
    )
