"""Paint one figure's parts on a small canvas of labels: integer strokes and polygons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.appearance import (
    BAG,
    BOTTOM,
    HAIR,
    LEAF,
    LIT,
    METAL,
    PANEL,
    PLAIN,
    SHADED,
    SHOE,
    SKIN,
    TOP,
    Appearance,
    label,
)
from faimtrack.datasets.crowd.figure import BACKPACK, JOINTS, SUITCASE

_BITS = 8  # Coordinates on the canvas have this many fractional bits.
_ONE = 1 << _BITS

Point = tuple[int, int]
_INDEX = {name: row for row, name in enumerate(JOINTS)}


class Brush:
    """A canvas of labels and the strokes that fill it; positions are 1/256 canvas pixels."""

    def __init__(self, height: int, width: int) -> None:
        self.labels = np.zeros((height, width), dtype=np.uint8)

    def stroke(self, start: Point, end: Point, radius: int, part: int, tone: int = PLAIN) -> None:
        """A line with round ends."""
        # A line of an even thickness t covers t + 1 pixels, and its ends reach t / 2 farther.
        thickness = max(2 * (radius // _ONE), 1)
        cv2.line(self.labels, start, end, label(part, tone), thickness, cv2.LINE_8, _BITS)

    def disc(
        self, centre: Point, radius: int, part: int, tone: int = PLAIN, edge: int = -1
    ) -> None:
        """A filled circle, or a ring of `edge` canvas pixels."""
        radius = max(radius - _ONE // 2, 0)
        cv2.circle(self.labels, centre, radius, label(part, tone), edge, cv2.LINE_8, _BITS)

    def polygon(self, points: list[Point], part: int, tone: int = PLAIN) -> None:
        """A filled convex polygon."""
        corners = np.array(points, dtype=np.int32)
        cv2.fillConvexPoly(self.labels, corners, label(part, tone), cv2.LINE_8, _BITS)

    def limb(
        self, joints: list[tuple[Point, int]], part: int, tone: int = PLAIN, *, round_: bool = True
    ) -> None:
        """A chain of joints with radii; a lit streak on the side of the light rounds it."""
        for (start, _), (end, radius) in pairwise(joints):
            self.stroke(start, end, radius, part, tone)
        if round_ and tone == PLAIN:
            for (start, _), (end, radius) in pairwise(joints):
                shift = radius * 2 // 5
                lit_start, lit_end = (start[0] - shift, start[1]), (end[0] - shift, end[1])
                if radius > _ONE:
                    self.stroke(lit_start, lit_end, radius // 3, part, LIT)


class _Body:
    """A posed person on a canvas: joints by name."""

    def __init__(self, points: NDArray[np.int64], radii: NDArray[np.int64]) -> None:
        self._points = points.tolist()
        self._radii = radii.tolist()

        extent = [(x - r, x + r) for (x, _), r in zip(self._points, self._radii, strict=True) if r]
        self.left = min(left for left, _ in extent)
        self.right = max(right for _, right in extent)

    def at(self, name: str) -> Point:
        x, y = self._points[_INDEX[name]]
        return x, y

    def radius(self, name: str) -> int:
        return int(self._radii[_INDEX[name]])

    def joint(self, name: str) -> tuple[Point, int]:
        return self.at(name), self.radius(name)


def paint_person(
    brush: Brush,
    points: NDArray[np.int64],
    radii: NDArray[np.int64],
    away: NDArray[np.int64],
    facing: tuple[int, int],
    bag: int,
    look: Appearance,
) -> None:
    """Paint a person from the far limbs to the near ones.

    Args:
        brush: The canvas.
        points: `(J, 2)` joints in 1/256 canvas pixels.
        radii: `(J,)` in the same unit.
        away: `(J,)`: which of two limbs is farther.
        facing: Right and away, 1024 long.
        bag: What is carried.
        look: What is worn.
    """
    body = _Body(points, radii)
    depth = {name: int(away[row]) for name, row in _INDEX.items()}
    bag_in_front = depth["bag"] < 0
    if bag and not bag_in_front:
        _paint_bag(brush, body, bag)
    if body.radius("wheel_front"):
        _paint_bicycle(brush, body)
    arms = sorted(("left", "right"), key=lambda side: -depth[f"shoulder_{side}"])
    legs = sorted(("left", "right"), key=lambda side: -depth[f"ankle_{side}"])
    _paint_arm(brush, body, arms[0], SHADED, look)
    for side, tone in zip(legs, (SHADED, PLAIN), strict=True):
        _paint_leg(brush, body, side, tone, look)
    _paint_torso(brush, body, look)
    brush.stroke(body.at("neck"), body.at("head"), body.radius("neck"), SKIN, SHADED)
    _paint_head(brush, body, facing, look)
    _paint_arm(brush, body, arms[1], PLAIN, look)
    if bag and bag_in_front:
        _paint_bag(brush, body, bag)


def _paint_leg(brush: Brush, body: _Body, side: str, tone: int, look: Appearance) -> None:
    """A leg in trousers, or a bare one under a skirt."""
    cloth = SKIN if look.skirt else BOTTOM
    hip, knee = body.at(f"hip_{side}"), body.joint(f"knee_{side}")
    ankle, toe = body.joint(f"ankle_{side}"), body.joint(f"toe_{side}")
    brush.stroke(hip, knee[0], (body.radius(f"hip_{side}") + knee[1]) // 2, cloth, tone)
    brush.limb([(hip, knee[1]), knee, ankle], cloth, tone)
    heel = (ankle[0][0], (ankle[0][1] + toe[0][1]) // 2)
    brush.stroke(heel, toe[0], toe[1], SHOE, tone)


def _paint_arm(brush: Brush, body: _Body, side: str, tone: int, look: Appearance) -> None:
    """A sleeve and a hand; short sleeves end at the elbow."""
    shoulder, elbow = body.joint(f"shoulder_{side}"), body.joint(f"elbow_{side}")
    hand = body.joint(f"hand_{side}")
    lower = TOP if look.sleeves else SKIN
    brush.limb([elbow, hand], lower, tone)
    brush.limb([shoulder, elbow], TOP, tone)
    wrist = ((elbow[0][0] + 3 * hand[0][0]) // 4, (elbow[0][1] + 3 * hand[0][1]) // 4)
    brush.stroke(wrist, hand[0], hand[1], SKIN, tone)


def _paint_torso(brush: Brush, body: _Body, look: Appearance) -> None:
    """Shoulders, belly and hips as one shape; skirt or coat below."""
    left, right = body.joint("shoulder_left"), body.joint("shoulder_right")
    if left[0][0] > right[0][0]:
        left, right = right, left
    belly, girth = body.joint("belly")
    hips = sorted([body.joint("hip_left"), body.joint("hip_right")], key=lambda hip: hip[0])
    low_left = (min(hips[0][0][0] - hips[0][1] // 2, belly[0] - girth * 3 // 4), hips[0][0][1])
    low_right = (max(hips[1][0][0] + hips[1][1] // 2, belly[0] + girth * 3 // 4), hips[1][0][1])
    brush.stroke(hips[0][0], hips[1][0], hips[0][1], BOTTOM)
    if look.skirt or look.coat:
        knees = [body.joint("knee_left"), body.joint("knee_right")]
        hem_y = max(knee[0][1] for knee in knees)
        flare = girth * 5 // 4
        middle = (low_left[0] + low_right[0]) // 2
        hem_left = min(middle - flare, *(knee[0][0] - knee[1] for knee in knees))
        hem_right = max(middle + flare, *(knee[0][0] + knee[1] for knee in knees))
        hem_left, hem_right = max(hem_left, body.left), min(hem_right, body.right)
        part = BOTTOM if look.skirt else TOP
        corners = [low_left, low_right, (hem_right, hem_y), (hem_left, hem_y)]
        brush.polygon(corners, part)
        brush.stroke(low_left, (hem_left + flare // 4, hem_y), girth // 6, part, LIT)
    brush.disc(belly, girth, TOP)
    brush.stroke(left[0], right[0], left[1], TOP)
    sides = [(left[0][0] - left[1] // 2, left[0][1]), (right[0][0] + right[1] // 2, right[0][1])]
    brush.polygon([sides[0], sides[1], low_right, low_left], TOP)
    shade_x = max(right[0][0], low_right[0])
    edge = girth // 4
    brush.stroke((shade_x - edge, right[0][1]), (low_right[0] - edge, belly[1]), edge, TOP, SHADED)
    lit_x = left[0][0] + (right[0][0] - left[0][0]) // 4
    brush.stroke((lit_x, left[0][1]), (lit_x, belly[1]), girth // 4, TOP, LIT)


def _paint_head(brush: Brush, body: _Body, facing: tuple[int, int], look: Appearance) -> None:
    """Hair all round, and a face where the head is turned to the camera."""
    (x, y), radius = body.joint("head")
    brush.disc((x, y), radius, SKIN if look.hair == "bald" else HAIR)
    if look.hair == "long":
        back = x - facing[0] * radius // 2600
        brush.stroke((back, y), (back, y + radius * 5 // 4), radius * 3 // 4, HAIR)
    if facing[1] < 420:
        turned = x + facing[0] * radius * 2 // (5 * 1024)
        low = y + radius // 4
        brush.disc((turned, low), radius * 3 // 4, SKIN)
        cheek = turned - radius // 4
        brush.disc((cheek, low), radius // 3, SKIN, LIT)
    if look.hair == "hat":
        brush.stroke(
            (x - radius * 2 // 3, y - radius // 3),
            (x + radius * 2 // 3, y - radius // 3),
            radius // 4,
            HAIR,
            SHADED,
        )
    elif look.hair != "bald":
        brush.disc((x - radius // 3, y - radius // 2), radius // 4, HAIR, LIT)


def _paint_bag(brush: Brush, body: _Body, bag: int) -> None:
    """A backpack, a bag that hangs from the right hand, or a suitcase with its handle."""
    (x, y), radius = body.joint("bag")
    if bag != BACKPACK:
        hand = body.at("hand_right")
        brush.stroke(hand, (x, y), max(radius // 8, 64), METAL)
    tall = radius if bag != SUITCASE else radius * 6 // 5
    inner = radius * 3 // 4
    top, low = y - tall + radius // 3, y + radius - radius // 3
    brush.stroke((x, top), (x, low), inner, BAG)
    brush.disc((x, y), radius, BAG)
    brush.stroke((x - inner // 2, top), (x - inner // 2, low), inner // 4, BAG, LIT)
    brush.stroke((x - inner // 2, y), (x + inner // 2, y), inner // 8, BAG, SHADED)


def _paint_bicycle(brush: Brush, body: _Body) -> None:
    """Two wheels, a frame and a bar."""
    front, radius = body.joint("wheel_front")
    rear = body.at("wheel_rear")
    edge = max(radius // _ONE // 5, 1)
    for wheel in (front, rear):
        brush.disc(wheel, radius - edge * _ONE // 2, METAL, edge=edge)
        brush.disc(wheel, radius // 6, METAL)
    bar = ((body.at("hand_left")[0] + body.at("hand_right")[0]) // 2, body.at("hand_left")[1])
    seat = body.at("hip_left")
    pedal = ((front[0] + rear[0]) // 2, front[1])
    for start, end in ((front, bar), (bar, pedal), (pedal, seat), (seat, rear), (rear, pedal)):
        brush.stroke(start, end, max(radius // 8, 128), PANEL)


def paint_rigid(brush: Brush, box: Sequence[int], shape: str, ground: int) -> None:
    """Paint a cart, an advertising board, a lamp post or a planter into its box.

    Args:
        brush: The canvas.
        box: `x1 y1 x2 y2` in 1/256 canvas pixels.
        shape: The kind's shape.
        ground: Row of the ground under the figure, in the same unit.
    """
    half = _ONE // 2  # OpenCV's polygons cover the pixels on their border as well.
    x1, y1, x2, y2 = box[0] + half, box[1] + half, box[2] - half, min(box[3], ground) - half
    wide, tall = x2 - x1, y2 - y1
    middle = (x1 + x2) // 2
    if shape == "cart":
        _paint_cart(brush, x1, y1, x2, y2)
    elif shape == "board":
        brush.polygon([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], METAL)
        rim = wide // 10
        low = y2 - tall // 8
        brush.polygon(
            [(x1 + rim, y1 + rim), (x2 - rim, y1 + rim), (x2 - rim, low), (x1 + rim, low)], PANEL
        )
        brush.stroke((middle, y1 + tall * 9 // 20), (middle, y1 + tall // 2), wide // 4, TOP)
        brush.disc((middle, y1 + tall // 4), wide // 6, SKIN)
        brush.disc((middle, y1 + tall // 5), wide // 8, HAIR)
    elif tall > 4 * wide:
        brush.polygon([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], METAL)
        brush.stroke((x1 + wide // 4, y1), (x1 + wide // 4, y2), wide // 10, METAL, LIT)
    else:
        rim = y2 - tall * 9 // 20
        brush.polygon([(x1, rim), (x2, rim), (x2, y2), (x1, y2)], PANEL, SHADED)
        brush.polygon([(x1, rim), (middle, rim), (middle, y2), (x1, y2)], PANEL)
        blob = wide // 4
        for step in range(9):
            x = x1 + blob + (wide - 2 * blob) * (step % 3) // 2
            y = y1 + blob + max(rim - y1 - blob, 0) * (step // 3) // 2
            brush.disc((x, y), blob, LEAF, (step * 2 + step // 3) % 3)


def _paint_cart(brush: Brush, x1: int, y1: int, x2: int, y2: int) -> None:
    """A pushchair: a hood, a seat, a handle and wheels."""
    wide, tall = x2 - x1, y2 - y1
    wheel = min(wide, tall) // 6
    for x in (x1 + wheel, x2 - wheel):
        brush.disc((x, y2 - wheel), wheel, METAL)
    brush.stroke((x1 + wheel, y2 - wheel), (x2 - wheel // 2, y1 + wheel // 2), wheel // 2, METAL)
    brush.polygon(
        [
            (x1, y1 + tall // 3),
            (x2 - wide // 5, y1 + tall // 2),
            (x2 - wide // 4, y2 - wheel),
            (x1 + wide // 6, y2 - wheel),
        ],
        BAG,
    )
    brush.disc((x1 + wide * 2 // 5, y1 + wide * 2 // 5), wide * 2 // 5, BAG, SHADED)
    brush.stroke(
        (x1 + wide // 4, y1 + tall // 3), (x1 + wide // 2, y1 + tall // 2), wheel // 2, BAG, LIT
    )
