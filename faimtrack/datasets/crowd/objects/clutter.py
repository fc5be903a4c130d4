"""What stands before the objects of a scene: tufts, swells, clouds, trunks; in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import Draws, Integers, cosine, sine
from faimtrack.datasets.crowd.objects.kinds import Habitat
from faimtrack.datasets.crowd.objects.lives import habitat_of
from faimtrack.datasets.crowd.scene import SUBPIXELS, ZOOM_ONE, CameraPath

_COUNTS: dict[Habitat, tuple[int, int]] = {
    "grass": (2, 5), "water": (2, 4), "sky": (1, 3), "woods": (2, 4),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Clutter:
    """One thing that hides what is behind it; it stands still on the camera's canvas.

    Attributes:
        number: From 0, for its colours.
        habitat: What kind of thing it is.
        discs: `(P, 4, 3)` int64 column, row and radius on the canvas, in subpixels.
        core: Corners `x1 y1 x2 y2` on the canvas, in subpixels, of a rectangle that it fills.
        distance: Micrometres from the camera.
    """

    number: int
    habitat: Habitat
    discs: Integers
    core: tuple[int, int, int, int]
    distance: int

    def seen(self, camera: CameraPath, frame: int) -> Integers:
        """`(P, 4, 3)` its discs in a frame, which counts from 1."""
        zoom = int(camera.zoom[frame - 1])
        discs = self.discs * zoom // ZOOM_ONE
        discs[..., :2] += camera.shift[frame - 1]
        return discs

    def core_seen(self, camera: CameraPath, frame: int) -> Integers:
        """`(4,)` its core in a frame."""
        core: Integers = np.array(self.core, dtype=np.int64)
        core = core * int(camera.zoom[frame - 1]) // ZOOM_ONE
        core += np.tile(camera.shift[frame - 1], 2)
        return core


def clutter(config: CrowdConfig, draws: Draws) -> list[Clutter]:
    """All clutter of a scene."""
    habitat = habitat_of(draws)
    count = draws.one("clutter count", 0, *_COUNTS[habitat])
    return [_thing(config, draws, habitat, number) for number in range(count)]


def _thing(config: CrowdConfig, draws: Draws, habitat: Habitat, number: int) -> Clutter:
    width, height = config.width * SUBPIXELS, config.height * SUBPIXELS
    margin = width * 3 // 10 if config.camera == "moving" else 0
    x = draws.one("clutter x", number, -margin, width + margin)
    scale = height * draws.one("clutter size", number, 700, 1300) // 1000
    if habitat == "grass":
        y = height * draws.one("clutter y", number, 350, 1060) // 1000
        discs, core = _tuft(draws, number, x, y, scale)
    elif habitat == "water":
        y = height * draws.one("clutter y", number, 520, 980) // 1000
        discs, core = _swell(draws, number, x, y, scale)
    elif habitat == "sky":
        y = height * draws.one("clutter y", number, 100, 900) // 1000
        discs, core = _cloud(draws, number, x, y, scale)
    else:
        discs, core = _trunk(draws, number, x, height, scale)
    near = draws.one("clutter near", number, 0, 99) < 70
    distance = 1_000_000 if near else draws.one("clutter distance", number, 2, 18) * 1_000_000
    return Clutter(
        number=number, habitat=habitat, discs=discs, core=core, distance=distance + number
    )


def _hulls(parts: list[list[tuple[int, int, int]]]) -> Integers:
    """Parts of one to four discs each as `(P, 4, 3)`."""
    return np.array([part + [part[-1]] * (4 - len(part)) for part in parts], dtype=np.int64)


_Made = tuple[Integers, tuple[int, int, int, int]]


def _tuft(draws: Draws, number: int, x: int, y: int, scale: int) -> _Made:
    """Blades of grass that fan out from a thick foot."""
    foot = scale * 5 // 100
    parts = [[(x - foot, y, foot), (x + foot, y, foot), (x, y - 2 * foot, foot)]]
    for blade in range(11):
        entity = number * 16 + blade
        angle = draws.one("blade lean", entity, -150, 150)
        length = scale * draws.one("blade length", entity, 16, 34) // 100
        root = x + (blade - 5) * scale // 60
        middle = (
            root + int(sine(np.array(angle // 2))) * length // 2048,
            y - int(cosine(np.array(angle // 2))) * length // 2048,
        )
        tip = (
            root + int(sine(np.array(angle))) * length // 1024,
            y - int(cosine(np.array(angle))) * length // 1024,
        )
        thick = scale * 12 // 1000
        parts.append([(root, y, thick), (*middle, thick * 3 // 4)])
        parts.append([(*middle, thick * 3 // 4), (*tip, thick // 4 + 1)])
    core = (x - foot, y - 2 * foot, x + foot, y + foot)
    return _hulls(parts), core


def _swell(draws: Draws, number: int, x: int, y: int, scale: int) -> _Made:
    """A low crest of water."""
    half = scale * draws.one("swell width", number, 18, 44) // 100
    tall = scale * draws.one("swell height", number, 22, 44) // 1000
    peak = x + half * draws.one("swell peak", number, -40, 40) // 100
    left, right = (x - half, y + tall, tall // 3), (x + half, y + tall, tall // 3)
    parts = [[left, (peak, y, tall // 2), right, (x, y + 2 * tall, tall // 2)]]
    core = (x - half // 2, y + tall // 2, x + half // 2, y + tall)
    return _hulls(parts), core


def _cloud(draws: Draws, number: int, x: int, y: int, scale: int) -> _Made:
    """Puffs beside each other."""
    parts = []
    half = scale * draws.one("cloud width", number, 12, 26) // 100
    for puff in range(6):
        entity = number * 8 + puff
        radius = half * draws.one("puff size", entity, 34, 62) // 100
        at = x + (puff * 2 - 5) * half // 6
        parts.append([(at, y + draws.one("puff row", entity, -100, 100) * half // 500, radius)])
    return _hulls(parts), (x - half * 2 // 3, y - half // 8, x + half * 2 // 3, y + half // 8)


def _trunk(draws: Draws, number: int, x: int, height: int, scale: int) -> _Made:
    """A trunk from top to bottom, or a bush."""
    thick = scale * draws.one("trunk width", number, 22, 60) // 1000
    if draws.one("trunk or bush", number, 0, 99) < 60:
        lean = draws.one("trunk lean", number, -60, 60) * height // 1000
        parts = [[(x, height * 12 // 10, thick), (x + lean, -height // 5, thick * 3 // 4)]]
        left, right = min(x, x + lean), max(x, x + lean)
        inner = thick * 3 // 4
        return _hulls(parts), (right - inner, 0, max(left + inner, right - inner), height)
    y = height * draws.one("bush row", number, 640, 960) // 1000
    half = scale * draws.one("bush width", number, 90, 170) // 1000
    parts = []
    for leaf in range(9):
        entity = number * 16 + leaf
        radius = half * draws.one("leaf size", entity, 26, 46) // 100
        at = x + draws.one("leaf x", entity, -100, 100) * half // 100
        up = y - draws.one("leaf y", entity, -60, 110) * half // 100
        parts.append([(at, up, radius)])
    parts.append([(x - half // 2, y, half // 3), (x + half // 2, y, half // 3)])
    core = (x - half // 2, y - half // 3, x + half // 2, y + half // 3)
    return _hulls(parts), core
