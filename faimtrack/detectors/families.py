"""Which kind of detector a name or a file stands for."""

from __future__ import annotations

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.yolox.config import YoloxOnnxConfig


def config_class_of(weights: str | None) -> type[DetectorConfig]:
    """The configuration that a detector's weights want.

    Args:
        weights: A name or a file; None takes that of a YOLOX.
    """
    return YoloxOnnxConfig
