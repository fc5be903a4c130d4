"""Pictures of crowds of any sort of scene."""

from __future__ import annotations

from collections.abc import Iterator

from faimtrack.datasets.crowd.objects.render import ObjectRenderer
from faimtrack.datasets.crowd.render import PeopleRenderer
from faimtrack.datasets.crowd.rendered import FrameRenderer, RenderedFrame, in_order
from faimtrack.datasets.crowd.simulate import Crowd


class Renderer:
    """Draws the frames of one crowd, in any order; safe to use from several threads."""

    def __init__(self, crowd: Crowd) -> None:
        self._renderer: FrameRenderer = (
            PeopleRenderer(crowd)
            if crowd.objects is None
            else ObjectRenderer(crowd, crowd.objects)
        )

    def render(self, frame: int) -> RenderedFrame:
        """Draw one frame, which counts from 1."""
        return self._renderer.render(frame)


def frames(crowd: Crowd, *, workers: int = 2) -> Iterator[RenderedFrame]:
    """Draw all frames in order.

    Args:
        crowd: What to draw.
        workers: Threads; about twice as many frames are held in memory at most.

    Yields:
        One picture with its map of ids after the other.
    """
    renderer = Renderer(crowd)
    yield from in_order(renderer.render, range(1, crowd.config.frames + 1), workers)
