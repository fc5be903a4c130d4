"""Which frames of videos are learnt together, and how clips are changed: by seed and place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.videos import AnnotatedVideos
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.sample import TrainingSample
from faimtrack.training.augmentation.scene import sample_of
from faimtrack.training.augmentation.sizes import input_size_of
from faimtrack.training.augmentation.yolox_style import plain_scene
from faimtrack.training.batches import TrainingBatch, batch_of
from faimtrack.training.randomness import random_generator
from faimtrack.training.schedule import Schedule
from faimtrack.training.video.config import ClipsConfig


@dataclass(frozen=True, eq=False)
class ClipBatch(TrainingBatch):
    """Clips that go through the network together, frame after frame and clip after clip.

    Attributes:
        clip_lengths: How many of the frames each clip has.
    """

    clip_lengths: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class ClipPlan:
    """The clips of each epoch, as frames of videos.

    Of a video of F frames ``max(1, F // group_frames)`` clips are made, of one without frames
    none. What is left over is another rest in each epoch.

    Attributes:
        seed: Of the run.
        frame_counts: Frames of each video.
        config: How many frames a clip has, and which.
    """

    seed: int
    frame_counts: tuple[int, ...]
    config: ClipsConfig

    @property
    def clip_count(self) -> int:
        """Clips of an epoch."""
        return min(self._all_clips, self.config.epoch_groups)

    def frames(self, epoch: int, index: int) -> tuple[int, NDArray[np.int64]]:
        """Clip `index` of `epoch`.

        Returns:
            The number of the video, and `(m,)` places of its frames.
        """
        number = index
        if self._all_clips > self.config.epoch_groups:
            number = int(_chosen(self.seed, epoch, self._all_clips)[index])
        video = int(np.searchsorted(self._ends, number, side="right"))
        clip = number - (int(self._ends[video - 1]) if video else 0)
        return video, self._frames_of(epoch, video, clip)

    def _frames_of(self, epoch: int, video: int, clip: int) -> NDArray[np.int64]:
        count, length = self.frame_counts[video], self.config.group_frames
        if count <= length:
            return np.arange(count)
        if self.config.sampling == "global":
            order = random_generator(self.seed, "frames", epoch, video).permutation(count)
            return order[clip * length : (clip + 1) * length]
        # Where the first clip begins is drawn, so that it is not always the same frames that meet.
        rest = count - count // length * length
        start = int(random_generator(self.seed, "frames", epoch, video).integers(rest + 1))
        near = np.arange(length) + start + clip * length
        if self.config.sampling == "local":
            return near
        far = np.setdiff1d(np.arange(count), near)
        random = random_generator(self.seed, "far frames", epoch, video, clip)
        wanted = min(length // 2, len(far))
        chosen = random.choice(far, wanted, replace=False)
        kept = near[wanted // 2 : wanted // 2 + length - wanted]  # the middle of the run
        return np.concatenate([kept, chosen])

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        counts = np.asarray(self.frame_counts, np.int64)
        clips = np.maximum(counts // self.config.group_frames, 1)
        return np.cumsum(np.where(counts > 0, clips, 0))

    @property
    def _all_clips(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0


@lru_cache(maxsize=4)
def _chosen(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return random_generator(seed, "clips", epoch).permutation(count)


@dataclass(frozen=True, kw_only=True)
class VideoClips:
    """Clips as augmentation makes them, for `batches`.

    All frames of a clip are mirrored or none is, and colours change alike: the same camera saw
    them. All of a step have one size.

    Attributes:
        videos: What they are made of.
        config: How many frames a clip has, and which.
        augmentation: What may happen to a clip.
        schedule: Says the seed.
        base_size: Height and width in pixels, before multi-scale.
    """

    videos: AnnotatedVideos
    config: ClipsConfig
    augmentation: AugmentationConfig
    schedule: Schedule
    base_size: tuple[int, int]

    @property
    def image_count(self) -> int:
        """Clips of an epoch."""
        return self.plan.clip_count

    @cached_property
    def plan(self) -> ClipPlan:
        """Which frames make up the clips."""
        return clip_plan(self.videos, self.config, self.schedule.config.seed)

    def sample(self, step: int, epoch: int, index: int) -> tuple[TrainingSample, ...]:
        """Clip `index` of `epoch`, in the size of `step`: a sample a frame.

        Raises:
            ValueError: An image or a mask is damaged.
            OSError: One cannot be read.
        """
        seed = self.schedule.config.seed
        number, places = self.plan.frames(epoch, index)
        video = self.videos[number]
        size = input_size_of(self.augmentation, self.base_size, seed, step)

        def draw(purpose: str) -> np.random.Generator:
            return random_generator(seed, "clip augmentation", purpose, epoch, index)

        frames = [video[place * self.config.stride] for place in places.tolist()]
        return tuple(
            sample_of(plain_scene(frame, self.augmentation, draw, size), self.augmentation)
            for frame in frames
        )

    def join(self, clips: Sequence[Sequence[TrainingSample]]) -> ClipBatch:
        """Clips as what goes through the network together."""
        joined = batch_of([frame for clip in clips for frame in clip])
        return ClipBatch(
            joined.images, joined.boxes, joined.class_ids, joined.masks, joined.names,
            tuple(len(clip) for clip in clips),
        )  # fmt: skip


def clip_plan(videos: AnnotatedVideos, config: ClipsConfig, seed: int) -> ClipPlan:
    """The clips of each epoch of some videos."""
    counts = [len(range(0, len(videos[number]), config.stride)) for number in range(len(videos))]
    return ClipPlan(seed=seed, frame_counts=tuple(counts), config=config)
