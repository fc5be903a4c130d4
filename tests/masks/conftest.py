import shutil

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd


@pytest.fixture(scope="session")
def crowd_once(tmp_path_factory):
    """A small crowd with pictures and exact masks; not to be changed."""
    config = CrowdConfig(
        name="small", seed=71, frames=6, width=192, height=128, density="medium", people=10
    )
    folder = tmp_path_factory.mktemp("masks") / "small"
    return write_crowd(simulate_crowd(config), folder, workers=1)


@pytest.fixture
def crowd(crowd_once, tmp_path):
    """A copy of it that a test may change."""
    return shutil.copytree(crowd_once, tmp_path / "data" / "small")
