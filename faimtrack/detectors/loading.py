"""One door to all detectors: a name or a file in, a detector out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.families import (
    config_class_of_family,
    detector_file,
    family_of,
    family_of_checkpoint,
    kind_of_family,
)
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, FasterRcnnOnnxConfig
from faimtrack.detectors.files.formats import SUFFIXES
from faimtrack.detectors.images import ImageDetector
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig
from faimtrack.weights import Checkpoint, WeightsMetadata, published_entry, read_checkpoint

_NO_CHECKPOINTS = {".onnx", *SUFFIXES.values()}


def open_detector(
    weights: str | os.PathLike[str],
    config: DetectorConfig | None = None,
    *,
    classes: Sequence[str] | None = None,
    keep_features: bool = False,
) -> ImageDetector:
    """Load the detector that a name or a file stands for.

    Args:
        weights: A name of `faimtrack weights list` that is in the cache; a checkpoint of YOLOX,
            ByteTrack, YOLOV, torchvision's Faster R-CNN or faimtrack; a YOLOX in ONNX; what
            `faimtrack export` wrote.
        config: Its parameters; None takes the defaults.
        classes: Which of them to keep; None keeps all.
        keep_features: Whether it leaves in each frame what it computed there, for a regressor or
            an embedder, until the frame is released.

    Raises:
        ValueError: It is no detector, the configuration is that of another kind, a class is
            unknown, or features are to be kept of a model that gives none.
        OSError: The file cannot be read, or is not there.
        ModuleNotFoundError: It needs torch, which is not installed.
    """
    path = detector_file(weights)
    checkpoint = None
    if path.suffix.lower() not in _NO_CHECKPOINTS:
        checkpoint = with_published_input(
            read_checkpoint(path)
        )  # read once: it may be hundreds of MB
    family = family_of(path) if checkpoint is None else family_of_checkpoint(checkpoint)
    expected = config_class_of_family(family)
    if config is not None and not isinstance(config, expected):
        raise ValueError(f"{path}: expected a {expected.__name__}, got a {type(config).__name__}")
    kind = kind_of_family(family)
    if keep_features and not (kind is not None and kind.keeps_features):
        raise ValueError(
            f"{path}: keep_features: expected a network in torch, of which each frame's features "
            f"can be kept, got a detector of kind {family}"
        )
    # Imported here: torch takes seconds, and the base install has none.
    if family == "yolox-onnx":
        from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector

        return YoloxOnnxDetector(path, cast("YoloxOnnxConfig | None", config), classes=classes)
    if family == "faster-rcnn-onnx":
        from faimtrack.detectors.faster_rcnn.onnx import FasterRcnnOnnxDetector

        return FasterRcnnOnnxDetector(
            path, cast("FasterRcnnOnnxConfig | None", config), classes=classes
        )
    if checkpoint is None:
        raise ValueError(f"{path}: expected a network, got a file of detections")
    if family == "video":
        from faimtrack.detectors.video.detector import VideoDetector

        return VideoDetector(
            checkpoint, cast("VideoDetectorConfig | None", config), classes=classes
        )
    if family == "yolox":
        from faimtrack.detectors.yolox.detector import YoloxDetector

        return YoloxDetector(
            checkpoint,
            cast("YoloxConfig | None", config),
            classes=classes,
            keep_features=keep_features,
        )
    from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector

    return FasterRcnnDetector(
        checkpoint,
        cast("FasterRcnnConfig | None", config),
        classes=classes,
        keep_features=keep_features,
    )


def with_published_input(checkpoint: Checkpoint) -> Checkpoint:
    """The checkpoint with the input that its publisher says it wants, if that is known."""
    entry = published_entry(checkpoint.path)
    if entry is None or entry.input_convention is None or entry.input_size is None:
        return checkpoint
    metadata = WeightsMetadata(
        architecture=entry.architecture,
        settings={
            "input_convention": entry.input_convention,
            "input_size": list(entry.input_size),
        },
    )
    return replace(checkpoint, metadata=metadata)
