"""Which boxes of a training batch learn masks, and whose."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_convert

from faimtrack.detectors.faster_rcnn.answers import Targets, TrainingAnswer
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.yolox.losses import YoloxLoss
from faimtrack.detectors.yolox.network import YoloxOutput

_SHORTEST_SIDE_PX = 1.0  # a box that the image's edge leaves less of has nothing to show


class Positives(NamedTuple):
    """Boxes of one image that learn the mask of an object that has one.

    Attributes:
        boxes: `(P, 4)` float32 corners ``x1 y1 x2 y2`` in pixels of the network's input.
        objects: `(P,)` int64, the row of the object that each answers for.
    """

    boxes: Tensor
    objects: Tensor


def yolox_positives(
    output: YoloxOutput, loss: YoloxLoss, masks: Sequence[InstanceMasks], limit: int
) -> list[Positives]:
    """The boxes, as predicted, of the anchors that SimOTA gave an object with a mask.

    Args:
        output: Of a batch; no gradient goes through the boxes.
        loss: Of the same batch.
        masks: Of the objects of each image.
        limit: Boxes of an image; those of highest IoU with their object's box stay.
    """
    with torch.no_grad():
        rows = output.logit_rows()
    height, width = (side * output.strides[0] for side in output.objectness[0].shape[-2:])
    chosen = []
    for predictions, given, each in zip(rows, loss.assignments, masks, strict=True):
        boxes = box_convert(predictions[given.anchors, :4], "cxcywh", "xyxy")
        boxes = _inside(boxes, (height, width))
        is_usable = each.present[given.truths] & _is_long_enough(boxes)
        best = _best(given.ious, is_usable, limit)
        chosen.append(Positives(boxes[best], given.truths[best]))
    return chosen


def faster_rcnn_positives(
    answer: TrainingAnswer,
    targets: Sequence[Targets],
    masks: Sequence[InstanceMasks],
    limit: int,
) -> list[Positives]:
    """The sampled proposals that were found to be an object with a mask.

    Args:
        answer: Of a batch.
        targets: The objects of each image.
        masks: Theirs.
        limit: Proposals of an image; those of highest IoU with their object's box stay.
    """
    chosen = []
    for boxes, labels, matches, target, each in zip(
        answer.boxes, answer.labels, answer.matches, targets, masks, strict=True
    ):
        rows = (labels > 0).nonzero()[:, 0]
        proposals, objects = boxes[rows].detach().float(), matches[rows]
        is_usable = each.present[objects] & _is_long_enough(proposals)
        best = _best(_iou(proposals, target.boxes.float()[objects]), is_usable, limit)
        chosen.append(Positives(proposals[best], objects[best]))
    return chosen


def _inside(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """`(P, 4)` corners cut to an image of some height and width."""
    limits = boxes.new_tensor([size[1], size[0], size[1], size[0]])
    return boxes.clamp(min=0).minimum(limits)


def _is_long_enough(boxes: Tensor) -> Tensor:
    return (boxes[:, 2:] - boxes[:, :2] >= _SHORTEST_SIDE_PX).all(dim=1)


def _best(ious: Tensor, is_usable: Tensor, limit: int) -> Tensor:
    """`(B,)` ascending rows of the highest IoUs; of equal ones the first."""
    rows = is_usable.nonzero()[:, 0]
    if len(rows) <= limit:
        return rows
    order = ious[rows].argsort(descending=True, stable=True)
    return rows[order[:limit]].sort().values


def _iou(first: Tensor, second: Tensor) -> Tensor:
    """`(P,)` IoU of `(P, 4)` corners, row by row."""
    low = torch.maximum(first[:, :2], second[:, :2])
    high = torch.minimum(first[:, 2:], second[:, 2:])
    shared = (high - low).clamp(min=0).prod(dim=1)
    areas = [(each[:, 2:] - each[:, :2]).prod(dim=1) for each in (first, second)]
    return shared / (areas[0] + areas[1] - shared).clamp(min=1e-6)
