"""The feature and prediction selection module (FSPM): which predictions are proposals."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms, box_convert

from faimtrack.detectors.video.config import ProposalConfig


class Selection(NamedTuple):
    """The proposals of one frame, the surest first.

    Attributes:
        anchors: `(P,)` int64 rows of the anchors.
        boxes: `(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the network's input.
        objectness: `(P,)` probabilities.
        class_scores: `(P, K)` probabilities, as the base detector has them.
    """

    anchors: Tensor
    boxes: Tensor
    objectness: Tensor
    class_scores: Tensor


def select_proposals(rows: Tensor, config: ProposalConfig) -> list[Selection]:
    """Choose proposals, each frame for itself; without gradient.

    The anchors of highest objectness alone are candidates; those of a class, or all, suppress each
    other by objectness times class score, and the first stay (METHOD.md 2). A frame may have fewer
    than are wanted, and none where nothing reaches the lowest objectness.

    Args:
        rows: `(N, A, 5 + K)` as `YoloxOutput.rows` gives them.
        config: How many, and how alike they may be.
    """
    with torch.no_grad():
        return [_select(frame.float(), config) for frame in rows]


def _select(rows: Tensor, config: ProposalConfig) -> Selection:
    objectness, scores = rows[:, 4], rows[:, 5:]
    count = min(config.candidates, len(rows))
    best = objectness.topk(count)
    candidates = best.indices[best.values >= config.minimum_objectness]
    boxes = box_convert(rows[candidates, :4], "cxcywh", "xyxy")
    surest = scores[candidates].max(dim=1)
    rivals = surest.indices if config.proposal_nms_per_class else torch.zeros_like(candidates)
    kept = batched_nms(
        boxes, objectness[candidates] * surest.values, rivals, config.proposal_nms_threshold
    )[: config.proposals]
    anchors = candidates[kept]
    return Selection(anchors, boxes[kept], objectness[anchors], scores[anchors])
