"""What a detector's mask branch gives besides boxes: masks, or a vector a box."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn

from faimtrack.boxes import Boxes
from faimtrack.detectors.config import Keep, TorchConfig
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.mask_branch.faster_rcnn_branch import FasterRcnnMaskBranch
from faimtrack.detectors.mask_branch.loading import load_mask_branch
from faimtrack.detectors.mask_branch.pasting import paste_masks
from faimtrack.detectors.mask_branch.yolox_branch import YoloxMaskBranch
from faimtrack.detectors.running import prepare
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.structures import Detections
from faimtrack.weights.files import Checkpoint

_STEPS: tuple[Keep, ...] = ("none", "instance_features", "masks")
"""Each needs what those before it need."""


class KeptBranch:
    """The part of a mask branch that a detector was told to keep; without one there is nothing.

    Attributes:
        keep: What it was told.
    """

    def __init__(
        self,
        checkpoint: Checkpoint | None,
        network: Yolox | FasterRcnn,
        config: TorchConfig,
        branch: YoloxMaskBranch | FasterRcnnMaskBranch | None = None,
    ) -> None:
        """Load what is to be kept, and nothing else.

        Args:
            checkpoint: The file that the network came from; None if it came without one.
            network: As it was loaded.
            config: Says what to keep, and where it runs.
            branch: The network's branch, if it is at hand; else it is that of the file. What is
                given is moved and changed.

        Raises:
            ValueError: Something is to be kept, and there is no mask branch.
        """
        self.keep = config.keep
        self._branch: Any = None
        if self.keep == "none":
            return
        if branch is None and checkpoint is not None:
            branch = load_mask_branch(checkpoint, network)
        if branch is None:
            where = "" if checkpoint is None else f"{checkpoint.path}: "
            raise ValueError(
                f"{where}keep: expected none, for these weights have no mask branch (they were "
                f"trained without one, or exported), got {self.keep}"
            )
        if self.keep == "instance_features":
            self._name = f"{_sha256([network, branch.extraction])[:16]}-instance-features"
            branch.mask_head = nn.Identity()
        self._branch = prepare(branch, replace(config, compile=False))

    def resolve(self, keep: Keep | None) -> Keep:
        """What is meant by `keep`; None means all that was kept.

        Raises:
            ValueError: It is more than that, or an unknown word.
        """
        if keep is None:
            return self.keep
        if keep not in _STEPS:
            raise ValueError(f"keep: expected {', '.join(_STEPS)}, got {keep!r}")
        if _STEPS.index(keep) > _STEPS.index(self.keep) or (keep, self.keep) == (
            "instance_features", "masks",
        ):  # fmt: skip
            raise ValueError(
                f"keep: expected none or what the detector was made to keep, {self.keep}, "
                f"got {keep}"
            )
        return keep

    def add(
        self,
        keep: Keep,
        found: Sequence[Detections],
        features: Any,
        input_boxes: Sequence[Boxes],
        sizes: Sequence[tuple[int, int]],
    ) -> list[Detections]:
        """Detections with what is to be kept of them.

        Args:
            keep: What `resolve` gave.
            found: Of each frame.
            features: What the network computed for them.
            input_boxes: Their boxes in pixels of the network's input.
            sizes: Height and width of each frame in pixels.
        """
        if keep == "none":
            return list(found)
        device = next(self._branch.parameters()).device
        boxes = [torch.from_numpy(each).float().to(device) for each in input_boxes]
        with torch.inference_mode():
            if keep == "instance_features":
                vectors = self._branch.instance_features(features, boxes)
                return [
                    replace(each, embeddings=_numpy(rows), embedding_name=self._name)
                    for each, rows in zip(found, vectors, strict=True)
                ]
            class_ids = [torch.from_numpy(each.class_ids).to(device) for each in found]
            masks = self._branch.predict(features, boxes, class_ids)
        return [
            replace(each, masks=paste_masks(_numpy(grids), each.boxes, size))
            for each, grids, size in zip(found, masks, sizes, strict=True)
        ]


def _numpy(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.cpu().numpy()
    return array


def _sha256(modules: Sequence[nn.Module]) -> str:
    """Of the weights themselves: the same in a file of any format."""
    digest = hashlib.sha256()
    for module in modules:
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.contiguous().cpu().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
