"""Non-maximum suppression in numpy, equal to torchvision's `batched_nms`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, box_iou

_BLOCK = 256


def suppress_overlaps(
    boxes: Boxes,
    scores: NDArray[np.float64],
    class_ids: NDArray[np.int64],
    iou_threshold: float,
) -> NDArray[np.int64]:
    """Keep the best box of each heap, class by class.

    Greedy, from the highest score down: a box goes if its IoU with a kept one of its class is
    *above* the threshold. Of equal scores the earlier row is first.

    Args:
        boxes: `(N, 4)` corners in pixels.
        scores: `(N,)`.
        class_ids: `(N,)`; boxes of two classes never suppress each other.
        iou_threshold: In [0, 1].

    Returns:
        `(K,)` row numbers of what is kept, the highest score first.
    """
    order = np.argsort(-scores, kind="stable")
    kept = order[:0]
    # In blocks: the whole matrix of IoUs would be half a gigabyte for a dense detector's rows.
    for start in range(0, len(order), _BLOCK):
        block = order[start : start + _BLOCK]
        over = box_iou(boxes[kept], boxes[block]) > iou_threshold
        over &= class_ids[kept][:, None] == class_ids[block]
        block = block[~over.any(axis=0)]
        over = box_iou(boxes[block], boxes[block]) > iou_threshold
        over &= class_ids[block][:, None] == class_ids[block]
        is_gone = np.zeros(len(block), dtype=bool)
        for row in range(len(block)):
            if not is_gone[row]:
                is_gone[row + 1 :] |= over[row, row + 1 :]
        kept = np.concatenate([kept, block[~is_gone]])
    return kept.astype(np.int64)
