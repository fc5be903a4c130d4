"""The trackers by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from faimtrack.config import PresetConfig
from faimtrack.trackers.base import RowTracker, Tracker
from faimtrack.trackers.bytetrack import ByteTrack
from faimtrack.trackers.ocsort import OcSort
from faimtrack.trackers.sort import Sort


@dataclass(frozen=True, kw_only=True)
class TrackerEntry:
    """One tracker of the registry.

    Attributes:
        name: What a command line calls it.
        title: What people call it.
        paper: Where it was published.
        tracker_class: Makes it.
    """

    name: str
    title: str
    paper: str
    tracker_class: type[RowTracker]

    @property
    def config_class(self) -> type[PresetConfig]:
        """The dataclass of its parameters."""
        return self.tracker_class.config_class


_ENTRIES = {
    entry.name: entry
    for entry in (
        TrackerEntry(
            name=ByteTrack.name,
            title="ByteTrack",
            paper="Zhang et al., ECCV 2022",
            tracker_class=ByteTrack,
        ),
        TrackerEntry(
            name=OcSort.name,
            title="OC-SORT",
            paper="Cao et al., CVPR 2023",
            tracker_class=OcSort,
        ),
        TrackerEntry(
            name=Sort.name,
            title="SORT",
            paper="Bewley et al., ICIP 2016",
            tracker_class=Sort,
        ),
    )
}


def tracker_names() -> tuple[str, ...]:
    """The names that `create_tracker` knows."""
    return tuple(_ENTRIES)


def tracker_entry(name: str) -> TrackerEntry:
    """What is known of a tracker.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in _ENTRIES:
        raise ValueError(f"tracker: expected {', '.join(_ENTRIES)}, got {name!r}")
    return _ENTRIES[name]


def create_tracker(
    name: str, config: PresetConfig | None = None, *, frame_rate: float | None = None
) -> Tracker:
    """Make a tracker by name.

    Args:
        name: One of `tracker_names`.
        config: Its parameters; None for the default preset.
        frame_rate: Nominal frames per second; None for 30.

    Raises:
        ValueError: There is no tracker of that name.
        TypeError: The configuration is another tracker's.
    """
    tracker: Any = tracker_entry(name).tracker_class(
        config, frame_rate=30.0 if frame_rate is None else frame_rate
    )
    made: Tracker = tracker
    return made
