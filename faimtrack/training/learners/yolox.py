"""How a YOLOX learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from faimtrack.detectors.yolox.assignment import SimOtaConfig
from faimtrack.detectors.yolox.letterbox import DEVIATION, MEAN
from faimtrack.detectors.yolox.losses import YoloxLossConfig, YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.training.batches import TrainingBatch
from faimtrack.training.learners.learner import Answer, DivideBy, Learner, with_mask_branch
from faimtrack.weights.files import WeightsMetadata


class YoloxLearner(Learner):
    """A YOLOX with or without a mask branch.

    All sums over positives are divided by the count of positives of the whole batch, however many
    processes share it.
    """

    network: Yolox

    def __init__(
        self,
        network: Yolox,
        class_names: tuple[str, ...],
        input_size: tuple[int, int],
        *,
        input_convention: Literal["current", "legacy"] = "current",
        loss: YoloxLossConfig | None = None,
        assignment: SimOtaConfig | None = None,
        mask_branch: Any = None,
    ) -> None:
        """Put the parts together.

        Args:
            network: Its batch norms are not folded.
            class_names: What its classes are.
            input_size: Height and width in pixels that weights are to say they are made for.
            input_convention: How pixels are given to it.
            loss: Weights of the parts.
            assignment: How anchors are given to truths.
            mask_branch: What `build_mask_branch` made for the network; None for none.
        """
        super().__init__()
        self.network = network
        self.mask_branch = mask_branch
        self.class_names = class_names
        self.input_size = input_size
        self.input_convention = input_convention
        self._loss = loss or YoloxLossConfig()
        self._assignment = assignment or SimOtaConfig()
        masks, numbers = ((), ()) if mask_branch is None else (("masks",), ("mask_iou",))
        self.loss_names = ("iou", "objectness", "classification", "l1", *masks)
        self.number_names = ("positives", *numbers)
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU, no slower on a GPU

    def forward(self, batch: TrainingBatch, *, is_plain: bool, divide_by: DivideBy) -> Answer:
        """Losses on a batch."""
        output = self.network(network_pixels(batch.images, self.input_convention))
        targets = [
            YoloxTargets(boxes, class_ids)
            for boxes, class_ids in zip(batch.boxes, batch.class_ids, strict=True)
        ]
        config = dataclasses.replace(self._loss, use_l1=self._loss.use_l1 or is_plain)
        loss = yolox_loss(output, targets, config, self._assignment, divide_by)
        losses = {
            "iou": loss.iou,
            "objectness": loss.objectness,
            "classification": loss.classification,
            "l1": loss.l1,
        }
        numbers: dict[str, Tensor | float] = {
            "positives": float(loss.foreground_count) / len(batch)
        }
        if self.mask_branch is not None:
            found = self.mask_branch.loss(output, loss, targets, batch.masks, divide_by)
            losses["masks"] = found.loss
            numbers["mask_iou"] = found.mean_iou
        return Answer(losses, numbers)

    def metadata(self, **texts: str) -> WeightsMetadata:
        """What a file of these weights has to say."""
        settings = {
            "input_convention": self.input_convention,
            "input_size": list(self.input_size),
        }
        said = WeightsMetadata(
            architecture=f"yolox-{self.network.size.name}",
            classes=self.class_names,
            settings=settings,
            **texts,
        )
        branch = self.mask_branch
        if branch is None:
            return said
        return with_mask_branch(said, dataclasses.asdict(branch.config))


def network_pixels(images: Sequence[Tensor], convention: Literal["current", "legacy"]) -> Tensor:
    """Images of one size as a YOLOX wants them.

    Args:
        images: `N`, each `(3, H, W)` uint8 RGB.
        convention: `current`: BGR 0 to 255; `legacy`: RGB, normalised as ImageNet.

    Returns:
        `(N, 3, H, W)` float32.
    """
    stacked = torch.stack(list(images))
    if convention == "current":
        return stacked.flip(1).float().contiguous(memory_format=torch.channels_last)
    mean, deviation = (torch.from_numpy(each).to(stacked.device) for each in (MEAN, DEVIATION))
    pixels = (stacked.float() / 255 - mean) / deviation
    return pixels.contiguous(memory_format=torch.channels_last)
