"""Small pictures to learn from, drawn from their keys alone."""

from dataclasses import dataclass

import numpy as np
import torch

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.yolox.network import Yolox, YoloxSize
from faimtrack.training.batches import batch_of
from faimtrack.training.config import ScheduleConfig
from faimtrack.training.learners.yolox import YoloxLearner
from faimtrack.training.randomness import random_generator
from faimtrack.training.schedule import Schedule

SMALL = YoloxSize(name="custom", depth=0.33, width=0.125, depthwise=True)
SIDE = 64


@dataclass(frozen=True)
class Sample:
    image: torch.Tensor
    boxes: torch.Tensor
    class_ids: torch.Tensor
    masks: InstanceMasks
    names: tuple


@dataclass(frozen=True)
class DrawnSamples:
    """Bright rectangles on noise; which ones says the key."""

    image_count: int = 6
    seed: int = 0
    sides: tuple = (SIDE, SIDE + 32)

    def sample(self, step, epoch, index):
        random = random_generator(self.seed, "drawn", epoch, index)
        side = self.sides[step % len(self.sides)]
        image = random.integers(0, 60, (3, side, side), dtype=np.uint8)
        boxes = []
        for _ in range(random.integers(0, 4)):
            x, y = random.integers(0, side // 2, 2)
            width, height = random.integers(12, side // 2, 2)
            image[:, y : y + height, x : x + width] = 200
            boxes.append([x, y, x + width, y + height])
        return Sample(
            torch.from_numpy(image),
            torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
            torch.zeros(len(boxes), dtype=torch.int64),
            InstanceMasks.none(len(boxes)),
            (f"drawn-{index}.jpg",),
        )

    def join(self, samples):
        return batch_of(samples)


def small_schedule(image_count=6, **changes):
    """A schedule of twelve steps in which everything happens."""
    values = {
        "steps": 12, "batch_size": 4, "warm_up_steps": 2, "plain_steps": 4,
        "learning_rate_per_image": 0.0025, "checkpoint_every": 2, "averaging_warm_up": 5.0,
    } | changes  # fmt: skip
    return Schedule(config=ScheduleConfig(**values), image_count=image_count)


def small_learner(seed=0):
    """A YOLOX of a hundred thousand weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Yolox(SMALL, 1)
    return YoloxLearner(network, ("person",), (SIDE, SIDE))
