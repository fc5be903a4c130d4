"""After tracking, offline: gaps filled, paths smoothed, short tracks removed."""

from faimtrack.postprocess.config import PostprocessConfig
from faimtrack.postprocess.interpolation import interpolate_linear
from faimtrack.postprocess.run import postprocess
from faimtrack.postprocess.short import remove_short
from faimtrack.postprocess.smoothing import smooth_gaussian
from faimtrack.postprocess.track_rows import TrackRows

__all__ = [
    "PostprocessConfig",
    "TrackRows",
    "interpolate_linear",
    "postprocess",
    "remove_short",
    "smooth_gaussian",
]
