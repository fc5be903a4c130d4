"""From the tensors of a checkpoint to a YOLOX: which size it is, and what else is in there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from faimtrack.detectors.images import name_classes
from faimtrack.detectors.tensors import require_floats
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox, YoloxSize
from faimtrack.errors import shown
from faimtrack.weights.files import Checkpoint, WeightsMetadata

_STEM = "backbone.backbone.stem.conv"
_HEAD = "head.stems.0.conv.weight"
_CLASSES = "head.cls_preds.0.weight"
# Other keys may lie beside a YOLOX's own (YOLOV's attention, a mask branch), not among them.
_OWN = re.compile(r"backbone\.|head\.(stems|cls_convs|reg_convs|cls_preds|reg_preds|obj_preds)\.")
_ARCHITECTURES = ("yolox", "faim-", "yolov-")
_FAMILIES = (
    ("a Faster R-CNN", ("roi_heads.", "rpn.")),
    ("a Segment Anything network", ("image_encoder.", "mask_decoder.")),
    ("a YOLOX on Darknet-53 (yolov3)", ("backbone.backbone.stem.0.", "backbone.out1.")),
    ("a network of another YOLO family", ("model.0.conv.", "model.1.conv.")),
    ("a YOLOX of MMDetection", ("bbox_head.multi_level_",)),
    ("a Faster R-CNN of MMDetection", ("rpn_head.", "roi_head.")),
    ("a network of MMDetection", ("bbox_head.",)),
    ("a RetinaNet", ("head.classification_head.", "head.regression_head.")),
    ("a ResNet", ("layer1.0.conv1.", "layer2.0.conv1.")),
)
_CURRENT_FROM, _LEGACY_TO = 60.0, 6.0


@dataclass(frozen=True, kw_only=True)
class LoadedYolox:
    """A YOLOX from a file, and what the file says of it.

    Attributes:
        network: With the file's weights, evaluating; folded if they are.
        path: The file.
        classes: Names of its classes; empty if the file does not say.
        input_size: Height and width in pixels that it was made for: what the file says, else what
            is usual for its size.
        input_convention: What the file says, else what the weights give away; None if neither.
        left_aside: Keys of the file that are no YOLOX's: YOLOV's attention, say, or a mask branch.
    """

    network: Yolox
    path: Path
    classes: tuple[str, ...]
    input_size: tuple[int, int]
    input_convention: Literal["current", "legacy"] | None
    left_aside: tuple[str, ...]

    def name_classes(self, class_names: Sequence[str] | None = None) -> tuple[str, ...]:
        """The given names, else the file's, else COCO's for 80 classes and `person` for one.

        Raises:
            ValueError: There are more or fewer names than classes.
        """
        names = (self.classes or None) if class_names is None else class_names
        return name_classes(self.network.class_count, names, self.path)

    def resolve_input(
        self, config: YoloxReading
    ) -> tuple[tuple[int, int], Literal["current", "legacy"]]:
        """Height and width in pixels of the input, and its convention.

        Args:
            config: What it says goes before what the file says.

        Raises:
            ValueError: A side is no multiple of 32.
        """
        height = config.input_height or self.input_size[0]
        width = config.input_width or self.input_size[1]
        if height % 32 or width % 32:
            raise ValueError(
                f"input_height and input_width: expected multiples of 32, got {height} and {width}"
            )
        if config.input_convention == "auto":
            return (height, width), self.input_convention or "current"
        return (height, width), config.input_convention


def load_yolox(
    checkpoint: Checkpoint, *, size: str | None = None, class_count: int | None = None
) -> LoadedYolox:
    """Make the network that a checkpoint is of.

    Checkpoints of YOLOX, ByteTrack, YOLOV and faimtrack are known, whatever their size; it is
    found in the tensors' shapes. Of a video object detector it is the YOLOX in it.

    Args:
        checkpoint: What `read_checkpoint` gave, or tensors of `read_onnx_weights`.
        size: The size that is expected; None takes any.
        class_count: The number of classes that is expected; None takes any.

    Raises:
        ValueError: It is no YOLOX (the message says what it seems to be), tensors are missing or
            have other shapes, or it is another size or has other classes than expected.
    """
    path, tensors = checkpoint.path, checkpoint.tensors
    _check_family(checkpoint)
    found = find_size(tensors)
    _check_told_size(checkpoint, found)
    if size is not None and found.name != size:
        raise ValueError(f"{path}: expected a YOLOX of size {size}, got size {found.name}")
    count = len(tensors[_CLASSES])
    if class_count is not None and class_count != count:
        raise ValueError(f"{path}: expected a YOLOX of {class_count} classes, got {count}")
    with torch.device("meta"):  # random weights would take a second and torch's random state
        network = Yolox(found, count, folded=f"{_STEM}.conv.bias" in tensors)
    network.to_empty(device="cpu")
    network.eval()
    left_aside = load_tensors(network, tensors, path, f"a YOLOX of size {found.name}", _OWN)
    classes, convention, input_size = _settings(checkpoint.metadata, path, network)
    return LoadedYolox(
        network=network,
        path=path,
        classes=classes,
        input_size=input_size,
        input_convention=convention or guess_input_convention(tensors),
        left_aside=left_aside,
    )


def find_size(tensors: Mapping[str, Tensor]) -> YoloxSize:
    """The size of the YOLOX that has these tensors; one that is not official is named `custom`."""
    width = tensors[_HEAD].shape[0] / 256
    base = tensors[f"{_STEM}.conv.weight"].shape[0]
    blocks = {key.split(".")[3] for key in tensors if key.startswith("backbone.C3_p4.m.")}
    depthwise = "backbone.backbone.dark2.0.dconv.conv.weight" in tensors
    for size in YOLOX_SIZES.values():
        if (int(64 * size.width), size.width, round(3 * size.depth), size.depthwise) == (
            base, width, len(blocks), depthwise,
        ):  # fmt: skip
            return size
    return YoloxSize(name="custom", depth=len(blocks) / 3, width=width, depthwise=depthwise)


def guess_input_convention(tensors: Mapping[str, Tensor]) -> Literal["current", "legacy"] | None:
    """What pixels weights were trained on, told by the batch norm behind the first convolution.

    A running variance over its kernel's squared norm is what one pixel varies by. In the median
    over the channels it was 960 to 1600 for pixels 0 to 255 (random weights of nano, s and x on
    real frames, and the official nano's weights: 1070 to 1150) and 0.25 to 0.47 for normalised
    ones: more than 2000 times less. Between 6 and 60 nothing is said.

    Returns:
        None if it cannot be told: the batch norms are folded, or were never trained.
    """
    kernels = tensors.get(f"{_STEM}.conv.weight")
    variance, mean = (tensors.get(f"{_STEM}.bn.running_{name}") for name in ("var", "mean"))
    if kernels is None or variance is None or mean is None:
        return None
    if not mean.any() and bool((variance == 1).all()):
        return None
    # In float64: the squares of channels that training gave up vanish in less.
    norms = kernels.double().flatten(1).square().sum(1)
    is_alive = norms > 0
    if not is_alive.any():
        return None
    typical = float((variance.double()[is_alive] / norms[is_alive]).median())
    if typical >= _CURRENT_FROM:
        return "current"
    return "legacy" if typical <= _LEGACY_TO else None


def _check_family(checkpoint: Checkpoint) -> None:
    """See that this is a YOLOX at all.

    Raises:
        ValueError: It is not.
    """
    path, tensors, metadata = checkpoint.path, checkpoint.tensors, checkpoint.metadata
    if metadata is not None and not metadata.architecture.startswith(_ARCHITECTURES):
        raise ValueError(f"{path}: expected a YOLOX, got weights of {metadata.architecture}")
    needed = (f"{_STEM}.conv.weight", _HEAD, _CLASSES)
    if all(key in tensors and tensors[key].ndim == 4 for key in needed):
        return
    for family, prefixes in _FAMILIES:
        if all(any(key.startswith(prefix) for key in tensors) for prefix in prefixes):
            raise ValueError(f"{path}: expected a YOLOX, got {family} by its keys")
    raise ValueError(f"{path}: expected a YOLOX, got an unknown network with {_few(tensors)}")


def _check_told_size(checkpoint: Checkpoint, found: YoloxSize) -> None:
    """See that a file holds the size that it or its publisher says it is of.

    Raises:
        ValueError: It does not.
    """
    told = "" if checkpoint.metadata is None else checkpoint.metadata.architecture
    size = told.partition("-")[2]
    if size in YOLOX_SIZES and size != found.name:
        raise ValueError(
            f"{checkpoint.path}: expected tensors of {told}, got those of size {found.name}"
        )


def load_tensors(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    path: Path,
    name: str,
    own_keys: re.Pattern[str],
) -> tuple[str, ...]:
    """Give a network all of its tensors.

    Args:
        network: They are copied into it.
        tensors: Of a file, by the network's keys.
        path: The file, for messages.
        name: What the network is, for messages.
        own_keys: What no other keys than the network's begin with.

    Returns:
        Keys that are none of its own.

    Raises:
        ValueError: Tensors are missing, too many, of other shapes, or no floats.
    """
    own = network.state_dict()
    # Counters of training steps, which some conversions drop, play no part in evaluation.
    missing = [key for key in own if key not in tensors and "num_batches_tracked" not in key]
    if missing:
        raise ValueError(f"{path}: expected the tensors of {name}, got none for {_few(missing)}")
    extra = [key for key in tensors if key not in own]
    unknown = [key for key in extra if own_keys.match(key)]
    if unknown:
        raise ValueError(f"{path}: expected the tensors of {name}, got besides {_few(unknown)}")
    for key, tensor in own.items():
        if key in tensors and tensors[key].shape != tensor.shape:
            raise ValueError(
                f"{path}: {key}: expected shape {tuple(tensor.shape)} of {name}, "
                f"got {tuple(tensors[key].shape)}"
            )
    require_floats(tensors, own, path)
    given = {key: tensors.get(key, torch.zeros_like(tensor)) for key, tensor in own.items()}
    network.load_state_dict(given)
    return tuple(extra)


def _settings(
    metadata: WeightsMetadata | None, path: Path, network: Yolox
) -> tuple[tuple[str, ...], Literal["current", "legacy"] | None, tuple[int, int]]:
    """Class names, input convention and input size, as far as the file says.

    Raises:
        ValueError: They make no sense, or do not fit the network.
    """
    if metadata is None:
        return (), None, network.size.input_size
    classes, settings = metadata.classes, metadata.settings
    if classes and len(classes) != network.class_count:
        raise ValueError(
            f"{path}: expected {network.class_count} class names, as the network has classes, "
            f"got {len(classes)}"
        )
    convention = settings.get("input_convention")
    if convention not in ("current", "legacy", None):
        raise ValueError(
            f"{path}: input_convention: expected current or legacy, got {shown(convention)}"
        )
    size = settings.get("input_size", network.size.input_size)
    return classes, convention, _two_sides(size, path)


def _two_sides(value: Any, path: Path) -> tuple[int, int]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(type(side) is int and side > 0 and side % 32 == 0 for side in value):
        raise ValueError(
            f"{path}: input_size: expected height and width, multiples of 32, got {shown(value)}"
        )
    return value[0], value[1]


def _few(keys: Iterable[str]) -> str:
    keys = list(keys)
    more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
    return ", ".join(keys[:3]) + more
