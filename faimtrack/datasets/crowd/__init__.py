"""Built-in synthetic crowds: hard like MOT20, exact, and the same on every machine."""

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE, Annotations
from faimtrack.datasets.crowd.config import DENSITIES, GENERATOR_VERSION, CrowdConfig
from faimtrack.datasets.crowd.detections import PublicDetections
from faimtrack.datasets.crowd.kinds import CLASS_NAMES, KINDS, Kind
from faimtrack.datasets.crowd.simulate import Crowd, simulate_crowd
from faimtrack.datasets.crowd.text import sequence_texts, text_digests

__all__ = [
    "CLASS_NAMES",
    "DENSITIES",
    "GENERATOR_VERSION",
    "KINDS",
    "VISIBILITY_ONE",
    "Annotations",
    "Crowd",
    "CrowdConfig",
    "Kind",
    "PublicDetections",
    "sequence_texts",
    "simulate_crowd",
    "text_digests",
]
