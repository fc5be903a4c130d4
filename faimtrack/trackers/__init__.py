"""Multi-object trackers on numpy, scipy and lap, never torch."""

from faimtrack.trackers.base import State, Tracker
from faimtrack.trackers.botsort import BotSort, BotSortConfig
from faimtrack.trackers.bytetrack import ByteTrack, ByteTrackConfig
from faimtrack.trackers.deepocsort import DeepOcSort, DeepOcSortConfig
from faimtrack.trackers.ocsort import OcSort, OcSortConfig
from faimtrack.trackers.registry import (
    TrackerEntry,
    create_tracker,
    restore_tracker,
    tracker_entry,
    tracker_names,
)
from faimtrack.trackers.sort import Sort, SortConfig
from faimtrack.trackers.state import load_state, load_tracker, save_state
from faimtrack.trackers.tracktor import Tracktor
from faimtrack.trackers.tracktor_config import TracktorConfig

__all__ = [
    "BotSort",
    "BotSortConfig",
    "ByteTrack",
    "ByteTrackConfig",
    "DeepOcSort",
    "DeepOcSortConfig",
    "OcSort",
    "OcSortConfig",
    "Sort",
    "SortConfig",
    "State",
    "Tracker",
    "TrackerEntry",
    "Tracktor",
    "TracktorConfig",
    "create_tracker",
    "load_state",
    "load_tracker",
    "restore_tracker",
    "save_state",
    "tracker_entry",
    "tracker_names",
]
