"""What lies behind the objects of a scene: drawn once, with things in it that look like them."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.background import Floats, soft_noise
from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import Draws
from faimtrack.datasets.crowd.objects.colours import BODIES
from faimtrack.datasets.crowd.objects.kinds import Habitat
from faimtrack.datasets.crowd.objects.lives import habitat_of
from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene


def habitat_picture(config: CrowdConfig, scene: Scene, draws: Draws) -> NDArray[np.uint8]:
    """The scene without any object.

    Returns:
        `(rows, columns, 3)` uint8 RGB of the whole canvas; its first pixel is at the canvas's
        top left.
    """
    random = np.random.default_rng(int(draws.bits("object background", [0])[0]))
    habitat = habitat_of(draws)
    columns = (scene.right - scene.left + SUBPIXELS - 1) // SUBPIXELS
    rows = (scene.bottom - scene.top + SUBPIXELS - 1) // SUBPIXELS
    painted = {"grass": _grass, "water": _water, "sky": _sky, "woods": _woods}[habitat](
        rows, columns, random
    )
    for _ in range(int(random.integers(4, 9))):
        _lure(painted, habitat, config.height, random)
    grain = random.normal(0, 5, painted.shape[:2]).astype(np.float32)
    painted += cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None] * 1.4
    picture: NDArray[np.uint8] = np.clip(painted, 0, 255).astype(np.uint8)
    return picture


def _mixed(first: tuple[int, int, int], second: tuple[int, int, int], share: Floats) -> Floats:
    """Two colours, the second by a share of 0 to 1 a pixel."""
    share = np.clip(share, 0, 1)[..., None]
    mixed: Floats = (
        np.array(first, np.float32) * (1 - share) + np.array(second, np.float32) * share
    )
    return mixed.astype(np.float32)


def _strokes(
    canvas: Floats,
    count: int,
    spread: tuple[float, float],
    length: tuple[float, float],
    random: np.random.Generator,
) -> None:
    """Short strokes, darker and lighter than what they lie on, in place."""
    rows, columns = canvas.shape[:2]
    layer = np.zeros((rows, columns), dtype=np.float32)
    starts = random.uniform([0, 0], [columns, rows], (count, 2))
    angles = random.uniform(*spread, count)
    lengths = random.uniform(*length, count)
    ends = starts + np.stack([np.cos(angles), np.sin(angles)], axis=1) * lengths[:, None]
    shades = random.normal(0, 17, count)
    for start, end, shade in zip(starts.astype(int), ends.astype(int), shades, strict=True):
        cv2.line(layer, start.tolist(), end.tolist(), float(shade), 1)
    canvas += cv2.GaussianBlur(layer, (3, 3), 0.6)[..., None]


def _grass(rows: int, columns: int, random: np.random.Generator) -> Floats:
    """A meadow from above, with bare patches."""
    patches = soft_noise(random, rows, columns, 7) * 0.45 + random.uniform(0.1, 0.6)
    canvas = _mixed((92, 108, 52), (136, 122, 78), patches)
    canvas *= (1 + 0.10 * soft_noise(random, rows, columns, 30))[..., None]
    _strokes(canvas, rows * columns // 60, (-2.4, -0.7), (rows * 0.03, rows * 0.08), random)
    return canvas * np.float32(random.uniform(0.8, 1.15))


def _water(rows: int, columns: int, random: np.random.Generator) -> Floats:
    """A sea under a strip of sky."""
    horizon = int(rows * random.uniform(0.22, 0.4))
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    canvas = _mixed((134, 156, 166), (82, 112, 132), np.broadcast_to(down, (rows, columns)))
    ripples = cv2.resize(
        random.normal(0, 1, (rows // 2, max(columns // 14, 2))).astype(np.float32),
        (columns, rows),
        interpolation=cv2.INTER_CUBIC,
    )
    canvas += (ripples * (4 + 9 * down))[..., None]
    _strokes(canvas, rows * columns // 240, (-0.12, 0.12), (rows * 0.05, rows * 0.16), random)
    sky = soft_noise(random, rows, columns, 6) * 0.3 + 0.5
    canvas[:horizon] = _mixed((168, 184, 200), (214, 216, 216), sky)[:horizon]
    canvas[horizon : horizon + 2] *= 0.85
    return canvas * np.float32(random.uniform(0.85, 1.15))


def _sky(rows: int, columns: int, random: np.random.Generator) -> Floats:
    """A sky with clouds."""
    down = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    deep = ((96, 136, 186), (132, 156, 186), (150, 158, 168))[random.integers(3)]
    canvas = _mixed(deep, (196, 210, 222), np.broadcast_to(down * 0.8, (rows, columns)))
    clouds = soft_noise(random, rows, columns, 5) + 0.5 * soft_noise(random, rows, columns, 13)
    clouds += 0.25 * soft_noise(random, rows, columns, 40)
    share = np.clip(clouds * 0.8 - random.uniform(-0.2, 0.5), 0, 0.95)[..., None]
    clouded = canvas * (1 - share) + share * np.array((222, 224, 228), np.float32)
    gloomy: Floats = (clouded * random.uniform(0.75, 1.05)).astype(np.float32)
    return gloomy


def _woods(rows: int, columns: int, random: np.random.Generator) -> Floats:
    """Fallen leaves before bushes and trunks."""
    leaves = soft_noise(random, rows, columns, 26) * 0.4 + 0.5
    canvas = _mixed((116, 88, 58), (142, 116, 76), leaves)
    _strokes(canvas, rows * columns // 70, (0, 6.28), (rows * 0.01, rows * 0.03), random)
    edge = int(rows * random.uniform(0.3, 0.48))
    bushes = soft_noise(random, rows, columns, 12) * 0.5 + 0.4
    canvas[:edge] = _mixed((58, 66, 42), (104, 100, 66), bushes)[:edge]
    for _ in range(columns // 36):
        x, wide = int(random.integers(columns)), int(random.integers(2, max(rows // 24, 4)))
        trunk = canvas[: edge + int(random.integers(1, max(rows // 14, 2))), x : x + wide]
        trunk[:] = np.array((86, 68, 52)) * random.uniform(0.6, 1.2)
    canvas[:edge] = cv2.GaussianBlur(canvas[:edge], (0, 0), rows / 160)
    return canvas * np.float32(random.uniform(0.75, 1.1))


def _lure(canvas: Floats, habitat: Habitat, height: int, random: np.random.Generator) -> None:
    """A stick, a rock, a wisp or a log in an object's colours, in place."""
    rows, columns = canvas.shape[:2]
    place = random.uniform(
        [0, 0.3 * rows if habitat in ("water", "woods") else 0], [columns, rows]
    )
    size = height * random.uniform(0.1, 0.32)
    heading = random.uniform(0, 6.28) if habitat == "grass" else random.choice([0.0, 3.14])
    layer = np.zeros((rows, columns), dtype=np.uint8)
    points = [place]
    for _ in range(int(random.integers(2, 6))):
        heading += random.normal(0, 0.35)
        step = np.array([np.cos(heading), np.sin(heading)]) * size / 3
        points.append(points[-1] + step)
    thick = size * random.uniform(0.05, 0.3)
    for start, end in pairwise(points):
        thick = max(thick * random.uniform(0.6, 1.3), 1.0)
        cv2.line(layer, start.astype(int).tolist(), end.astype(int).tolist(), 255, int(thick) + 1)
    softness = float(random.uniform(0.7, 2.5))
    cover = cv2.GaussianBlur(layer, (0, 0), softness).astype(np.float32) / 255
    cover *= np.float32(random.uniform(0.5, 0.95))
    colours = BODIES[habitat]
    colour = np.array(colours[random.integers(len(colours))]) * random.uniform(0.85, 1.15)
    shade = 1 + 0.12 * soft_noise(random, rows, columns, 40)
    canvas *= (1 - cover)[..., None]
    canvas += (cover * shade)[..., None] * colour.astype(np.float32)
