"""All steps after tracking, in their order."""

from __future__ import annotations

from faimtrack.postprocess.config import PostprocessConfig
from faimtrack.postprocess.interpolation import interpolate_linear
from faimtrack.postprocess.short import remove_short
from faimtrack.postprocess.smoothing import smooth_gaussian
from faimtrack.postprocess.track_rows import TrackRows


def postprocess(rows: TrackRows, config: PostprocessConfig) -> TrackRows:
    """Remove short tracks, fill gaps and smooth, as far as the configuration asks for it.

    Args:
        rows: All tracks of a sequence; they are not changed.
        config: Which steps.

    Returns:
        Rows sorted by frame and id, between the first and the last frame of `rows`. Boxes are not
        cut to the image.
    """
    if config.minimum_length_frames > 1:
        rows = remove_short(rows, config.minimum_length_frames)
    if config.interpolation != "none":
        rows = interpolate_linear(rows, config.max_gap_frames)
    if config.interpolation == "gaussian":
        rows = smooth_gaussian(rows, config.smoothing_tau)
    return rows
