"""From the tensors of a checkpoint to a video object detector: FAIM, YOLOV, ours or published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from faimtrack.detectors.imagenet_vid import IMAGENET_VID_CLASS_NAMES
from faimtrack.detectors.video.config import VideoNetworkConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.blocks import fold_blocks
from faimtrack.detectors.yolox.checkpoint import LoadedYolox, load_tensors, load_yolox
from faimtrack.errors import shown
from faimtrack.weights.files import Checkpoint

SETTING = "video"
"""Under which name a file's metadata tell how the network was built."""

INPUT_SIZE = (576, 576)
"""Height and width in pixels that YOLOV and FAIM are tested with."""

Value = TypeVar("Value")

_OWN = re.compile(r"backbone\.|video\.|head\.(stems|cls_convs|reg_convs|\w+_preds)\.")
_PUBLISHED = (
    ("head.cls_convs2.", "video.branch.levels."),
    ("head.trans.msa.qkv_cls.", "video.aggregation.project_classification."),
    ("head.trans.msa.qkv_reg.", "video.aggregation.project_partner."),
    ("head.trans.linear1.", "video.aggregation.linear1."),
    ("head.trans.linear2.", "video.aggregation.linear2."),
    ("head.linear_pred.", "video.classifier."),
)
_VIDEO = "video."
_EXTRACTION = "video.extraction."


@dataclass(frozen=True, kw_only=True)
class LoadedVideoYolox:
    """A video object detector from a file, and what the file says of it.

    Attributes:
        network: With the file's weights, evaluating; folded if they are.
        base: Its YOLOX, of the same tensors, and what the file says of classes and input.
        left_aside: Keys of the file that are not the network's: a mask branch, say.
    """

    network: VideoYolox
    base: LoadedYolox
    left_aside: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The file."""
        return self.base.path

    @property
    def architecture(self) -> str:
        """Such as `faim-s`."""
        return architecture_of(self.network)

    def name_classes(self, class_names: Sequence[str] | None = None) -> tuple[str, ...]:
        """The given names, else the file's, else ImageNet VID's for 30 classes.

        Raises:
            ValueError: There are more or fewer names than classes.
        """
        return name_video_classes(self.base, class_names)


def name_video_classes(base: LoadedYolox, class_names: Sequence[str] | None) -> tuple[str, ...]:
    """As `LoadedYolox.name_classes`, and ImageNet VID's names for 30 classes without any."""
    is_vid = base.network.class_count == len(IMAGENET_VID_CLASS_NAMES) and not base.classes
    return base.name_classes(
        IMAGENET_VID_CLASS_NAMES if is_vid and class_names is None else class_names
    )


def architecture_of(network: VideoYolox) -> str:
    """What files of weights call a network: `faim-` or `yolov-` and the size."""
    kind = "faim" if network.config.partner == "instance" else "yolov"
    return f"{kind}-{network.size.name}"


def published_keys(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """Tensors of YOLOV's published weights by our keys.

    Args:
        tensors: By any keys; those that YOLOV did not publish stay as they are.
    """
    return {_our_key(key): value for key, value in tensors.items()}


def is_video_checkpoint(checkpoint: Checkpoint) -> bool:
    """Whether any of a checkpoint's tensors is what a video object detector has beside a YOLOX."""
    return any(_our_key(key).startswith(_VIDEO) for key in checkpoint.tensors)


def load_video_yolox(checkpoint: Checkpoint) -> LoadedVideoYolox:
    """Make the network that a checkpoint is of: one of ours, or YOLOV's as it was published.

    Args:
        checkpoint: What `read_checkpoint` gave.

    Raises:
        ValueError: It is no such network, tensors are missing or have other shapes, or what the
            file says of the network is not so.
    """
    tensors = published_keys(checkpoint.tensors)
    path = checkpoint.path
    base = load_yolox(checkpoint)  # says what it is, if it is no YOLOX either
    if not is_video_checkpoint(checkpoint):
        raise ValueError(
            f"{path}: expected a video object detector, got a YOLOX of size "
            f"{base.network.size.name} alone"
        )
    if checkpoint.metadata is None:
        base = replace(base, input_size=INPUT_SIZE)
    config = _config_of(checkpoint, tensors)
    with torch.device("meta"):
        network = VideoYolox(base.network, config)
        if base.network.is_folded:
            fold_blocks(network.video)
    network.video.to_empty(device="cpu")
    network.eval()
    name = f"a {architecture_of(network)} of {network.class_count} classes"
    left_aside = load_tensors(network, tensors, path, name, _OWN)
    loaded = LoadedVideoYolox(network=network, base=base, left_aside=left_aside)
    _check_told_architecture(checkpoint, loaded)
    return loaded


def _our_key(key: str) -> str:
    for theirs, ours in _PUBLISHED:
        if key.startswith(theirs):
            return ours + key.removeprefix(theirs)
    return key


def _config_of(checkpoint: Checkpoint, tensors: Mapping[str, Tensor]) -> VideoNetworkConfig:
    """How the network was built: as the file says, else as YOLOV.

    Raises:
        ValueError: The file does not say it, or it makes no sense.
    """
    settings = {} if checkpoint.metadata is None else checkpoint.metadata.settings
    values: Any = settings.get(SETTING)
    if values is None and not any(key.startswith(_EXTRACTION) for key in tensors):
        return VideoNetworkConfig.preset("yolov")
    known = {each.name for each in fields(VideoNetworkConfig)}
    if not isinstance(values, Mapping) or not values.keys() <= known:
        raise ValueError(
            f"{checkpoint.path}: expected settings of the video object detector whose tensors it "
            f"holds, got {shown(values)}"
        )
    try:
        return VideoNetworkConfig(**values)
    except ValueError as error:
        raise ValueError(f"{checkpoint.path}: settings of the network: {error}") from None


def _check_told_architecture(checkpoint: Checkpoint, loaded: LoadedVideoYolox) -> None:
    """See that a file holds the network that it says it does.

    Raises:
        ValueError: It does not.
    """
    told = "" if checkpoint.metadata is None else checkpoint.metadata.architecture
    found = loaded.architecture
    if told and told != found:
        raise ValueError(f"{checkpoint.path}: expected tensors of {told}, got those of {found}")
