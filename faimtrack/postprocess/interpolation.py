"""Gaps in tracks filled on a straight line."""

from __future__ import annotations

import numpy as np

from faimtrack.postprocess.track_rows import TrackRows


def interpolate_linear(rows: TrackRows, max_gap_frames: int) -> TrackRows:
    """Fill the gaps between two rows of an id, as ByteTrack does after tracking.

    Rows that are there stay as they are, and nothing is added before a track's first or after its
    last one. Boxes and scores of new rows lie on the line between the two ends; the class is that
    of the earlier end.

    Args:
        rows: All tracks of a sequence.
        max_gap_frames: A gap of so many missing frames is still filled, a longer one is left as
            it is. ByteTrack's `n_dti` is the ends' distance, itself left out: its 20 is 18 here.
    """
    order = np.lexsort([rows.frames, rows.ids])
    frames, ids = rows.frames[order], rows.ids[order]
    missing = np.diff(frames) - 1
    filled = (np.diff(ids) == 0) & (missing > 0) & (missing <= max_gap_frames)
    first = np.repeat(np.flatnonzero(filled), missing[filled])
    counts = missing[filled]
    step = np.arange(len(first)) - np.repeat(np.cumsum(counts) - counts, counts) + 1
    share = step / (missing[first] + 1)
    before, after = order[first], order[first + 1]
    boxes = _between(rows.boxes[before], rows.boxes[after], share[:, None])
    boxes[:, 2:] = np.maximum(boxes[:, 2:], boxes[:, :2])  # against rounding
    return TrackRows(
        np.concatenate([rows.frames, rows.frames[before] + step]),
        np.concatenate([rows.ids, rows.ids[before]]),
        np.concatenate([rows.boxes, boxes]),
        np.concatenate([rows.scores, _between(rows.scores[before], rows.scores[after], share)]),
        np.concatenate([rows.class_ids, rows.class_ids[before]]),
        np.concatenate([rows.detection_indices, np.full(len(first), -1)]),
    )


def _between(
    before: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    after: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    share: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What lies at a share of the way, exactly the end where both ends are equal."""
    return before + (after - before) * share
