"""What the protocols leave open, and their published values."""

from __future__ import annotations

from dataclasses import dataclass

from faimtrack.config import PresetConfig, parameter


@dataclass(frozen=True, kw_only=True)
class VodConfig(PresetConfig):
    """Settings of `VideoScorer`; the defaults are those of the published protocols."""

    coco_detections: int = parameter(
        100, "COCO only: the best so many of a frame and class count; 100 is COCO's maxDets.",
        low=1,
    )  # fmt: skip
    pixel_tolerance: float = parameter(
        10.0, "VID only: what is added to an object's width and height in its threshold.",
        unit="px", low=0,
    )  # fmt: skip
    motion_window: int = parameter(
        10, "How far before and after a frame an object's boxes are compared.", unit="frames",
        low=1,
    )  # fmt: skip
    slow_above: float = parameter(
        0.9, "Motion IoU above which an object is slow.", unit="IoU", low=0, high=1
    )
    fast_below: float = parameter(
        0.7, "Motion IoU below which an object is fast.", unit="IoU", low=0, high=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.fast_below > self.slow_above:
            raise ValueError(
                f"fast_below: expected at most slow_above ({self.slow_above}), "
                f"got {self.fast_below}"
            )
