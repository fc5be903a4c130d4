"""What a video object detector learns from: the base detector's loss, and what TICAM refines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

from faimtrack.config import parameter
from faimtrack.detectors.video.network import VideoOutput
from faimtrack.detectors.video.selection import Selection
from faimtrack.detectors.yolox.assignment import Assignment, SimOtaConfig
from faimtrack.detectors.yolox.losses import (
    YoloxLoss,
    YoloxLossConfig,
    YoloxTargets,
    yolox_loss,
)


@dataclass(frozen=True, kw_only=True)
class VideoLossConfig(YoloxLossConfig):
    """How the parts of the loss are weighed, and which proposals learn.

    Presets: `default` is YOLOV's, which FAIM took over.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {"default": {}}

    iou_weight: float = parameter(3.0, "Weight of 1 − IoU² of boxes.", low=0)
    use_l1: bool = parameter(True, "Add the distance of box offsets.")
    refined_weight: float = parameter(2.0, "Weight of the refined classes' cross entropy.", low=0)
    minimum_iou: float = parameter(
        0.6, "A proposal whose anchor answers for nobody learns if it overlaps an object so far.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip


class RefinedTargets(NamedTuple):
    """The proposals of one frame that learn, and what.

    Attributes:
        rows: `(Q,)` int64 rows among the frame's proposals, ascending.
        truths: `(Q,)` int64 the row of the object that each learns the class of.
        ious: `(Q,)` float32 how far they overlap, which is what is wanted of that class.
    """

    rows: Tensor
    truths: Tensor
    ious: Tensor


class VideoLoss(NamedTuple):
    """A batch's loss.

    Attributes:
        base: Of the base detector on the same frames.
        refined: Scalar, weighed: the cross entropy of refined classes, divided as the others are.
        targets: Who learns what, a frame.
    """

    base: YoloxLoss
    refined: Tensor
    targets: tuple[RefinedTargets, ...]


def video_loss(
    output: VideoOutput,
    selections: Sequence[Selection],
    logits: Tensor,
    targets: Sequence[YoloxTargets],
    config: VideoLossConfig | None = None,
    simota: SimOtaConfig | None = None,
    divide_by: Callable[[int], float] | None = None,
) -> VideoLoss:
    """How far predictions are from the truth (METHOD.md 2); in float32 whatever the precision.

    All sums are divided by the number of anchors that answer for an object.

    Args:
        output: Of `N` frames.
        selections: Their proposals.
        logits: `(sum of P, K)` refined class logits, frame after frame.
        targets: `N`, as for `yolox_loss`.
        config: Weights of the parts.
        simota: How anchors are given to truths; None: as YOLOV does it.
        divide_by: As for `yolox_loss`.

    Raises:
        ValueError: As of `yolox_loss`.
    """
    config = config or VideoLossConfig()
    simota = simota or SimOtaConfig.preset("yolov")
    base = yolox_loss(output.base, targets, config, simota, divide_by)
    given = tuple(
        refined_targets(chosen, assignment, target, config.minimum_iou)
        for chosen, assignment, target in zip(selections, base.assignments, targets, strict=True)
    )
    with torch.autocast(logits.device.type, enabled=False):
        costs = _refined_cost(logits.float(), selections, given, targets)
    count = base.foreground_count
    divisor = max(count, 1) if divide_by is None else divide_by(count)
    return VideoLoss(base, config.refined_weight * costs / divisor, given)


def refined_targets(
    selection: Selection, assignment: Assignment, target: YoloxTargets, minimum_iou: float
) -> RefinedTargets:
    """Which proposals of a frame learn, and what; all others are ignored.

    A proposal whose anchor answers for an object learns its class; else one that overlaps an
    object for which some anchor answers by `minimum_iou` or more learns that of the one that it
    overlaps most. Nobody learns that it is nothing.

    Args:
        selection: The frame's proposals.
        assignment: Which of its anchors answer for whom.
        target: Its objects.
        minimum_iou: See above.
    """
    with torch.no_grad():
        anchors = selection.anchors
        truths = torch.full_like(anchors, -1)
        ious = selection.boxes.new_zeros(len(anchors), dtype=torch.float32)
        answered = assignment.truths.unique()
        if len(answered) and len(anchors):
            overlaps = box_iou(selection.boxes.float(), target.boxes[answered].float())
            best = overlaps.max(dim=1)
            is_near = best.values >= minimum_iou
            truths = torch.where(is_near, answered[best.indices], truths)
            ious = torch.where(is_near, best.values, ious)
            row_of = torch.searchsorted(assignment.anchors, anchors)  # they are ascending
            row_of = row_of.clamp(max=len(assignment.anchors) - 1)
            is_positive = assignment.anchors[row_of] == anchors
            truths = torch.where(is_positive, assignment.truths[row_of], truths)
            ious = torch.where(is_positive, assignment.ious[row_of], ious)
        rows = (truths >= 0).nonzero()[:, 0]
        return RefinedTargets(rows, truths[rows], ious[rows])


def _refined_cost(
    logits: Tensor,
    selections: Sequence[Selection],
    given: Sequence[RefinedTargets],
    targets: Sequence[YoloxTargets],
) -> Tensor:
    """Sum of the cross entropies of the proposals that learn; 0 with a gradient without any."""
    parts = logits.split([len(each.anchors) for each in selections])
    learning = torch.cat([part[each.rows] for part, each in zip(parts, given, strict=True)])
    class_ids = torch.cat(
        [target.class_ids[each.truths] for target, each in zip(targets, given, strict=True)]
    )
    ious = torch.cat([each.ious for each in given])
    wanted = functional.one_hot(class_ids, logits.shape[1]) * ious[:, None]
    return functional.binary_cross_entropy_with_logits(learning, wanted, reduction="sum")
