"""All experiments by their names."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from faimtrack.reproduce.ablation_tables import (
    TABLE_3,
    TABLE_4,
    TABLE_5A,
    TABLE_5B,
    TABLE_5C,
    TABLE_5D,
    TABLE_IV,
    TABLE_V,
)
from faimtrack.reproduce.experiments import Experiment, Figure
from faimtrack.reproduce.tracking_tables import TABLE_9, TABLE_II
from faimtrack.reproduce.vod_tables import (
    TABLE_1,
    TABLE_2,
    TABLE_8,
    TABLE_I,
    TABLE_III,
    TABLE_VII,
)

_FIGURES = (
    Figure(
        name="figure-5",
        title="t-SNE of proposals' features, and how far classes keep apart",
        networks=("yolov-s", "faim-s"),
    ),
    Figure(
        name="figure-i",
        title="The six references that a proposal learns most from",
        networks=("yolov-s", "faim-s"),
    ),
    Figure(
        name="figure-ii",
        title="Hits, false alarms and misses of both in the same frames",
        networks=("yolov-s", "faim-s"),
    ),
    Figure(
        name="figure-iv",
        title="The worst pseudo masks",
        datasets=("vid", "ovis", "crowd"),
        networks=(),
        notes=("Needs masks that were made; on crowds GrabCut's are.",),
    ),
)
_ALIASES = {"table-viii": "table-9"}
_TWO_STAGES = "it is of two-stage detectors (SELSA, TROIA), which are not here"
_NO_NUMBERS = "it explains, and nothing in it is measured"
ABSENT: Mapping[str, str] = MappingProxyType(
    {
        "table-5": "its parts are table-5a, table-5b, table-5c and table-5d",
        "table-6": _TWO_STAGES,
        "table-7": _TWO_STAGES,
        "table-vi": _TWO_STAGES,
        "figure-1": _NO_NUMBERS,
        "figure-2": _NO_NUMBERS,
        "figure-3": "it plots table-1 beside what others published",
        "figure-4": _NO_NUMBERS,
        "figure-iii": "two trackers' results beside each other are what `faimtrack compare-video` "
        "shows",
    }
)
"""Why what the paper has under a name is not made, by that name."""

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType(
    {
        each.name: each
        for each in (
            TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5A, TABLE_5B, TABLE_5C, TABLE_5D, TABLE_8,
            TABLE_9, TABLE_I, TABLE_II, TABLE_III, TABLE_IV, TABLE_V, TABLE_VII, *_FIGURES,
        )
    }
)  # fmt: skip
"""By their names, in the paper's order."""


def experiment(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
        ValueError: There is none; the message says why, or names the nearest.
    """
    found = EXPERIMENTS.get(_ALIASES.get(name, name))
    if name in ABSENT:
        raise ValueError(f"experiment: expected one of --list, got {name!r}: {ABSENT[name]}")
    if found is None:
        nearest = difflib.get_close_matches(name, EXPERIMENTS, n=1, cutoff=0.0)[0]
        raise ValueError(
            f"experiment: expected {', '.join(EXPERIMENTS)}, got {name!r}; the nearest is "
            f"{nearest}"
        )
    return found
