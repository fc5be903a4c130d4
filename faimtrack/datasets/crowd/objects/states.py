"""Where objects are, how they stand and how badly they are seen, and the discs that they cover."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.integers import SINE_ONE, Integers, cosine, sine
from faimtrack.datasets.crowd.objects.bodies import Joints
from faimtrack.datasets.crowd.objects.models import model


@dataclass(frozen=True, kw_only=True)
class ObjectStates:
    """Objects in one or many frames; all arrays are `(N,)` int64.

    Angles are of 1024 steps a turn; lengths are subpixels of the frame.

    Attributes:
        ids, kinds: Track ids, and indices into `OBJECT_KINDS`.
        x, y: The middle of the body.
        size: What 1024 units of a body are long.
        yaw: 0 heading right, 512 left; between them towards or from the camera.
        elevation: How steeply one looks down on it.
        roll: How far it is tilted in the image.
        phase, swing, curl: As `Joints` says.
        defocus: Standard deviation of the lens blur.
        blur_x, blur_y: The way of the body while the shutter is open.
    """

    ids: Integers
    kinds: Integers
    x: Integers
    y: Integers
    size: Integers
    yaw: Integers
    elevation: Integers
    roll: Integers
    phase: Integers
    swing: Integers
    curl: Integers
    defocus: Integers
    blur_x: Integers
    blur_y: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Integers | NDArray[np.bool_] | slice) -> ObjectStates:
        """The objects of some rows."""
        return ObjectStates(
            **{name: getattr(self, name)[rows] for name in self.__dataclass_fields__}
        )


def join_states(parts: list[ObjectStates]) -> ObjectStates:
    """The states of all parts as one table."""
    return ObjectStates(
        **{
            name: np.concatenate([getattr(part, name) for part in parts])
            for name in ObjectStates.__dataclass_fields__
        }
    )


@dataclass(frozen=True, kw_only=True)
class Silhouettes:
    """What bodies of one kind cover in the image.

    Attributes:
        discs: `(N, P, 4, 3)` int64 column, row and radius in subpixels of the frame: the hull of
            four discs is a part.
        roles: `(P,)` int64: what each part is coloured as.
        away: `(N, P)` int64: parts with larger numbers lie behind those with smaller ones.
    """

    discs: Integers
    roles: Integers
    away: Integers

    @property
    def boxes(self) -> Integers:
        """`(N, 4)` corners `x1 y1 x2 y2` in subpixels."""
        low = (self.discs[..., :2] - self.discs[..., 2:]).min(axis=(1, 2))
        high = (self.discs[..., :2] + self.discs[..., 2:]).max(axis=(1, 2))
        return np.concatenate([low, high], axis=1)


def silhouettes(kind: int, states: ObjectStates) -> Silhouettes:
    """Project the bodies of objects, all of one kind."""
    joints = Joints(phase=states.phase, swing=states.swing, curl=states.curl)
    body = model(kind, joints)
    x, y, z, radius = np.moveaxis(body.parts, -1, 0)  # each (N, P, 4)

    def turns(angle: Integers) -> tuple[Integers, Integers]:
        return cosine(angle)[:, None, None], sine(angle)[:, None, None]

    yaw_cosine, yaw_sine = turns(states.yaw)
    across = (x * yaw_cosine - z * yaw_sine) // SINE_ONE
    away = (x * yaw_sine + z * yaw_cosine) // SINE_ONE
    tilt_cosine, tilt_sine = turns(states.elevation)
    down = -(y * tilt_cosine + away * tilt_sine) // SINE_ONE
    behind = (away * tilt_cosine - y * tilt_sine) // SINE_ONE
    roll_cosine, roll_sine = turns(states.roll)
    column = (across * roll_cosine - down * roll_sine) // SINE_ONE
    row = (across * roll_sine + down * roll_cosine) // SINE_ONE
    size = states.size[:, None, None]
    discs = np.stack(
        [
            column * size // 1024 + states.x[:, None, None],
            row * size // 1024 + states.y[:, None, None],
            np.maximum(radius * size // 1024, 1),
        ],
        axis=-1,
    )
    return Silhouettes(discs=discs, roles=body.roles, away=behind.sum(axis=2))
