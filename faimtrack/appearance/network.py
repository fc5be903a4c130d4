"""The re-identification network: a torchvision backbone and a head that gives a short vector."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v3_small, resnet18, resnet50

from faimtrack.appearance.conventions import IMAGENET_DEVIATION, IMAGENET_MEAN, INPUT_SIZE

Backbone = Literal["resnet50", "resnet18", "mobilenet-v3-small"]
"""torchvision's, under their builders' names; `resnet50` is MMTracking's."""

BACKBONES: tuple[Backbone, ...] = get_args(Backbone)

_BUILDERS: dict[str, Callable[..., Any]] = {
    "resnet50": resnet50,
    "resnet18": resnet18,
    "mobilenet-v3-small": mobilenet_v3_small,
}
_DEVIATION_OF_LAST = 0.01
_MOMENTUM = 0.1  # torch's default, which the ResNets have


class ReidNetwork(nn.Module):
    """Crops to vectors of which two of one person are near each other.

    As MMTracking configures it for Tracktor (`configs/reid/resnet50_b32x8_MOT17.py`): the
    backbone's last stage, averaged over its 8 x 4 cells; a linear layer with batch norm and ReLU;
    a second linear layer. Other input sizes are averaged over all cells that there are.

    Attributes:
        backbone_name: One of `BACKBONES`.
        input_size: Height and width in pixels of the crops that it is made for.
        hidden_channels: Between the two linear layers.
        dimension: Of its vectors.
    """

    def __init__(
        self,
        backbone: Backbone = "resnet50",
        *,
        input_size: tuple[int, int] = INPUT_SIZE,
        hidden_channels: int = 1024,
        dimension: int = 128,
    ) -> None:
        """Build it with random weights.

        Args:
            backbone: Which one.
            input_size: Height and width of crops in pixels.
            hidden_channels: Between the two linear layers.
            dimension: Of its vectors.

        Raises:
            ValueError: There is no such backbone.
        """
        super().__init__()
        if backbone not in BACKBONES:
            raise ValueError(f"backbone: expected {', '.join(BACKBONES)}, got {backbone!r}")
        self.backbone_name = backbone
        self.input_size = input_size
        self.hidden_channels = hidden_channels
        self.dimension = dimension
        self.backbone, channels = _headless(backbone)
        self.hidden = nn.Linear(channels, hidden_channels)
        self.hidden_norm = nn.BatchNorm1d(hidden_channels)
        self.embedding = nn.Linear(hidden_channels, dimension)
        nn.init.kaiming_normal_(self.hidden.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.hidden.bias)
        init_last(self.embedding)

    def forward(self, images: Tensor) -> Tensor:
        """Embed crops.

        Args:
            images: `(N, 3, H, W)` float RGB as `normalise_crops` gives them.

        Returns:
            `(N, dimension)` vectors of any length; two are compared by distance or cosine.
        """
        features = self.backbone(images)
        hidden = torch.relu(self.hidden_norm(self.hidden(features)))
        vectors: Tensor = self.embedding(hidden)
        return vectors


def normalise_crops(images: Tensor) -> Tensor:
    """Pixels as the network wants them.

    Args:
        images: `(N, 3, H, W)` uint8 RGB.

    Returns:
        `(N, 3, H, W)` float32, normalised by ImageNet's mean and deviation.
    """
    mean, deviation = (
        torch.tensor(each, device=images.device).reshape(1, 3, 1, 1)
        for each in (IMAGENET_MEAN, IMAGENET_DEVIATION)
    )
    return (images.float() / 255 - mean) / deviation


def init_last(layer: nn.Linear) -> None:
    """Start a last layer small, as MMTracking does."""
    nn.init.normal_(layer.weight, std=_DEVIATION_OF_LAST)
    nn.init.zeros_(layer.bias)


def _headless(backbone: Backbone) -> tuple[nn.Module, int]:
    """A backbone that ends with its average over all cells, and its channels there."""
    network = _BUILDERS[backbone](weights=None)
    if backbone == "mobilenet-v3-small":
        channels = int(network.classifier[0].in_features)
        network.classifier = nn.Identity()
        for module in network.modules():
            if isinstance(
                module, nn.BatchNorm2d
            ):  # its own 0.01 lags behind for hundreds of steps
                module.momentum = _MOMENTUM
    else:
        channels = int(network.fc.in_features)
        network.fc = nn.Identity()
    return network, channels
