"""Paths smoothed by Gaussian process regression."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from faimtrack.postprocess.track_rows import TrackRows

_NOISE = 0.1
"""Variance of the noise as a multiple of the path's own. On crowds greater ones gain more where
the camera stands still, and lose where it moves."""
_REACH = 6.0
"""Frames farther apart than so many length scales (correlation 1.5e-8) count as unrelated."""
_LEAST_SCALE = 0.25
"""Of tau: the formula comes to nothing at tau³ frames, but boxes tremble there as elsewhere."""


def smooth_gaussian(rows: TrackRows, tau: float = 10.0) -> TrackRows:
    """Smooth the corners of each track over its frames; no row is added or removed.

    The second half of StrongSORT's Gaussian-smoothed interpolation (Du et al., 2023, section
    3.4), written from the paper: regression by a Gaussian process with the kernel
    ``exp(-(t - t')² / (2 λ²))`` and ``λ = τ log(τ³ / length)``, so that long tracks are smoothed
    less; λ is never below τ / 4. Ours differs in that the process describes what is left of a
    straight line, which therefore stays as it is, and in that its pull towards that line is taken
    out again. Frames 6 λ apart count as unrelated: the matrix is a band, as narrow as the track
    is long, and 3000 frames take milliseconds.

    Args:
        rows: All tracks of a sequence, gaps filled or not.
        tau: The paper's τ, in frames.
    """
    boxes = rows.boxes.copy()
    for track in rows.rows_by_track():
        if len(track) > 2:
            boxes[track] = _smoothed(rows.frames[track], boxes[track], tau)
    crossed = boxes[:, 2:] < boxes[:, :2]
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    boxes = np.concatenate(
        [np.where(crossed, middle, boxes[:, :2]), np.where(crossed, middle, boxes[:, 2:])], axis=1
    )
    return TrackRows(
        rows.frames, rows.ids, boxes, rows.scores, rows.class_ids, rows.detection_indices
    )


def _smoothed(
    frames: NDArray[np.int64], boxes: NDArray[np.float64], tau: float
) -> NDArray[np.float64]:
    """The corners `(n, 4)` of one track whose frames rise."""
    time = frames - frames.mean()
    line = np.column_stack([np.ones(len(time)), time])
    trend = line @ np.linalg.lstsq(line, boxes, rcond=None)[0]
    scale = tau * max(math.log(tau**3 / len(frames)), _LEAST_SCALE)
    # At the observed frames the regression is y - σ² (K + σ² I)⁻¹ y. Of a path that is 1
    # everywhere it makes a little less: by that it is divided.
    values = np.column_stack([boxes - trend, np.ones(len(time))])
    smooth = values - _NOISE * solveh_banded(_kernel(frames, scale), values, lower=True)
    return np.asarray(trend + smooth[:, :4] / smooth[:, 4:])


def _kernel(frames: NDArray[np.int64], scale: float) -> NDArray[np.float64]:
    """K + σ² I as the diagonals of its lower half."""
    reach = _REACH * scale
    last = np.searchsorted(frames, frames + reach, side="right") - 1
    width = int((last - np.arange(len(frames))).max())
    band = np.zeros((width + 1, len(frames)))
    band[0] = 1 + _NOISE
    for below in range(1, width + 1):
        apart = frames[below:] - frames[:-below]
        band[below, : len(apart)] = np.exp(-0.5 * (apart / scale) ** 2)
    return band
