"""One door to all detectors: a name or a file in, a detector out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import cast

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.families import config_class_of_family, detector_file, family_of
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, FasterRcnnOnnxConfig
from faimtrack.detectors.session import Detector
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig


def open_detector(
    weights: str | os.PathLike[str],
    config: DetectorConfig | None = None,
    *,
    classes: Sequence[str] | None = None,
) -> Detector:
    """Load the detector that a name or a file stands for.

    Args:
        weights: A name of `faimtrack weights list` that is in the cache; a checkpoint of YOLOX,
            ByteTrack, YOLOV, torchvision's Faster R-CNN or faimtrack; a YOLOX in ONNX; what
            `faimtrack export` wrote.
        config: Its parameters; None takes the defaults.
        classes: Which of them to keep; None keeps all.

    Raises:
        ValueError: It is no detector, the configuration is that of another kind, or a class is
            unknown.
        OSError: The file cannot be read, or is not there.
        ModuleNotFoundError: It needs torch, which is not installed.
    """
    family, path = family_of(weights), detector_file(weights)
    expected = config_class_of_family(family)
    if config is not None and not isinstance(config, expected):
        raise ValueError(f"{path}: expected a {expected.__name__}, got a {type(config).__name__}")
    if family == "recorded":
        raise ValueError(f"{path}: expected a network, got a file of detections")
    # Imported here: torch takes seconds, and the base install has none.
    if family == "yolox-onnx":
        from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector

        return YoloxOnnxDetector(path, cast("YoloxOnnxConfig | None", config), classes=classes)
    if family == "yolox":
        from faimtrack.detectors.yolox.detector import YoloxDetector

        return YoloxDetector(path, cast("YoloxConfig | None", config), classes=classes)
    if family == "faster-rcnn-onnx":
        from faimtrack.detectors.faster_rcnn.onnx import FasterRcnnOnnxDetector

        return FasterRcnnOnnxDetector(
            path, cast("FasterRcnnOnnxConfig | None", config), classes=classes
        )
    from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector

    return FasterRcnnDetector(path, cast("FasterRcnnConfig | None", config), classes=classes)
