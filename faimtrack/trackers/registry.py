"""The trackers by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from faimtrack.config import PresetConfig
from faimtrack.interfaces import BoxRegressor, Embedder
from faimtrack.trackers.base import RowTracker, Tracker
from faimtrack.trackers.botsort import BotSort
from faimtrack.trackers.bytetrack import ByteTrack
from faimtrack.trackers.deepocsort import DeepOcSort
from faimtrack.trackers.ocsort import OcSort
from faimtrack.trackers.sort import Sort
from faimtrack.trackers.tracktor import Tracktor


@dataclass(frozen=True, kw_only=True)
class TrackerEntry:
    """One tracker of the registry.

    Attributes:
        name: What a command line calls it.
        title: What people call it.
        paper: Where it was published.
        tracker_class: Makes it.
        needs_regressor: Whether it follows people by a `BoxRegressor` (and tells them apart by an
            `Embedder`, if it is given one) and cannot be made without; the others know what is in
            the detections, embeddings included.
    """

    name: str
    title: str
    paper: str
    tracker_class: type[RowTracker]
    needs_regressor: bool = False

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
        TrackerEntry(
            name=BotSort.name,
            title="BoT-SORT",
            paper="Aharon et al., arXiv 2206.14651",
            tracker_class=BotSort,
        ),
        TrackerEntry(
            name=DeepOcSort.name,
            title="Deep OC-SORT",
            paper="Maggiolino et al., ICIP 2023",
            tracker_class=DeepOcSort,
        ),
        TrackerEntry(
            name=Tracktor.name,
            title="Tracktor",
            paper="Bergmann et al., ICCV 2019",
            tracker_class=Tracktor,
            needs_regressor=True,
        ),
    )
}


def tracker_names(*, needs_regressor: bool | None = None) -> tuple[str, ...]:
    """The names that `create_tracker` knows.

    Args:
        needs_regressor: Only those that do, or that do not, need a regressor; None: all.
    """
    return tuple(
        entry.name
        for entry in _ENTRIES.values()
        if needs_regressor in (None, entry.needs_regressor)
    )


def tracker_entry(name: str) -> TrackerEntry:
    """What is known of a tracker.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in _ENTRIES:
        raise ValueError(f"tracker: expected {', '.join(_ENTRIES)}, got {name!r}")
    return _ENTRIES[name]


def create_tracker(
    name: str,
    config: PresetConfig | None = None,
    *,
    frame_rate: float | None = None,
    regressor: BoxRegressor | None = None,
    embedder: Embedder | None = None,
) -> Tracker:
    """Make a tracker by name.

    Args:
        name: One of `tracker_names`.
        config: Its parameters; None for the default preset.
        frame_rate: Nominal frames per second; None for 30.
        regressor: For a tracker whose entry says `needs_regressor`, and for no other.
        embedder: For such a tracker, if wanted. The others take embeddings from the detections,
            and refuse this one rather than ignore it.

    Raises:
        ValueError: There is no tracker of that name, it needs a regressor and got none, or got a
            network that it has no use for.
        TypeError: The configuration is another tracker's.
    """
    entry = tracker_entry(name)
    networks = _networks_for(entry, regressor, embedder)
    rate = 30.0 if frame_rate is None else frame_rate
    make: Any = entry.tracker_class
    made: Tracker = make(config, frame_rate=rate, **networks)
    return made


def restore_tracker(
    state: Mapping[str, Any],
    *,
    regressor: BoxRegressor | None = None,
    embedder: Embedder | None = None,
) -> Tracker:
    """The tracker that gave a state, whichever it was; see `Tracker.from_state`.

    Args:
        state: What `Tracker.state` gave.
        regressor: As in `create_tracker`.
        embedder: As in `create_tracker`.

    Raises:
        ValueError: The state is of no tracker that this version knows, or the networks are not
            what that tracker needs.
    """
    entry = tracker_entry(str(state.get("tracker")))
    networks = _networks_for(entry, regressor, embedder)
    restore: Any = entry.tracker_class.from_state
    restored: Tracker = restore(state, **networks)
    return restored


def _networks_for(
    entry: TrackerEntry, regressor: BoxRegressor | None, embedder: Embedder | None
) -> dict[str, Any]:
    """The networks that a tracker is made with, by argument; what it cannot use is refused."""
    given = {"regressor": regressor, "embedder": embedder}
    if entry.needs_regressor:
        return given
    for argument, network in given.items():
        if network is not None:
            raise ValueError(
                f"{argument}: expected none for {entry.name}, which knows what is in the "
                f"detections only, got {type(network).__name__}"
            )
    return {}
