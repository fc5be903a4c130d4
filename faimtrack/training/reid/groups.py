"""Which crops are learnt from together, and how they are changed, by seed and place alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faimtrack.datasets.person_crops import PersonCrops
from faimtrack.structures import Image
from faimtrack.training.randomness import random_generator
from faimtrack.training.reid.config import ReidAugmentationConfig, ReidDataConfig

_GREY = (124, 116, 104)  # ImageNet's mean: nothing, once it is normalised
_ERASING_TRIES = 10
_MOST_UNEVEN = 0.3  # least height by width of what is painted over, and least width by height


@dataclass(frozen=True, eq=False)
class CropGroup:
    """Some people with some views of each.

    Attributes:
        images: `(P * K, 3, H, W)` uint8 RGB; K views of a person stand together.
        identities: `(P * K,)` int64, who it is.
        names: Of each crop, for messages.
    """

    images: Tensor
    identities: Tensor
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class CropBatch:
    """Groups that go through the network together.

    Attributes:
        images: `(N, 3, H, W)` uint8 RGB, group after group.
        identities: `(N,)` int64.
        names: `N`, what each was made of.
    """

    images: Tensor
    identities: Tensor
    names: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.identities)

    def to(self, device: Any) -> CropBatch:
        """The same on a device."""
        images, identities = (
            each.to(device, non_blocking=True) for each in (self.images, self.identities)
        )
        return CropBatch(images, identities, self.names)

    def pin_memory(self) -> CropBatch:
        """The same in memory that a GPU reads fast."""
        return CropBatch(self.images.pin_memory(), self.identities.pin_memory(), self.names)


@dataclass(frozen=True, kw_only=True)
class CropGroups:
    """Groups of crops, for `batches`: each crop of an epoch brings one.

    Attributes:
        crops: What they are made of.
        data: How many people and views.
        augmentation: What may happen to a crop.
        seed: Of the run.
        size: Height and width in pixels to which crops are scaled.

    Raises:
        ValueError: There are fewer people than a group needs.
    """

    crops: PersonCrops
    data: ReidDataConfig
    augmentation: ReidAugmentationConfig
    seed: int
    size: tuple[int, int]

    def __post_init__(self) -> None:
        people = len(self.crops.identities)
        if people < self.data.identities:
            raise ValueError(
                f"data.identities: expected at most {people}, the people with "
                f"{self.data.min_images} or more views in the {self.crops.split} split, got "
                f"{self.data.identities}"
            )
        if self._bytes <= self.data.memory_mib << 20:
            _ = self._kept  # read here, so that workers share what this process has read

    @property
    def image_count(self) -> int:
        """Groups of an epoch: one for each crop."""
        return len(self.crops)

    def sample(self, step: int, epoch: int, index: int) -> CropGroup:
        """The group of crop `index` in `epoch`."""
        rows = self.rows(epoch, index)
        random = random_generator(self.seed, "crops", epoch, index)
        images = np.stack([self._changed(self.scaled(row), random) for row in rows.tolist()])
        return CropGroup(
            torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))),
            torch.from_numpy(self.crops.identity_indices[rows]),
            tuple(self._name(row) for row in rows.tolist()),
        )

    def join(self, groups: Sequence[CropGroup]) -> CropBatch:
        """Groups as what goes through the network together."""
        return CropBatch(
            torch.cat([group.images for group in groups]),
            torch.cat([group.identities for group in groups]),
            tuple((name,) for group in groups for name in group.names),
        )

    def rows(self, epoch: int, index: int) -> NDArray[np.int64]:
        """Which crops make up a group: the one itself first, then others of its person.

        Views of a person differ while there are enough, and so do people.
        """
        random = random_generator(self.seed, "group", epoch, index)
        person = int(self.crops.identity_indices[index])
        others = random.choice(
            len(self._rows_of) - 1, self.data.identities - 1, replace=False, shuffle=False
        )
        others += others >= person
        wanted = self.data.images_per_identity
        own = self._rows_of[person]
        beside = own[own != index] if len(own) > 1 else own
        chosen = [np.array([index], np.int64), _choose(random, beside, wanted - 1)]
        chosen += [_choose(random, self._rows_of[other], wanted) for other in others.tolist()]
        return np.concatenate(chosen)

    def scaled(self, row: int) -> Image:
        """A crop in the network's size, `(H, W, 3)` uint8 RGB; not to be written into.

        Raises:
            ValueError: Its frame is no image, or has another size.
            OSError: Its frame cannot be read.
        """
        if "_kept" in self.__dict__:
            kept: Image = self._kept[row]
            return kept
        return scaled_crop(self.crops.image(row), self.size)

    @property
    def _bytes(self) -> int:
        return len(self.crops) * self.size[0] * self.size[1] * 3

    @cached_property
    def _kept(self) -> NDArray[np.uint8]:
        """All crops; in their own order each frame is decoded once."""
        kept = np.empty((len(self.crops), *self.size, 3), np.uint8)
        for row in range(len(self.crops)):
            kept[row] = scaled_crop(self.crops.image(row), self.size)
        return kept

    @cached_property
    def _rows_of(self) -> list[NDArray[np.int64]]:
        """The crops of each person."""
        order = np.argsort(self.crops.identity_indices, kind="stable")
        counts = np.bincount(self.crops.identity_indices, minlength=len(self.crops.identities))
        return np.split(order, np.cumsum(counts)[:-1])

    def _changed(self, image: Image, random: np.random.Generator) -> Image:
        """A crop as augmentation leaves it."""
        if random.random() < self.augmentation.flip_probability:
            image = image[:, ::-1]
        if random.random() < self.augmentation.erasing_probability:
            image = _erased(image, self.augmentation, random)
        return image

    def _name(self, row: int) -> str:
        crops = self.crops
        return f"{crops.identities[crops.identity_indices[row]]} in frame {crops.frames[row]}"


def scaled_crop(image: Image, size: tuple[int, int]) -> Image:
    """A crop in another size, bilinear; its sides are scaled each by itself.

    Args:
        image: `(h, w, 3)` uint8 RGB.
        size: Height and width in pixels.
    """
    scaled: Image = cv2.resize(image, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return scaled


def _choose(random: np.random.Generator, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Some of the rows, each once if there are enough."""
    chosen: NDArray[np.int64] = random.choice(rows, count, replace=len(rows) < count)
    return chosen


def _erased(image: Image, config: ReidAugmentationConfig, random: np.random.Generator) -> Image:
    """The image with a grey rectangle somewhere in it; as it is, if none was found that fits."""
    height, width = image.shape[:2]
    for _ in range(_ERASING_TRIES):
        area = random.uniform(config.smallest_erasing, config.largest_erasing) * height * width
        ratio = np.exp(random.uniform(np.log(_MOST_UNEVEN), -np.log(_MOST_UNEVEN)))
        h, w = round(np.sqrt(area * ratio)), round(np.sqrt(area / ratio))
        if 0 < h < height and 0 < w < width:
            y, x = random.integers(height - h + 1), random.integers(width - w + 1)
            image = image.copy()
            image[y : y + h, x : x + w] = _GREY
            return image
    return image
