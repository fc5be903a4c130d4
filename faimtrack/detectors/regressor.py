"""The protocol of what moves boxes onto the objects near them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.structures import Frame


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
