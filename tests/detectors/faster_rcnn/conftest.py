"""torchvision's own Faster R-CNNs, with random weights that find something."""

import functools
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.models import detection
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.ops import FrozenBatchNorm2d

from faimtrack.detectors.faster_rcnn.checkpoint import load_faster_rcnn
from faimtrack.structures import Frame
from faimtrack.weights.files import Checkpoint

SMALL = {"min_size": 160, "max_size": 256, "rpn_score_thresh": 0.0}


def _build(architecture, outputs, settings):
    if architecture == "resnet18-fpn":  # torchvision has the parts, but no builder
        backbone = resnet_fpn_backbone(backbone_name="resnet18", weights=None)
        return detection.FasterRCNN(backbone, outputs, **settings)
    build = getattr(detection, "fasterrcnn_" + architecture.replace("-", "_"))
    return build(weights=None, weights_backbone=None, num_classes=outputs, **settings)


def _spread(model, image):
    """Scale the last layers so that their outputs on an image are spread out."""
    spreads = (
        (model.rpn.head.cls_logits, 2.0),
        (model.rpn.head.bbox_pred, 0.3),
        (model.roi_heads.box_predictor.cls_score, 2.0),
        (model.roi_heads.box_predictor.bbox_pred, 0.5),
    )
    for layer, wanted in spreads:
        seen = []
        hook = layer.register_forward_hook(lambda *call, seen=seen: seen.append(call[2].flatten()))
        model([image])
        hook.remove()
        layer.weight *= wanted / torch.cat(seen).std()


@functools.cache
def _spread_model(architecture, outputs, settings):
    torch.manual_seed(3)
    model = _build(architecture, outputs, SMALL | dict(settings)).eval()
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, (nn.BatchNorm2d, FrozenBatchNorm2d)):
                norm.running_mean.uniform_(-0.1, 0.1)
                norm.running_var.uniform_(0.5, 1.5)
        _spread(model, torch.rand(3, 160, 256))
    return model


@pytest.fixture
def make_torchvision():
    """torchvision's model; statistics of norms are random and its outputs are spread out."""

    def make(architecture="resnet18-fpn", outputs=91, **settings):
        return _spread_model(architecture, outputs, tuple(settings.items()))

    return make


@pytest.fixture
def make_checkpoint(make_torchvision):
    """What a file of torchvision's weights holds; tensors may be changed by key, None drops."""

    def make(architecture="resnet18-fpn", outputs=91, name="weights.pth", metadata=None, **change):
        tensors = dict(make_torchvision(architecture, outputs).state_dict()) | change
        kept = {key: value for key, value in tensors.items() if value is not None}
        return Checkpoint(kept, metadata, Path(name))

    return make


@functools.cache
def _network(outputs, class_names):
    tensors = dict(_spread_model("resnet18-fpn", outputs, ()).state_dict())
    checkpoint = Checkpoint(tensors, None, Path("weights.pth"))
    return load_faster_rcnn(checkpoint, class_names=class_names).network


@pytest.fixture
def make_network():
    """Our network with the weights of `make_torchvision`; not to be changed."""
    return lambda outputs=91, class_names=None: _network(outputs, class_names)


@pytest.fixture
def make_frame():
    """A frame of noise; its index is the seed."""

    def make(index=1, height=120, width=200):
        random = np.random.default_rng(index)
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Frame(index, image=image)

    return make


@pytest.fixture
def as_tensor():
    """A frame as torchvision takes it: `(3, H, W)` from 0 to 1."""
    return lambda frame: torch.from_numpy(frame.image).permute(2, 0, 1).float() / 255
