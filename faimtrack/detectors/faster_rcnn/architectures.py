"""The parts that a Faster R-CNN is built of, with the keys of torchvision's checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn
from torchvision.models import mobilenet_v3_large, resnet18, resnet50
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, TwoMLPHead
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FrozenBatchNorm2d

from faimtrack.detectors.faster_rcnn.config import Architecture, BatchNorm

PYRAMID_CHANNELS = 256
POOLED_SIZE = 7
HEAD_CHANNELS = 1024

_ANCHOR_SIDES = (32, 64, 128, 256, 512)
_ANCHOR_RATIOS = (0.5, 1.0, 2.0)  # height to width
_RESNET_STAGES = ("conv1", "layer1", "layer2", "layer3", "layer4")
# Strided blocks of torchvision's MobileNetV3 begin these; the first and the last are single.
_MOBILENET_STAGES = (0, 2, 4, 7, 13, 16)


@dataclass(frozen=True, kw_only=True)
class ArchitectureSpec:
    """What sets one architecture apart.

    Attributes:
        make_body: torchvision's builder of the backbone, or None for MobileNetV3.
        strides: Pixels of the input to a cell of the levels that boxes are pooled from.
        is_second: Whether it is of torchvision's second kind: batch norms that stay batch norms,
            also in the pyramid, and convolutions in the heads.
        norm_epsilon: Added to the variances of batch norms whose statistics are frozen.
        coco_sides: Short and long side in pixels that torchvision scales images into.
    """

    make_body: Callable[..., nn.Module] | None
    strides: tuple[int, ...] = (4, 8, 16, 32)
    is_second: bool = False
    norm_epsilon: float = 1e-5
    coco_sides: tuple[int, int] = (800, 1333)


ARCHITECTURES: dict[Architecture, ArchitectureSpec] = {
    # torchvision's weights of this one come from a time when frozen norms added nothing.
    "resnet50-fpn": ArchitectureSpec(make_body=resnet50, norm_epsilon=0.0),
    "resnet50-fpn-v2": ArchitectureSpec(make_body=resnet50, is_second=True),
    "mobilenet-v3-large-fpn": ArchitectureSpec(make_body=None, strides=(32, 32)),
    "mobilenet-v3-large-320-fpn": ArchitectureSpec(
        make_body=None, strides=(32, 32), coco_sides=(320, 640)
    ),
    "resnet18-fpn": ArchitectureSpec(make_body=resnet18),
}


class AffineBatchNorm2d(FrozenBatchNorm2d):
    """Batch norm whose statistics stay as they are while its scale and shift learn."""

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__(num_features, eps)
        for name in ("weight", "bias"):
            value = getattr(self, name)
            delattr(self, name)
            self.register_parameter(name, nn.Parameter(value))


def make_backbone(spec: ArchitectureSpec, batch_norm: BatchNorm) -> BackboneWithFPN:
    """A backbone with its feature pyramid, randomly initialised; nothing is fetched."""
    norm = _norm_layer(spec, batch_norm)
    if spec.make_body is None:
        body = mobilenet_v3_large(weights=None, norm_layer=norm).features
        first, last = _MOBILENET_STAGES[-2:]
        returned = {str(first): "0", str(last): "1"}
        channels = [body[stage].out_channels for stage in (first, last)]
    else:
        body = spec.make_body(weights=None, norm_layer=norm)
        returned = {f"layer{stage}": str(stage - 1) for stage in range(1, 5)}
        channels = [body.inplanes // 8 * 2**stage for stage in range(4)]
    pyramid_norm = nn.BatchNorm2d if spec.is_second else None
    return BackboneWithFPN(body, returned, channels, PYRAMID_CHANNELS, norm_layer=pyramid_norm)


def freeze_stages(backbone: BackboneWithFPN, spec: ArchitectureSpec, trained_stages: int) -> None:
    """Let only the last stages of the body learn; the pyramid always does."""
    if spec.make_body is None:
        count = len(_MOBILENET_STAGES)
        starts = (*_MOBILENET_STAGES, _MOBILENET_STAGES[-1] + 1)
        frozen = tuple(f"{block}." for block in range(starts[max(count - trained_stages, 0)]))
    else:
        stages = _RESNET_STAGES[: max(len(_RESNET_STAGES) - trained_stages, 0)]
        frozen = tuple(f"{stage}." for stage in (*stages, *(("bn1",) if stages else ())))
    for name, weight in backbone.body.named_parameters():
        if name.startswith(frozen):
            weight.requires_grad_(False)


def make_anchors(spec: ArchitectureSpec) -> AnchorGenerator:
    """Anchors of each pyramid level: one size a level of a ResNet, all sizes of a MobileNet."""
    if spec.make_body is None:
        sizes: tuple[tuple[int, ...], ...] = (_ANCHOR_SIDES,) * 3
    else:
        sizes = tuple((side,) for side in _ANCHOR_SIDES)
    return AnchorGenerator(sizes, (_ANCHOR_RATIOS,) * len(sizes))


def make_proposal_head(spec: ArchitectureSpec, anchors: AnchorGenerator) -> RPNHead:
    """The convolutions of the first stage."""
    depth = 2 if spec.is_second else 1
    return RPNHead(PYRAMID_CHANNELS, anchors.num_anchors_per_location()[0], conv_depth=depth)


def make_box_head(spec: ArchitectureSpec) -> nn.Module:
    """From pooled boxes `(P, 256, 7, 7)` to vectors `(P, 1024)`."""
    if spec.is_second:
        shape = (PYRAMID_CHANNELS, POOLED_SIZE, POOLED_SIZE)
        convolutions = [PYRAMID_CHANNELS] * 4
        return FastRCNNConvFCHead(shape, convolutions, [HEAD_CHANNELS], nn.BatchNorm2d)
    return TwoMLPHead(PYRAMID_CHANNELS * POOLED_SIZE**2, HEAD_CHANNELS)


def _norm_layer(spec: ArchitectureSpec, batch_norm: BatchNorm) -> Any:
    """What makes the body's batch norms; those of the second kind are never replaced."""
    if spec.is_second or batch_norm == "batch":
        return nn.BatchNorm2d
    kind = FrozenBatchNorm2d if batch_norm == "frozen" else AffineBatchNorm2d
    return partial(kind, eps=spec.norm_epsilon)
