"""A moving average of a network's weights, which is what is kept in the end.

Lightning has such a callback, which averages the whole module. This one is of the network alone,
starts at the initial weights as YOLOX's does (torch's begins with the first step's), and can be
written to a file in the middle of training without touching the network that learns.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of parameters and buffers.

    Attributes:
        tensors: The averages by the network's keys; what is no float is a copy of the last.
    """

    def __init__(self, network: nn.Module) -> None:
        """Start with the network's weights as they are."""
        self.tensors = {key: value.detach().clone() for key, value in network.state_dict().items()}

    def to(self, device: torch.device) -> None:
        """Move the averages to where the network is."""
        self.tensors = {key: value.to(device) for key, value in self.tensors.items()}

    def update(self, network: nn.Module, decay: float) -> None:
        """Move each average towards its weight: `decay` of the average stays."""
        averages, weights = [], []
        for key, value in network.state_dict().items():
            average = self.tensors[key]
            if average.is_floating_point():
                averages.append(average)
                weights.append(value.detach())
            else:
                average.copy_(value)
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - decay)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over averages that were saved.

        Raises:
            ValueError: They are of another network.
        """
        if tensors.keys() != self.tensors.keys():
            raise ValueError("averaged weights: expected those of the same network, got others")
        for key, value in tensors.items():
            self.tensors[key].copy_(value)
