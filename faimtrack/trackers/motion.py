"""Kalman filters over all tracks at once, for motion models whose coordinates do not mix.

SORT, ByteTrack and OC-SORT let each measured coordinate have its own velocity, and none of their
matrices (F, H, Q, R and the first P) ties two coordinates together. An 8×8 filter then falls apart
into four filters of two states, and its covariance into three numbers a coordinate: the variance
of the position, the covariance of position and velocity, the variance of the velocity. The
equations below are Kalman's for that case, without a matrix product or an inverse in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import AffineTransform

Array = NDArray[np.float64]

STATE_FIELDS: list[tuple[str, str, tuple[int, ...]]] = [
    ("mean", "f8", (2, 4)),  # positions, velocities per nominal frame
    ("covariance", "f8", (3, 4)),  # position, position × velocity, velocity
]
"""What a motion model keeps in each row of a structured array of tracks."""


def side_scales(transform: AffineTransform) -> tuple[float, float]:
    """How much a camera's motion stretches horizontal and vertical lines.

    A box whose picture is turned is no upright box any more. Its best heir is one whose sides are
    as long as the old ones have become; bounding the turned corners would only ever let it grow.
    """
    (a, b, _), (c, d, _) = transform.tolist()
    return math.hypot(a, c), math.hypot(b, d)


def warp_boxes(boxes: Array, transform: AffineTransform) -> Array:
    """`(N, 4)` corners after a camera's motion: centres move, sides scale, boxes stay upright."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2 @ transform[:, :2].T + transform[:, 2]
    halves = (boxes[:, 2:] - boxes[:, :2]) / 2 * side_scales(transform)
    return np.concatenate([centres - halves, centres + halves], axis=1)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviations of four coordinates.

    Attributes:
        relative: What is multiplied by the box height in pixels.
        absolute: What is not.
    """

    relative: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    absolute: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_relative", np.square(np.asarray(self.relative)))
        object.__setattr__(self, "_absolute", np.square(np.asarray(self.absolute)))

    @classmethod
    def stacked(cls, noises: Sequence[Noise]) -> Noise:
        """Several in one, whose variances are `(N, len(noises), 4)`."""
        return cls(
            relative=np.array([noise.relative for noise in noises]),  # type: ignore[arg-type]
            absolute=np.array([noise.absolute for noise in noises]),  # type: ignore[arg-type]
        )

    def variances(self, heights: Array) -> Array:
        """`(N, 4)` for boxes of `(N,)` heights in pixels."""
        relative: Array = self._relative  # type: ignore[attr-defined]
        variances = np.multiply.outer(heights * heights, relative)
        variances += self._absolute  # type: ignore[attr-defined]
        return variances


class RowMotion(Protocol):
    """What a tracker over rows asks of its motion model; `MotionModel` has the details."""

    def measure(self, boxes: Array, /) -> Array:
        """Coordinates of `(N, 4)` corners."""
        ...

    def start(self, tracks: NDArray[np.void], boxes: Array) -> None:
        """Give new tracks the state of their first boxes."""
        ...

    def predict(self, tracks: NDArray[np.void], steps: float = 1.0) -> None:
        """Move tracks on."""
        ...

    def stop_growing(self, tracks: NDArray[np.void]) -> None:
        """Let tracks that nobody sees keep their size."""
        ...

    def warp(self, tracks: NDArray[np.void], transform: AffineTransform) -> None:
        """Move tracks as the camera moved the picture."""
        ...

    def update(self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array) -> None:
        """Correct some tracks by what was measured."""
        ...

    def boxes(self, tracks: NDArray[np.void]) -> Array:
        """`(N, 4)` corners in pixels."""
        ...


@dataclass(frozen=True, kw_only=True)
class MotionModel:
    """A constant-velocity model of boxes.

    Attributes:
        name: Names the four coordinates.
        measure: Turns `(N, 4)` corners in pixels into coordinates.
        to_boxes: Turns coordinates into corners; impossible ones become NaN.
        height: Column that the noise is relative to.
        scaled: What becomes of the third and fourth coordinate where a camera stretches horizontal
            and vertical lines by the two numbers given.
        first_position: Uncertainty of a new track's coordinates.
        first_velocity: Uncertainty of its velocities, which start at 0.
        step_position: Noise that a frame adds to the coordinates.
        step_velocity: Noise that a frame adds to the velocities.
        measurement: Noise of a measurement.
    """

    name: str
    measure: Callable[[Array], Array]
    to_boxes: Callable[[Array], Array]
    height: int
    scaled: Callable[[float, float], tuple[float, float]]
    first_position: Noise
    first_velocity: Noise
    step_position: Noise
    step_velocity: Noise
    measurement: Noise

    def __post_init__(self) -> None:
        # What a frame adds to the three rows of a covariance, ready to be summed in one go.
        still = Noise()
        step = (self.step_position, still, self.step_velocity)
        object.__setattr__(self, "_step", Noise.stacked(step))
        first = (self.first_position, still, self.first_velocity)
        object.__setattr__(self, "_first", Noise.stacked(first))

    def start(self, tracks: NDArray[np.void], boxes: Array) -> None:
        """Give new tracks the state of their first boxes, `(N, 4)` corners."""
        measured = self.measure(boxes)
        mean = tracks["mean"]
        mean[:, 0], mean[:, 1] = measured, 0.0
        first: Noise = self._first  # type: ignore[attr-defined]
        tracks["covariance"] = first.variances(measured[:, self.height])

    def predict(self, tracks: NDArray[np.void], steps: float | Array = 1.0) -> None:
        """Move tracks on, in place.

        Args:
            tracks: All that move.
            steps: Nominal frames, one number for all or `(N, 1)`.
        """
        if not len(tracks):
            return
        mean, covariance = tracks["mean"], tracks["covariance"]
        step: Noise = self._step  # type: ignore[attr-defined]
        added = step.variances(mean[:, 0, self.height])  # by the box before the step
        if np.ndim(steps) or steps != 1.0:
            added *= np.reshape(steps, (-1, 1, 1))
        mean[:, 0] += mean[:, 1] * steps
        # P' = F P Fᵀ + Q
        position, cross, velocity = covariance[:, 0], covariance[:, 1], covariance[:, 2]
        gained = velocity * steps
        position += (2.0 * cross + gained) * steps
        cross += gained
        covariance += added

    def update(self, tracks: NDArray[np.void], rows: NDArray[np.int64], measured: Array) -> None:
        """Correct some tracks by what was measured, in place.

        Args:
            tracks: All of them.
            rows: `(M,)` which of them, each once.
            measured: `(M, 4)` coordinates from `measure`.
        """
        mean = tracks["mean"].take(rows, axis=0)
        covariance = tracks["covariance"].take(rows, axis=0)
        position, cross = covariance[:, 0], covariance[:, 1]
        variance = position + self.measurement.variances(mean[:, 0, self.height])
        # K = P Hᵀ S⁻¹, of positions and velocities
        gain = covariance[:, :2] / variance[:, None]
        mean += gain * (measured - mean[:, 0])[:, None]
        # P' = (I − K H) P
        covariance[:, 2] -= gain[:, 1] * cross
        covariance[:, :2] -= gain[:, :1] * covariance[:, :2]
        tracks["mean"][rows] = mean
        tracks["covariance"][rows] = covariance

    def stop_growing(self, tracks: NDArray[np.void]) -> None:
        """Let tracks that nobody sees keep their size, in place; what `height` names, that is."""
        tracks["mean"][:, 1, self.height] = 0.0

    def warp(self, tracks: NDArray[np.void], transform: AffineTransform, *, of: str = "") -> None:
        """Move tracks as the camera moved the picture, in place.

        Positions and velocities go where the transform takes them; boxes stay upright, their
        sides scaled (`side_scales`). A turn ties x to y, for which there is no room here: each
        coordinate keeps its own covariance and what lies between two of them is dropped.
        For two coordinates of equal covariance, as XYAH and XYSR have them for centres, there is
        nothing to drop unless the camera shears the picture: a shear of 0.002 ties them by a
        correlation of 0.002.

        Args:
            tracks: All that move.
            transform: As in `Frame.camera_motion`.
            of: What the names of the fields begin with, where a row has a second state.
        """
        if not len(tracks):
            return
        mean, covariance = tracks[f"{of}mean"], tracks[f"{of}covariance"]
        turn = transform[:, :2]
        mean[:, :, :2] = mean[:, :, :2] @ turn.T
        mean[:, 0, :2] += transform[:, 2]
        scales = np.asarray(self.scaled(*side_scales(transform)))
        mean[:, :, 2:] *= scales
        covariance[:, :, :2] = covariance[:, :, :2] @ np.square(turn).T
        covariance[:, :, 2:] *= np.square(scales)

    def boxes(self, tracks: NDArray[np.void]) -> Array:
        """`(N, 4)` corners in pixels, as the states have them."""
        return self.to_boxes(tracks["mean"][:, 0])


def _box_to_xyah(boxes: Array) -> Array:
    measured = np.empty_like(boxes)
    sizes = boxes[:, 2:] - boxes[:, :2]
    measured[:, :2] = boxes[:, :2] + sizes / 2
    measured[:, 2] = sizes[:, 0] / sizes[:, 1]
    measured[:, 3] = sizes[:, 1]
    return measured


def _xyah_to_box(coordinates: Array) -> Array:
    boxes = np.empty_like(coordinates)
    half_height = coordinates[:, 3] / 2
    half_width = coordinates[:, 2] * half_height
    np.subtract(coordinates[:, 0], half_width, out=boxes[:, 0])
    np.subtract(coordinates[:, 1], half_height, out=boxes[:, 1])
    np.add(coordinates[:, 0], half_width, out=boxes[:, 2])
    np.add(coordinates[:, 1], half_height, out=boxes[:, 3])
    return boxes


def _box_to_xysr(boxes: Array) -> Array:
    measured = np.empty_like(boxes)
    sizes = boxes[:, 2:] - boxes[:, :2]
    measured[:, :2] = boxes[:, :2] + sizes / 2
    measured[:, 2] = sizes[:, 0] * sizes[:, 1]
    measured[:, 3] = sizes[:, 0] / sizes[:, 1]
    return measured


def _xysr_to_box(coordinates: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        widths = np.sqrt(coordinates[:, 2] * coordinates[:, 3])
        heights = coordinates[:, 2] / widths
    halves = np.stack([widths, heights], axis=1) / 2
    return np.concatenate([coordinates[:, :2] - halves, coordinates[:, :2] + halves], axis=1)


_POSITION, _VELOCITY = 1 / 20, 1 / 160

XYAH = MotionModel(
    name="centre x, centre y, aspect (width over height), height",
    measure=_box_to_xyah,
    to_boxes=_xyah_to_box,
    height=3,
    scaled=lambda across, down: (across / down, down),
    first_position=Noise(
        relative=(2 * _POSITION, 2 * _POSITION, 0, 2 * _POSITION), absolute=(0, 0, 1e-2, 0)
    ),
    first_velocity=Noise(
        relative=(10 * _VELOCITY, 10 * _VELOCITY, 0, 10 * _VELOCITY), absolute=(0, 0, 1e-5, 0)
    ),
    step_position=Noise(relative=(_POSITION, _POSITION, 0, _POSITION), absolute=(0, 0, 1e-2, 0)),
    step_velocity=Noise(relative=(_VELOCITY, _VELOCITY, 0, _VELOCITY), absolute=(0, 0, 1e-5, 0)),
    measurement=Noise(relative=(_POSITION, _POSITION, 0, _POSITION), absolute=(0, 0, 1e-1, 0)),
)
"""The model of DeepSORT and ByteTrack (Wojke et al. 2017): noise grows with the box."""

XYSR = MotionModel(
    name="centre x, centre y, area, aspect (width over height, which has no velocity)",
    measure=_box_to_xysr,
    to_boxes=_xysr_to_box,
    height=2,  # nothing here is relative to a size
    scaled=lambda across, down: (across * down, across / down),
    first_position=Noise(absolute=(10**0.5, 10**0.5, 10**0.5, 10**0.5)),
    first_velocity=Noise(absolute=(100.0, 100.0, 100.0, 0.0)),
    step_position=Noise(absolute=(1.0, 1.0, 1.0, 1.0)),
    step_velocity=Noise(absolute=(0.1, 0.1, 0.01, 0.0)),
    measurement=Noise(absolute=(1.0, 1.0, 10**0.5, 10**0.5)),
)
"""The model of SORT and OC-SORT (Bewley et al. 2016): fixed noise, area instead of height."""
