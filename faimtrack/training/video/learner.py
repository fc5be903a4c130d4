"""How a video object detector learns beside a base detector that stays as it is."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from itertools import accumulate, pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from faimtrack.detectors.video.aggregation import TemporalInstanceClassificationAggregation
from faimtrack.detectors.video.checkpoint import SETTING, architecture_of
from faimtrack.detectors.video.losses import VideoLoss, VideoLossConfig, video_loss
from faimtrack.detectors.video.mask_branch import VideoMaskBranch
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.video.selection import select_proposals
from faimtrack.detectors.yolox.assignment import SimOtaConfig
from faimtrack.detectors.yolox.losses import YoloxTargets
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.training.learners.build import seeded
from faimtrack.training.learners.learner import Answer, DivideBy, Learner, with_mask_branch
from faimtrack.training.learners.yolox import network_pixels
from faimtrack.training.recipe import TrainingRecipe
from faimtrack.training.video.clips import ClipBatch
from faimtrack.training.video.config import Frozen, VideoTrainingNetworkConfig
from faimtrack.weights.files import WeightsMetadata

_BASE_LOSSES = ("iou", "objectness", "classification", "l1")
_LEARNING: dict[Frozen, tuple[str, ...]] = {
    "base": (),
    "features": ("objectness", "classification"),
    "none": _BASE_LOSSES,
}
"""Which of the base detector's losses have anything to teach."""


class VideoLearner(Learner):
    """A video object detector with or without a mask branch.

    The base detector's losses of which nothing can learn are numbers of the logs. What is frozen
    has no gradients, is not in the optimizer, and is in the end what it was at the start.
    """

    network: VideoYolox
    mask_branch: VideoMaskBranch | None

    def __init__(
        self,
        network: VideoYolox,
        class_names: tuple[str, ...],
        config: VideoTrainingNetworkConfig,
        *,
        input_convention: Literal["current", "legacy"] = "current",
        loss: VideoLossConfig | None = None,
        assignment: SimOtaConfig | None = None,
        mask_branch: VideoMaskBranch | None = None,
    ) -> None:
        """Put the parts together, and freeze what is to be.

        Args:
            network: Its batch norms are not folded.
            class_names: What its classes are.
            config: What is frozen, which predictions are proposals, and the input's size.
            input_convention: How pixels are given to it.
            loss: Weights of the parts.
            assignment: How anchors are given to truths; None: as YOLOV does it.
            mask_branch: Made for the network; None for none.
        """
        super().__init__()
        self.network = network
        self.mask_branch = mask_branch
        self.class_names = class_names
        self.input_size = (config.input_height, config.input_width)
        self.input_convention = input_convention
        self._proposals = config.proposing
        self._freezes_norms = config.frozen_norms
        self._norms_stand = config.branch_norms == "stand"
        self._frozen = config.frozen
        self._loss = loss or VideoLossConfig()
        self._assignment = assignment or SimOtaConfig.preset("yolov")
        for part in self.frozen_parts():
            part.requires_grad_(False)
        masks, numbers = ((), ()) if mask_branch is None else (("masks",), ("mask_iou",))
        self._learnt = _LEARNING[config.frozen]
        self._looked_at = tuple(name for name in _BASE_LOSSES if name not in self._learnt)
        self.loss_names = ("refined", *self._learnt, *masks)
        self.number_names = ("positives", "learning_proposals", *self._looked_at, *numbers)
        self.to(memory_format=torch.channels_last)  # twice as fast on a CPU, no slower on a GPU

    def frozen_parts(self) -> list[nn.Module]:
        """The parts of the base detector that do not learn."""
        network, head = self.network, self.network.head
        if self._frozen == "none":
            return []
        if self._frozen == "base":
            return [network.backbone, head]
        features = (head.stems, head.cls_convs, head.reg_convs, head.reg_preds)
        return [network.backbone, *features]

    def train(self, mode: bool = True) -> VideoLearner:
        """Let it learn, but for batch norms of what is frozen, and those that are to stand."""
        super().train(mode)
        if self._freezes_norms:
            for part in self.frozen_parts():
                part.eval()
        if self._norms_stand:
            for norm in self._branch_norms():
                norm.eval()
        return self

    def _branch_norms(self) -> Iterator[nn.Module]:
        """The batch norms beside the base detector; the scale and shift of each do learn."""
        for part in (self.network.video, self.mask_branch):
            if part is not None:
                yield from (each for each in part.modules() if isinstance(each, nn.BatchNorm2d))

    def forward(self, batch: ClipBatch, *, is_plain: bool, divide_by: DivideBy) -> Answer:
        """Losses on a batch of clips."""
        output = self.network(network_pixels(batch.images, self.input_convention))
        selections = select_proposals(output.base.rows(), self._proposals)
        proposals = self.network.gather(output, selections)
        ends = list(accumulate(batch.clip_lengths, initial=0))
        clips = [proposals[first:last] for first, last in pairwise(ends)]
        logits = torch.cat(self.network.refine(clips))
        targets = [
            YoloxTargets(boxes, class_ids)
            for boxes, class_ids in zip(batch.boxes, batch.class_ids, strict=True)
        ]
        found = video_loss(
            output, selections, logits, targets, self._loss, self._assignment, divide_by
        )
        losses = {"refined": found.refined}
        losses |= {name: getattr(found.base, name) for name in self._learnt}
        numbers = self._numbers(found, len(batch))
        if self.mask_branch is not None:
            masks = self.mask_branch.loss(
                output, selections, found.targets, logits, targets, batch.masks, divide_by
            )
            losses["masks"] = masks.loss
            numbers["mask_iou"] = masks.mean_iou
        return Answer(losses, numbers)

    def metadata(self, **texts: str) -> WeightsMetadata:
        """What a file of these weights has to say."""
        settings = {
            SETTING: dataclasses.asdict(self.network.config),
            "input_convention": self.input_convention,
            "input_size": list(self.input_size),
        }
        said = WeightsMetadata(
            architecture=architecture_of(self.network),
            classes=self.class_names,
            settings=settings,
            **texts,
        )
        if self.mask_branch is None:
            return said
        return with_mask_branch(said, dataclasses.asdict(self.mask_branch.config))

    def _numbers(self, found: VideoLoss, frames: int) -> dict[str, Tensor | float]:
        learning = sum(len(each.rows) for each in found.targets)
        numbers: dict[str, Tensor | float] = {
            "positives": found.base.foreground_count / frames,
            "learning_proposals": learning / frames,
        }
        for name in self._looked_at:
            numbers[name] = getattr(found.base, name).detach()
        return numbers


def copy_classification_branch(network: VideoYolox) -> None:
    """Give the video object branch the weights of the base detector's classification branch."""
    for level, convolutions in zip(
        network.video.branch.levels, network.head.cls_convs, strict=True
    ):
        level.load_state_dict(convolutions.state_dict())


def build_video_learner(
    recipe: TrainingRecipe,
    class_names: tuple[str, ...],
    *,
    input_convention: Literal["current", "legacy"] = "current",
) -> VideoLearner:
    """A learner with random weights, drawn from the recipe's seed alone.

    Each part is drawn by itself: a FAIM and the YOLOV that is its twin have all those weights in
    common that both have.

    Args:
        recipe: What to build.
        class_names: What it learns to tell apart.
        input_convention: How its initial weights want pixels.
    """
    config, seed = recipe.network, recipe.schedule.seed
    assert isinstance(config, VideoTrainingNetworkConfig)
    size = config.name.partition("-")[2]
    base = seeded(seed, "network", lambda: Yolox(size, len(class_names)))
    channels, building = int(256 * base.size.width), config.building
    partner_channels = channels
    if building.partner == "instance":
        partner_channels = building.instance_channels or channels
    aggregation = seeded(
        seed,
        "aggregation",
        lambda: TemporalInstanceClassificationAggregation(channels, partner_channels, building),
    )
    network = seeded(seed, "video", lambda: VideoYolox(base, building, aggregation))
    seeded(seed, "classifier", network.video.reset_classifier)
    branch: VideoMaskBranch | None = None
    if (wanted := recipe.mask_branch) is not None:
        branch = seeded(seed, "mask_branch", lambda: VideoMaskBranch(wanted, network))
    losses: Any = recipe.losses
    return VideoLearner(
        network,
        class_names,
        config,
        input_convention=input_convention,
        loss=VideoLossConfig(**losses),
        assignment=SimOtaConfig(**recipe.assignment),
        mask_branch=branch,
    )
