"""Public conformance suites: what holds for every detector and tracker, checked on yours."""

from faimtrack.testing.detectors import check_detector
from faimtrack.testing.trackers import check_tracker, crossing_sequence

__all__ = ["check_detector", "check_tracker", "crossing_sequence"]
