"""SORT's Kalman filter of boxes by area and aspect, with whole covariances, as in Deep OC-SORT.

Its noise is fixed. `PublishedAreaFilter` is how the authors' code has it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import AffineTransform
from faimtrack.trackers import full_motion
from faimtrack.trackers.full_motion import MEASURED, XYWH, Array, States
from faimtrack.trackers.motion import XYSR
from faimtrack.trackers.size_filter import SizeFilter, warp_both_corners


class AreaFilter(SizeFilter):
    """Centre x, y, area and aspect (width over height), with a velocity for the first three."""

    size = 7

    def measure(self, boxes: Array) -> Array:
        """`(N, 4)` coordinates of `(N, 4)` corners."""
        return XYSR.measure(boxes)

    def boxes(self, tracks: NDArray[np.void]) -> Array:
        """`(N, 4)` corners in pixels; impossible ones become NaN."""
        return XYSR.to_boxes(tracks["mean"][:, :MEASURED])

    def start(self, tracks: NDArray[np.void], boxes: Array) -> None:
        """Give new tracks the state of their first boxes, `(N, 4)` corners."""
        tracks["mean"] = 0.0
        tracks["mean"][:, :MEASURED] = self.measure(boxes)
        tracks["covariance"] = np.diag([10.0, 10.0, 10.0, 10.0, 1e4, 1e4, 1e4])

    def keep_possible(self, tracks: NDArray[np.void], steps: float | Array) -> None:
        """Stop what would pass zero within some nominal frames, one number or `(N, 1)`."""
        area, growth = tracks["mean"][:, 2:3], tracks["mean"][:, 6:7]
        growth[area + growth * steps <= 0.0] = 0.0

    def keep_size(self, tracks: NDArray[np.void], unseen: NDArray[np.bool_]) -> None:
        """Nothing: SORT lets areas go on as they did."""

    def measurement_variances(self, means: Array) -> Array:
        """`(N, 4)` diagonal of R; the same for all."""
        return np.broadcast_to([1.0, 1.0, 10.0, 10.0], (len(means), MEASURED))

    def _step_variances(self, means: Array) -> Array:
        return np.array([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 0.0001])

    def _warped(self, means: Array, covariances: Array, transform: AffineTransform) -> States:
        return full_motion.warp_area(means, covariances, transform)


class PublishedAreaFilter(AreaFilter):
    """The same as the authors' code has it.

    A camera's motion leaves area, aspect and whatever ties them, centres and velocities to one
    another alone; areas may pass zero on a virtual path.
    """

    def replay_predict(self, tracks: NDArray[np.void], steps: Array) -> None:
        """Move tracks on without a look at their area."""
        self.predict(tracks, steps)

    def warp_seen(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes whose two corners went where the camera took them."""
        return warp_both_corners(boxes, transform)

    def warp_anchor(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes of the same size whose centre was moved."""
        coordinates = XYWH.measure(boxes)
        coordinates[:, :2] = coordinates[:, :2] @ transform[:, :2].T + transform[:, 2]
        return XYWH.boxes(coordinates)

    def _warped(self, means: Array, covariances: Array, transform: AffineTransform) -> States:
        turn = transform[:, :2]
        means, covariances = means.copy(), covariances.copy()
        means[:, :2] = means[:, :2] @ turn.T + transform[:, 2]
        means[:, 4:6] = means[:, 4:6] @ turn.T
        for pair in (slice(0, 2), slice(4, 6)):
            covariances[:, pair, pair] = turn @ covariances[:, pair, pair] @ turn.T
        return means, covariances
