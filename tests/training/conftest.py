"""What tests of training draw their pictures with can be imported by its name."""

import importlib.util
import sys
from pathlib import Path

_SPEC = importlib.util.spec_from_file_location(
    "drawn_samples", Path(__file__).with_name("drawn_samples.py")
)
sys.modules["drawn_samples"] = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sys.modules["drawn_samples"])
