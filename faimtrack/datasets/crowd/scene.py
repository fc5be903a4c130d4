"""The ground, how a camera sees it, and how that camera moves: whole numbers only.

Lengths on the ground are in micrometres. Image coordinates are in subpixels, 1/256 of a pixel,
on the canvas: the plane of an unmoved camera, larger than the image where the camera moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import (
    Draws,
    Integers,
    divide_rounded,
    sine,
)

SUBPIXELS = 256
"""Subpixels to a pixel."""
ZOOM_ONE = 1 << 16
"""The zoom that changes nothing."""

_TALL_UM = 1_700_000
_FOCAL_PERMILLE = 1250


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A flat ground seen by a camera whose optical axis is level.

    A point `z` away and `x` to the right is seen at column `centre + focal · x / z` and row
    `horizon + focal · camera_height / z`.

    Attributes:
        focal: Focal length in subpixels.
        centre: Column of the optical axis in subpixels.
        horizon: Row of the horizon in subpixels.
        camera_height: Of the camera over the ground, in micrometres.
        left, top, right, bottom: Bounds of the canvas in subpixels.
        far_row, near_row: Rows between which feet stand, in subpixels.
    """

    focal: int
    centre: int
    horizon: int
    camera_height: int
    left: int
    top: int
    right: int
    bottom: int
    far_row: int
    near_row: int

    @classmethod
    def of(cls, config: CrowdConfig) -> Scene:
        """The scene of a configuration."""
        preset = config.preset
        width, height = config.width * SUBPIXELS, config.height * SUBPIXELS
        horizon = height * preset.horizon_permille // 1000
        margin_x = width * 3 // 10 if config.camera == "moving" else 0
        margin_y = height // 10 if config.camera == "moving" else 0
        return cls(
            focal=height * _FOCAL_PERMILLE // 1000,
            centre=width // 2,
            horizon=horizon,
            camera_height=_TALL_UM
            * (1000 - preset.horizon_permille)
            // preset.near_height_permille,
            left=-margin_x,
            top=-margin_y,
            right=width + margin_x,
            bottom=height + margin_y,
            far_row=height * preset.far_permille // 1000,
            near_row=height * preset.near_permille // 1000 + margin_y,
        )

    @property
    def nearest(self) -> int:
        """Distance of the nearest row of feet, in micrometres."""
        return self.focal * self.camera_height // (self.near_row - self.horizon)

    @property
    def farthest(self) -> int:
        """Distance of the farthest row of feet, in micrometres."""
        return self.focal * self.camera_height // (self.far_row - self.horizon)

    def columns(self, x: Integers, z: Integers) -> Integers:
        """Columns in subpixels of ground points."""
        return self.centre + divide_rounded(self.focal * x, z)

    def rows(self, z: Integers) -> Integers:
        """Rows in subpixels of ground points at distances `z`."""
        return self.horizon + divide_rounded(
            np.full(z.shape, self.focal * self.camera_height, dtype=np.int64), z
        )

    def lengths(self, lengths: Integers, z: Integers) -> Integers:
        """How many subpixels an upright or crosswise length takes at distances `z`."""
        return divide_rounded(self.focal * lengths, z)

    def ground(self, columns: Integers, rows: Integers) -> tuple[Integers, Integers]:
        """The ground points `x, z` in micrometres seen at subpixels below the horizon."""
        z = self.focal * self.camera_height // (rows - self.horizon)
        return (columns - self.centre) * z // self.focal, z


@dataclass(frozen=True, kw_only=True)
class CameraPath:
    """Where the camera looks in each frame.

    Frame n shows the canvas point `p` at `zoom[n-1] · p / 65536 + shift[n-1]`.

    Attributes:
        zoom: `(frames,)`, 65536 for 1.
        shift: `(frames, 2)` x and y in subpixels.
    """

    zoom: Integers
    shift: Integers

    def __len__(self) -> int:
        return len(self.zoom)

    def canvas_to_frame(self, frame: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """`(2, 3)` float64: maps canvas pixels to pixels of `frame`, which counts from 1."""
        zoom = self.zoom[frame - 1] / ZOOM_ONE
        shift_x, shift_y = self.shift[frame - 1] / SUBPIXELS
        return np.array([[zoom, 0.0, shift_x], [0.0, zoom, shift_y]])

    def steps(self, digits: int = 10) -> Integers:
        """`(frames, 3)` zoom, shift x and shift y (pixels) from each frame's predecessor.

        In units of `10**-digits`. The first frame's step is the identity.
        """
        unit = 10**digits
        rows = [[unit, 0, 0]]
        zooms, shifts = self.zoom.tolist(), self.shift.tolist()
        for before in range(len(zooms) - 1):
            old, new = zooms[before], zooms[before + 1]
            row = [(2 * new * unit + old) // (2 * old)]
            for axis in range(2):
                shift = shifts[before + 1][axis] * old - new * shifts[before][axis]
                below = SUBPIXELS * old
                row.append((2 * shift * unit + below) // (2 * below))
            rows.append(row)
        return np.array(rows, dtype=np.int64)


def camera_path(config: CrowdConfig, draws: Draws) -> CameraPath:
    """A still camera, or one that pans, tilts, zooms and shakes slowly and smoothly."""
    if config.camera == "static":
        return CameraPath(
            zoom=np.full(config.frames, ZOOM_ONE, dtype=np.int64),
            shift=np.zeros((config.frames, 2), dtype=np.int64),
        )
    frames = np.arange(1, config.frames + 1, dtype=np.int64)
    width, height = config.width * SUBPIXELS, config.height * SUBPIXELS
    rate = config.frame_rate
    pan = _swing(draws, "pan", frames, width * 16 // 100, 14 * rate)
    pan += _swing(draws, "pan fast", frames, width * 3 // 100, 4 * rate)
    tilt = _swing(draws, "tilt", frames, height * 4 // 100, 9 * rate)
    zoom = ZOOM_ONE + _swing(draws, "zoom", frames, ZOOM_ONE * 5 // 100, 11 * rate)
    shake = height * 3 // 1000
    pan += _swing(draws, "shake x", frames, shake, rate // 2 + 2)
    tilt += _swing(draws, "shake y", frames, shake, rate // 3 + 2)
    shift_x = width // 2 - (zoom * (width // 2 + pan) // ZOOM_ONE)
    shift_y = height // 2 - (zoom * (height // 2 + tilt) // ZOOM_ONE)
    return CameraPath(zoom=zoom, shift=np.stack([shift_x, shift_y], axis=1))


def _swing(
    draws: Draws, stream: str, frames: Integers, amplitude: int, period_frames: int
) -> Integers:
    """A slow wave of about `amplitude` and `period_frames`; phase and period are drawn."""
    period = draws.one(stream, 0, period_frames * 3 // 4 + 1, period_frames * 5 // 4 + 2)
    start = draws.one(stream, 1, 0, 1023)
    # Angles finer than a step of the sine table, so that a slow wave does not stand still.
    angle = start * 64 + frames * (1024 * 64) // period
    whole, rest = angle // 64, angle % 64
    wave = (sine(whole) * (64 - rest) + sine(whole + 1) * rest) * amplitude
    return wave // (64 * 1024)
