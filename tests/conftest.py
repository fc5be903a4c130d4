"""What tests of several rooms share."""

import os
from pathlib import Path

import pytest

DEFAULT_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("FAIMTRACK_TEST_DATA", DEFAULT_SHARED_DATA))
    if not folder.is_dir():
        pytest.skip("the real data is not here (set FAIMTRACK_TEST_DATA to its folder)")
    return folder
