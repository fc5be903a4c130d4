from dataclasses import dataclass
from typing import Literal

import numpy as np
import pytest

from faimtrack.config import PresetConfig, parameter


@dataclass(frozen=True, kw_only=True)
class Config(PresetConfig):
    share: float = parameter(0.5, "How much.", low=0, high=1)
    frames: int | None = parameter(None, "How long.", low=1)
    solver: Literal["fast", "exact"] = parameter("fast", "Who solves.")
    note: str = parameter("", "Anything.")

    _presets = {"default": {}, "careful": {"solver": "exact"}}  # noqa: RUF012 - as in the package


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"share": 1.5}, "share: expected 0 to 1, got 1.5"),
        ({"share": float("nan")}, "share: expected 0 to 1, got nan"),
        ({"share": "0.5"}, "share: expected 0 to 1, got '0.5'"),
        ({"share": None}, "share: expected 0 to 1, got None"),
        ({"frames": 0}, "frames: expected 1 or more, got 0"),
        ({"solver": "slow"}, "solver: expected fast or exact, got 'slow'"),
        ({"solver": None}, "solver: expected fast or exact, got None"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(values, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Config(**values)


def test_values_that_make_sense_stay_as_they_are():
    config = Config(share=np.float64(1.0), frames=None, solver="exact", note="1e9")
    assert (config.share, config.frames, config.solver, config.note) == (1.0, None, "exact", "1e9")


def test_a_preset_is_the_defaults_with_changes():
    assert Config.preset("careful") == Config(solver="exact")
    assert Config.preset_names() == ("default", "careful")
    with pytest.raises(ValueError, match="preset: expected default, careful, got 'hasty'"):
        Config.preset("hasty")
