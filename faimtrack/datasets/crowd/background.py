"""Textured grounds and house fronts behind the crowd: drawn once for a scene."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.false_alarms import lure_boxes
from faimtrack.datasets.crowd.integers import Draws
from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene

Floats = NDArray[np.float32]

_STYLES = ("paving", "bricks", "asphalt", "park", "hall")
_GROUNDS = {
    "paving": ((150, 146, 138), (132, 126, 120)),
    "bricks": ((150, 108, 92), (126, 96, 84)),
    "asphalt": ((98, 98, 102), (120, 118, 116)),
    "park": ((176, 160, 130), (92, 120, 66)),
    "hall": ((186, 180, 168), (140, 132, 128)),
}
_WALLS = ((168, 152, 134), (124, 86, 72), (176, 176, 172), (92, 98, 108), (148, 132, 110))


def background(config: CrowdConfig, scene: Scene, draws: Draws) -> NDArray[np.uint8]:
    """The scene without anybody in it.

    Returns:
        `(rows, columns, 3)` uint8 RGB of the whole canvas; its first pixel is at the canvas's
        top left.
    """
    random = np.random.default_rng(int(draws.bits("background", [0])[0]))
    style = _STYLES[random.integers(len(_STYLES))]
    columns = (scene.right - scene.left + SUBPIXELS - 1) // SUBPIXELS
    rows = (scene.bottom - scene.top + SUBPIXELS - 1) // SUBPIXELS
    canvas = _ground(style, scene, rows, columns, random)
    wall_row = (scene.far_row - scene.top) // SUBPIXELS - max(config.height // 60, 2)
    _front(canvas, wall_row, config.height, random)
    for x1, y1, x2, y2 in lure_boxes(config, scene, draws).tolist():
        corners = [x1 - scene.left, y1 - scene.top, x2 - scene.left, y2 - scene.top]
        _thing(canvas, [value // SUBPIXELS for value in corners], random)
    grain = random.normal(0, 5, canvas.shape[:2]).astype(np.float32)
    canvas += cv2.GaussianBlur(grain, (0, 0), 0.7)[..., None] * 1.6
    painted: NDArray[np.uint8] = np.clip(canvas, 0, 255).astype(np.uint8)
    return painted


def soft_noise(random: np.random.Generator, rows: int, columns: int, cells: int) -> Floats:
    """`(rows, columns)` smooth noise about 0 with about `cells` hills across."""
    low = random.normal(0, 1, (max(cells * rows // columns, 2) + 2, cells + 2))
    large: Floats = cv2.resize(
        low.astype(np.float32), (columns, rows), interpolation=cv2.INTER_CUBIC
    )
    return large


def _ground(
    style: str, scene: Scene, rows: int, columns: int, random: np.random.Generator
) -> Floats:
    """A ground of slabs in perspective, with stains, patches and painted lines."""
    row = scene.top / SUBPIXELS + np.arange(rows, dtype=np.float64) + 0.5
    below = np.maximum(row - scene.horizon / SUBPIXELS, 2.0)
    z = scene.focal / SUBPIXELS * scene.camera_height / 1e6 / below  # (rows,) metres
    column = scene.left / SUBPIXELS + np.arange(columns) + 0.5 - scene.centre / SUBPIXELS
    x = column[None, :] * z[:, None] / (scene.focal / SUBPIXELS)  # (rows, columns) metres
    first, second = (np.array(colour, dtype=np.float32) for colour in _GROUNDS[style])
    slab_x, slab_z = {"paving": (1.0, 1.0), "bricks": (0.5, 0.25), "hall": (1.4, 1.4)}.get(
        style, (6.0, 6.0)
    )
    shifted = x + (np.floor(z / slab_z) % 2 * slab_x / 2)[:, None] * (style == "bricks")
    index_x = np.floor(shifted / slab_x).astype(np.int64)
    index_z = np.floor(z / slab_z).astype(np.int64)[:, None]
    tones = random.normal(0, 1, (97, 89)).astype(np.float32)
    tone = tones[index_x % 97, index_z % 89]
    # Slabs finer than a pixel would flicker; they fade out with the distance.
    size = slab_z * below[:, None] / z[:, None]
    sharp = np.clip(size / 4, 0, 1).astype(np.float32)
    patch = soft_noise(random, rows, columns, 5)
    mix = np.clip(
        patch * (2.4 if style == "park" else 0.5) + (0.2 if style == "park" else 0), 0, 1
    )
    ground = first * (1 - mix[..., None]) + second * mix[..., None]
    ground *= (1 + 0.07 * tone * sharp)[..., None]
    if style in ("paving", "bricks", "hall"):
        joint_x = np.abs(shifted / slab_x - index_x - 0.5) > 0.5 - 0.035
        joint_z = np.abs(z[:, None] / slab_z - index_z - 0.5) > 0.5 - 0.035
        ground *= (1 - 0.22 * sharp * (joint_x | joint_z))[..., None]
    stains = np.maximum(soft_noise(random, rows, columns, 24) - 0.7, 0)
    ground *= (1 - 0.13 * stains)[..., None]
    for _ in range(int(random.integers(1, 4))):
        _line(ground, x, z, random)
    painted: Floats = ground.astype(np.float32)
    return painted


def _line(
    ground: NDArray[np.floating],
    x: NDArray[np.float64],
    z: NDArray[np.float64],
    random: np.random.Generator,
) -> None:
    """A painted stripe, a guiding line or a gutter across the ground."""
    angle = random.choice([0.0, np.pi / 2]) + random.normal(0, 0.25)
    offset = random.normal(0, 6)
    along = x * np.cos(angle) + (z[:, None] - np.median(z)) * np.sin(angle) - offset
    colour = np.array([(214, 210, 196), (204, 176, 84), (86, 84, 82)][random.integers(3)])
    shown = (np.abs(along) < random.uniform(0.08, 0.28))[..., None]
    ground[:] = np.where(shown, 0.35 * ground + 0.65 * colour, ground)


def _front(canvas: Floats, wall_row: int, height: int, random: np.random.Generator) -> None:
    """House fronts with windows, shops and signs above the farthest row of feet."""
    columns = canvas.shape[1]
    if wall_row <= 0:
        return
    left = 0
    while left < columns:
        right = min(left + int(random.integers(height // 4, height)), columns)
        colour = np.array(_WALLS[random.integers(len(_WALLS))]) * random.uniform(0.7, 1.1)
        house = canvas[:wall_row, left:right]
        house[:] = colour + soft_noise(random, house.shape[0], house.shape[1], 8)[..., None] * 5
        _windows(house, height, random)
        left = right
    # The kerb and the shade at the foot of the walls.
    canvas[wall_row : wall_row + max(height // 90, 1)] *= 0.6


def _windows(house: Floats, height: int, random: np.random.Generator) -> None:
    """Shop windows at street level, rows of windows above, a sign over the shop."""
    rows, columns = house.shape[:2]
    shop = min(height // 7, rows)
    glass = np.array((62, 72, 84)) * random.uniform(0.7, 1.5)
    pane = int(random.integers(max(height // 16, 4), max(height // 7, 6)))
    for left in range(3, columns - 3, pane):
        area = house[rows - shop * 4 // 5 : rows - 2, left : left + pane - 3]
        area[:] = glass * random.uniform(0.7, 1.6)
        if random.random() < 0.4:
            area[:] += np.linspace(0, 46, area.shape[0], dtype=np.float32)[:, None, None]
    sign = house[rows - shop : rows - shop * 4 // 5]
    sign[:] = random.integers(50, 190) + random.integers(-40, 40, 3)
    for left in range(6, columns - 12, max(height // 40, 5)):
        if random.random() < 0.6:
            sign[1:-1, left : left + max(height // 90, 2)] = random.integers(150, 255)
    step_y, step_x = max(height // 10, 8), max(height // 12, 7)
    for top in range(rows - shop - step_y, -step_y, -step_y):
        for left in range(4, columns - step_x, step_x):
            low = max(top, 0)
            house[low : max(top + step_y * 2 // 3, 0), left : left + step_x * 3 // 5] = (
                glass * random.uniform(0.6, 1.9)
            )


def _thing(canvas: Floats, box: list[int], random: np.random.Generator) -> None:
    """A bin, a shrub or a stall post: what a detector may take for a person."""
    x1, y1, x2, y2 = box
    layer = np.zeros(canvas.shape[:2], dtype=np.uint8)
    middle, half = (x1 + x2) // 2, max((x2 - x1) // 2, 1)
    shape = int(random.integers(3))
    if shape == 0:
        axes = (half, max((y2 - y1) // 2, 1))
        cv2.ellipse(layer, (middle, (y1 + y2) // 2), axes, 0, 0, 360, 255, -1)
        colour = np.array((46, 78, 40))
    elif shape == 1:
        cv2.rectangle(layer, (x1, (y1 + y2) // 2), (x2, y2), 255, -1)
        colour = random.integers(40, 120) + random.integers(-12, 12, 3)
    else:
        cv2.rectangle(layer, (middle - half // 2, y1), (middle + half // 2, y2), 255, -1)
        cv2.circle(layer, (middle, y1), half, 255, -1)
        colour = random.integers(40, 150) + random.integers(-16, 16, 3)
    rows, columns = canvas.shape[:2]
    texture = 1 + 0.16 * soft_noise(random, rows, columns, max(columns // 12, 4))
    shown = layer > 0
    canvas[shown] = colour * texture[shown][:, None]
