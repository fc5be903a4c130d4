"""Multi-object tracking: exact, fast, permissive, complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from faimtrack.detectors.loading import open_detector
    from faimtrack.motfile import read_mot, write_tracks
    from faimtrack.pipeline import run_pipeline, track_sequence
    from faimtrack.structures import Detections, Frame, SourceInfo, Tracks
    from faimtrack.trackers import create_tracker, tracker_names
    from faimtrack.video import VideoWriter, open_source

__all__ = [
    "Detections",
    "Frame",
    "SourceInfo",
    "Tracks",
    "VideoWriter",
    "__version__",
    "create_tracker",
    "open_detector",
    "open_source",
    "read_mot",
    "run_pipeline",
    "track_sequence",
    "tracker_names",
    "write_tracks",
]

# Imported when first asked for: `faimtrack --help` must not wait for numpy.
_HOMES = {
    "Detections": "faimtrack.structures",
    "Frame": "faimtrack.structures",
    "SourceInfo": "faimtrack.structures",
    "Tracks": "faimtrack.structures",
    "VideoWriter": "faimtrack.video",
    "create_tracker": "faimtrack.trackers",
    "open_detector": "faimtrack.detectors.loading",
    "open_source": "faimtrack.video",
    "read_mot": "faimtrack.motfile",
    "run_pipeline": "faimtrack.pipeline",
    "track_sequence": "faimtrack.pipeline",
    "tracker_names": "faimtrack.trackers",
    "write_tracks": "faimtrack.motfile",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'faimtrack' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
