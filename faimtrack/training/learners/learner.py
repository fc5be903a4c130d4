"""What training asks of a network, of whichever kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor, nn

from faimtrack.detectors.mask_branch.loading import SETTING
from faimtrack.weights.files import WeightsMetadata

DivideBy = Callable[[int], float]
"""From this process's count of what is learnt from, to what its sum is divided by."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a network makes of a batch.

    Attributes:
        losses: Scalars by name, weighed; their sum is what is to fall.
        numbers: Scalars for the logs.
    """

    losses: dict[str, Tensor]
    numbers: dict[str, Tensor | float] = field(default_factory=dict)


class Learner(nn.Module, ABC):
    """A network and its mask branch, if it has one, with what they learn by.

    Attributes:
        network: What is kept in the end: a detector, or a re-identification network.
        mask_branch: What learns masks beside it; None for none.
        class_names: What class ids mean.
        loss_names: Keys of the losses, in order.
        number_names: Keys of the numbers, in order.
    """

    network: nn.Module
    mask_branch: nn.Module | None
    class_names: tuple[str, ...]
    loss_names: tuple[str, ...]
    number_names: tuple[str, ...]

    @abstractmethod
    def forward(self, batch: Any, *, is_plain: bool, divide_by: DivideBy) -> Answer:
        """Losses on a batch.

        Args:
            batch: What `SampleSource.join` gave, on the network's device.
            is_plain: Whether training is in its last part, without strong augmentation.
            divide_by: Says what sums over positives are divided by.

        Raises:
            ValueError: A prediction is not finite, or a class is unknown.
        """

    @abstractmethod
    def metadata(self, **texts: str) -> WeightsMetadata:
        """What a file of these weights has to say.

        Args:
            texts: `recipe`, `data` and `licence`.
        """

    def file_tensors(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The learner's tensors, or averages of them, under the keys that files of weights have.

        What a file has no use for is left out.
        """
        return file_tensors(tensors)


def file_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A learner's tensors under the keys that files of weights have."""
    return {key.removeprefix("network."): value for key, value in tensors.items()}


def with_mask_branch(metadata: WeightsMetadata, settings: Mapping[str, Any]) -> WeightsMetadata:
    """Metadata that also say how the mask branch is built."""
    return replace(metadata, settings={**metadata.settings, SETTING: dict(settings)})
