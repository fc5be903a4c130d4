"""The null object of camera motion: a camera that does not move."""

from __future__ import annotations

import numpy as np

from faimtrack.boxes import Boxes
from faimtrack.structures import AffineTransform, Frame


class StillCamera:
    """A camera that does not move; nothing is looked at.

    Attributes:
        needs_images: No.
        failures: 0 frames, always.
    """

    needs_images = False
    failures = 0

    def estimate(self, frame: Frame, boxes: Boxes) -> AffineTransform:
        """The identity."""
        return np.eye(2, 3)

    def reset(self) -> None:
        """Nothing to forget."""
