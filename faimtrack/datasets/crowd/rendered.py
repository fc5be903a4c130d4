"""One drawn frame, and frames drawn by several threads in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Image

Made = TypeVar("Made")


@dataclass(frozen=True, kw_only=True)
class RenderedFrame:
    """One picture of a crowd.

    Attributes:
        index: Frame number from 1.
        image: `(height, width, 3)` uint8 RGB.
        ids: `(height, width)` int32: the track id of the nearest figure that covers at least
            half of the pixel, 0 where there is none.
    """

    index: int
    image: Image
    ids: NDArray[np.int32]


class FrameRenderer(Protocol):
    """Draws the frames of one scene, in any order; safe to use from several threads."""

    def render(self, frame: int) -> RenderedFrame:
        """Draw one frame, which counts from 1."""


def in_order(make: Callable[[int], Made], indices: Iterable[int], workers: int) -> Iterator[Made]:
    """What `make` gives for each index, in order, made by threads that run a little ahead."""
    waiting: deque[Future[Made]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for index in indices:
                waiting.append(pool.submit(make, index))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for unfinished in waiting:
                unfinished.cancel()
