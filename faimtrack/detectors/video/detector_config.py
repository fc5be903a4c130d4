"""What a video object detector can be told; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import parameter
from faimtrack.detectors.config import TorchConfig
from faimtrack.detectors.video.config import ProposalConfig
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.structures import SourceInfo

Sampling = Literal["global", "local", "mixed", "causal"]
Labels = Literal["best", "all"]


@dataclass(frozen=True, kw_only=True)
class VideoDetectorConfig(ProposalConfig, YoloxReading, TorchConfig):
    """FAIM or YOLOV in torch.

    Presets: `default` is for tracking; `mot` for crowds, where hundreds are in a frame; `vod` for
    average precision, which asks for every label of a proposal however weak.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot": {"proposals": 400},
        "vod": {"labels": "all", "score_threshold": 0.001},
    }

    nms_threshold: float = parameter(
        0.5, "Of two boxes that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    sampling: Literal["auto", "global", "local", "mixed", "causal"] = parameter(
        "auto",
        "Which frames help a frame. global: of the whole video; local: around it; mixed: both; "
        "causal: earlier ones, and it answers at once; auto: global, of sources without a known "
        "end causal.",
    )
    group_frames: int = parameter(
        32, "Frames that are looked at together, the key frame among them.", unit="frames", low=2
    )
    local_frames: int | None = parameter(
        None,
        "Of these, with mixed those around the key frame, with causal the latest; the others are "
        "spread over the video, or over all that is past. Unset: half of them.",
        unit="frames", low=1,
    )  # fmt: skip
    seed: int = parameter(0, "Of the random groups of frames.", low=0)
    labels: Labels = parameter(
        "best",
        "best: one class a proposal, as trackers want it; all: every class that scores enough, as "
        "average precision wants it.",
    )
    spill_mib: int = parameter(
        256, "Proposals of a video beyond this go to a temporary file.", unit="MiB", low=0
    )

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ValueError: One makes no sense.
        """
        super().__post_init__()
        if self.keep != "none":
            raise ValueError(
                "keep: expected none, for a video object detector gives boxes alone, got "
                f"{self.keep}"
            )
        if self.labels == "all" and not self.nms_per_class:
            raise ValueError(
                "nms_per_class: expected true with labels=all, for the labels of a proposal would "
                "suppress each other, got false"
            )
        if self.local_frames is not None and self.local_frames > self.group_frames:
            raise ValueError(
                f"local_frames: expected group_frames, {self.group_frames}, at most, got "
                f"{self.local_frames}"
            )

    def sampling_of(self, info: SourceInfo) -> Sampling:
        """Which frames those of a source are looked at with."""
        if self.sampling == "auto":
            return "causal" if info.frame_count is None else "global"
        return self.sampling

    def is_offline(self, info: SourceInfo) -> bool:
        """Whether answers about frames of a source know of later frames."""
        return self.sampling_of(info) != "causal"
