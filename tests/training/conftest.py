"""What tests of training draw their pictures and videos with can be imported by its name."""

import importlib.util
import sys
from pathlib import Path

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd

for _name in ("drawn_samples", "drawn_videos"):
    _SPEC = importlib.util.spec_from_file_location(_name, Path(__file__).with_name(f"{_name}.py"))
    sys.modules[_name] = importlib.util.module_from_spec(_SPEC)
    _SPEC.loader.exec_module(sys.modules[_name])


@pytest.fixture(scope="session")
def small_crowd(tmp_path_factory):
    """A crowd of twelve small frames."""
    folder = tmp_path_factory.mktemp("crowds") / "crowd"
    config = CrowdConfig(frames=12, width=192, height=128, people=4)
    return write_crowd(simulate_crowd(config), folder)


@pytest.fixture(scope="session")
def object_crowds(tmp_path_factory):
    """Two small crowds of objects of twelve and six frames."""
    folder = tmp_path_factory.mktemp("object-crowds")
    for seed, frames in ((70001, 12), (70002, 6)):
        config = CrowdConfig(
            name=f"objects-{seed}", scene="objects", seed=seed, frames=frames, width=96, height=64
        )
        write_crowd(simulate_crowd(config), folder / config.name)
    return folder
