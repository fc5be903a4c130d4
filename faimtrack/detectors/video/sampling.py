"""Which frames of a video are looked at together; numbers of frames alone, no pixels."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from faimtrack.detectors.video.detector_config import Sampling, VideoDetectorConfig


class FrameGroup(NamedTuple):
    """Frames that are looked at together, by their places in the video from 0.

    Attributes:
        keys: Those that are answered.
        references: Those that only help; none is a key too.
    """

    keys: tuple[int, ...]
    references: tuple[int, ...]


class ReferenceSampling(ABC):
    """A way to find groups; a pure function of the number of frames and of its parameters."""

    @abstractmethod
    def groups(self, frame_count: int) -> Iterator[FrameGroup]:
        """Groups in which every frame of a video is a key once."""


class GlobalSampling(ReferenceSampling):
    """All frames of a video shuffled and cut into groups, each frame a key (paper, 4.1).

    The last group is filled up with frames of the others, so that every key has as many
    references; only a video that is shorter than a group has fewer.
    """

    def __init__(self, group_frames: int, seed: int) -> None:
        """Make groups of `group_frames`, drawn from `seed`."""
        self._size, self._seed = group_frames, seed

    def groups(self, frame_count: int) -> Iterator[FrameGroup]:
        """See `ReferenceSampling`."""
        random = np.random.default_rng(self._seed)
        order = random.permutation(frame_count).tolist()
        for start in range(0, frame_count, self._size):
            keys = order[start : start + self._size]
            wanted = min(self._size - len(keys), start)
            drawn = random.choice(start, wanted, replace=False).tolist() if wanted else ()
            yield FrameGroup(tuple(keys), tuple(order[place] for place in drawn))


class LocalSampling(ReferenceSampling):
    """The frames around each; at the ends of a video the window keeps its size."""

    def __init__(self, group_frames: int) -> None:
        """Look at windows of `group_frames`."""
        self._size = group_frames

    def groups(self, frame_count: int) -> Iterator[FrameGroup]:
        """See `ReferenceSampling`."""
        for keys, window in _windows(frame_count, self._size):
            yield FrameGroup(keys, _without(window, keys))


class MixedSampling(ReferenceSampling):
    """The frames around each, and others drawn from the rest of the video."""

    def __init__(self, group_frames: int, local_frames: int, seed: int) -> None:
        """Look at windows of `local_frames`, and fill them up to `group_frames` from `seed`."""
        self._size, self._local, self._seed = group_frames, local_frames, seed

    def groups(self, frame_count: int) -> Iterator[FrameGroup]:
        """See `ReferenceSampling`."""
        for keys, window in _windows(frame_count, self._local):
            rest = frame_count - len(window)
            random = np.random.default_rng((self._seed, window.start))
            drawn = random.choice(rest, min(self._size - len(window), rest), replace=False)
            drawn[drawn >= window.start] += len(window)
            yield FrameGroup(keys, (*_without(window, keys), *drawn.tolist()))


class CausalSampling(ReferenceSampling):
    """Each frame with earlier ones: the latest, and some spread evenly over all that is past.

    What is spread are the multiples of a power of two, which doubles whenever they become too
    many: a frame that was let go of is never wanted again, so that memory stays bounded however
    long a camera runs.
    """

    def __init__(self, group_frames: int, local_frames: int) -> None:
        """Look at the latest `local_frames`, the key among them, and `group_frames` in all."""
        self._latest, self._spread = local_frames - 1, group_frames - local_frames

    def groups(self, frame_count: int) -> Iterator[FrameGroup]:
        """See `ReferenceSampling`."""
        for frame in range(frame_count):
            yield FrameGroup((frame,), self.references(frame))

    def references(self, frame: int) -> tuple[int, ...]:
        """The earlier frames that a frame is looked at with, ascending.

        Each is among those of the frame before, or is that frame itself.
        """
        first = max(0, frame - self._latest)
        return (*self._spread_over(first), *range(first, frame))

    def _spread_over(self, count: int) -> Iterable[int]:
        """At most as many of the first `count` frames as may be spread."""
        if not self._spread:
            return ()
        step = 1
        while step * self._spread < count:
            step *= 2
        return range(0, count, step)


def make_sampling(config: VideoDetectorConfig, sampling: Sampling) -> ReferenceSampling:
    """The sampling of a name with a configuration's parameters."""
    size = config.group_frames
    local = config.local_frames or (size + 1) // 2
    made: dict[Sampling, ReferenceSampling] = {
        "global": GlobalSampling(size, config.seed),
        "local": LocalSampling(size),
        "mixed": MixedSampling(size, local, config.seed),
        "causal": CausalSampling(size, local),
    }
    return made[sampling]


def _windows(frame_count: int, size: int) -> Iterator[tuple[tuple[int, ...], range]]:
    """Runs of frames that share the window which is centred on them, and the window."""
    size = min(size, frame_count)

    def start(frame: int) -> int:
        return min(max(0, frame - size // 2), frame_count - size)

    for first, keys in itertools.groupby(range(frame_count), start):
        yield tuple(keys), range(first, first + size)


def _without(window: range, keys: tuple[int, ...]) -> tuple[int, ...]:
    """A window's frames but for a run of them."""
    return (*range(window.start, keys[0]), *range(keys[-1] + 1, window.stop))
