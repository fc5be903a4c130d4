"""How far predicted masks are from the truth, in the frame of boxes or of objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from faimtrack.detectors.mask_branch.config import LossKind, MaskBranchConfig
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.positives import Positives

_GRID = 64  # cells across and down an object's box, in which the paper's targets are compared


class MaskLoss(NamedTuple):
    """What the masks of a batch cost.

    Attributes:
        loss: Scalar to be added to the detector's, weighed: the mean over the positives.
        positives: Boxes of the batch whose masks were compared.
        mean_iou: Scalar without gradient, mean IoU of these masks with theirs; 0 without any.
    """

    loss: Tensor
    positives: int
    mean_iou: Tensor


class MaskPairs(NamedTuple):
    """What is compared.

    Attributes:
        logits: `(Q, S, S)` float32.
        wanted: `(Q, S, S)` float32, 0 to 1.
    """

    logits: Tensor
    wanted: Tensor


def mask_pairs(
    logits: Tensor,
    positives: Sequence[Positives],
    masks: Sequence[InstanceMasks],
    boxes: Sequence[Tensor],
    class_ids: Sequence[Tensor],
    config: MaskBranchConfig,
) -> MaskPairs:
    """Lay the truth beside predicted masks.

    With `proposal` that is what the object covers of the predicted box itself. With
    `ground_truth_box` a predicted mask is stretched over the whole box of an object, wherever
    its own box lies, as the paper says; boxes are not stretched to pixels but to one grid of 64
    by 64 for all of them: the mean over the pixels of a box is nearly that over the grid. The
    object is that of the same image and class whose mask, in its box, has the highest IoU with
    the predicted one; where none overlaps, nothing is compared.

    Args:
        logits: `(P, M, M)` of all images' positives.
        positives: Of each image.
        masks: Of the objects of each image.
        boxes: `(G, 4)` corners of the objects of each image.
        class_ids: `(G,)` theirs.
        config: The branch's parameters.
    """
    logits = logits.float()
    if config.mask_target == "proposal":
        wanted = [
            mask.sample(each.boxes, each.objects, logits.shape[-1])
            for mask, each in zip(masks, positives, strict=True)
        ]
        return MaskPairs(logits, torch.cat(wanted))
    if logits.shape[-1] != _GRID:
        stretched = functional.interpolate(logits[:, None], (_GRID, _GRID), mode="bilinear")
        logits = stretched[:, 0]
    pairs = [
        _most_alike(some, each.objects, mask, corners, classes)
        for some, each, mask, corners, classes in zip(
            logits.split([len(each.objects) for each in positives]),
            positives, masks, boxes, class_ids, strict=True,
        )
    ]  # fmt: skip
    return MaskPairs(*(torch.cat(parts) for parts in zip(*pairs, strict=True)))


def mask_losses(pairs: MaskPairs, kind: LossKind) -> Tensor:
    """`(Q,)` what each mask costs: the mean cross entropy of its cells, or 1 less its dice."""
    logits, wanted = pairs
    if kind == "bce":
        costs = functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return costs.mean(dim=(1, 2))
    given = logits.sigmoid()
    shared = (given * wanted).sum(dim=(1, 2))
    return 1 - (2 * shared + 1) / (given.sum(dim=(1, 2)) + wanted.sum(dim=(1, 2)) + 1)


def mask_ious(pairs: MaskPairs) -> Tensor:
    """`(Q,)` IoU of the masks, without gradient; of two empty ones 0."""
    given, wanted = pairs.logits.detach() > 0, pairs.wanted > 0.5
    shared, either = (given & wanted).sum(dim=(1, 2)), (given | wanted).sum(dim=(1, 2))
    return shared / either.clamp(min=1)


def _most_alike(
    logits: Tensor, objects: Tensor, masks: InstanceMasks, boxes: Tensor, class_ids: Tensor
) -> MaskPairs:
    """One image's logits `(p, S, S)` beside the masks, in their boxes, that they are most like."""
    candidates = masks.present.nonzero()[:, 0]
    if not len(logits):
        return MaskPairs(logits, logits.detach())
    truths = masks.sample(boxes[candidates].float(), candidates, logits.shape[-1])
    given = (logits.detach() > 0).flatten(1).float()
    wanted = (truths > 0.5).flatten(1).float()
    shared = given @ wanted.T
    ious = shared / (given.sum(1)[:, None] + wanted.sum(1) - shared).clamp(min=1)
    ious = ious * (class_ids[objects][:, None] == class_ids[candidates])
    best = ious.max(dim=1)
    is_matched = best.values > 0
    return MaskPairs(logits[is_matched], truths[best.indices[is_matched]])
