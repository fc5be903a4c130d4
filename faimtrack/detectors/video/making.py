"""Weights for a FAIM, YOLOV or YOLOX of some size: random, or as much of a file as fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.imagenet_vid import IMAGENET_VID_CLASS_NAMES
from faimtrack.detectors.video.checkpoint import (
    INPUT_SIZE,
    SETTING,
    is_video_checkpoint,
    load_video_yolox,
    name_video_classes,
    published_keys,
)
from faimtrack.detectors.video.config import Partner, VideoNetworkConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.blocks import fold_blocks
from faimtrack.detectors.yolox.checkpoint import LoadedYolox, load_yolox
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox
from faimtrack.weights.files import Checkpoint, WeightsMetadata

_SEED = 0
_PARTNERS: dict[str, Partner] = {"faim": "instance", "yolov": "regression"}


@dataclass(frozen=True, kw_only=True)
class FittedWeights:
    """What was made of a file.

    Attributes:
        tensors: All that the network has.
        metadata: What they are.
        note: What is random and what was left aside, in one line.
    """

    tensors: dict[str, Tensor]
    metadata: WeightsMetadata
    note: str


def random_weights(architecture: str) -> tuple[dict[str, Tensor], WeightsMetadata]:
    """Tensors of a network as it is before it has learnt anything, and what they are.

    Args:
        architecture: Such as `faim-s` or `yolox-s`; the first two kinds have ImageNet VID's
            classes, a YOLOX COCO's. The same numbers come with every call.
    """
    kind, _, name = architecture.partition("-")
    size = YOLOX_SIZES[name]
    is_video = kind in _PARTNERS
    classes = IMAGENET_VID_CLASS_NAMES if is_video else COCO_CLASS_NAMES
    input_size = INPUT_SIZE if is_video and size.input_size > INPUT_SIZE else size.input_size
    settings: dict[str, Any] = {
        "input_convention": "current", "input_size": list(input_size),
    }  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        base = Yolox(size, len(classes))
        if not is_video:
            tensors = base.state_dict()
        else:
            config = VideoNetworkConfig(partner=_PARTNERS[kind])
            tensors = VideoYolox(base, config).state_dict()
            settings[SETTING] = asdict(config)
    metadata = WeightsMetadata(architecture=architecture, classes=classes, settings=settings)
    return dict(tensors), metadata


def fitted_weights(architecture: str, checkpoint: Checkpoint) -> FittedWeights | None:
    """All of a file that fits a network, and random numbers for the rest.

    Args:
        architecture: Of the network, such as `faim-s` or `yolox-s`.
        checkpoint: Of a YOLOX, FAIM or YOLOV of its size.

    Returns:
        None if the file is of this very network.

    Raises:
        ValueError: It is another network's or of another size, or its heads disagree about the
            number of classes.
    """
    base = load_yolox(checkpoint)
    kind, _, size = architecture.partition("-")
    if base.network.size.name != size:
        raise ValueError(
            f"{checkpoint.path}: expected weights of size {size} for {architecture}, got size "
            f"{base.network.size.name}"
        )
    config = VideoNetworkConfig()
    if is_video_checkpoint(checkpoint):
        loaded = load_video_yolox(checkpoint)
        if loaded.architecture == architecture:
            return None
        base, config = loaded.base, loaded.network.config
    elif kind not in _PARTNERS:
        return None
    own: Mapping[str, Tensor] = base.network.state_dict()
    settings: dict[str, Any] = {}
    if kind in _PARTNERS:
        config = replace(config, partner=_PARTNERS[kind])
        settings[SETTING] = asdict(config)
        own = _random_around(base, config).state_dict()
    given = published_keys(checkpoint.tensors)
    fits = {key for key, value in own.items() if key in given and given[key].shape == value.shape}
    return FittedWeights(
        tensors={key: given[key] if key in fits else value for key, value in own.items()},
        metadata=_metadata(architecture, checkpoint, base, settings),
        note=_note(
            architecture,
            checkpoint,
            missing=[key for key in own if key not in fits],
            unused=[
                key for key in checkpoint.tensors if not published_keys({key: 0}).keys() & fits
            ],
        ),
    )


def _random_around(base: LoadedYolox, config: VideoNetworkConfig) -> VideoYolox:
    """A network around a YOLOX that has learnt; folded if that is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(_SEED)
        network = VideoYolox(base.network, config)
    if base.network.is_folded:
        fold_blocks(network.video)
    return network


def _metadata(
    architecture: str, checkpoint: Checkpoint, base: LoadedYolox, settings: dict[str, Any]
) -> WeightsMetadata:
    """What the file says of itself, of the network that was made."""
    said = checkpoint.metadata or WeightsMetadata(architecture="")
    return replace(
        said,
        architecture=architecture,
        classes=name_video_classes(base, None),
        settings={
            "input_convention": base.input_convention or "current",
            "input_size": list(base.input_size),
            **settings,
        },
    )


def _note(
    architecture: str, checkpoint: Checkpoint, missing: Iterable[str], unused: Iterable[str]
) -> str:
    parts = []
    for what, keys in (("random", missing), ("left aside", unused)):
        named = [key for key in keys if "num_batches_tracked" not in key]
        if named:
            groups = dict.fromkeys(".".join(key.split(".")[:2]) for key in named)
            parts.append(f"{what}: {len(named)} tensors of {', '.join(groups)}")
    return f"{architecture} with {checkpoint.path.name}: {'; '.join(parts)}"
