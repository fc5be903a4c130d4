"""The parameters of camera motion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faimtrack.config import PresetConfig, parameter

Method = Literal["none", "sparse-flow", "orb", "ecc", "file"]


@dataclass(frozen=True, kw_only=True)
class CameraMotionConfig(PresetConfig):
    """Where camera motion comes from, and how closely the pictures are looked at.

    Raises:
        ValueError: Also if a file is given for another method than `file`, or none for it.
    """

    method: Method = parameter(
        "sparse-flow", "Who tells the motion: none, sparse-flow, orb, ecc or file."
    )
    file: str | None = parameter(
        None, "File of transforms (GMC text, or a crowd's camera_motion.txt) for method file."
    )
    file_first_frame: int = parameter(
        1,
        "Which frame the file's first line is for; a file of a second half alone starts later.",
        unit="frame",
        low=1,
    )
    longest_side: int = parameter(
        640, "Pictures are compared at this size; smaller ones as they are.", unit="px", low=32
    )
    affine: bool = parameter(
        False,
        "Allow shear and two scales; else sparse-flow and orb turn, shift and zoom, "
        "ecc turns and shifts.",
    )
    features: int = parameter(
        200, "Most points that sparse-flow follows and orb describes.", unit="points", low=16
    )
    minimum_inliers: int = parameter(
        12, "Fewer points that agree tell nothing (sparse-flow, orb).", unit="points", low=4
    )
    ecc_iterations: int = parameter(
        100, "Most steps of ecc; Tracktor's and MMTracking's 100.", unit="steps", low=1
    )
    ecc_epsilon: float = parameter(
        1e-5, "A gain in correlation below this ends ecc; theirs too.", unit="", low=0
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.method == "file" and self.file is None:
            raise ValueError("file: expected a file of transforms for method file, got none")
        if self.method != "file" and self.file is not None:
            raise ValueError(f"file: expected none for method {self.method}, got {self.file}")
