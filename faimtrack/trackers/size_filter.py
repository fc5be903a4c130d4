"""A Kalman filter of boxes by width and height, with whole covariances.

BoT-SORT's, with noise that grows with the box; Deep OC-SORT has it too. `PublishedSizeFilter` is
how the authors' code has it.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import AffineTransform
from faimtrack.trackers import full_motion
from faimtrack.trackers.full_motion import MEASURED, XYWH, Array, States
from faimtrack.trackers.motion import warp_boxes


class SizeFilter:
    """Centre x, y, width and height with a velocity each (`full_motion.XYWH`), for rows of tracks.

    A row has `mean (size,)` and `covariance (size, size)`; methods that are given rows change them
    in place.
    """

    size: ClassVar[int] = XYWH.size

    def measure(self, boxes: Array) -> Array:
        """`(N, 4)` coordinates of `(N, 4)` corners."""
        return XYWH.measure(boxes)

    def boxes(self, tracks: NDArray[np.void]) -> Array:
        """`(N, 4)` corners in pixels; impossible ones become NaN."""
        return XYWH.boxes(tracks["mean"])

    def start(self, tracks: NDArray[np.void], boxes: Array) -> None:
        """Give new tracks the state of their first boxes, `(N, 4)` corners."""
        tracks["mean"], tracks["covariance"] = XYWH.start(boxes)

    def keep_possible(self, tracks: NDArray[np.void], steps: float | Array) -> None:
        """Stop what would pass zero within some nominal frames, one number or `(N, 1)`."""
        sides, growth = tracks["mean"][:, 2:4], tracks["mean"][:, 6:8]
        growth[sides + growth * steps <= 0.0] = 0.0

    def keep_size(self, tracks: NDArray[np.void], unseen: NDArray[np.bool_]) -> None:
        """Let those tracks neither grow nor shrink that nobody sees, `(N,)`."""
        tracks["mean"][unseen, 6:8] = 0.0

    def stop_growing(self, tracks: NDArray[np.void]) -> None:
        """Let tracks keep their size."""
        tracks["mean"][:, 6:] = 0.0

    def predict(self, tracks: NDArray[np.void], steps: float | Array = 1.0) -> None:
        """Move tracks on by nominal frames, one number for all or `(N, 1)`."""
        self._predict(tracks, self._step_variances(tracks["mean"]), steps)

    def update(self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array) -> None:
        """Correct some tracks by what was measured.

        Args:
            tracks: All of them.
            rows: `(M,)` which of them, each once.
            measured: `(M, 4)` coordinates from `measure`.
        """
        self.correct(tracks, rows, measured, self.measurement_variances(tracks["mean"][rows]))

    def correct(
        self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array, variances: Array
    ) -> None:
        """As `update`, where detections are as far off as the diagonal of R says, `(M, 4)`."""
        tracks["mean"][rows], tracks["covariance"][rows] = full_motion.update(
            tracks["mean"][rows], tracks["covariance"][rows], measured, variances
        )

    def replay_predict(self, tracks: NDArray[np.void], steps: Array) -> None:
        """Move tracks on along a virtual path."""
        self.keep_possible(tracks, steps)
        self.predict(tracks, steps)

    def replay_update(
        self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array
    ) -> None:
        """Correct tracks by boxes on a virtual path."""
        self.update(tracks, rows, measured)

    def warp(self, tracks: NDArray[np.void], transform: AffineTransform) -> None:
        """Move tracks as the camera moved the picture."""
        tracks["mean"], tracks["covariance"] = self._warped(
            tracks["mean"], tracks["covariance"], transform
        )

    def warp_seen(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes of earlier detections, `(N, 4)` corners, as the camera moved them."""
        return warp_boxes(boxes, transform)

    def warp_anchor(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes where virtual paths would begin, as the camera moved them."""
        return warp_boxes(boxes, transform)

    def measurement_variances(self, means: Array) -> Array:
        """`(N, 4)` diagonal of R for predicted means."""
        return XYWH.measurement_variances(means)

    def _step_variances(self, means: Array) -> Array:
        return XYWH.step_variances(means)

    def _warped(self, means: Array, covariances: Array, transform: AffineTransform) -> States:
        return full_motion.warp_upright(means, covariances, transform)

    @staticmethod
    def _predict(tracks: NDArray[np.void], variances: Array, steps: float | Array) -> None:
        tracks["mean"], tracks["covariance"] = full_motion.predict(
            tracks["mean"], tracks["covariance"], variances, steps
        )


class PublishedSizeFilter(SizeFilter):
    """The same as the authors' code has it.

    The noise along a virtual path was never set and is 1 px² in all of Q and R; a camera's turn
    mixes width and height; corners of earlier boxes are moved one by one.
    """

    def replay_predict(self, tracks: NDArray[np.void], steps: Array) -> None:
        """Move tracks on with the identity as Q."""
        self._predict(tracks, np.ones(self.size), steps)

    def replay_update(
        self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array
    ) -> None:
        """Correct tracks with the identity as R."""
        self.correct(tracks, rows, measured, np.ones(MEASURED))

    def warp_seen(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes whose two corners went where the camera took them."""
        return warp_both_corners(boxes, transform)

    def warp_anchor(self, boxes: Array, transform: AffineTransform) -> Array:
        """Boxes whose centre and size were both turned like points."""
        pairs = XYWH.measure(boxes).reshape(-1, 2, 2) @ transform[:, :2].T
        pairs[:, 0] += transform[:, 2]
        return XYWH.boxes(pairs.reshape(-1, MEASURED))

    def _warped(self, means: Array, covariances: Array, transform: AffineTransform) -> States:
        return full_motion.warp_pairs(means, covariances, transform)


def warp_both_corners(boxes: Array, transform: AffineTransform) -> Array:
    """`(N, 4)` corners, left top and right bottom each moved as a point; a turn may swap sides."""
    corners = boxes.reshape(-1, 2, 2) @ transform[:, :2].T + transform[:, 2]
    return corners.reshape(-1, 4)
