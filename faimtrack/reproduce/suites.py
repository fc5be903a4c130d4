"""Which recipes and data stand for the paper's networks and data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from faimtrack.reproduce.experiments import Experiment, Figure, Row, Table
from faimtrack.reproduce.tracking_tables import CROWD_SETTINGS

SuiteName = Literal["vid", "ovis", "mot20", "crowd"]
DATASETS: tuple[SuiteName, ...] = ("vid", "ovis", "mot20", "crowd")
_NO_BASE = ("tracktor", "bytetrack")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What is trained and tested on one set of data.

    Attributes:
        name: What the data are called.
        title: What they are.
        recipes: The recipe of each network that there is.
        settings: Changes of a network's recipe, ``key=value``, beside a row's own.
        bench: The frozen crowds that are made if no data are named; None: there are none.
        base: The registered weights that come along and are every network's base detector unless
            others are given; None: one is trained with each seed.
        minutes: About how long a training of a network takes on two cores, where that is known.
    """

    name: SuiteName
    title: str
    recipes: Mapping[str, str]
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    bench: str | None = None
    base: str | None = None
    minutes: Mapping[str, float] = field(default_factory=dict)

    @property
    def has_halves(self) -> bool:
        """Whether its folder has sequences for training in `train` and others in `test`."""
        return self.name == "crowd"

    def network_of(self, row: Row) -> str | None:
        """The network of a row, maybe none of the suite's; None if only the paper has it."""
        return (row.crowd_network if self.name == "crowd" else None) or row.network

    def changes_of(self, row: Row) -> tuple[str, ...]:
        """Changes of a row's training."""
        is_other = self.name == "crowd" and row.crowd_training is not None
        return (row.crowd_training or ()) if is_other else row.training

    def base_of(self, network: str) -> str | None:
        """The network that another one begins from, and whose parts it leaves as they are."""
        kind, _, size = network.partition("-")
        if kind == "yolox" or kind in _NO_BASE:
            return None
        return f"yolox-{size.rpartition('-')[2]}"


VID = Suite(
    name="vid",
    title="ImageNet VID (and DET)",
    recipes={
        **{
            f"{kind}-{size}": f"vid/{kind}-{size}"
            for kind in ("yolox", "yolov", "faim")
            for size in ("s", "l", "x")
        },
        "yolov-ifem-s": "vid/yolov-ifem-s",
    },
)
OVIS = Suite(
    name="ovis",
    title="OVIS",
    recipes={f"{kind}-x": f"ovis/{kind}-x" for kind in ("yolox", "yolov", "faim")},
)
MOT20 = Suite(
    name="mot20",
    title="MOT20's training sequences, in halves",
    recipes={
        "tracktor": "mot20-half/tracktor",
        "tracktor-mask": "mot20-half/tracktor-mask",
        "bytetrack": "mot20-half/bytetrack",
        "bytetrack-mask": "mot20-half/bytetrack-mask",
    },
)
CROWD_OBJECTS = Suite(
    name="crowd",
    title="built-in crowds of objects of eight kinds",
    recipes={
        "yolox-s": "crowd/yolox-objects",
        "yolov-s": "crowd/yolov",
        "yolov-ifem-s": "crowd/yolov-ifem",
        "faim-s": "crowd/faim",
    },
    bench="objects-v2",
    base="crowd-objects-nano",
    minutes={"yolov-s": 6, "yolov-ifem-s": 12, "faim-s": 11},
)
CROWD_PEOPLE = Suite(
    name="crowd",
    title="built-in crowds of people",
    recipes={
        "tracktor": "crowd/bench-tracktor",
        "tracktor-mask": "crowd/bench-tracktor-mask",
        "bytetrack": "crowd/bench",
        "bytetrack-mask": "crowd/bench-mask",
    },
    settings=CROWD_SETTINGS,
    bench="crowd-bench-v1",
)
_PUBLISHED: Mapping[str, Suite] = MappingProxyType({"vid": VID, "ovis": OVIS, "mot20": MOT20})


def suite_of(experiment: Experiment, dataset: str | None = None) -> Suite:
    """What stands for an experiment's networks.

    Args:
        experiment: Which.
        dataset: On which data; None takes the paper's.

    Raises:
        ValueError: The experiment is not made on such data.
    """
    dataset = dataset or experiment.datasets[0]
    if dataset not in experiment.datasets:
        raise ValueError(
            f"dataset: expected {' or '.join(experiment.datasets)} for {experiment.name}, got "
            f"{dataset!r}"
        )
    if dataset != "crowd":
        return _PUBLISHED[dataset]
    return CROWD_PEOPLE if is_about_tracking(experiment) else CROWD_OBJECTS


def is_about_tracking(experiment: Experiment) -> bool:
    """Whether an experiment scores tracks, not detections."""
    return isinstance(experiment, Table) and "mot20" in experiment.datasets


def networks_of(experiment: Experiment, suite: Suite) -> list[str]:
    """The networks that an experiment trains, each once, without those that the suite lacks."""
    if isinstance(experiment, Figure):
        wanted: list[str | None] = list(experiment.networks)
    else:
        wanted = [suite.network_of(row) for row in experiment.rows]
    return [name for name in dict.fromkeys(wanted) if name is not None and name in suite.recipes]
