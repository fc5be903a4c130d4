"""The parameters that all trackers over rows have, and those that compare embeddings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.trackers.assignment import Solver


@dataclass(frozen=True, kw_only=True)
class RowTrackerConfig(PresetConfig):
    """How long tracks live without a detection, what they may take, and which are shown."""

    lost_buffer_s: float = parameter(
        1.0, "How long a track goes on without a detection.", unit="s", low=0
    )
    lost_buffer_frames: int | None = parameter(
        None, "The same in frames; if given, it counts instead.", unit="frames", low=0
    )
    class_matching: Literal["strict", "agnostic"] = parameter(
        "strict", "Whether a track takes detections of its own class only, or of any."
    )
    clip_boxes: bool = parameter(False, "Cut detections to the image (on for MOT20).")
    minimum_area: float | None = parameter(
        None, "Tracks with boxes of this area or less are not shown.", unit="px²", low=0
    )
    maximum_aspect: float | None = parameter(
        None, "Tracks with boxes wider than this are not shown.", unit="width/height", low=0
    )
    use_appearance: bool = parameter(
        True, "Whether the embeddings of detections count, where there are any."
    )
    solver: Solver = parameter("scipy", "Who solves the assignment: scipy or lapjv.")
    published_quirks: bool = parameter(
        False, "Repeat the slips of the authors' code (docs/deviations.md lists them)."
    )


@dataclass(frozen=True, kw_only=True)
class EmbeddingTrackerConfig(RowTrackerConfig):
    """Those of trackers that know looks by the embeddings of detections."""

    appearance_keep: float = parameter(
        0.9, "What part of a track's remembered look stays at a match (the rest is the new one).",
        low=0, high=1,
    )  # fmt: skip
