"""Multi-object trackers on numpy, scipy and lap, never torch."""

from faimtrack.trackers.base import State, Tracker
from faimtrack.trackers.bytetrack import ByteTrack, ByteTrackConfig
from faimtrack.trackers.ocsort import OcSort, OcSortConfig
from faimtrack.trackers.registry import (
    TrackerEntry,
    create_tracker,
    tracker_entry,
    tracker_names,
)
from faimtrack.trackers.sort import Sort, SortConfig
from faimtrack.trackers.state import load_state, load_tracker, save_state

__all__ = [
    "ByteTrack",
    "ByteTrackConfig",
    "OcSort",
    "OcSortConfig",
    "Sort",
    "SortConfig",
    "State",
    "Tracker",
    "TrackerEntry",
    "create_tracker",
    "load_state",
    "load_tracker",
    "save_state",
    "tracker_entry",
    "tracker_names",
]
