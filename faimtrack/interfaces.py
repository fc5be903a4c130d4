"""What rooms of one floor ask of each other: protocols, so that none of them imports another."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import AffineTransform, Frame


@runtime_checkable
class BoxRegressor(Protocol):
    """What finds, for a box, the object that it nearly covers; Tracktor follows people with it.

    Attributes:
        class_names: What class ids mean.
    """

    class_names: tuple[str, ...]

    def regress(
        self, frame: Frame, boxes: Boxes, class_ids: NDArray[np.int64] | None = None
    ) -> tuple[Boxes, NDArray[np.float64]]:
        """Where the objects of these boxes are in a frame, and how sure that is.

        Whatever is computed for the frame itself is kept in `frame.features`, so that asking
        again is cheap; `Frame.release` frees it.

        Args:
            frame: The frame, with pixels.
            boxes: `(N, 4)` corners in pixels of the frame; they may lie outside of it.
            class_ids: `(N,)` what the objects are; None: people, or the only class that there is.

        Returns:
            `(N, 4)` corners in pixels of the frame, cut to it, and `(N,)` scores in [0, 1], in
            the order of `boxes`; a box that ends outside is empty on the border.

        Raises:
            ValueError: A box or class id is not what it should be, or the frame has no pixels.
        """
        ...


@runtime_checkable
class Embedder(Protocol):
    """What describes how the content of boxes looks, so that two views of one person are near.

    Attributes:
        name: Of model and kind; vectors of two names are never compared.
        dimension: Of its vectors.
    """

    name: str
    dimension: int

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """One vector a box.

        Args:
            frame: The frame, with pixels; not needed without boxes.
            boxes: `(N, 4)` corners in pixels of the frame; they may lie outside of it.

        Returns:
            `(N, dimension)` vectors of length 1; zeros where a box shows less than a pixel.

        Raises:
            ValueError: A box is not finite, or the frame has no pixels.
        """
        ...


@runtime_checkable
class CameraMotion(Protocol):
    """What tells how the picture moved between two frames of a sequence.

    Attributes:
        needs_images: Whether it looks at the pixels.
        failures: Frames since the last `reset` that got the identity because nothing could be
            told.
    """

    needs_images: bool
    failures: int

    def estimate(self, frame: Frame, boxes: Boxes) -> AffineTransform:
        """Where a still thing of the last frame is in this one.

        Args:
            frame: The next frame.
            boxes: `(N, 4)` corners in pixels: what moves by itself (detected people), not to be
                looked at.

        Returns:
            `(2, 3)` as in `Frame.camera_motion`; the identity for the first frame and wherever
            nothing can be told.

        Raises:
            ValueError: The frame has no pixels, or lies beyond the end of what is known.
        """
        ...

    def reset(self) -> None:
        """Forget the last frame, as before a new sequence."""
        ...
