"""Step → batch: an endless row of samples in which each depends on the seed and its place."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from faimtrack.training.randomness import random_generator

if TYPE_CHECKING:
    from faimtrack.detectors.mask_branch.instances import InstanceMasks
    from faimtrack.training.augmentation.sample import TrainingSample


@dataclass(frozen=True, eq=False)
class TrainingBatch:
    """Images that go through the network together.

    Attributes:
        images: `N`, each `(3, H, W)` uint8 RGB; of one size where the network wants that.
        boxes: `N`, each `(G, 4)` float32 corners ``x1 y1 x2 y2`` in pixels of the image.
        class_ids: `N`, each `(G,)` int64.
        masks: `N`, each of `G` objects.
        names: What each image was made of, for messages.
    """

    images: tuple[Tensor, ...]
    boxes: tuple[Tensor, ...]
    class_ids: tuple[Tensor, ...]
    masks: tuple[InstanceMasks, ...]
    names: tuple[tuple[str, ...], ...]

    def __len__(self) -> int:
        return len(self.images)

    def to(self, device: Any) -> TrainingBatch:
        """The same on a device."""
        return self._each(lambda value: value.to(device, non_blocking=True), device)

    def pin_memory(self) -> TrainingBatch:
        """The same in memory that a GPU reads fast."""
        return self._each(lambda value: value.pin_memory(), None)

    def _each(self, do: Any, device: Any) -> TrainingBatch:
        masks = tuple(
            mask.pin_memory() if device is None else mask.to(device) for mask in self.masks
        )
        return replace(
            self,
            images=tuple(map(do, self.images)),
            boxes=tuple(map(do, self.boxes)),
            class_ids=tuple(map(do, self.class_ids)),
            masks=masks,
        )


class Part(Protocol):
    """What goes through the network together: a `TrainingBatch`, or groups of crops.

    Attributes:
        images: `N`, each `(3, H, W)` uint8 RGB.
        names: What each image was made of, for messages.
    """

    @property
    def images(self) -> Any:
        """Images."""

    @property
    def names(self) -> tuple[tuple[str, ...], ...]:
        """Files."""

    def __len__(self) -> int:
        """Number of images."""
        ...

    def to(self, device: Any) -> Part:
        """The same on a device."""
        ...

    def pin_memory(self) -> Part:
        """The same in memory that a GPU reads fast."""
        ...


@dataclass(frozen=True, eq=False)
class StepBatch:
    """One process's share of what an optimizer's step learns from.

    Attributes:
        step: From 0.
        parts: Batches whose gradients are added up, each counting the same.
    """

    step: int
    parts: tuple[Part, ...]

    def to(self, device: Any) -> StepBatch:
        """The same on a device."""
        return StepBatch(self.step, tuple(part.to(device) for part in self.parts))

    def pin_memory(self) -> StepBatch:
        """The same in memory that a GPU reads fast."""
        return StepBatch(self.step, tuple(part.pin_memory() for part in self.parts))

    @property
    def names(self) -> tuple[str, ...]:
        """Files that it was made of, in order."""
        return tuple(name for part in self.parts for names in part.names for name in names)


class SampleSource(Protocol):
    """Makes the training images, as pure functions of its arguments."""

    @property
    def image_count(self) -> int:
        """Images of an epoch."""

    def sample(self, step: int, epoch: int, index: int) -> Any:
        """Image `index` as `epoch` and the size of `step` change it."""
        ...

    def join(self, samples: Sequence[Any]) -> Part:
        """Samples as what goes through the network together."""
        ...


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """Which images make up each step's batch, for each of several processes.

    The images of all epochs, each epoch in an order of its own, form one endless row; step `k`
    takes those from `k * batch_size` on. Process `rank` of `world` takes every `world`-th of
    them, so that the batch as a whole does not depend on how many processes there are.

    Attributes:
        seed: Of the run.
        image_count: Images of an epoch.
        batch_size: Images of a step over all processes.
        world: Processes.
        rank: This one.
        accumulate: Parts of a process's share.

    Raises:
        ValueError: The batch cannot be shared out evenly, or there are no images.
    """

    seed: int
    image_count: int
    batch_size: int
    world: int = 1
    rank: int = 0
    accumulate: int = 1

    def __post_init__(self) -> None:
        if self.image_count < 1:
            raise ValueError("data: expected images to learn from, got none")
        if self.batch_size % (self.world * self.accumulate):
            raise ValueError(
                f"schedule.batch_size: expected a multiple of {self.world * self.accumulate} "
                f"({self.world} processes times {self.accumulate} parts), got {self.batch_size}"
            )

    def places(self, step: int) -> list[tuple[int, int]]:
        """Epoch and index of each image of this process's share of a step."""
        start = step * self.batch_size
        places = range(start + self.rank, start + self.batch_size, self.world)
        divided = (divmod(place, self.image_count) for place in places)
        return [
            (epoch, int(_order(self.seed, epoch, self.image_count)[row])) for epoch, row in divided
        ]


@lru_cache(maxsize=4)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return random_generator(seed, "order", epoch).permutation(count)


class _Keyed(Dataset[Any]):
    """Samples by step, epoch and index."""

    def __init__(self, source: SampleSource) -> None:
        self._source = source

    def __getitem__(self, key: tuple[int, int, int]) -> tuple[int, Any] | _Failure:
        try:
            return key[0], self._source.sample(*key)
        except (ValueError, OSError) as error:
            return _Failure(error)


@dataclass(frozen=True, eq=False)
class _Failure:
    """Takes an error out of a worker as it is; raised there, torch puts its trace into it."""

    error: Exception


class _StepLoader(DataLoader[Any]):
    """Raises what went wrong where the batch is asked for."""

    def __iter__(self) -> Iterator[StepBatch]:
        for batch in super().__iter__():
            if isinstance(batch, _Failure):
                raise batch.error
            yield batch


class _Steps:
    """The keys of each step, from one on. Without a length: the step tells when to stop."""

    def __init__(self, plan: BatchPlan, steps: range) -> None:
        self._plan, self._range = plan, steps

    def __iter__(self) -> Iterator[list[tuple[int, int, int]]]:
        for step in self._range:
            yield [(step, epoch, index) for epoch, index in self._plan.places(step)]


def make_loader(
    source: SampleSource,
    plan: BatchPlan,
    steps: range,
    *,
    workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """Batches of some steps, in order.

    Args:
        source: Makes samples.
        plan: Who learns from which.
        steps: Which steps.
        workers: Processes that make samples ahead; 0: made when they are needed.
        pin_memory: Whether batches go to a GPU.

    Returns:
        A loader of `StepBatch`.
    """
    # Forked workers share the data sets with this process; where there is no fork they are sent.
    context = "fork" if workers and sys.platform == "linux" else None
    return _StepLoader(
        _Keyed(source),
        batch_sampler=_Steps(plan, steps),
        num_workers=workers,
        collate_fn=partial(_collate, source=source, accumulate=plan.accumulate),
        worker_init_fn=_prepare_worker if workers else None,
        multiprocessing_context=context,
        pin_memory=pin_memory,
        prefetch_factor=2 if workers else None,
        # Its own, so that the seed of workers that draw nothing is not taken from torch's.
        generator=torch.Generator().manual_seed(plan.seed & 0x7FFF_FFFF),
    )


def _prepare_worker(number: int) -> None:
    import cv2

    # 0 and not 1: with 1 OpenCV ends its threads, and waits for ever for those that the process
    # had from which this one was forked.
    cv2.setNumThreads(0)


def _collate(
    answers: Sequence[tuple[int, Any] | _Failure], *, source: SampleSource, accumulate: int
) -> StepBatch | _Failure:
    samples = []
    for answer in answers:
        if isinstance(answer, _Failure):
            return answer
        samples.append(answer)
    share = len(samples) // accumulate
    parts = [
        source.join([sample for _, sample in samples[start : start + share]])
        for start in range(0, len(samples), share)
    ]
    return StepBatch(samples[0][0], tuple(parts))


def batch_of(samples: Sequence[TrainingSample]) -> TrainingBatch:
    """Samples as what goes through the network together."""
    return TrainingBatch(
        tuple(sample.image for sample in samples),
        tuple(sample.boxes for sample in samples),
        tuple(sample.class_ids for sample in samples),
        tuple(sample.masks for sample in samples),
        tuple(sample.names for sample in samples),
    )
