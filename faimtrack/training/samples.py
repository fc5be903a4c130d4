"""What a recipe learns from: its images, and the samples that augmentation makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from faimtrack.datasets.annotated import AnnotatedImages, joined
from faimtrack.datasets.half_split import HalfSplit
from faimtrack.datasets.videos import AnnotatedVideos, VideoFrames
from faimtrack.datasets.vod.opening import open_videos
from faimtrack.training.augmentation.config import AugmentationConfig
from faimtrack.training.augmentation.make import make_sample
from faimtrack.training.augmentation.sample import TrainingSample
from faimtrack.training.augmentation.sizes import input_size_of
from faimtrack.training.batches import TrainingBatch, batch_of
from faimtrack.training.config import FasterRcnnNetworkConfig, YoloxNetworkConfig
from faimtrack.training.recipe import TrainingRecipe
from faimtrack.training.schedule import Schedule
from faimtrack.training.video.config import VideoFramesConfig


@dataclass(frozen=True, kw_only=True)
class DataPlaces:
    """Where the data of a training lie.

    Attributes:
        data: A folder of sequences.
        crowd_human: CrowdHuman's folder; None if the recipe does not want it.
        masks_root: Where masks lie if not with their sequences.
        validation_data: What validation looks at; None: `data`.
    """

    data: Path
    crowd_human: Path | None = None
    masks_root: Path | None = None
    validation_data: Path | None = None

    @property
    def scored(self) -> Path:
        """What validation looks at."""
        return self.validation_data or self.data


def open_images(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedImages:
    """The images that a recipe learns from; pixels are not read yet.

    Raises:
        ValueError: Something in them is wrong, there are no people, or CrowdHuman is wanted and
            not named, or named and not wanted.
        OSError: A file is missing or cannot be read.
    """
    config = recipe.data
    if isinstance(config, VideoFramesConfig):
        return open_video_frames(recipe, places)
    if config.crowd_human != (places.crowd_human is not None):
        raise ValueError(
            "--crowd-human: expected with a recipe whose data.crowd_human is true, and only "
            f"there, got {places.crowd_human or 'no folder'}"
        )
    half = HalfSplit.open(
        places.data,
        split=config.split,
        config=config,
        mask_source=None if recipe.mask_branch is None else recipe.mask_branch.source,
        masks_root=places.masks_root,
    )
    if places.crowd_human is None:
        return half
    from faimtrack.datasets.crowd_human import CrowdHuman

    return joined([half, CrowdHuman.open(places.crowd_human)])


def open_video_frames(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedImages:
    """Single frames of videos, and ImageNet DET's images if the recipe wants them.

    Raises:
        ValueError: Something in them is wrong, or CrowdHuman was named.
        OSError: A file is missing or cannot be read.
    """
    assert isinstance(recipe.data, VideoFramesConfig)
    frames = VideoFrames(open_learnt_videos(recipe, places), stride=recipe.data.stride)
    images = open_learnt_images(recipe, places)
    return frames if images is None else joined([frames, images])


def open_learnt_videos(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedVideos:
    """The videos of a recipe that learns from videos, with the masks that it learns.

    Raises:
        ValueError: Something in them is wrong, or CrowdHuman was named.
        OSError: A file is missing or cannot be read.
    """
    refuse_crowd_human(places)
    config = recipe.data
    assert isinstance(config, VideoFramesConfig)
    return open_videos(
        config.dataset,
        places.data,
        split=config.split,
        mask_source=None if recipe.mask_branch is None else recipe.mask_branch.source,
        masks_root=places.masks_root,
    )


def open_learnt_images(recipe: TrainingRecipe, places: DataPlaces) -> AnnotatedImages | None:
    """ImageNet DET's images, which a recipe learns beside videos; None if it does not.

    Raises:
        ValueError: Something in them is wrong.
        OSError: A file is missing or cannot be read.
    """
    if not (isinstance(recipe.data, VideoFramesConfig) and recipe.data.det):
        return None
    from faimtrack.datasets.vod.imagenet_det import ImagenetDet

    return ImagenetDet.open(places.data)


def refuse_crowd_human(places: DataPlaces) -> None:
    """Refuse a folder of CrowdHuman where videos are learnt.

    Raises:
        ValueError: One was named.
    """
    if places.crowd_human is not None:
        raise ValueError(
            "--crowd-human: expected with a recipe whose data.crowd_human is true, and only "
            f"there, got {places.crowd_human}"
        )


def input_size(recipe: TrainingRecipe) -> tuple[int, int]:
    """Height and width in pixels that images are scaled into, before multi-scale."""
    network = recipe.network
    if isinstance(network, YoloxNetworkConfig):
        return network.input_height, network.input_width
    assert isinstance(network, FasterRcnnNetworkConfig)
    return network.short_side, network.long_side


@dataclass(frozen=True, kw_only=True)
class AugmentedSamples:
    """Samples as augmentation makes them, for `batches`.

    Attributes:
        images: What they are made of.
        config: What may happen to them.
        schedule: Says when strong augmentation ends.
        base_size: Height and width in pixels, before multi-scale.
    """

    images: AnnotatedImages
    config: AugmentationConfig
    schedule: Schedule
    base_size: tuple[int, int]

    @property
    def image_count(self) -> int:
        """Images of an epoch."""
        return len(self.images)

    def sample(self, step: int, epoch: int, index: int) -> TrainingSample:
        """Image `index` as `epoch` and the size of `step` change it."""
        seed = self.schedule.config.seed
        return make_sample(
            self.images,
            index,
            self.config,
            seed=seed,
            epoch=epoch,
            input_size=input_size_of(self.config, self.base_size, seed, step),
            strong=self.schedule.is_strong(step),
        )

    def join(self, samples: Sequence[TrainingSample]) -> TrainingBatch:
        """Samples as what goes through the network together."""
        return batch_of(samples)
