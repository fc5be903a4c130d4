"""Which boxes stay: of the first stage's proposals, and of the second one's answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.models.detection._utils import _topk_min
from torchvision.ops import batched_nms, clip_boxes_to_image

from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, ProposalConfig

# Boxes narrower or lower than this are dropped, in pixels of the input.
_SMALLEST_PROPOSAL = 1e-3
_SMALLEST_DETECTION = 1e-2


def select_proposals(
    boxes: Tensor,
    logits: Tensor,
    level_counts: Sequence[int],
    size: tuple[int, int],
    config: ProposalConfig,
) -> Tensor:
    """The best proposals of one image, the highest score first.

    Args:
        boxes: `(A, 4)` corners in pixels of the input, level by level.
        logits: `(A,)` objectness.
        level_counts: Boxes of each level.
        size: Height and width of the image in the input; boxes are cut to it.
        config: Numbers and thresholds.

    Returns:
        `(P, 4)`.
    """
    best, levels, start = [], [], 0
    for level, count in enumerate(level_counts):
        of_level = logits[start : start + count]
        # Not `min`: a trace for ONNX would take the smaller one of its own image for all.
        top = of_level.topk(_topk_min(of_level, config.proposals_before_nms, 0)).indices
        best.append(top + start)
        levels.append(torch.full_like(top, level))
        start += count
    rows, level_of = torch.cat(best), torch.cat(levels)
    boxes, scores = clip_boxes_to_image(boxes[rows], size), logits[rows].sigmoid()
    kept = _large(boxes, _SMALLEST_PROPOSAL) & (scores >= config.proposal_score_threshold)
    boxes, scores, level_of = boxes[kept], scores[kept], level_of[kept]
    kept = batched_nms(boxes, scores, level_of, config.proposal_nms_threshold)
    return boxes[kept[: config.proposals_after_nms]]


def select_detections(
    boxes: Tensor, scores: Tensor, size: tuple[int, int], config: FasterRcnnConfig
) -> tuple[Tensor, Tensor, Tensor]:
    """The detections of one image, the highest score first.

    Args:
        boxes: `(P, K, 4)` corners in pixels of the input, of each class.
        scores: `(P, K)`.
        size: Height and width of the image in the input; boxes are cut to it.
        config: Thresholds.

    Returns:
        `(N, 4)` boxes, `(N,)` scores and `(N,)` columns of their classes.
    """
    rows, columns = torch.where(scores > config.score_threshold)
    boxes, scores = clip_boxes_to_image(boxes[rows, columns], size), scores[rows, columns]
    kept = _large(boxes, _SMALLEST_DETECTION)
    boxes, scores, columns = boxes[kept], scores[kept], columns[kept]
    kept = batched_nms(boxes, scores, columns, config.nms_threshold)[: config.max_detections]
    return boxes[kept], scores[kept], columns[kept]


def _large(boxes: Tensor, smallest: float) -> Tensor:
    """`(N,)` whether width and height reach `smallest`."""
    return ((boxes[:, 2:] - boxes[:, :2]) >= smallest).all(dim=1)
