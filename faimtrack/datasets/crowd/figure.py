"""How figures stand and stride: joints in whole numbers, from which boxes and pictures come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.integers import (
    SINE_ONE,
    Draws,
    Integers,
    cosine,
    divide_rounded,
    sine,
)
from faimtrack.datasets.crowd.kinds import KINDS

JOINTS = (
    "head",
    "neck",
    "shoulder_left",
    "shoulder_right",
    "elbow_left",
    "elbow_right",
    "hand_left",
    "hand_right",
    "hip_left",
    "hip_right",
    "knee_left",
    "knee_right",
    "ankle_left",
    "ankle_right",
    "toe_left",
    "toe_right",
    "belly",
    "bag",
    "wheel_front",
    "wheel_rear",
)
"""Names of the rows of a pose; `bag` and wheels have radius 0 where there are none."""

_RADII = (74, 46, 52, 52, 42, 42, 36, 36, 74, 74, 54, 54, 38, 38, 26, 26, 108, 0, 0, 0)
_UP = (950, 868, 828, 828, 660, 660, 508, 508, 520, 520, 282, 282, 46, 46, 26, 26, 640, 0, 0, 0)
_SIDE = (0, 0, -118, 118, -160, 160, -162, 162, -62, 62, -64, 64, -62, 62, -72, 72, 0, 0, 0, 0)
_AHEAD = (14, 4, 0, 0, -18, -18, 26, 26, 0, 0, 12, 12, -14, -14, 66, 66, 8, 0, 0, 0)

HANGING, PHONE, POCKETS, CROSSED = 0, 1, 2, 3
NO_BAG, BACKPACK, HANDBAG, SUITCASE = 0, 1, 2, 3

RIGID_SHAPES = ("cart", "board", "block")
"""Shapes without joints: their outline is a rectangle or stands in one."""


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Where and how figures stand in one or many frames; all arrays are `(N,)` int64.

    Attributes:
        ids, kinds: Track ids, and indices into `KINDS`.
        x, y: The point of the ground under the figure, in subpixels of the frame.
        height: Of the upright figure, in subpixels of the frame.
        facing_x, facing_z: Which way it faces, right and away, 1024 long.
        phase, swing: Of the gait: 1024 for two steps; 0 standing, 1024 striding.
        slope: Rows that the ground rises for 1024 subpixels that something is farther away.
    """

    ids: Integers
    kinds: Integers
    x: Integers
    y: Integers
    height: Integers
    facing_x: Integers
    facing_z: Integers
    phase: Integers
    swing: Integers
    slope: Integers

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: Integers | NDArray[np.bool_] | slice) -> Figures:
        """The figures of some rows."""
        return Figures(**{name: getattr(self, name)[rows] for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What stays the same with one figure; all arrays are `(N,)` int64.

    Attributes:
        girth: Width over that of a slim figure, 1024 for 1.
        arms, bag: How the arms are held, and what is carried.
        width_permille, height_permille: Of a rigid shape, over the height of a person.
    """

    girth: Integers
    arms: Integers
    bag: Integers
    width_permille: Integers
    height_permille: Integers


def habits(draws: Draws, figures: Figures) -> Habits:
    """Draw the habits that belong to the figures' ids."""
    ids = figures.ids
    arms = draws.between("arms", ids, 0, 9)
    bag = draws.between("bag", ids, 0, 9)
    carrying = np.array([BACKPACK, BACKPACK, HANDBAG, HANDBAG, SUITCASE] + [NO_BAG] * 5)
    shapes = np.array(
        [RIGID_SHAPES.index(k.shape) + 1 if k.shape in RIGID_SHAPES else 0 for k in KINDS]
    )[figures.kinds]
    slim = draws.between("slim", ids, 0, 1) == 1
    low_width = np.choose(shapes, [0, 420, 420, np.where(slim, 90, 420)])
    width = (
        low_width
        + draws.between("width", ids, 0, 999)
        * np.choose(shapes, [0, 200, 240, np.where(slim, 60, 500)])
        // 1000
    )
    low_height = np.choose(shapes, [0, 560, 950, np.where(slim, 1700, 420)])
    tall = (
        low_height
        + draws.between("tall", ids, 0, 999)
        * np.choose(shapes, [0, 150, 200, np.where(slim, 700, 700)])
        // 1000
    )
    girth = np.clip(1340 + draws.bell("girth", ids) * 110 // 1024, 1060, 1560)
    return Habits(
        girth=girth,
        arms=np.array([HANGING] * 5 + [PHONE, PHONE, POCKETS, POCKETS, CROSSED])[arms],
        bag=np.where(figures.kinds <= 1, carrying[bag], NO_BAG),
        width_permille=width,
        height_permille=tall,
    )


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Joints of figures on the image, relative to the point under each figure.

    Attributes:
        x, y: `(N, J)` right and down, in subpixels.
        away: `(N, J)` how far each joint is behind the figure's middle, in 1/1024 of its height.
        radius: `(N, J)` in subpixels; 0 where a figure lacks the joint.
    """

    x: Integers
    y: Integers
    away: Integers
    radius: Integers


def pose(figures: Figures, habit: Habits) -> Pose:
    """Articulate people: legs and arms swing with the gait, seen from where the camera is."""
    count = len(figures)
    side, ahead, up, radius = (
        np.tile(np.array(row, dtype=np.int64), (count, 1)) for row in (_SIDE, _AHEAD, _UP, _RADII)
    )
    _swing_legs(figures, ahead, up)
    _hold_arms(figures, habit, side, ahead, up)
    _carry(habit, side, ahead, up, radius)
    _ride(figures, side, ahead, up, radius)
    girth = habit.girth[:, None]
    side, radius = side * girth // 1024, radius * girth // 1024
    # The head stays round and its top stays at the stature.
    radius[:, 0] = np.where(_riding(figures), radius[:, 0], 74)
    facing_x, facing_z = figures.facing_x[:, None], figures.facing_z[:, None]
    right = (side * facing_z + ahead * facing_x) // SINE_ONE
    away = (ahead * facing_z - side * facing_x) // SINE_ONE
    down = -up - away * figures.slope[:, None] // 1024
    height = figures.height[:, None]
    return Pose(
        x=divide_rounded(right * height, 1024),
        y=divide_rounded(down * height, 1024),
        away=away,
        radius=divide_rounded(radius * height, 1024),
    )


def _swing_legs(figures: Figures, ahead: Integers, up: Integers) -> None:
    """Put one foot before the other; the foot that comes forward is lifted."""
    for left, sign in ((True, 1), (False, -1)):
        knee, ankle, toe = (10, 12, 14) if left else (11, 13, 15)
        reach = sign * 150 * sine(figures.phase) * figures.swing // SINE_ONE**2
        rising = np.maximum(sign * cosine(figures.phase), 0)
        lift = 62 * rising * figures.swing // SINE_ONE**2
        ahead[:, ankle] += reach
        ahead[:, toe] += reach - lift // 4
        ahead[:, knee] += reach // 2 + lift * 3 // 4
        up[:, knee] += lift // 3
        up[:, ankle] += lift
        up[:, toe] += lift * 3 // 4


def _hold_arms(
    figures: Figures, habit: Habits, side: Integers, ahead: Integers, up: Integers
) -> None:
    """Swing hanging arms against the legs; or hold a phone, a pocket, one's own arms."""
    for left, sign in ((True, -1), (False, 1)):
        elbow, hand = (4, 6) if left else (5, 7)
        inward = 1 if left else -1
        reach = sign * 120 * sine(figures.phase) * figures.swing // SINE_ONE**2
        hanging = habit.arms == HANGING
        ahead[:, elbow] += np.where(hanging, reach // 2, 0)
        ahead[:, hand] += np.where(hanging, reach, 0)
        up[:, hand] += np.where(hanging, np.abs(reach) // 4, 0)
        raised = (habit.arms == CROSSED) | ((habit.arms == PHONE) & (not left))
        ahead[:, hand] += np.where(raised, 110, 0)
        up[:, hand] += np.where(raised, 180, 0)
        side[:, hand] += np.where(raised, inward * 120, 0)
        pocket = habit.arms == POCKETS
        side[:, elbow] += np.where(pocket, -inward * 22, 0)
        side[:, hand] += np.where(pocket, inward * 50, 0)
        up[:, hand] += np.where(pocket, 20, 0)


def _carry(habit: Habits, side: Integers, ahead: Integers, up: Integers, radius: Integers) -> None:
    """Hang a bag on the back, from a hand, or pull a suitcase."""
    bag = JOINTS.index("bag")
    side[:, bag] = np.choose(habit.bag, [0, 0, side[:, 7] + 16, 130])
    ahead[:, bag] = np.choose(habit.bag, [0, -112, ahead[:, 7], -170])
    up[:, bag] = np.choose(habit.bag, [640, 700, np.maximum(up[:, 7] - 96, 90), 120])
    radius[:, bag] = np.choose(habit.bag, [0, 92, 74, 100])


def _riding(figures: Figures) -> NDArray[np.bool_]:
    shapes = np.array([kind.shape == "cyclist" for kind in KINDS])
    return shapes[figures.kinds]


def _ride(
    figures: Figures, side: Integers, ahead: Integers, up: Integers, radius: Integers
) -> None:
    """Seat cyclists on a bicycle: feet turn with the pedals, hands hold the bar."""
    rows = np.flatnonzero(_riding(figures))
    if not len(rows):
        return
    phase = figures.phase[rows]
    for joint in range(len(JOINTS)):
        up[rows, joint] = up[rows, joint] * 860 // 1024 + 140
    for left, sign in ((True, 1), (False, -1)):
        hip, knee, ankle, toe = (8, 10, 12, 14) if left else (9, 11, 13, 15)
        elbow, hand = (4, 6) if left else (5, 7)
        around_x, around_y = sign * cosine(phase) * 80 // 1024, sign * sine(phase) * 80 // 1024
        ahead[rows, hip] = -90
        ahead[rows, ankle], up[rows, ankle] = around_x - 20, 200 + around_y
        ahead[rows, toe], up[rows, toe] = around_x + 50, 180 + around_y
        ahead[rows, knee], up[rows, knee] = 60 + around_x // 2, 410 + around_y // 2
        ahead[rows, elbow], up[rows, elbow] = 120, 680
        ahead[rows, hand], up[rows, hand] = 230, 600
        side[rows, hand] = sign * -120
    ahead[rows, JOINTS.index("head")] = 60
    up[rows, JOINTS.index("head")] = 950
    wheels = [JOINTS.index("wheel_front"), JOINTS.index("wheel_rear")]
    for wheel, place in zip(wheels, (300, -300), strict=True):
        ahead[rows, wheel], side[rows, wheel], up[rows, wheel] = place, 0, 190
        radius[rows, wheel] = 160


def outlines(figures: Figures, habit: Habits) -> Integers:
    """`(N, 4)` boxes `x1 y1 x2 y2` in subpixels of the frame: the full extent of each figure."""
    joints = pose(figures, habit)
    there = joints.radius > 0
    far = 1 << 40
    left = np.where(there, joints.x - joints.radius, far).min(axis=1)
    top = np.where(there, joints.y - joints.radius, far).min(axis=1)
    right = np.where(there, joints.x + joints.radius, -far).max(axis=1)
    bottom = np.where(there, joints.y + joints.radius, -far).max(axis=1)
    rigid = habit.height_permille > 0
    half = figures.height * habit.width_permille // 2000
    left, right = np.where(rigid, -half, left), np.where(rigid, half, right)
    top = np.where(rigid, -(figures.height * habit.height_permille // 1000), top)
    bottom = np.where(rigid, 0, bottom)
    boxes = np.stack([left, top, right, bottom], axis=1)
    boxes[:, ::2] += figures.x[:, None]
    boxes[:, 1::2] += figures.y[:, None]
    return boxes
