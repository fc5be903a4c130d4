"""How a Faster R-CNN learns."""

from __future__ import annotations

import dataclasses
from typing import Any

from torch import Tensor

from faimtrack.detectors.faster_rcnn.answers import Targets
from faimtrack.detectors.faster_rcnn.checkpoint import describe_network
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.training.batches import TrainingBatch
from faimtrack.training.learners.learner import Answer, DivideBy, Learner, with_mask_branch
from faimtrack.weights.files import WeightsMetadata


class FasterRcnnLearner(Learner):
    """A Faster R-CNN with or without a mask branch.

    Its own losses are means over the anchors and proposals that a process samples, as in
    torchvision and MMDetection; as each image gives the same number of them, their mean over
    processes is that over the whole batch. The mask loss is divided by the count of the whole
    batch.
    """

    network: FasterRcnn

    def __init__(self, network: FasterRcnn, *, mask_branch: Any = None) -> None:
        """Put the parts together.

        Args:
            network: What learns.
            mask_branch: What `build_mask_branch` made for the network; None for none.
        """
        super().__init__()
        self.network = network
        self.mask_branch = mask_branch
        self.class_names = network.class_names
        masks, numbers = ((), ()) if mask_branch is None else (("masks",), ("mask_iou",))
        names = ("proposal_objectness", "proposal_boxes", "classes", "boxes")
        self.loss_names = (*names, *masks)
        self.number_names = ("positives", *numbers)

    def forward(self, batch: TrainingBatch, *, is_plain: bool, divide_by: DivideBy) -> Answer:
        """Losses on a batch."""
        targets = [
            Targets(boxes, class_ids)
            for boxes, class_ids in zip(batch.boxes, batch.class_ids, strict=True)
        ]
        answer = self.network(batch.images, targets)
        losses = dict(answer.losses)
        positives = sum(int((labels > 0).sum()) for labels in answer.labels)
        numbers: dict[str, Tensor | float] = {"positives": positives / len(batch)}
        if self.mask_branch is not None:
            found = self.mask_branch.loss(answer, targets, batch.masks, divide_by)
            losses["masks"] = found.loss
            numbers["mask_iou"] = found.mean_iou
        return Answer(losses, numbers)

    def metadata(self, **texts: str) -> WeightsMetadata:
        """What a file of these weights has to say."""
        said = describe_network(self.network, **texts)
        branch = self.mask_branch
        if branch is None:
            return said
        return with_mask_branch(said, dataclasses.asdict(branch.config))
