"""How a YOLOX's input is made and its output is read, in torch and in ONNX."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.config import DetectorConfig, TorchConfig

InputConvention = Literal["auto", "current", "legacy"]


@dataclass(frozen=True, kw_only=True)
class YoloxReading(PresetConfig):
    """From pixels to the network, and from its rows to detections."""

    score_threshold: float = parameter(
        0.1, "Keep boxes whose objectness times class score is at least this.", low=0, high=1
    )
    nms_threshold: float = parameter(
        0.65, "Of two boxes that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    nms_per_class: bool = parameter(
        True,
        "Only boxes of one class make each other go; false: those of any classes, so that one "
        "object that looks like two kinds is tracked once.",
    )
    input_convention: InputConvention = parameter(
        "auto",
        "current: BGR 0 to 255 (weights since 0.1.1); legacy: RGB normalised as ImageNet "
        "(YOLOX 0.1.0, ByteTrack's weights); auto: what the weights say of themselves, else "
        "current.",
    )
    input_height: int | None = parameter(
        None, "Where the network takes any size; unset: the size that it was made for.",
        unit="px", low=32,
    )  # fmt: skip
    input_width: int | None = parameter(
        None, "Where the network takes any size; unset: the size that it was made for.",
        unit="px", low=32,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class YoloxOnnxConfig(YoloxReading, DetectorConfig):
    """A YOLOX export in onnxruntime."""

    decoded: bool | None = parameter(
        None,
        "Whether the model gives boxes in pixels, not grid offsets; unset: as the file says, "
        "else look and see.",
    )


@dataclass(frozen=True, kw_only=True)
class YoloxConfig(YoloxReading, TorchConfig):
    """A YOLOX in torch."""


@dataclass(frozen=True, kw_only=True)
class YoloxExportConfig(YoloxReading):
    """A YOLOX that is written as ONNX; the thresholds count only with `nms`."""

    nms: bool = parameter(False, "Keep high scores and suppress overlaps inside the model.")
    dynamic_size: bool = parameter(
        False, "Let the model take any height and width that are multiples of 32."
    )
