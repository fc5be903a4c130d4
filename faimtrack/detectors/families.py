"""Which kind of detector a name or a file stands for, and the file behind a name."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, FasterRcnnOnnxConfig
from faimtrack.detectors.files.formats import SUFFIXES
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig
from faimtrack.onnx import read_onnx_metadata
from faimtrack.weights import (
    Checkpoint,
    WeightsEntry,
    cached_weights,
    find_weights,
    read_checkpoint,
    read_metadata,
    weights_entries,
)

Family = Literal["yolox", "yolox-onnx", "video", "faster-rcnn", "faster-rcnn-onnx", "recorded"]


@dataclass(frozen=True, kw_only=True)
class DetectorKind:
    """A kind of detector.

    Attributes:
        name: How a person calls it.
        title: What it is and what it reads.
        config_class: Its configuration.
        keeps_features: Whether it can leave in a frame what it computed there, for whoever asks
            about other boxes of it.
        regresses: Whether it is a `BoxRegressor` too.
    """

    name: Family
    title: str
    config_class: type[DetectorConfig]
    keeps_features: bool = False
    regresses: bool = False


DETECTOR_KINDS = (
    DetectorKind(
        name="yolox",
        title="YOLOX in torch: .pth of YOLOX or ByteTrack, our .safetensors",
        config_class=YoloxConfig,
        keeps_features=True,
    ),
    DetectorKind(
        name="yolox-onnx",
        title="YOLOX in onnxruntime, needs no torch: .onnx",
        config_class=YoloxOnnxConfig,
    ),
    DetectorKind(
        name="video",
        title="FAIM and YOLOV in torch, which look at many frames: .pth of YOLOV, our "
        ".safetensors",
        config_class=VideoDetectorConfig,
    ),
    DetectorKind(
        name="faster-rcnn",
        title="Faster R-CNN in torch: .pth of torchvision, our .safetensors",
        config_class=FasterRcnnConfig,
        keeps_features=True,
        regresses=True,
    ),
    DetectorKind(
        name="faster-rcnn-onnx",
        title="Faster R-CNN in onnxruntime, needs no torch: .onnx of faimtrack export",
        config_class=FasterRcnnOnnxConfig,
    ),
)
"""All that run a network."""

_ARCHITECTURES: dict[str, Family] = {
    "yolox": "yolox",
    "faim-": "video",
    "yolov-": "video",
    "faster-rcnn": "faster-rcnn",
}
# Keys that no other network has; the first of these that is there as a whole tells.
_KEYS: tuple[tuple[Family, tuple[str, ...]], ...] = (
    ("video", ("video.",)),
    ("video", ("head.trans.",)),
    ("video", ("head.cls_convs2.",)),
    ("yolox", ("head.cls_preds.", "head.stems.")),
    ("faster-rcnn", ("rpn.", "roi_heads.")),
)
VIDEO_KINDS = ("faim", "yolov")
"""What the architectures of video object detectors begin with."""
YOLOX_ARCHITECTURES = tuple(
    f"{kind}-{size}"
    for kind in (*VIDEO_KINDS, "yolox")
    for size in ("nano", "tiny", "s", "m", "l", "x")
)
"""Networks that can be made by their names; weights are another matter."""
_FILE_SUFFIXES = {".onnx", ".safetensors", ".pth", ".pt", ".tar", ".ckpt", *SUFFIXES.values()}


def detector_file(weights: str | os.PathLike[str]) -> Path:
    """The file behind a detector's name; a file stands for itself.

    Raises:
        FileNotFoundError: There is no such file, or the named weights are not in the cache (the
            message says how they come there).
        ValueError: Nothing is known under that name, it is no detector, or it is a network that
            nobody publishes weights of.
        OSError: The cache cannot be read.
    """
    path = Path(weights)
    if path.is_file():
        return path
    if path.is_dir() and _looks_like_a_file(weights):
        raise IsADirectoryError(f"{path}: expected a detector's file, got a folder")
    if _looks_like_a_file(weights):
        raise FileNotFoundError(f"{path}: expected a detector, got no such file")
    name = os.fspath(weights)
    entry = _entry(name)
    if entry is None and name not in (own := [each.name for each in cached_weights()]):
        if name in YOLOX_ARCHITECTURES:
            raise ValueError(
                f"detector: expected weights for the network {name}, got none: --weights names a "
                "file, or random"
            )
        known = [*_detector_names(), *own]
        closest = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"detector: expected a file or one of {', '.join(known)}, got {name!r}; the nearest "
            f"is {closest}"
        )
    return find_weights(name)


def family_of(weights: str | os.PathLike[str]) -> Family:
    """Which kind of detector this is; of a registered name it is known without its file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no detector.
        OSError: The file cannot be read.
    """
    entry = None if Path(weights).is_file() else _entry(os.fspath(weights))
    if entry is not None and not entry.is_bundled:
        return _family_of_architecture(entry.architecture, entry.name)
    path = detector_file(weights)
    if path.suffix.lower() in SUFFIXES.values():
        return "recorded"
    if path.suffix.lower() == ".onnx":
        architecture = read_onnx_metadata(path).get("architecture", "")
        return "faster-rcnn-onnx" if architecture.startswith("faster-rcnn") else "yolox-onnx"
    metadata = read_metadata(path)
    if metadata is not None:
        return _family_of_architecture(metadata.architecture, path)
    return family_of_checkpoint(read_checkpoint(path))


def family_of_checkpoint(checkpoint: Checkpoint) -> Family:
    """Which kind of detector a checkpoint is of, by what it says of itself or by its keys.

    Of an unknown network it is the YOLOX, which says what it got when it is made.

    Raises:
        ValueError: It says of itself that it is no detector.
    """
    if checkpoint.metadata is not None:
        return _family_of_architecture(checkpoint.metadata.architecture, checkpoint.path)
    for family, prefixes in _KEYS:
        if all(any(key.startswith(start) for key in checkpoint.tensors) for start in prefixes):
            return family
    return "yolox"


def config_class_of(weights: str | os.PathLike[str] | None) -> type[DetectorConfig]:
    """The configuration that a detector has.

    Args:
        weights: A name or a file, or a network of `YOLOX_ARCHITECTURES` whose weights are yet to
            be named; None takes that of a YOLOX in ONNX.

    Raises:
        As `family_of`.
    """
    if weights is None:
        return config_class_of_family("yolox-onnx")
    try:
        family = family_of(weights)
    except ValueError:
        if weights not in YOLOX_ARCHITECTURES:
            raise
        family = _family_of_architecture(str(weights), str(weights))
    return config_class_of_family(family)


def config_class_of_family(family: Family) -> type[DetectorConfig]:
    """The configuration that detectors of a kind have; recorded detections have the plainest."""
    kind = kind_of_family(family)
    return DetectorConfig if kind is None else kind.config_class


def kind_of_family(family: Family) -> DetectorKind | None:
    """What is known of a kind of detector; None for recorded detections, which run no network."""
    return next((kind for kind in DETECTOR_KINDS if kind.name == family), None)


def can_regress(weights: str | os.PathLike[str]) -> bool:
    """Whether the detector that a name or a file stands for is a `BoxRegressor` too.

    Raises:
        As `family_of`.
    """
    kind = kind_of_family(family_of(weights))
    return kind is not None and kind.regresses


def _looks_like_a_file(weights: str | os.PathLike[str]) -> bool:
    path = Path(weights)
    return (
        not isinstance(weights, str)
        or path.name != weights
        or path.suffix.lower() in _FILE_SUFFIXES
    )


def _entry(name: str) -> WeightsEntry | None:
    """The registered detector of a name; None if there is none.

    Raises:
        ValueError: The name is that of another kind of network.
    """
    entry = next((entry for entry in weights_entries() if entry.name == name), None)
    if entry is not None and entry.kind != "detector":
        raise ValueError(f"{name}: expected a detector, got {entry.title}")
    return entry


def _detector_names() -> list[str]:
    return [entry.name for entry in weights_entries() if entry.kind == "detector"]


def _family_of_architecture(architecture: str, where: str | Path) -> Family:
    for start, family in _ARCHITECTURES.items():
        if architecture.startswith(start):
            return family
    raise ValueError(f"{where}: expected a detector, got weights of {architecture}")
