"""The parameters of Tracktor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from faimtrack.config import parameter
from faimtrack.trackers.config import RowTrackerConfig

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "class_matching": "agnostic",
    "lost_buffer_frames": 10,
    "reid_threshold": 2.0,
    "public_limit": 100,
}


@dataclass(frozen=True, kw_only=True)
class TracktorConfig(RowTrackerConfig):
    """Parameters of Tracktor; `reference` is MMTracking's configuration for MOT17 and MOT20."""

    detection_threshold: float = parameter(
        0.5, "Detections below this score are dropped.", unit="score", low=0, high=1
    )
    regression_threshold: float = parameter(
        0.5, "A track whose regressed box has a score below this is lost.",
        unit="score", low=0, high=1,
    )  # fmt: skip
    nms_threshold: float = parameter(
        0.6, "Of two tracks that overlap more than this, the one of the lower score is lost.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    cover_threshold: float = parameter(
        0.3, "A detection that a track covers by this much belongs to it and starts none.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    reid_threshold: float = parameter(
        0.7, "Largest distance of a lost track's mean embedding to that of a detection that it "
        "takes; with an embedder only.", unit="Euclidean distance", low=0,
    )  # fmt: skip
    reid_iou_threshold: float = parameter(
        0.2, "Smallest overlap of a lost track's last box with a detection that it takes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    reid_samples: int = parameter(
        10, "How many of a track's last embeddings are averaged.", unit="frames", low=1
    )
    linear_motion: bool = parameter(
        False,
        "Move boxes on at constant speed before they are regressed, those of lost tracks too.",
    )
    public_detections: bool = parameter(
        False, "Detections are a benchmark's: they are regressed, and their scores not looked at."
    )
    public_nms_threshold: float = parameter(
        0.5, "Of two public detections that overlap more than this once regressed, one goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    public_limit: int | None = parameter(
        None, "Most public detections of a frame, the best ones.", unit="detections", low=1
    )
    use_appearance: bool = parameter(
        True, "Find lost tracks again by their looks; off, no embedder is asked."
    )
    lost_buffer_s: float = parameter(
        0.4, "How long after it was last seen a lost track may be found again.", unit="s", low=0
    )

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": {"clip_boxes": True},
        "reference": _REFERENCE,
    }
