"""One training sample: an input and its objects."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from faimtrack.detectors.mask_branch.instances import InstanceMasks


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """What a detector learns from in one input.

    Attributes:
        image: `(3, H, W)` uint8 RGB, contiguous.
        boxes: `(G, 4)` float32 corners ``x1 y1 x2 y2`` in pixels of `image`, each of some area.
        class_ids: `(G,)` int64 indices into the set's class names.
        masks: A mask a box, or none.
        names: The images that it is made of, the one that was asked for first.
    """

    image: Tensor
    boxes: Tensor
    class_ids: Tensor
    masks: InstanceMasks
    names: tuple[str, ...]
