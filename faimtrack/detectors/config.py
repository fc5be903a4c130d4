"""What all detectors that run a network can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faimtrack.config import PresetConfig, parameter

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["full", "half"]
FeatureKind = Literal["instance_features", "mask_features"]
"""Over what of a detection its instance features are averaged: its box, or its predicted mask."""
Keep = Literal["none", "instance_features", "mask_features", "masks"]
"""What a detector's mask branch gives besides boxes."""
Whitening = Literal["frame", "none"]


@dataclass(frozen=True, kw_only=True)
class DetectorConfig(PresetConfig):
    """What a network's classes are called, where it runs and on how many frames at a time."""

    batch_size: int | None = parameter(
        None,
        "Frames in one call of the network, where it takes any number; unset: 1 on a CPU and of "
        "live sources, else 8.",
        unit="frames", low=1,
    )  # fmt: skip
    device: Device = parameter("auto", "auto: a GPU that is there, else the CPU.")
    class_names: tuple[str, ...] | None = parameter(
        None, "Names of the network's classes in its order, such as [person, car]; unset: as its "
        "file says, else COCO's for 80 classes and person for one.",
    )  # fmt: skip
    keep: Keep = parameter(
        "none",
        "What the mask branch of the weights gives besides boxes: masks, a vector a box (its "
        "instance features' mean over the box, or over its mask), or nothing; then it is not "
        "even loaded.",
    )
    feature_whitening: Whitening = parameter(
        "frame",
        "frame: what varies much all over a frame counts little in the vectors of its boxes, else "
        "all people look alike; none: vectors as they are.",
    )
    feature_stripes: int = parameter(
        1, "Into how many stripes, one above the other, a box is cut for its vector, which is as "
        "many times longer; 3 tells people of a dense crowd apart better.",
        unit="stripes", low=1, high=16,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TorchConfig(DetectorConfig):
    """How a torch network runs."""

    precision: Precision = parameter("full", "half: 16-bit floats, on a GPU only.")
    compile: bool = parameter(
        False, "Compile the network with torch.compile: a slow start, then faster."
    )
    channels_last: bool | None = parameter(
        None,
        "Keep pixels' channels together in memory; unset: on a CPU, where it is faster; often "
        "so too on GPUs of recent years in half precision.",
    )
