"""What a camera shows before anybody is painted, and the noise of its sensor."""

from __future__ import annotations

import cv2
import numpy as np

from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene
from faimtrack.datasets.crowd.simulate import Crowd
from faimtrack.structures import Image

_GRAIN_SHIFTS = 32  # The noise of a frame is a window of one larger noise picture.


class Canvas:
    """The picture behind a scene, larger than its frames, and the grain that lies over them."""

    def __init__(
        self,
        crowd: Crowd,
        background: Image,
        random: np.random.Generator,
        noise_levels: tuple[float, float],
    ) -> None:
        """Draw the grain.

        Args:
            crowd: Whose frames are shown.
            background: The whole canvas, `(height, width, 3)` uint8 RGB.
            random: Where the grain comes from: of it a uniform number is taken, then the noise.
            noise_levels: Least and greatest standard deviation of the noise, in grey levels.
        """
        config = crowd.config
        scene = Scene.of(config)
        self._camera, self._draws = crowd.camera, crowd.draws
        self._is_static = config.camera == "static"
        self._size = (config.width, config.height)
        self._offset = np.array([scene.left, scene.top]) / SUBPIXELS
        self._background = background
        shape = (config.height + _GRAIN_SHIFTS, config.width + _GRAIN_SHIFTS, 3)
        self._grain = random.normal(0, random.uniform(*noise_levels), shape).astype(np.int16)

    def empty_scene(self, frame: int) -> Image:
        """The background as the camera of this frame, which counts from 1, sees it; a copy."""
        if self._is_static:
            return self._background[: self._size[1], : self._size[0]].copy()
        warp = self._camera.canvas_to_frame(frame)
        # Pixel (0, 0) of a picture is centred half a pixel from its corner.
        warp[:, 2] += warp[0, 0] * (self._offset + 0.5) - 0.5
        image: Image = cv2.warpAffine(
            self._background, warp, self._size, borderMode=cv2.BORDER_REFLECT_101
        )
        return image

    def add_grain(self, image: Image, frame: int) -> None:
        """Lay the sensor's noise over an image, in place: another window of it in each frame."""
        last = _GRAIN_SHIFTS - 1
        top = self._draws.one("grain y", frame, 0, last)
        left = self._draws.one("grain x", frame, 0, last)
        height, width = image.shape[:2]
        grain = self._grain[top : top + height, left : left + width]
        cv2.add(image, grain, dst=image, dtype=cv2.CV_8U)
