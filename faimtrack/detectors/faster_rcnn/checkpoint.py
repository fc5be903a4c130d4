"""From the tensors of a checkpoint to a Faster R-CNN: which one it is, and how it was built."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

from faimtrack.detectors.faster_rcnn.architectures import ARCHITECTURES
from faimtrack.detectors.faster_rcnn.config import Architecture, FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.network import FasterRcnn, build_faster_rcnn
from faimtrack.detectors.images import name_classes
from faimtrack.detectors.tensors import require_floats
from faimtrack.weights.files import Checkpoint, WeightsMetadata

PREFIX = "faster-rcnn-"
"""What the architecture of our weights is called: this and the backbone's name."""

_PREDICTOR = "roi_heads.box_predictor.cls_score.weight"
_BOXES = "roi_heads.box_predictor.bbox_pred.weight"
_BODY = "backbone.body."
# Other keys may lie beside a Faster R-CNN's own (a mask branch), not among them.
_OWN = re.compile(r"backbone\.|rpn\.|roi_heads\.box_")
_FAMILIES = (
    ("a YOLOX", ("head.cls_preds.", "head.stems.")),
    ("a Segment Anything network", ("image_encoder.", "mask_decoder.")),
    ("a Faster R-CNN of MMDetection", ("rpn_head.", "roi_head.")),
    ("a RetinaNet", ("head.classification_head.",)),
    ("a ResNet", ("layer1.0.conv1.", "layer2.0.conv1.")),
)
# What weights depend on besides their own values, and a file of ours says.
_SETTINGS = ("roi_aligned", "roi_sampling_ratio", "batch_norm", "short_side", "long_side")


@dataclass(frozen=True, kw_only=True)
class LoadedFasterRcnn:
    """A Faster R-CNN from a file, and what the file says of it.

    Attributes:
        network: With the file's weights.
        path: The file.
        left_aside: Keys of the file that are no Faster R-CNN's: a mask branch, say.
    """

    network: FasterRcnn
    path: Path
    left_aside: tuple[str, ...] = ()


def load_faster_rcnn(
    checkpoint: Checkpoint,
    *,
    architecture: Architecture | None = None,
    class_names: Sequence[str] | None = None,
) -> LoadedFasterRcnn:
    """Make the network that a checkpoint is of.

    Checkpoints of torchvision and faimtrack are known. What has 91 outputs is torchvision's for
    COCO: its classes are COCO's 80, and outputs without a class are never reported.

    Args:
        checkpoint: What `read_checkpoint` gave.
        architecture: Which one is expected; None finds it out. torchvision's two MobileNets have
            the same tensors: a name of the file with `_320_` in it tells the smaller one.
        class_names: Names of the outputs without background; None takes the file's, else COCO's
            for torchvision's 91 outputs or 80 classes, and `person` for one.

    Raises:
        ValueError: It is no Faster R-CNN (the message says what it seems to be) or another one
            than expected, tensors are missing or have other shapes, or there are more or fewer
            class names than classes.
    """
    path, tensors, metadata = checkpoint.path, checkpoint.tensors, checkpoint.metadata
    _check_family(checkpoint)
    found = _find_architecture(checkpoint, architecture)
    _check_outputs(tensors, path)
    names = class_names or (metadata.classes if metadata is not None else None)
    output_names = _name_outputs(len(tensors[_PREDICTOR]) - 1, names or None, path)
    network = build_faster_rcnn(found, output_names, _building_config(checkpoint, found))
    own = {key: value for key, value in tensors.items() if _OWN.match(key)}
    _load(network, own, path)
    left_aside = tuple(sorted(tensors.keys() - own.keys()))
    return LoadedFasterRcnn(network=network, path=path, left_aside=left_aside)


def describe_network(network: FasterRcnn, **texts: str) -> WeightsMetadata:
    """What a file with this network's weights has to say, for `write_weights`.

    Args:
        network: The network.
        texts: `recipe`, `data` and `licence`.
    """
    settings = {name: getattr(network.config, name) for name in _SETTINGS}
    return WeightsMetadata(
        architecture=PREFIX + network.architecture,
        classes=network.output_names,
        settings=settings,
        **texts,
    )


def _check_family(checkpoint: Checkpoint) -> None:
    metadata, tensors = checkpoint.metadata, checkpoint.tensors
    if metadata is not None and not metadata.architecture.startswith(PREFIX):
        raise ValueError(
            f"{checkpoint.path}: expected a Faster R-CNN, got {metadata.architecture}"
        )
    if _PREDICTOR in tensors and any(key.startswith(_BODY) for key in tensors):
        return
    for family, starts in _FAMILIES:
        if all(any(key.startswith(start) for key in tensors) for start in starts):
            raise ValueError(f"{checkpoint.path}: expected a Faster R-CNN, got {family}")
    keys = ", ".join(list(tensors)[:3])
    raise ValueError(f"{checkpoint.path}: expected a Faster R-CNN, got tensors named {keys}")


def _check_outputs(tensors: Mapping[str, Tensor], path: Path) -> None:
    """See that there are boxes for as many outputs as there are scores."""
    scored, boxed = len(tensors[_PREDICTOR]), tensors.get(_BOXES)
    if boxed is not None and len(boxed) != 4 * scored:
        raise ValueError(
            f"{path}: {_BOXES}: expected {4 * scored} rows, 4 for each of {scored} outputs, "
            f"got {len(boxed)}"
        )


def _find_architecture(checkpoint: Checkpoint, expected: Architecture | None) -> Architecture:
    """The architecture that the file names, else the one that its tensors give away."""
    path, metadata = checkpoint.path, checkpoint.metadata
    seen = _architecture_of(checkpoint)
    if metadata is not None:
        named = metadata.architecture.removeprefix(PREFIX)
        if named not in _same_tensors(seen):
            raise ValueError(
                f"{path}: expected tensors of {metadata.architecture}, got those of {seen}"
            )
        seen = named
    elif expected in _same_tensors(seen):
        seen = expected
    if expected is not None and expected != seen:
        raise ValueError(f"{path}: expected a Faster R-CNN {expected}, got {seen}")
    return seen


def _architecture_of(checkpoint: Checkpoint) -> Architecture:
    """The architecture that the tensors give away."""
    tensors = checkpoint.tensors
    if f"{_BODY}16.0.weight" in tensors:
        is_small = "_320_" in checkpoint.path.name
        return "mobilenet-v3-large-320-fpn" if is_small else "mobilenet-v3-large-fpn"
    blocks = tuple(_block_count(tensors, stage) for stage in range(1, 5))
    has_bottlenecks = f"{_BODY}layer1.0.conv3.weight" in tensors
    if blocks == (2, 2, 2, 2) and not has_bottlenecks:
        return "resnet18-fpn"
    if blocks == (3, 4, 6, 3) and has_bottlenecks:
        is_second = "backbone.fpn.inner_blocks.0.1.weight" in tensors
        return "resnet50-fpn-v2" if is_second else "resnet50-fpn"
    shown = ", ".join(map(str, blocks))
    raise ValueError(
        f"{checkpoint.path}: expected a Faster R-CNN of {', '.join(ARCHITECTURES)}, got a "
        f"backbone with {shown} blocks in its stages"
    )


def _block_count(tensors: Mapping[str, Tensor], stage: int) -> int:
    start = f"{_BODY}layer{stage}."
    return len({key[len(start) :].split(".")[0] for key in tensors if key.startswith(start)})


def _same_tensors(architecture: Architecture) -> tuple[Architecture, ...]:
    """Architectures whose tensors cannot be told from this one's."""
    mobilenets: tuple[Architecture, ...] = ("mobilenet-v3-large-fpn", "mobilenet-v3-large-320-fpn")
    return mobilenets if architecture in mobilenets else (architecture,)


def _name_outputs(count: int, class_names: Sequence[str] | None, path: Path) -> tuple[str, ...]:
    """A name for each output but background."""
    categories = tuple(FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"][1:])
    if class_names is None and count == len(categories):
        return categories
    return name_classes(count, class_names, path)


def _building_config(
    checkpoint: Checkpoint, architecture: Architecture
) -> FasterRcnnTrainingConfig:
    """How the weights' network was built: what the file says, else as torchvision does."""
    config = FasterRcnnTrainingConfig.preset("coco")
    short_side, long_side = ARCHITECTURES[architecture].coco_sides
    config = replace(config, short_side=short_side, long_side=long_side)
    if checkpoint.metadata is None:
        counted = f"{_BODY}bn1.num_batches_tracked", f"{_BODY}0.1.num_batches_tracked"
        is_live = any(key in checkpoint.tensors for key in counted)
        return replace(config, batch_norm="batch" if is_live else "frozen")
    return _with_settings(config, checkpoint.metadata.settings, checkpoint.path)


def _with_settings(
    config: FasterRcnnTrainingConfig, settings: Mapping[str, Any], path: Path
) -> FasterRcnnTrainingConfig:
    known = {name: settings[name] for name in _SETTINGS if name in settings}
    kinds = {each.name: type(getattr(config, each.name)) for each in fields(config)}
    for name, value in known.items():
        if type(value) is not kinds[name]:
            raise ValueError(f"{path}: {name}: expected {kinds[name].__name__}, got {value!r}")
    try:
        return replace(config, **known)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _load(network: FasterRcnn, tensors: dict[str, Tensor], path: Path) -> None:
    """Load the weights; each key, shape and kind of number must be right.

    Raises:
        ValueError: One is not.
    """
    require_floats(tensors, network.state_dict(), path)
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        lines = [line.strip() for line in str(error).splitlines()[1:]]
        raise ValueError(
            f"{path}: expected the tensors of a Faster R-CNN {network.architecture}, got others: "
            f"{lines[0] if lines else error}"
        ) from None
