"""What a YOLOX learns from: targets in, one number and its parts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.yolox.assignment import (
    AnchorPoints,
    Assignment,
    SimOtaConfig,
    assign,
    corners_to_centres,
)
from faimtrack.detectors.yolox.network import YoloxOutput


@dataclass(frozen=True, eq=False)
class YoloxTargets:
    """The objects of one image.

    Attributes:
        boxes: `(G, 4)` float corners ``x1 y1 x2 y2`` in pixels of the network's input, of
            positive area; they may reach out of the image.
        class_ids: `(G,)` int64, from 0.

    Raises:
        ValueError: Shapes disagree, or a box is not finite or has no area.
    """

    boxes: Tensor
    class_ids: Tensor

    def __post_init__(self) -> None:
        boxes, class_ids = self.boxes, self.class_ids
        if boxes.ndim != 2 or boxes.shape[1] != 4 or not boxes.is_floating_point():
            raise ValueError(
                f"boxes: expected (G, 4) floats, got {tuple(boxes.shape)} {boxes.dtype}"
            )
        if class_ids.shape != boxes.shape[:1] or class_ids.dtype != torch.int64:
            raise ValueError(
                f"class_ids: expected ({len(boxes)},) torch.int64, as there are boxes, "
                f"got {tuple(class_ids.shape)} {class_ids.dtype}"
            )
        is_good = (boxes[:, 2:] > boxes[:, :2]).all(dim=1) & boxes.isfinite().all(dim=1)
        if not is_good.all():
            row = int(is_good.int().argmin())
            raise ValueError(
                f"boxes: expected finite x1 < x2 and y1 < y2, got {boxes[row].tolist()} "
                f"in row {row}"
            )

    def to(self, device: torch.device | str) -> YoloxTargets:
        """The same on another device."""
        return YoloxTargets(self.boxes.to(device), self.class_ids.to(device))


@dataclass(frozen=True, kw_only=True)
class YoloxLossConfig(PresetConfig):
    """How the parts of the loss are weighed.

    Presets: `default` is YOLOX's; `yolov` weighs boxes as YOLOV does while it learns from videos.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "yolov": {"iou_weight": 3.0, "use_l1": True},
    }

    iou_weight: float = parameter(5.0, "Weight of 1 − IoU² of boxes.", low=0)
    objectness_weight: float = parameter(1.0, "Weight of objectness's cross entropy.", low=0)
    class_weight: float = parameter(1.0, "Weight of the classes' cross entropy.", low=0)
    l1_weight: float = parameter(1.0, "Weight of box offsets' distance, where it is used.", low=0)
    use_l1: bool = parameter(
        False, "Add the distance of box offsets, as YOLOX does in its last epochs."
    )


class YoloxLoss(NamedTuple):
    """A batch's loss and its parts: scalars, weighed, summing up to the total.

    Attributes:
        total: What is to fall.
        iou: Boxes against their truths.
        objectness: Of all anchors.
        classification: Of the anchors that answer for a truth.
        l1: Box offsets; 0 where it is not used.
        foreground_count: Anchors of the batch that answer for a truth: all parts are sums over
            the batch divided by this, or by 1 if it is 0, unless the caller divides by another.
        assignments: Which they are, an image.
    """

    total: Tensor
    iou: Tensor
    objectness: Tensor
    classification: Tensor
    l1: Tensor
    foreground_count: int
    assignments: tuple[Assignment, ...]


def yolox_loss(
    output: YoloxOutput,
    targets: Sequence[YoloxTargets],
    config: YoloxLossConfig | None = None,
    simota: SimOtaConfig | None = None,
    divide_by: Callable[[int], float] | None = None,
) -> YoloxLoss:
    """How far a network's output is from the truth; in float32 whatever the network's precision.

    Args:
        output: Of a batch of `N` images.
        targets: `N`, on the output's device; an image without objects has `(0, 4)` boxes.
        config: Weights of the parts.
        simota: How anchors are given to truths.
        divide_by: From the number of anchors of this batch that answer for a truth to what sums
            are divided by, above 0: several processes agree on one number; None: that number
            itself, or 1 if it is 0.

    Raises:
        ValueError: There are not as many targets as images, a prediction is not finite, or a
            class is unknown; the image's place in the batch is named.
    """
    config = config or YoloxLossConfig()
    images = len(output.objectness[0])
    if len(targets) != images:
        raise ValueError(f"targets: expected {images}, one an image, got {len(targets)}")
    with torch.autocast(output.objectness[0].device.type, enabled=False):
        rows = output.logit_rows()
        assignments = _assign_all(rows.detach(), output.grid(), targets, simota)
        positives = _positives(assignments, targets, rows)
        chosen = rows.flatten(0, 1)[positives.anchors]
        l1 = _l1_loss(output, positives) if config.use_l1 else rows.new_zeros(())
        parts = (
            config.iou_weight * _squared_iou_loss(chosen[:, :4], positives.boxes),
            config.objectness_weight * _objectness_loss(rows[..., 4].flatten(), positives),
            config.class_weight * _class_loss(chosen[:, 5:], positives),
            config.l1_weight * l1,
        )
        count = len(positives.anchors)
        divisor = max(count, 1) if divide_by is None else divide_by(count)
        iou, objectness, classification, l1 = (part / divisor for part in parts)
    total = iou + objectness + classification + l1
    return YoloxLoss(total, iou, objectness, classification, l1, count, assignments)


class _Positives(NamedTuple):
    """The anchors of a batch that answer for a truth, image by image.

    Attributes:
        anchors: `(P,)` row numbers among all anchors of the batch.
        boxes: `(P, 4)` their truths' boxes, centre and size.
        class_ids: `(P,)` their truths' classes.
        ious: `(P,)` IoU of the predicted boxes with the truths'.
    """

    anchors: Tensor
    boxes: Tensor
    class_ids: Tensor
    ious: Tensor


def _assign_all(
    rows: Tensor,
    grid: tuple[Tensor, Tensor],
    targets: Sequence[YoloxTargets],
    simota: SimOtaConfig | None,
) -> tuple[Assignment, ...]:
    cells, sizes = grid
    points = AnchorPoints((cells + 0.5) * sizes, sizes[:, 0])
    assignments = []
    for number, (predictions, target) in enumerate(zip(rows, targets, strict=True)):
        try:
            given = assign(predictions, target.boxes, target.class_ids, points, simota)
        except ValueError as error:
            raise ValueError(f"image {number} of the batch: {error}") from error
        assignments.append(given)
    return tuple(assignments)


def _positives(
    assignments: Sequence[Assignment], targets: Sequence[YoloxTargets], rows: Tensor
) -> _Positives:
    """Gather what was assigned, in the precision of the `(N, A, …)` rows."""
    each = [
        (
            given.anchors + number * rows.shape[1],
            corners_to_centres(target.boxes.to(rows.dtype))[given.truths],
            target.class_ids[given.truths],
            given.ious.to(rows.dtype),
        )
        for number, (given, target) in enumerate(zip(assignments, targets, strict=True))
    ]
    return _Positives(*(torch.cat(parts) for parts in zip(*each, strict=True)))


def _squared_iou_loss(boxes: Tensor, truths: Tensor) -> Tensor:
    """Sum of 1 − IoU² of `(P, 4)` boxes, centre and size, with their truths."""
    low = torch.maximum(boxes[:, :2] - boxes[:, 2:] / 2, truths[:, :2] - truths[:, 2:] / 2)
    high = torch.minimum(boxes[:, :2] + boxes[:, 2:] / 2, truths[:, :2] + truths[:, 2:] / 2)
    sides = (high - low).clamp(min=0)
    shared = sides[:, 0] * sides[:, 1]
    areas = boxes[:, 2] * boxes[:, 3] + truths[:, 2] * truths[:, 3]
    return (1 - (shared / (areas - shared + 1e-16)) ** 2).sum()


def _objectness_loss(logits: Tensor, positives: _Positives) -> Tensor:
    """Sum over all `(N · A,)` anchors: 1 is wanted of the positives, else 0."""
    wanted = torch.zeros_like(logits).index_fill(0, positives.anchors, 1.0)
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")


def _class_loss(logits: Tensor, positives: _Positives) -> Tensor:
    """Sum over the positives' `(P, K)` logits: the IoU is wanted of the truth's class, else 0."""
    is_class = functional.one_hot(positives.class_ids, logits.shape[1])
    wanted = is_class * positives.ious[:, None]
    return functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum")


def _l1_loss(output: YoloxOutput, positives: _Positives) -> Tensor:
    """Sum over the positives of how far box offsets are from those of the truths."""
    cells, sizes = output.grid()
    offsets = output.offset_rows()
    places = positives.anchors % len(cells)
    truths = positives.boxes / sizes[places]
    wanted = torch.cat([truths[:, :2] - cells[places], (truths[:, 2:] + 1e-8).log()], dim=1)
    given = offsets.flatten(0, 1)[positives.anchors].to(wanted.dtype)
    return functional.l1_loss(given, wanted, reduction="sum")
