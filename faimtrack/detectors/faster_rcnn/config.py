"""How a Faster R-CNN detects, and how one is built to be trained; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.config import DetectorConfig, TorchConfig

Architecture = Literal[
    "resnet50-fpn",
    "resnet50-fpn-v2",
    "mobilenet-v3-large-fpn",
    "mobilenet-v3-large-320-fpn",
    "resnet18-fpn",
]
"""Backbones, named as torchvision's builders; `resnet18-fpn` is ours, for small machines."""

BatchNorm = Literal["frozen", "affine", "batch"]

_COCO: dict[str, Any] = {"short_side": 800, "long_side": 1333}
_MOBILE: dict[str, Any] = {"max_detections": 100, "proposal_score_threshold": 0.05}
_MOT: dict[str, Any] = {"short_side": 1088, "long_side": 1088}


@dataclass(frozen=True, kw_only=True)
class ProposalConfig(PresetConfig):
    """Which boxes of the first stage the second one looks at."""

    proposals_before_nms: int = parameter(
        1000, "Best proposals of each pyramid level that are compared.", unit="boxes", low=1
    )
    proposals_after_nms: int = parameter(
        1000, "Best proposals of a frame that the second stage judges.", unit="boxes", low=1
    )
    proposal_nms_threshold: float = parameter(
        0.7, "Of two proposals of a level that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    proposal_score_threshold: float = parameter(
        0.0, "Keep proposals whose objectness is at least this.", low=0, high=1
    )


@dataclass(frozen=True, kw_only=True)
class FasterRcnnReading(PresetConfig):
    """From frames to the network, and from its boxes to detections."""

    score_threshold: float = parameter(
        0.05, "Keep boxes whose class score is above this.", low=0, high=1
    )
    nms_threshold: float = parameter(
        0.5, "Of two boxes of a class that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    max_detections: int | None = parameter(
        None, "Most boxes of a frame, the best ones; unset: all (a MOT20 frame holds 200 people).",
        unit="boxes", low=1,
    )  # fmt: skip
    short_side: int | None = parameter(
        None, "Frames are scaled until their short side has this length, or their long side has "
        "its own; unset: as the weights were trained.",
        unit="px", low=1,
    )  # fmt: skip
    long_side: int | None = parameter(
        None, "See short_side.", unit="px", low=1
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FasterRcnnOnnxConfig(FasterRcnnReading, DetectorConfig):
    """A Faster R-CNN export in onnxruntime, which takes one frame at a time."""


@dataclass(frozen=True, kw_only=True)
class FasterRcnnConfig(FasterRcnnReading, ProposalConfig, TorchConfig):
    """A Faster R-CNN that detects.

    Presets: `coco`, `coco-mobilenet` and `coco-mobilenet-320` are torchvision's settings for its
    COCO weights; `mot` is the input size of MMTracking's MOT detectors, and `tracktor-paper` that
    together with the original's limit of 100 boxes a frame.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "coco": _COCO | {"max_detections": 100},
        "coco-mobilenet": _COCO | _MOBILE,
        "coco-mobilenet-320": _MOBILE | {
            "short_side": 320,
            "long_side": 640,
            "proposals_before_nms": 150,
            "proposals_after_nms": 150,
        },
        "mot": _MOT,
        "tracktor-paper": _MOT | {"max_detections": 100},
    }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class FasterRcnnTrainingConfig(ProposalConfig):
    """How a Faster R-CNN is built and learns; the defaults are MMTracking's for MOT.

    The preset `coco` is how torchvision builds the networks of its COCO weights. What differs:

    | parameter | default (MMTracking, MOT) | `coco` (torchvision) |
    | --- | --- | --- |
    | proposals_after_nms | 1000 | 2000 |
    | roi_aligned | True | False |
    | roi_sampling_ratio | 0 (as many as fit) | 2 |
    | box_loss_beta | 1 | 1/9 |
    | batch_norm | affine | frozen |
    | short_side, long_side | 1088, 1088 | 800, 1333 |

    The same in both: anchors of 32 to 512 px on strides 4 to 64 with ratios 0.5, 1 and 2, box
    offsets divided by .1 .1 .2 .2, a smooth L1 of β 1/9 for proposals, matching, sampling.
    One thing is torchvision's in both: the best anchor of a target learns it even where they
    overlap by less than 0.3.
    """

    proposals_before_nms: int = parameter(
        2000, "Best proposals of each pyramid level that are compared.", unit="boxes", low=1
    )
    proposal_samples: int = parameter(
        256, "Anchors of an image that the first stage learns from.", unit="boxes", low=1
    )
    proposal_positive_fraction: float = parameter(
        0.5, "Largest part of them that are objects.", low=0, high=1
    )
    proposal_positive_iou: float = parameter(
        0.7, "Anchors that overlap a target this much are objects.", unit="IoU", low=0, high=1
    )
    proposal_negative_iou: float = parameter(
        0.3, "Anchors that overlap every target less are background.", unit="IoU", low=0, high=1
    )
    box_samples: int = parameter(
        512, "Proposals of an image that the second stage learns from.", unit="boxes", low=1
    )
    box_positive_fraction: float = parameter(
        0.25, "Largest part of them that are objects.", low=0, high=1
    )
    box_positive_iou: float = parameter(
        0.5, "Proposals that overlap a target this much are objects; others are background.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    box_loss_beta: float = parameter(
        1.0, "Where the second stage's smooth L1 turns from square to straight.", low=1e-6
    )
    roi_aligned: bool = parameter(
        True, "Pool with pixels' centres at half coordinates, as detectron2 and MMCV do."
    )
    roi_sampling_ratio: int = parameter(
        0, "Points across a cell of a pooled box; 0: as many as the box has pixels.", low=0
    )
    batch_norm: BatchNorm = parameter(
        "affine",
        "frozen: nothing of batch norms learns; affine: their scales and shifts; batch: their "
        "statistics too, for training from nothing.",
    )
    trained_stages: int = parameter(
        3, "Stages of the backbone that learn, from its end; 3 of a ResNet leave out its stem and "
        "its first stage, 5 none.",
        low=0, high=6,
    )  # fmt: skip
    short_side: int = parameter(
        1088, "Images are scaled until their short side has this length, or their long side has "
        "its own.",
        unit="px", low=1,
    )  # fmt: skip
    long_side: int = parameter(1088, "See short_side.", unit="px", low=1)
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "coco": _COCO | {
            "proposals_after_nms": 2000,
            "roi_aligned": False,
            "roi_sampling_ratio": 2,
            "box_loss_beta": 1 / 9,
            "batch_norm": "frozen",
        },
    }  # fmt: skip
