"""The Faster R-CNN network: its two stages by name, with the keys of torchvision's checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers

from faimtrack.detectors.faster_rcnn.answers import (
    BoxAnswer,
    Encoding,
    Targets,
    TrainingAnswer,
)
from faimtrack.detectors.faster_rcnn.architectures import (
    ARCHITECTURES,
    HEAD_CHANNELS,
    POOLED_SIZE,
    freeze_stages,
    make_anchors,
    make_backbone,
    make_box_head,
    make_proposal_head,
)
from faimtrack.detectors.faster_rcnn.config import (
    Architecture,
    FasterRcnnTrainingConfig,
    ProposalConfig,
)
from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool
from faimtrack.detectors.faster_rcnn.scaling import pad_images, scale_image
from faimtrack.detectors.faster_rcnn.selection import select_proposals

UNUSED_CLASS = "N/A"
"""The name of an output that stands for no class (ten of torchvision's 90 for COCO)."""

_OFFSET_WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # one over .1 .1 .2 .2


class FasterRcnn(nn.Module):
    """A Faster R-CNN with a feature pyramid.

    Attributes:
        backbone: Body and feature pyramid: `(N, 3, H, W)` to named maps.
        rpn: The first stage.
        roi_heads: The second stage: `box_roi_pool`, `box_head`, `box_predictor`.
        architecture: Its backbone's name.
        class_names: What class ids mean.
        output_names: Names of the predictor's outputs but background, `N/A` where it is none.
        output_of_class: `(K,)` the predictor's output of each class id; background is 0.
        config: How it was built and learns.
    """

    output_of_class: Tensor

    def __init__(
        self,
        architecture: Architecture,
        output_names: Sequence[str],
        config: FasterRcnnTrainingConfig,
    ) -> None:
        super().__init__()
        spec = ARCHITECTURES[architecture]
        self.architecture = architecture
        self.config = config
        self.output_names = tuple(output_names)
        self.class_names = tuple(name for name in output_names if name != UNUSED_CLASS)
        numbers = [row for row, name in enumerate(output_names, 1) if name != UNUSED_CLASS]
        self.register_buffer("output_of_class", torch.tensor(numbers), persistent=False)
        self.backbone = make_backbone(spec, config.batch_norm)
        freeze_stages(self.backbone, spec, config.trained_stages)
        anchors = make_anchors(spec)
        self.rpn = RegionProposalNetwork(
            anchors,
            make_proposal_head(spec, anchors),
            config.proposal_positive_iou,
            config.proposal_negative_iou,
            config.proposal_samples,
            config.proposal_positive_fraction,
            # Selecting proposals is done in `propose`, whose configuration says how many.
            pre_nms_top_n={},
            post_nms_top_n={},
            nms_thresh=config.proposal_nms_threshold,
        )
        pool = PyramidRoiPool(
            spec.strides, POOLED_SIZE,
            sampling_ratio=config.roi_sampling_ratio, aligned=config.roi_aligned,
        )  # fmt: skip
        self.roi_heads = RoIHeads(
            pool,
            make_box_head(spec),
            FastRCNNPredictor(HEAD_CHANNELS, 1 + len(output_names)),
            config.box_positive_iou,
            config.box_positive_iou,
            config.box_samples,
            config.box_positive_fraction,
            _OFFSET_WEIGHTS,
            # Selecting detections is done by whoever detects.
            score_thresh=0.0,
            nms_thresh=1.0,
            detections_per_img=None,
        )
        if config.batch_norm == "frozen":
            for norm in self._batch_norms():
                norm.requires_grad_(False)

    def train(self, mode: bool = True) -> FasterRcnn:
        """Switch to training; statistics of batch norms learn only where the config says so."""
        super().train(mode)
        if self.config.batch_norm != "batch":
            for norm in self._batch_norms():
                norm.eval()
        return self

    def encode(self, images: Sequence[Tensor], sides: tuple[int, int] | None = None) -> Encoding:
        """Run the backbone.

        Args:
            images: Each `(3, height, width)`, RGB, uint8 or floats from 0 to 1, of any size.
            sides: Lengths in pixels that short and long sides are scaled into; None leaves
                images as they are.
        """
        weight = next(self.backbone.parameters())
        scaled = [scale_image(image.to(weight.device), sides) for image in images]
        batch = pad_images(scaled).to(weight.dtype)
        if weight.is_contiguous(memory_format=torch.channels_last):
            batch = batch.contiguous(memory_format=torch.channels_last)
        return Encoding(
            dict(self.backbone(batch)),
            [(image.shape[1], image.shape[2]) for image in scaled],
            [(image.shape[1], image.shape[2]) for image in images],
            (batch.shape[2], batch.shape[3]),
        )

    def propose(self, encoding: Encoding, config: ProposalConfig) -> list[Tensor]:
        """The first stage: `(P, 4)` corners in pixels of the input for each image, best first.

        Raises:
            ValueError: The network gives a number that is not finite.
        """
        return self._first_stage(encoding, config)[0]

    def judge(self, encoding: Encoding, boxes: Sequence[Tensor]) -> list[BoxAnswer]:
        """The second stage.

        Args:
            encoding: Of the images.
            boxes: `(P, 4)` corners in pixels of the input for each image.
        """
        logits, offsets = self._second_stage(encoding, boxes)
        corners = self.roi_heads.box_coder.decode(offsets, list(boxes))
        # Sizes, not lengths: a trace for ONNX would take lengths for constants.
        counts = [each.shape[0] for each in boxes]
        corners = corners.reshape(logits.shape[0], logits.shape[1], 4)
        answers = zip(logits.softmax(dim=1).split(counts), corners.split(counts), strict=True)
        return [BoxAnswer(*answer) for answer in answers]

    def roi_features(self, encoding: Encoding, boxes: Sequence[Tensor]) -> Tensor:
        """`(sum of P, 256, 7, 7)`: the boxes of all images, cut out of the pyramid."""
        return self.roi_heads.box_roi_pool(encoding.levels, boxes)

    def forward(self, images: Sequence[Tensor], targets: Sequence[Targets]) -> TrainingAnswer:
        """Losses on a batch of training images; they are not scaled here.

        Args:
            images: As for `encode`.
            targets: The objects in each; an image may have none.
        """
        encoding = self.encode(images)
        proposals, losses = self._first_stage(encoding, self.config, targets)
        labelled = [
            {"boxes": each.boxes.float(), "labels": self.output_of_class[each.class_ids]}
            for each in targets
        ]
        boxes, matches, labels, wanted = self.roi_heads.select_training_samples(
            proposals, labelled
        )
        logits, offsets = self._second_stage(encoding, boxes)
        losses |= self._box_losses(logits, offsets, torch.cat(labels), torch.cat(list(wanted)))
        return TrainingAnswer(losses, encoding, boxes, labels, matches)

    def _first_stage(
        self,
        encoding: Encoding,
        config: ProposalConfig,
        targets: Sequence[Targets] | None = None,
    ) -> tuple[list[Tensor], dict[str, Tensor]]:
        """Proposals of each image, and losses if there are targets."""
        rpn, levels = self.rpn, list(encoding.levels.values())
        logit_maps, offset_maps = rpn.head(levels)
        counts = [each[0].numel() for each in logit_maps]
        # Boxes are computed in full precision: half has whole pixels only beyond 1024.
        shapes = [each.new_empty(each.shape[1:], dtype=torch.float32) for each in levels]
        batch = ImageList(levels[0].new_empty(encoding.padded_size), encoding.input_sizes)
        anchors = rpn.anchor_generator(batch, shapes)
        logits, offsets = concat_box_prediction_layers(
            [each.float() for each in logit_maps], [each.float() for each in offset_maps]
        )
        corners = rpn.box_coder.decode(offsets.detach(), anchors)
        images = len(encoding.input_sizes)
        proposals = [
            select_proposals(boxes, scores, counts, size, config)
            for boxes, scores, size in zip(
                corners.reshape(images, -1, 4),
                logits.detach().reshape(images, -1),
                encoding.input_sizes,
                strict=True,
            )
        ]
        if targets is None:
            # Proposals that are no numbers fall behind all thresholds in silence.
            if not torch.isfinite(logits.sum() + corners.sum()):
                raise ValueError("the network gave a proposal that is not a finite number")
            return proposals, {}
        wanted_boxes = [{"boxes": each.boxes.float()} for each in targets]
        labels, matched = rpn.assign_targets_to_anchors(anchors, wanted_boxes)
        wanted = rpn.box_coder.encode(matched, anchors)
        objectness, boxes = rpn.compute_loss(logits, offsets, labels, wanted)
        return proposals, {"proposal_objectness": objectness, "proposal_boxes": boxes}

    def _second_stage(self, encoding: Encoding, boxes: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """`(P, 1 + outputs)` logits and `(P, 4 * (1 + outputs))` offsets of all images' boxes."""
        heads = self.roi_heads
        logits, offsets = heads.box_predictor(heads.box_head(self.roi_features(encoding, boxes)))
        return logits.float(), offsets.float()

    def _box_losses(
        self, logits: Tensor, offsets: Tensor, labels: Tensor, wanted: Tensor
    ) -> dict[str, Tensor]:
        is_object = torch.where(labels > 0)[0]
        given = offsets.reshape(len(offsets), -1, 4)[is_object, labels[is_object]]
        distance = functional.smooth_l1_loss(
            given, wanted[is_object], beta=self.config.box_loss_beta, reduction="sum"
        )
        count = max(len(labels), 1)  # no proposal and no target: nothing is learnt
        return {
            "classes": functional.cross_entropy(logits, labels, reduction="sum") / count,
            "boxes": distance / count,
        }

    def _batch_norms(self) -> list[nn.Module]:
        return [module for module in self.modules() if isinstance(module, nn.BatchNorm2d)]


def build_faster_rcnn(
    architecture: Architecture,
    class_names: Sequence[str] = ("person",),
    config: FasterRcnnTrainingConfig | None = None,
) -> FasterRcnn:
    """A Faster R-CNN with random weights; nothing is fetched.

    Args:
        architecture: Its backbone.
        class_names: Names of its outputs without background; `N/A` is an output that stands for
            no class.
        config: How it pools and learns; None takes the defaults.

    Raises:
        ValueError: The architecture is unknown, or there is no class.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"architecture: expected {', '.join(ARCHITECTURES)}, got {architecture}")
    if isinstance(class_names, str) or not any(name != UNUSED_CLASS for name in class_names):
        raise ValueError(f"class_names: expected names, got {class_names!r}")
    return FasterRcnn(architecture, class_names, config or FasterRcnnTrainingConfig())
