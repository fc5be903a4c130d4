"""What holds at a step: learning rate, augmentation and averaging, as functions of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from faimtrack.training.config import ScheduleConfig


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A schedule whose epochs have become steps.

    Attributes:
        config: What it was asked to be.
        image_count: Images of an epoch.
        sample_images: How many images each of these truly is for the rate: the frames of a clip.
    """

    config: ScheduleConfig
    image_count: int
    sample_images: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which each image is seen at least once."""
        return max(1, math.ceil(self.image_count / self.config.batch_size))

    @property
    def total_steps(self) -> int:
        """Steps of the whole training."""
        if self.config.steps is not None:
            return self.config.steps
        return max(1, round(self.config.epochs * self.steps_per_epoch))

    @property
    def warm_up_steps(self) -> int:
        """Steps in which the rate rises."""
        return self._steps(self.config.warm_up_steps, self.config.warm_up_epochs)

    @property
    def plain_from(self) -> int:
        """The first step without strong augmentation."""
        tail = self._steps(self.config.plain_steps, self.config.plain_epochs)
        return max(0, self.total_steps - tail)

    def is_strong(self, step: int) -> bool:
        """Whether augmentation is strong at a step (from 0)."""
        return step < self.plain_from

    def rate_at(self, step: int) -> float:
        """The learning rate of a step (from 0)."""
        config = self.config
        full = config.learning_rate_per_image * config.batch_size * self.sample_images
        rising = self.warm_up_steps
        if step < rising:
            part = step / rising
            power = 2 if config.warm_up == "quadratic" else 1
            return full * (config.warm_up_start + (1 - config.warm_up_start) * part**power)
        if config.decay == "steps":
            passed = sum(step >= each * self.steps_per_epoch for each in config.decay_epochs)
            return full * config.decay_factor**passed
        falling = max(1, self.plain_from - rising)
        part = min(1.0, (step - rising) / falling)
        lowest = config.lowest_rate
        return full * (lowest + (1 - lowest) * 0.5 * (1 + math.cos(math.pi * part)))

    def averaging_at(self, update: int) -> float:
        """The average's decay at its `update`-th update, from 1."""
        return self.config.averaging * (1 - math.exp(-update / self.config.averaging_warm_up))

    def _steps(self, steps: int | None, epochs: float) -> int:
        return round(epochs * self.steps_per_epoch) if steps is None else steps
