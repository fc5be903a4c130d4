"""Kalman filters over all tracks at once, with whole covariances: coordinates may be tied.

A camera that turns ties x to y, and the argument of `motion.py` no longer holds. Here a track has
a mean of `S` numbers, four measured coordinates and then the velocities of the first `S` − 4 of
them, and an `S × S` covariance. All functions take the tracks of a frame as arrays and give new
ones; none of them changes what it is given.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import AffineTransform
from faimtrack.trackers.motion import side_scales

Array = NDArray[np.float64]
States = tuple[Array, Array]
"""Means `(N, S)` and covariances `(N, S, S)`."""

MEASURED = 4
"""How many coordinates a detection tells; each state begins with them."""


def predict(
    means: Array, covariances: Array, variances: Array, steps: float | Array = 1.0
) -> States:
    """Move tracks on: ``x' = F x`` and ``P' = F P Fᵀ + Q``.

    Args:
        means: `(N, S)`.
        covariances: `(N, S, S)`.
        variances: `(N, S)` or `(S,)`, the diagonal of the Q of one nominal frame.
        steps: Nominal frames, one number for all or `(N, 1)`; velocities count that often, and so
            does Q.
    """
    moving = means.shape[1] - MEASURED
    means, covariances = means.copy(), covariances.copy()
    means[:, :moving] += means[:, MEASURED:] * steps
    # F = 1 + steps where a coordinate meets its velocity: rows first, then columns.
    by_track = np.reshape(steps, (-1, 1, 1))
    covariances[:, :moving] += covariances[:, MEASURED:] * by_track
    covariances[:, :, :moving] += covariances[:, :, MEASURED:] * by_track
    _diagonals(covariances)[...] += variances * steps
    return means, covariances


def update(means: Array, covariances: Array, measured: Array, variances: Array) -> States:
    """Correct tracks by what was measured: ``x' = x + K (z − H x)`` and ``P' = P − K S Kᵀ``.

    The four coordinates err independently (R is a diagonal), so they can be taken in one after the
    other, and S is a number each time: nothing is inverted, and tracks stay the fastest axis.

    Args:
        means: `(N, S)`.
        covariances: `(N, S, S)`, symmetric.
        measured: `(N, 4)` coordinates.
        variances: `(N, 4)` or `(4,)`, the diagonal of R.
    """
    state = means.T.copy()  # (S, N)
    covariance = covariances.transpose(1, 2, 0).copy()  # (S, S, N)
    for coordinate in range(MEASURED):
        row = covariance[coordinate].copy()  # H P
        gain = row / (row[coordinate] + variances[..., coordinate])
        state += gain * (measured[:, coordinate] - state[coordinate])
        covariance -= gain[:, None] * row
    return state.T, covariance.transpose(2, 0, 1)


def transformed(means: Array, covariances: Array, matrix: Array, shift: Array) -> States:
    """Tracks in other coordinates: ``x' = L x + shift`` and ``P' = L P Lᵀ``.

    Args:
        means: `(N, S)`.
        covariances: `(N, S, S)`, symmetric.
        matrix: `(S, S)`.
        shift: `(S,)`.
    """
    turned = matrix.T
    # A product of plain matrices is one call of BLAS; P Lᵀ read along the other axis is L Pᵀ.
    half = (covariances.reshape(-1, len(matrix)) @ turned).reshape(covariances.shape)
    whole = (half.transpose(0, 2, 1).reshape(-1, len(matrix)) @ turned).reshape(covariances.shape)
    return means @ turned + shift, whole.transpose(0, 2, 1)


def warp_pairs(means: Array, covariances: Array, transform: AffineTransform) -> States:
    """Camera motion as BoT-SORT has it: each pair of an 8-state is turned like a point.

    That is right for centres and velocities. A width and a height are no vector, though: at a turn
    of 0.1 a box of 40 × 100 loses a quarter of its width (`warp_upright` does not do that).

    Args:
        means: `(N, 8)`: centre x, y, width, height and their velocities.
        covariances: `(N, 8, 8)`.
        transform: As in `Frame.camera_motion`.
    """
    matrix = np.zeros((8, 8))
    for first in (0, 2, 4, 6):
        matrix[first : first + 2, first : first + 2] = transform[:, :2]
    return transformed(means, covariances, matrix, _shift(transform, 8))


def warp_upright(means: Array, covariances: Array, transform: AffineTransform) -> States:
    """Camera motion of an 8-state whose boxes stay upright.

    Centres and their velocities go where the camera takes them; widths and heights (and their
    velocities) grow as much as it stretches a horizontal and a vertical line.

    Args:
        means: `(N, 8)`: centre x, y, width, height and their velocities.
        covariances: `(N, 8, 8)`.
        transform: As in `Frame.camera_motion`.
    """
    matrix = np.zeros((8, 8))
    matrix[:2, :2] = matrix[4:6, 4:6] = transform[:, :2]
    matrix[[2, 3, 6, 7], [2, 3, 6, 7]] = (*side_scales(transform),) * 2
    return transformed(means, covariances, matrix, _shift(transform, 8))


def warp_area(means: Array, covariances: Array, transform: AffineTransform) -> States:
    """Camera motion of a 7-state whose boxes stay upright; see `warp_upright`.

    Args:
        means: `(N, 7)`: centre x, y, area, aspect (width over height), velocities of the first
            three.
        covariances: `(N, 7, 7)`.
        transform: As in `Frame.camera_motion`.
    """
    across, down = side_scales(transform)
    matrix = np.diag([1.0, 1.0, across * down, across / down, 1.0, 1.0, across * down])
    matrix[:2, :2] = matrix[4:6, 4:6] = transform[:, :2]
    return transformed(means, covariances, matrix, _shift(transform, 7))


def _shift(transform: AffineTransform, size: int) -> Array:
    shift = np.zeros(size)
    shift[:2] = transform[:, 2]
    return shift


def _diagonals(matrices: Array) -> Array:
    """A view `(N, K)` of the diagonals of `(N, K, K)` matrices."""
    view: Array = np.einsum("nkk->nk", matrices)
    return view


class XYWH:
    """Centre x, y, width and height with a velocity each; noise grows with width and height.

    The model of BoT-SORT (Aharon et al. 2022, equations 1 to 6): 1/20 of a side for positions,
    1/160 for velocities. Deep OC-SORT begins its own in the same way.
    """

    size = 8
    position, velocity = 1 / 20, 1 / 160

    @staticmethod
    def measure(boxes: Array) -> Array:
        """`(N, 4)` coordinates of `(N, 4)` corners."""
        sizes = boxes[:, 2:] - boxes[:, :2]
        return np.concatenate([boxes[:, :2] + sizes / 2, sizes], axis=1)

    @staticmethod
    def boxes(means: Array) -> Array:
        """`(N, 4)` corners in pixels."""
        halves = means[:, 2:4] / 2
        return np.concatenate([means[:, :2] - halves, means[:, :2] + halves], axis=1)

    @classmethod
    def start(cls, boxes: Array) -> States:
        """The states of new tracks at `(N, 4)` corners; they stand still."""
        means = np.zeros((len(boxes), cls.size))
        means[:, :MEASURED] = cls.measure(boxes)
        covariances = np.zeros((len(boxes), cls.size, cls.size))
        _diagonals(covariances)[...] = cls._variances(
            means, [2 * cls.position] * 4 + [10 * cls.velocity] * 4
        )
        return means, covariances

    @classmethod
    def step_variances(cls, means: Array) -> Array:
        """`(N, 8)`: what a frame adds, by the means before it; the diagonal of Q."""
        return cls._variances(means, [cls.position] * 4 + [cls.velocity] * 4)

    @classmethod
    def measurement_variances(cls, means: Array) -> Array:
        """`(N, 4)`: how far off detections are, by the predicted means; the diagonal of R."""
        return cls._variances(means, [cls.position] * 4)

    @staticmethod
    def _variances(means: Array, deviations: list[float]) -> Array:
        sides = np.tile(means[:, 2:4], len(deviations) // 2)
        return np.square(sides * deviations)
