"""What tests of training draw their pictures with can be imported by its name."""

import importlib.util
import sys
from pathlib import Path

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd

_SPEC = importlib.util.spec_from_file_location(
    "drawn_samples", Path(__file__).with_name("drawn_samples.py")
)
sys.modules["drawn_samples"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sys.modules["drawn_samples"])


@pytest.fixture(scope="session")
def small_crowd(tmp_path_factory):
    """A crowd of twelve small frames."""
    folder = tmp_path_factory.mktemp("crowds") / "crowd"
    config = CrowdConfig(frames=12, width=192, height=128, people=4)
    return write_crowd(simulate_crowd(config), folder)
