"""What a detector's mask branch gives besides boxes: masks, or a vector a box."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faimtrack.boxes import Boxes
from faimtrack.detectors.config import FeatureKind, Keep, TorchConfig
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.mask_branch.faster_rcnn_branch import FasterRcnnMaskBranch
from faimtrack.detectors.mask_branch.loading import load_mask_branch
from faimtrack.detectors.mask_branch.pasting import paste_masks
from faimtrack.detectors.mask_branch.whitening import unit_vectors
from faimtrack.detectors.mask_branch.yolox_branch import YoloxMaskBranch
from faimtrack.detectors.running import prepare
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.structures import Detections
from faimtrack.weights.files import Checkpoint

_WORDS: tuple[Keep, ...] = get_args(Keep)
_KINDS: tuple[FeatureKind, ...] = get_args(FeatureKind)


class PlacedBoxes(NamedTuple):
    """Boxes of one frame where the network sees them.

    Attributes:
        boxes: `(N, 4)` corners in pixels of the network's input.
        input_size: Height and width in pixels of what the frame fills of the input.
        frame_size: Height and width of the frame in pixels.
    """

    boxes: Boxes
    input_size: tuple[int, int]
    frame_size: tuple[int, int]


class KeptBranch:
    """The part of a mask branch that a detector was told to keep; without one there is nothing.

    Attributes:
        keep: What it was told.
        names: Of the kinds of vectors that it can make: of the weights and the kind.
        dimension: Of its vectors; 0 if it makes none.
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
        self.names: dict[FeatureKind, str] = {}
        self.dimension = 0
        self._is_whitened = config.feature_whitening == "frame"
        self._stripes = config.feature_stripes
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
        if self._stripes > branch.config.roi_size:
            raise ValueError(
                f"feature_stripes: expected {branch.config.roi_size} at most, which is how many "
                f"cells high a pooled box is, got {self._stripes}"
            )
        self._name_vectors(network, branch)
        if self.keep == "instance_features":
            branch.mask_head = nn.Identity()
        self._branch = prepare(branch, replace(config, compile=False))

    def _name_vectors(
        self, network: Yolox | FasterRcnn, branch: YoloxMaskBranch | FasterRcnnMaskBranch
    ) -> None:
        self.dimension = self._stripes * branch.extraction.channels
        ending = f"-{self._stripes}-stripes" if self._stripes > 1 else ""
        ending += "-whitened" if self._is_whitened else ""
        weights = [network, branch.extraction]
        for kind in _KINDS if self.keep != "instance_features" else _KINDS[:1]:
            if kind == "mask_features":
                weights.append(branch.mask_head)
            self.names[kind] = f"{_sha256(weights)[:16]}-{kind.replace('_', '-')}{ending}"

    def resolve(self, keep: Keep | None) -> Keep:
        """What is meant by `keep`; None means what was kept.

        Raises:
            ValueError: It is something else, or an unknown word.
        """
        if keep is None:
            return self.keep
        if keep not in _WORDS:
            raise ValueError(f"keep: expected {', '.join(_WORDS)}, got {keep!r}")
        if keep not in ("none", self.keep):
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
        placed: Sequence[PlacedBoxes],
    ) -> list[Detections]:
        """Detections with what is to be kept of them.

        Args:
            keep: What `resolve` gave.
            found: Of each frame.
            features: What the network computed for them.
            placed: Their boxes.
        """
        if keep == "none":
            return list(found)
        class_ids = [each.class_ids for each in found]
        if keep != "masks":
            return [
                replace(each, embeddings=rows, embedding_name=self.names[keep])
                for each, rows in zip(
                    found, self.vectors(keep, features, placed, class_ids), strict=True
                )
            ]
        with torch.inference_mode():
            masks = self._branch.predict(features, self._boxes(placed), self._ids(class_ids))
        return [
            replace(each, masks=paste_masks(_numpy(grids), each.boxes, where.frame_size))
            for each, grids, where in zip(found, masks, placed, strict=True)
        ]

    def vectors(
        self,
        kind: FeatureKind,
        features: Any,
        placed: Sequence[PlacedBoxes],
        class_ids: Sequence[NDArray[np.int64]],
    ) -> list[NDArray[np.float32]]:
        """What the boxes of frames look like.

        Args:
            kind: One of `names`.
            features: What the network computed for the frames.
            placed: The boxes.
            class_ids: `(N,)` of each frame: which class's mask to look into.

        Returns:
            `(N, dimension)` of each frame, of length 1; zeros where all features are zero.
        """
        boxes = self._boxes(placed)
        sizes = [each.input_size for each in placed] if self._is_whitened else None
        with torch.inference_mode():
            maps = self._branch.maps(features)
            ids = self._ids(class_ids) if kind == "mask_features" else None
            vectors = self._branch.vectors_from(maps, boxes, ids, self._stripes)
            return list(map(_numpy, unit_vectors(self._branch, maps, boxes, vectors, sizes)))

    def _boxes(self, placed: Sequence[PlacedBoxes]) -> list[torch.Tensor]:
        return [torch.from_numpy(each.boxes).float().to(self._device) for each in placed]

    def _ids(self, class_ids: Sequence[NDArray[np.int64]]) -> list[torch.Tensor]:
        return [torch.from_numpy(each).to(self._device) for each in class_ids]

    @property
    def _device(self) -> torch.device:
        device: torch.device = next(self._branch.parameters()).device
        return device


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
