"""The parameters of what is done after tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from faimtrack.config import PresetConfig, parameter


@dataclass(frozen=True, kw_only=True)
class PostprocessConfig(PresetConfig):
    """Which steps are taken after the last frame; none by default.

    Short tracks go first, by the frames that they were really seen in; then gaps are filled, then
    paths are smoothed.
    """

    minimum_length_frames: int = parameter(
        0, "Tracks of fewer frames are removed; 0 or 1 keeps all.", unit="frames", low=0
    )
    interpolation: Literal["none", "linear", "gaussian"] = parameter(
        "none",
        "How gaps are filled: not at all, on a straight line, or so and then smoothed (offline).",
    )
    max_gap_frames: int = parameter(
        18,
        "Longest run of missing frames that is filled; what ByteTrack calls 20 is 18 of these.",
        unit="frames",
        low=0,
    )
    smoothing_tau: float = parameter(
        10.0, "StrongSORT's tau: greater smooths more.", unit="frames", low=1.5
    )

    _presets: ClassVar[dict[str, dict[str, object]]] = {
        "default": {},
        "linear": {"interpolation": "linear"},
        "gaussian": {"interpolation": "gaussian"},
    }
