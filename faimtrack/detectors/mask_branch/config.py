"""How the mask branch is built and learns; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.masks.methods import DEFAULT_METHOD, MaskMethod

Norm = Literal["batch", "group", "none"]
MaskLevel = Literal["by-size", "p3", "p4", "p5"]
Upsampling = Literal["bilinear", "deconv", "none"]
LossKind = Literal["bce", "dice"]
MaskTarget = Literal["proposal", "ground_truth_box"]


@dataclass(frozen=True, kw_only=True)
class MaskBranchConfig(PresetConfig):
    """The mask branch: instance features out of a detector's, and masks out of these.

    Presets: `paper` is the paper's: everything from P5, and masks compared in the frame of the
    ground truth's box; `mask-rcnn` has Mask R-CNN's sizes; `small` is for machines without a GPU.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "paper": {"level": "p5", "mask_target": "ground_truth_box"},
        "mask-rcnn": {"roi_size": 14, "upsampling": "deconv"},
        "small": {"roi_size": 14, "hidden_channels": 64, "max_positives": 32},
    }

    source: MaskMethod = parameter(DEFAULT_METHOD, "Which masks to learn from, by their method.")
    instance_channels: int | None = parameter(
        None, "Channels of the instance features; unset: as many as the detector's.", low=1
    )
    norm: Norm = parameter("batch", "What follows the convolution that makes instance features.")
    shared_levels: bool = parameter(
        True, "Make the instance features of all levels with one convolution (YOLOX only)."
    )
    level: MaskLevel = parameter(
        "by-size", "Which level of the pyramid boxes are pooled from: one, or by their size."
    )
    roi_size: int = parameter(
        32, "Cells across and down a pooled box; 14, 28 and 32 are usual.", unit="cells",
        low=2, high=128,
    )  # fmt: skip
    convolutions: int = parameter(4, "Convolutions of the mask head.", low=0)
    hidden_channels: int = parameter(256, "Their channels.", low=1)
    upsampling: Upsampling = parameter(
        "bilinear", "How masks become twice as fine as the pooled boxes; none: they do not."
    )
    class_aware: bool = parameter(
        True, "Predict a mask a class, of which that of the ground truth's class learns."
    )
    loss: LossKind = parameter("bce", "Cross entropy of pixels, or one less the dice overlap.")
    mask_target: MaskTarget = parameter(
        "proposal",
        "proposal: a mask is compared with the ground truth inside of its own box; "
        "ground_truth_box: stretched over the box of the object that it looks most like, as in "
        "the paper (A.2.1).",
    )
    weight: float = parameter(1.0, "Of the mask loss beside the detector's (λ).", low=0)
    max_positives: int = parameter(
        128, "Boxes of an image that learn masks, those that fit best; about 5 MB each with 32 "
        "cells and 256 channels.",
        unit="boxes", low=1,
    )  # fmt: skip

    @property
    def mask_size(self) -> int:
        """Cells across and down a predicted mask."""
        return self.roi_size * (1 if self.upsampling == "none" else 2)
