"""Tracks that are too short to be believed."""

from __future__ import annotations

import numpy as np

from faimtrack.postprocess.track_rows import TrackRows


def remove_short(rows: TrackRows, minimum_length_frames: int) -> TrackRows:
    """Without the tracks that have rows in fewer frames than this; gaps do not count."""
    _, track, lengths = np.unique(rows.ids, return_inverse=True, return_counts=True)
    return rows.select(lengths[track] >= minimum_length_frames)
