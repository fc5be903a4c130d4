"""How light changes over a scene: day or night, passing clouds, lamps, shadows on the ground."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.background import soft_noise
from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.figure import Figures
from faimtrack.datasets.crowd.integers import Draws
from faimtrack.datasets.crowd.scene import SUBPIXELS, CameraPath, Scene

_COARSE = 16  # Light varies slowly: one value for so many pixels.
_TINTS = {
    "sun": (1.04, 1.0, 0.94),
    "clouds": (0.98, 1.0, 1.02),
    "dusk": (1.06, 0.94, 0.84),
    "night": (0.84, 0.9, 1.04),
}
_GAINS = {"sun": 1.05, "clouds": 0.98, "dusk": 0.84, "night": 0.7}
_SHADOWS = {"sun": 0.5, "clouds": 0.3, "dusk": 0.36, "night": 0.34}


class Light:
    """The light of one scene; each frame's light is a function of its number."""

    def __init__(
        self, config: CrowdConfig, scene: Scene, camera: CameraPath, draws: Draws
    ) -> None:
        random = np.random.default_rng(int(draws.bits("light", [0])[0]))
        self._size = (config.width, config.height)
        self._rate = config.frame_rate
        self._camera = camera
        self.kind = random.choice(list(_TINTS), p=[0.34, 0.34, 0.16, 0.16])
        self._tint = np.array(_TINTS[self.kind], dtype=np.float32) * np.float32(_GAINS[self.kind])
        self._offset = np.array([scene.left, scene.top]) / SUBPIXELS
        rows = (scene.bottom - scene.top) // SUBPIXELS // _COARSE + 2
        columns = (scene.right - scene.left) // SUBPIXELS // _COARSE + 2
        self._clouds = soft_noise(random, rows, columns * 4, 14)
        self._lamps = self._place_lamps(rows, columns, random)
        self._waves = random.uniform(0, 2 * np.pi, 4)
        self._speed = random.uniform(0.6, 2.4)
        side = random.choice([-1.0, 1.0])
        self.shadow = np.array([side * random.uniform(0.35, 0.8), -random.uniform(0.08, 0.22)])

    def _place_lamps(
        self, rows: int, columns: int, random: np.random.Generator
    ) -> NDArray[np.float32]:
        """Bright spots that stay where they are; strong ones at night."""
        lamps = np.zeros((rows, columns), dtype=np.float32)
        y, x = np.mgrid[0:rows, 0:columns]
        strength = {"night": 0.75, "dusk": 0.4}.get(self.kind, 0.1)
        for _ in range(6):
            centre_y, centre_x = random.uniform(0, rows), random.uniform(0, columns)
            reach = random.uniform(0.07, 0.16) * columns
            away = ((x - centre_x) / reach) ** 2 + ((y - centre_y) / (reach * 0.7)) ** 2
            lamps += (strength * np.exp(-away)).astype(np.float32)
        return lamps

    def field(self, frame: int) -> NDArray[np.uint8]:
        """`(height, width, 3)` uint8 gains of one frame, 128 for 1."""
        time_s = frame / self._rate
        gain = 1 + 0.07 * np.sin(time_s * 0.55 + self._waves[0])
        gain += 0.03 * np.sin(time_s * 1.9 + self._waves[1])
        flicker = 1 + 0.05 * np.sin(time_s * 9 + self._waves[2])
        rows, columns = self._lamps.shape
        drift = time_s * self._speed + 20
        move = np.array([[1, 0, -(drift % (3 * columns))], [0, 1, 0]], dtype=np.float32)
        clouds = cv2.warpAffine(
            self._clouds, move, (columns, rows), borderMode=cv2.BORDER_REFLECT_101
        )
        canvas = gain * (1 - 0.17 * np.clip(clouds, -0.6, 1.2)) + self._lamps * flicker
        warp = self._camera.canvas_to_frame(frame)
        zoom = warp[0, 0] * _COARSE
        shift = warp[:, 2] + warp[0, 0] * self._offset
        gains = cv2.warpAffine(
            canvas.astype(np.float32),
            np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]]) / 8,
            (self._size[0] // 8 + 1, self._size[1] // 8 + 1),
            borderMode=cv2.BORDER_REPLICATE,
        )
        tinted = np.clip(gains[..., None] * self._tint * 128, 0, 255).astype(np.uint8)
        large: NDArray[np.uint8] = cv2.resize(tinted, self._size, interpolation=cv2.INTER_LINEAR)
        return large

    def cast_shadows(self, image: NDArray[np.uint8], figures: Figures) -> None:
        """Darken the ground under and beside all figures, in place."""
        height, width = image.shape[:2]
        half = (width // 2 + 1, height // 2 + 1)
        layer = np.full((half[1], half[0]), 255, dtype=np.uint8)
        dark = round(255 * (1 - _SHADOWS[self.kind]))
        lean = np.round(self.shadow * 1024).astype(np.int64)
        rows = zip(figures.x.tolist(), figures.y.tolist(), figures.height.tolist(), strict=True)
        for x, y, tall in rows:
            foot = (x // 2, y // 2)
            tip = (foot[0] + int(lean[0]) * tall // 2048, foot[1] + int(lean[1]) * tall // 2048)
            thick = max(tall // SUBPIXELS // 11, 1)
            if self.kind == "sun":
                cv2.line(layer, foot, tip, dark, thick, cv2.LINE_8, 8)
            axes = (max(tall // SUBPIXELS // 12, 1), max(tall // SUBPIXELS // 32, 1))
            centre = (foot[0] // SUBPIXELS, foot[1] // SUBPIXELS)
            cv2.ellipse(layer, centre, axes, 0, 0, 360, dark - 30, -1)
        layer = cv2.blur(layer, (5, 5)) if height > 300 else cv2.blur(layer, (3, 3))
        full = cv2.resize(layer, (2 * half[0], 2 * half[1]), interpolation=cv2.INTER_LINEAR)
        gains = cv2.cvtColor(full[:height, :width], cv2.COLOR_GRAY2RGB)
        cv2.multiply(image, gains, dst=image, scale=1 / 255)
