"""Colours and textures of objects and clutter: one palette to a habitat, whatever the kind."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.integers import Draws
from faimtrack.datasets.crowd.objects.bodies import BODY, DARK, GLASS, LIGHT, LIMB, SPRAY
from faimtrack.datasets.crowd.objects.kinds import Habitat

FAR = 8
"""Added to a label where a part is on the far side and so darker."""

Colour = tuple[int, int, int]

BODIES: dict[Habitat, tuple[Colour, ...]] = {
    "grass": ((158, 140, 78), (72, 76, 44), (170, 148, 100), (66, 58, 44), (130, 98, 60)),
    "water": ((40, 48, 58), (150, 154, 154), (50, 58, 62), (118, 98, 90), (84, 90, 110)),
    "sky": ((206, 208, 212), (150, 156, 164), (86, 90, 98), (186, 180, 170), (116, 122, 136)),
    "woods": ((160, 100, 54), (134, 90, 58), (112, 82, 60), (178, 128, 82), (96, 76, 62)),
}
_LIGHTS: dict[Habitat, Colour] = {
    "grass": (172, 162, 112), "water": (172, 180, 184), "sky": (234, 236, 238),
    "woods": (220, 204, 178),
}  # fmt: skip
_DARKS: dict[Habitat, Colour] = {
    "grass": (46, 42, 28), "water": (34, 40, 46), "sky": (56, 60, 68), "woods": (50, 38, 32),
}  # fmt: skip
_CLUTTER: dict[Habitat, tuple[Colour, ...]] = {
    "grass": ((96, 112, 52), (124, 128, 70), (82, 94, 50)),
    "water": ((84, 108, 124), (104, 128, 140), (72, 94, 112)),
    "sky": ((222, 226, 232), (206, 212, 222), (190, 198, 212)),
    "woods": ((84, 68, 52), (66, 76, 48), (98, 84, 66)),
}


@dataclass(frozen=True, kw_only=True)
class Coat:
    """What one object or thing looks like.

    Attributes:
        palette: `(16, 3)` uint8 RGB: the colour of each label.
        texture: `(64, 64)` int16: brightness, stretched over the box.
    """

    palette: NDArray[np.uint8]
    texture: NDArray[np.int16]


def coat(draws: Draws, habitat: Habitat, track_id: int) -> Coat:
    """The looks of an object; they say where it lives, not of what kind it is."""
    random = np.random.default_rng(int(draws.bits("object coat", [track_id])[0]))
    colours = BODIES[habitat]
    base = np.array(colours[random.integers(len(colours))]) * random.uniform(0.88, 1.12)
    base = base + random.normal(0, 6, 3)
    light = np.array(_LIGHTS[habitat]) * random.uniform(0.85, 1.05)
    dark = np.array(_DARKS[habitat]) * random.uniform(0.8, 1.3)
    palette = np.zeros((16, 3))
    by_role = {
        BODY: base, LIMB: base * 0.9, LIGHT: 0.6 * light + 0.4 * base, DARK: dark,
        GLASS: np.array((58, 72, 88)), SPRAY: np.array((214, 222, 226)),
    }  # fmt: skip
    for role, colour in by_role.items():
        palette[role] = colour
        palette[role + FAR] = colour * 0.74
    return Coat(
        palette=np.clip(palette, 0, 255).astype(np.uint8), texture=_texture(random, 11, 16)
    )


def clutter_coat(draws: Draws, habitat: Habitat, number: int) -> Coat:
    """The looks of one thing among the clutter."""
    random = np.random.default_rng(int(draws.bits("clutter coat", [number])[0]))
    colours = _CLUTTER[habitat]
    palette = np.zeros((16, 3))
    palette[:] = np.array(colours[random.integers(len(colours))]) * random.uniform(0.85, 1.15)
    return Coat(
        palette=np.clip(palette, 0, 255).astype(np.uint8), texture=_texture(random, 16, 10)
    )


def _texture(random: np.random.Generator, strength: float, fall: float) -> NDArray[np.int16]:
    """Spots, or bands, or nothing but grain; less light further down."""
    grain = random.normal(0, 1, (64, 64)).astype(np.float32)
    wide, tall = random.choice([1.2, 2.0, 3.4], 2)
    spots = cv2.GaussianBlur(grain, (0, 0), float(wide), None, float(tall))
    spots *= strength / max(float(spots.std()), 1e-6) * random.uniform(0.4, 1.3)
    shade = np.linspace(fall, -fall * 1.6, 64)[:, None]
    texture: NDArray[np.int16] = np.clip(spots + shade, -60, 60).astype(np.int16)
    return texture
