"""Masks that SAM, MobileSAM and SAM 2 find in boxes.

SAM and MobileSAM have one interface: an image is embedded once, and boxes are prompts to it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from faimtrack.masks.config import Device, PromptConfig
from faimtrack.masks.segmenter import Segment
from faimtrack.structures import Image
from faimtrack.weights import read_checkpoint

_SAM_BY_WIDTH = {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}
_SAM_KEY = "image_encoder.pos_embed"
_MOBILE_SAM_KEY = "image_encoder.patch_embed.seq.0.c.weight"
_SAM2_KEY = "image_encoder.trunk.patch_embed.proj.weight"
_SAM21_KEY = "obj_ptr_tpos_proj.weight"
_SAM2_BY_BLOCKS = {12: "t", 16: "s", 24: "b+", 48: "l"}


class PromptedNetwork(Protocol):
    """A network that embeds an image once and then answers boxes."""

    def set_image(self, image: Image) -> None:
        """Embed `(H, W, 3)` uint8 RGB."""
        ...

    def masks_of(
        self, boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Masks `(B, H, W)` and predicted IoU `(B,)` of `(B, 4)` corners in pixels."""
        ...


class PromptedSegmenter:
    """Gives the boxes of an image to a network, so many at a time that they fit in memory."""

    def __init__(self, network: PromptedNetwork, config: PromptConfig | None = None) -> None:
        """Ask `network`, which is on its device already."""
        self._network = network
        self._config = config or PromptConfig()

    def segment(self, image: Image, boxes: NDArray[np.int64]) -> Sequence[Segment | None]:
        """As `Segmenter.segment`; the quality is the IoU that the network predicts."""
        if not len(boxes):
            return []
        self._network.set_image(image)
        return list(self._segments(boxes))

    def _segments(self, boxes: NDArray[np.int64]) -> Iterator[Segment]:
        step = self._config.boxes_at_once
        for first in range(0, len(boxes), step):
            chunk = boxes[first : first + step]
            masks, qualities = self._network.masks_of(chunk.astype(np.float32))
            for (x1, y1, x2, y2), mask, quality in zip(
                chunk.tolist(), masks, np.nan_to_num(qualities).tolist(), strict=True
            ):
                # A copy: the chunk's masks of the whole image are let go.
                yield Segment(mask[y1:y2, x1:x2].copy(), min(1.0, max(0.0, quality)))


class SamNetwork:
    """SAM or MobileSAM behind its own predictor."""

    def __init__(self, predictor: Any) -> None:
        """Ask a `SamPredictor` of `segment_anything` or `mobile_sam`."""
        self._predictor = predictor

    def set_image(self, image: Image) -> None:
        """As `PromptedNetwork.set_image`."""
        self._predictor.set_image(np.ascontiguousarray(image), "RGB")

    def masks_of(
        self, boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """As `PromptedNetwork.masks_of`."""
        predictor = self._predictor
        corners = torch.from_numpy(boxes).to(predictor.device)
        prompts = predictor.transform.apply_boxes_torch(corners, predictor.original_size)
        masks, qualities, _ = predictor.predict_torch(
            point_coords=None, point_labels=None, boxes=prompts, multimask_output=False
        )  # (B, 1, H, W), (B, 1)
        return masks[:, 0].cpu().numpy(), qualities[:, 0].double().cpu().numpy()


class Sam2Network:
    """SAM 2 behind its own predictor."""

    def __init__(self, predictor: Any) -> None:
        """Ask a `SAM2ImagePredictor`."""
        self._predictor = predictor

    def set_image(self, image: Image) -> None:
        """As `PromptedNetwork.set_image`."""
        self._predictor.set_image(np.ascontiguousarray(image))

    def masks_of(
        self, boxes: NDArray[np.float32]
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """As `PromptedNetwork.masks_of`."""
        with torch.inference_mode():
            masks, qualities, _ = self._predictor.predict(box=boxes, multimask_output=False)
        # (B, 1, H, W) and (B, 1), but of one box (1, H, W) and (1,)
        masks = np.asarray(masks).reshape(len(boxes), *np.shape(masks)[-2:])
        return masks > 0, np.asarray(qualities, np.float64).reshape(len(boxes))


def open_sam(path: str | os.PathLike[str], config: PromptConfig) -> PromptedSegmenter:
    """SAM from a checkpoint; which of the three sizes it is, its tensors say.

    Raises:
        ValueError: It is no checkpoint of SAM, or the device is not there.
        OSError: It cannot be read.
        ModuleNotFoundError: segment-anything is not installed.
    """
    from segment_anything import SamPredictor, sam_model_registry

    tensors = read_checkpoint(path).tensors
    embedding = tensors.get(_SAM_KEY)
    width = 0 if embedding is None or not embedding.ndim else int(embedding.shape[-1])
    size = _SAM_BY_WIDTH.get(width)
    if size is None:
        raise _other(Path(path), "SAM (ViT-B, L or H)", tensors)
    network = sam_model_registry[size]()
    return _prompted(SamNetwork, SamPredictor, network, tensors, Path(path), config)


def open_mobile_sam(path: str | os.PathLike[str], config: PromptConfig) -> PromptedSegmenter:
    """MobileSAM from a checkpoint.

    Raises:
        ValueError: It is no checkpoint of MobileSAM, or the device is not there.
        OSError: It cannot be read.
        ModuleNotFoundError: `mobile_sam` is not installed.
    """
    from mobile_sam import SamPredictor, sam_model_registry

    tensors = read_checkpoint(path).tensors
    if _MOBILE_SAM_KEY not in tensors:
        raise _other(Path(path), "MobileSAM", tensors)
    network = sam_model_registry["vit_t"]()
    return _prompted(SamNetwork, SamPredictor, network, tensors, Path(path), config)


def open_sam2(path: str | os.PathLike[str], config: PromptConfig) -> PromptedSegmenter:
    """SAM 2 or 2.1 from a checkpoint; which of the four sizes it is, its tensors say.

    Raises:
        ValueError: It is no checkpoint of SAM 2, or the device is not there.
        OSError: It cannot be read.
        ModuleNotFoundError: `sam2` is not installed.
    """
    from sam2.build_sam import build_sam2
    from sam2.sam2_image_predictor import SAM2ImagePredictor

    tensors = read_checkpoint(path).tensors
    name = sam2_configuration(tensors)
    if name is None:
        raise _other(Path(path), "SAM 2", tensors)
    # With its post-processing, it would now and then take the best of three masks after all.
    network = build_sam2(name, ckpt_path=None, device="cpu", apply_postprocessing=False)
    return _prompted(Sam2Network, SAM2ImagePredictor, network, tensors, Path(path), config)


def sam2_configuration(tensors: dict[str, Any]) -> str | None:
    """The name that the package `sam2` gives to the configuration of a checkpoint's network.

    Args:
        tensors: By their keys.

    Returns:
        Such as `configs/sam2.1/sam2.1_hiera_b+.yaml`; None if they are no SAM 2.
    """
    if _SAM2_KEY not in tensors:
        return None
    blocks = {
        key.split(".")[3] for key in tensors if key.startswith("image_encoder.trunk.blocks.")
    }
    size = _SAM2_BY_BLOCKS.get(len(blocks))
    version = "sam2.1" if _SAM21_KEY in tensors else "sam2"
    return None if size is None else f"configs/{version}/{version}_hiera_{size}.yaml"


def choose_device(wanted: Device) -> torch.device:
    """The device for `wanted`.

    Raises:
        ValueError: It is not on this machine.
    """
    has = {
        "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(),
    }  # fmt: skip
    if wanted == "auto":
        return torch.device(next(name for name in ("cuda", "mps", "cpu") if has[name]))
    if not has[wanted]:
        raise ValueError(f"device: expected auto or cpu, got {wanted}, which is not here")
    return torch.device(wanted)


def _prompted(
    adapter: Any,
    predictor: Any,
    network: Any,
    tensors: dict[str, Any],
    path: Path,
    config: PromptConfig,
) -> PromptedSegmenter:
    """The network with its tensors, on its device, behind its predictor."""
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        line = " ".join(str(error).split())[:200]
        raise ValueError(
            f"{path}: expected the tensors of its network, got others: {line}"
        ) from None
    network.to(choose_device(config.device)).eval().requires_grad_(False)
    return PromptedSegmenter(adapter(predictor(network)), config)


def _other(path: Path, expected: str, tensors: dict[str, Any]) -> ValueError:
    shown = ", ".join(list(tensors)[:3])
    return ValueError(f"{path}: expected a checkpoint of {expected}, got tensors {shown}, ...")
