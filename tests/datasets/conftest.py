"""Crowds that several tests look at."""

import pytest

from faimtrack.datasets.crowd import CrowdConfig, frames, simulate_crowd


@pytest.fixture(scope="session")
def medium():
    return simulate_crowd(CrowdConfig(name="medium", frames=75, seed=5))


@pytest.fixture(scope="session")
def dense():
    return simulate_crowd(CrowdConfig(name="dense", frames=40, seed=6, density="dense"))


@pytest.fixture(scope="session")
def moving():
    return simulate_crowd(CrowdConfig(name="moving", frames=40, seed=7, camera="moving"))


@pytest.fixture(scope="session")
def drawn(medium):
    """The first frames of the medium crowd, drawn."""
    shown = simulate_crowd(CrowdConfig(name="medium", frames=12, seed=5))
    return shown, list(frames(shown))
