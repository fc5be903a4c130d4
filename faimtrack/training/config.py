"""How networks are trained: schedule, network, data and validation; no torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter
from faimtrack.datasets.half_split import HalfSplitConfig
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.motfile import SplitName

TrainingPrecision = Literal["32", "bf16-mixed", "16-mixed"]


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(PresetConfig):
    """How long, how fast and in which numbers a network learns.

    The optimizer's step is the only clock: an epoch is as many steps as show each image once.

    A network that re-identifies is shown a group of crops for each that is counted here, and a
    video object detector a clip; the rate counts the frames of a clip.

    Presets: `yolox` is YOLOX's own; `mmdetection` that of MMTracking's detectors for Tracktor,
    `reid` that of its re-identification network; `yolov` is YOLOV's for size s, with which FAIM
    was trained too.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "yolox": {},
        "mmdetection": {
            "decay": "steps", "epochs": 8.0, "batch_size": 16,
            "learning_rate_per_image": 0.02 / 16, "warm_up_epochs": 0.0, "warm_up_steps": 100,
            "warm_up": "linear", "warm_up_start": 0.01, "plain_epochs": 0.0,
            "decay_epochs": (6.0,), "nesterov": False, "weight_decay": 1e-4,
            "decay_norms_and_biases": True, "averaging": 0.0,
        },
        "reid": {
            "decay": "steps", "epochs": 6.0, "batch_size": 8,
            "learning_rate_per_image": 0.1 / 8, "warm_up_epochs": 0.0, "warm_up_steps": 1000,
            "warm_up": "linear", "warm_up_start": 0.001, "plain_epochs": 0.0,
            "decay_epochs": (5.0,), "nesterov": False, "weight_decay": 1e-4,
            "decay_norms_and_biases": True, "averaging": 0.0,
        },
        "yolov": {
            "epochs": 7.0, "batch_size": 1, "learning_rate_per_image": 0.002 / 64,
            "lowest_rate": 0.3, "plain_epochs": 2.0,
        },
    }  # fmt: skip

    epochs: float = parameter(80.0, "How often each image is seen.", unit="epochs", low=0.0)
    steps: int | None = parameter(
        None, "Steps of the optimizer in place of `epochs`.", unit="steps", low=1
    )
    batch_size: int = parameter(
        16, "Images of one step of the optimizer, over all devices and machines.",
        unit="images", low=1,
    )  # fmt: skip
    accumulate: int = parameter(
        1, "Parts that a device's share of the batch is cut into where memory is small; each part "
        "counts the same.",
        low=1,
    )  # fmt: skip
    learning_rate_per_image: float = parameter(
        0.01 / 64, "The rate at its highest is this times the batch's images.", low=0.0
    )
    warm_up: Literal["quadratic", "linear"] = parameter(
        "quadratic", "How the rate rises at the start."
    )
    warm_up_epochs: float = parameter(1.0, "How long it rises.", unit="epochs", low=0.0)
    warm_up_steps: int | None = parameter(
        None, "Steps in place of `warm_up_epochs`.", unit="steps", low=0
    )
    warm_up_start: float = parameter(
        0.0, "Part of the full rate that it rises from.", low=0.0, high=1.0
    )
    decay: Literal["cosine", "steps"] = parameter(
        "cosine", "cosine: falls along a cosine to `lowest_rate`; steps: a tenth at each of "
        "`decay_epochs`.",
    )  # fmt: skip
    decay_epochs: tuple[float, ...] = parameter(
        (), "With steps: after which epochs the rate falls to `decay_factor` of what it was.",
        unit="epochs",
    )  # fmt: skip
    decay_factor: float = parameter(0.1, "See decay_epochs.", low=0.0, high=1.0)
    lowest_rate: float = parameter(
        0.05, "With cosine: the part of the full rate that is left at the end.", low=0.0, high=1.0
    )
    plain_epochs: float = parameter(
        15.0, "At the end the rate stands still, strong augmentation is off, and YOLOX's L1 loss "
        "is on.",
        unit="epochs", low=0.0,
    )  # fmt: skip
    plain_steps: int | None = parameter(
        None, "Steps in place of `plain_epochs`.", unit="steps", low=0
    )
    optimizer: Literal["sgd", "adamw"] = parameter(
        "sgd", "sgd: stochastic gradient descent, as the originals; adamw: AdamW, with which "
        "small networks learn from random weights in fewer steps.",
    )  # fmt: skip
    momentum: float = parameter(0.9, "Of sgd.", low=0.0, high=1.0)
    nesterov: bool = parameter(True, "Whether momentum looks ahead.")
    weight_decay: float = parameter(5e-4, "Pull of weights to zero.", low=0.0)
    decay_norms_and_biases: bool = parameter(
        False, "Whether scales and shifts of batch norms and all biases are pulled too."
    )
    gradient_clip: float = parameter(
        0.0, "Gradients whose norm over the network is larger are scaled down to it, and those of "
        "the mask branch likewise; 0: none. A YOLOX that learns from random weights with adamw "
        "needs it.",
        low=0.0,
    )  # fmt: skip
    averaging: float = parameter(
        0.9998, "Decay of the moving average of all weights, which is what is kept in the end; "
        "0: none.",
        low=0.0, high=1.0,
    )  # fmt: skip
    averaging_warm_up: float = parameter(
        2000.0, "The average's decay is 1 − exp(−step / this) of itself at the start.",
        unit="steps", low=1.0,
    )  # fmt: skip
    precision: TrainingPrecision = parameter(
        "32", "Numbers of forward and backward pass; bf16-mixed and 16-mixed are for GPUs."
    )
    seed: int = parameter(0, "All that is random is drawn from this.", low=0)
    checkpoint_every: int = parameter(
        500, "Steps from one checkpoint to the next.", unit="steps", low=1
    )
    checkpoints_kept: int = parameter(2, "How many of the last ones stay.", low=1)
    log_every: int = parameter(20, "Steps from one line of the logs to the next.", low=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.steps is None and self.epochs == 0:
            raise ValueError("epochs: expected more than 0, got 0")
        if self.decay == "steps" and not self.decay_epochs:
            raise ValueError("decay_epochs: expected epochs where decay is steps, got none")
        if self.nesterov and self.momentum == 0:
            raise ValueError("momentum: expected more than 0 with nesterov, got 0")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"averaging: expected less than 1, got {self.averaging}")


@dataclass(frozen=True, kw_only=True)
class NetworkConfig(PresetConfig):
    """Which network is trained, and from which weights.

    A name is `yolox-`, `faim-` or `yolov-` and a size, or `faster-rcnn-` and a backbone.
    """

    name: str = parameter("yolox-x", "Such as yolox-nano or faster-rcnn-resnet50-fpn.")
    initial_weights: str | None = parameter(
        None, "A file, or a name of `faimtrack weights list`, to start from; unset: random ones."
    )


@dataclass(frozen=True, kw_only=True)
class YoloxNetworkConfig(NetworkConfig):
    """A YOLOX that is trained."""

    input_height: int = parameter(896, "Of the network's input.", unit="px", low=32)
    input_width: int = parameter(1600, "Of the network's input.", unit="px", low=32)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("input_height", "input_width"):
            if (value := getattr(self, name)) % 32:
                raise ValueError(f"{name}: expected a multiple of 32, got {value}")


@dataclass(frozen=True, kw_only=True)
class FasterRcnnNetworkConfig(NetworkConfig, FasterRcnnTrainingConfig):
    """A Faster R-CNN that is trained: how it is built and learns."""

    _presets: ClassVar[dict[str, dict[str, Any]]] = dict(FasterRcnnTrainingConfig._presets)

    name: str = parameter("faster-rcnn-resnet50-fpn", "faster-rcnn- and a backbone.")


@dataclass(frozen=True, kw_only=True)
class DataConfig(HalfSplitConfig):
    """What is learnt from."""

    split: SplitName = parameter("train-half", "Which part of each sequence.")
    crowd_human: bool = parameter(
        False, "Add CrowdHuman's pictures (--crowd-human says where they are)."
    )


@dataclass(frozen=True, kw_only=True)
class ValidationClock(PresetConfig):
    """When a network is scored while it learns."""

    every_epochs: float = parameter(
        1.0, "From one validation to the next; 0: none on the way.", unit="epochs", low=0.0
    )
    every_steps: int | None = parameter(
        None, "Steps in place of `every_epochs`; 0: none on the way.", unit="steps", low=0
    )
    at_end: bool = parameter(True, "Whether the last weights are scored too.")

    @property
    def takes_place(self) -> bool:
        """Whether there is any validation."""
        every = self.every_epochs if self.every_steps is None else self.every_steps
        return self.at_end or every > 0


@dataclass(frozen=True, kw_only=True)
class ValidationTimes(ValidationClock):
    """When and on what a network is scored while it learns."""

    split: SplitName = parameter("val-half", "Which part of each sequence.")


@dataclass(frozen=True, kw_only=True)
class ValidationConfig(ValidationTimes):
    """How good the network is while it learns, on what it does not learn from."""

    choose_by: Literal["HOTA", "AP", "AP50"] = parameter(
        "HOTA", "By which of the numbers `best.safetensors` is chosen."
    )
    pictures: int = parameter(
        4, "Frames whose predictions are drawn at each validation.", unit="frames", low=0
    )
