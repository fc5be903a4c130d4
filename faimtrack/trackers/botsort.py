"""BoT-SORT: ByteTrack whose boxes have a width, whose tracks follow the camera and know looks.

Aharon et al., "BoT-SORT: Robust Associations Multi-Pedestrian Tracking", arXiv 2206.14651, 2022.
Three changes to ByteTrack: the Kalman filter has width and height in place of aspect and height,
camera motion moves the filters, and what detections look like joins the IoU in the cost of the
rounds with strong detections. `bytetrack.py` has the rounds, and the latter two for its own use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from faimtrack.config import parameter
from faimtrack.trackers.base import TRACK_FIELDS, Rows
from faimtrack.trackers.bytetrack import TWO_ROUND_FIELDS, ByteTrack, ByteTrackConfig
from faimtrack.trackers.motion import RowMotion
from faimtrack.trackers.size_filter import PublishedSizeFilter, SizeFilter

_REFERENCE: dict[str, Any] = {
    "published_quirks": True,
    "show_newborn": True,
    "class_matching": "agnostic",
    "lost_buffer_frames": 30,
    "minimum_area": 10.0,
    "maximum_aspect": 1.6,
    "solver": "lapjv",
}
_MOT20: dict[str, Any] = {"fuse_score": False, "match_threshold": 0.7}

_UPRIGHT, _PUBLISHED = SizeFilter(), PublishedSizeFilter()


@dataclass(frozen=True, kw_only=True)
class BotSortConfig(ByteTrackConfig):
    """Parameters of BoT-SORT: those of ByteTrack, of which two are others."""

    match_threshold: float = parameter(
        0.8, "Largest cost of a match with a strong detection.", low=0, high=1
    )
    show_newborn: bool = parameter(
        False, "Show tracks from their first detection on, before a second one confirms them."
    )
    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "mot20": _MOT20 | {"clip_boxes": True},
        "reference": _REFERENCE,
        "reference-mot20": _REFERENCE | _MOT20,
    }


class BotSort(ByteTrack):
    """ByteTrack with another motion model; embeddings and camera motion count where there are any.

    Detections without embeddings make it what its paper calls BoT-SORT, those with them
    BoT-SORT-ReID.
    """

    name = "botsort"
    config: BotSortConfig
    config_class = BotSortConfig
    row_type = np.dtype(
        [*TRACK_FIELDS, *TWO_ROUND_FIELDS, ("mean", "f8", (8,)), ("covariance", "f8", (8, 8))]
    )

    @property
    def _motion(self) -> RowMotion:
        """How boxes move."""
        return _PUBLISHED if self.config.published_quirks else _UPRIGHT

    def _shown(self) -> Rows:
        """The tracks that are part of the answer."""
        return self._tracked if self.config.show_newborn else super()._shown()
