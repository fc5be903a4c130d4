"""What all embedders that look at crops can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faimtrack.config import PresetConfig, parameter

Device = Literal["auto", "cpu", "cuda", "mps"]
Normalisation = Literal["imagenet", "unit", "none"]
ColourOrder = Literal["rgb", "bgr"]


@dataclass(frozen=True, kw_only=True)
class EmbedderConfig(PresetConfig):
    """How crops of people become a network's input, and where it runs."""

    input_height: int | None = parameter(
        None, "Of the network's input; unset: as its file says.", unit="px", low=1
    )
    input_width: int | None = parameter(
        None, "Of the network's input; unset: as its file says.", unit="px", low=1
    )
    normalisation: Normalisation = parameter(
        "imagenet",
        "imagenet: 0 to 1, less ImageNet's mean, by its deviation, as OSNet and torchvision's "
        "networks want it; unit: 0 to 1; none: 0 to 255.",
    )
    colour_order: ColourOrder = parameter("rgb", "Of the network's three channels.")
    batch_size: int | None = parameter(
        None, "Most crops in one call of the network, where it takes any number; unset: 16 on a "
        "CPU, where more measured slower, else 128.", unit="crops", low=1,
    )  # fmt: skip
    device: Device = parameter("auto", "auto: a GPU that is there, else the CPU.")
    threads: int | None = parameter(
        None, "Of an ONNX model on a CPU; unset: all that this process may use.",
        unit="threads", low=1,
    )  # fmt: skip
