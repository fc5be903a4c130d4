"""How many of the objects that are there the proposals of a detector cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from faimtrack.boxes import Boxes, box_iou


def proposal_recall(
    proposals: Sequence[Boxes], truth: Sequence[Boxes], *, iou_threshold: float = 0.5
) -> float:
    """The share of objects that some proposal of their frame covers, whatever its class.

    What no proposal covers no later stage can find: boxes are not changed any more.

    Args:
        proposals: `(P, 4)` corners ``x1 y1 x2 y2`` of each frame, such as `FrameEncoding.boxes`.
        truth: `(T, 4)` corners of the objects of the same frames, in the same pixels.
        iou_threshold: From which overlap on an object is covered.

    Returns:
        In [0, 1]; NaN without a single object.

    Raises:
        ValueError: There are more frames of one than of the other.
    """
    if len(proposals) != len(truth):
        raise ValueError(
            f"proposals: expected those of {len(truth)} frames, as there is truth, got "
            f"{len(proposals)}"
        )
    covered = count = 0
    for found, objects in zip(proposals, truth, strict=True):
        count += len(objects)
        if len(found) and len(objects):
            best = box_iou(np.asarray(objects, np.float64), np.asarray(found, np.float64)).max(1)
            covered += int((best >= iou_threshold).sum())
    return covered / count if count else float("nan")
