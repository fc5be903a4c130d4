"""Two pictures on which a network is compared with its export."""

from __future__ import annotations

import numpy as np

from faimtrack.structures import Image


def random_picture(height: int, width: int) -> Image:
    """Every pixel for itself."""
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth_picture(height: int, width: int) -> Image:
    """Noise that is the weaker the finer it is, as in photographs."""
    import cv2

    random = np.random.default_rng(1)
    picture = np.zeros((height, width, 3), np.float32)
    for octave in range(1, 8):
        noise = random.standard_normal((2**octave, 2**octave, 3), np.float32)
        picture += cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = picture.min(), picture.max()
    scaled: Image = ((picture - low) / (high - low) * 255).astype(np.uint8)
    return scaled
