"""Networks that are loaded once and used for one sequence after the other."""

from __future__ import annotations

from pathlib import Path

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.session import Detector
from faimtrack.weights import weights_files


class DetectorLoader:
    """Loads detectors and keeps the last one, to give it again when the same is asked for.

    Whoever works on sequences one after the other owns one. What a detector remembers of a
    sequence lives in that sequence's session, so one detector serves them all.
    """

    def __init__(self) -> None:
        self._key: object = None
        self._detector: Detector | None = None

    def load(
        self, weights: Path, config: DetectorConfig, classes: tuple[str, ...] = ()
    ) -> Detector:
        """The detector in a file of weights.

        Args:
            weights: The file; if it has changed since, it is loaded anew.
            config: Its parameters.
            classes: Which of its classes to keep; none named: all.

        Raises:
            As `open_detector`.
        """
        states = [
            (path.resolve(), path.stat().st_mtime_ns, path.stat().st_size)
            for path in weights_files(weights)
        ]
        key = (states, config, classes)
        if self._detector is None or key != self._key:
            self._key = self._detector = None  # two networks may be more than the memory holds
            self._detector = open_detector(weights, config, classes=classes or None)
            self._key = key
        return self._detector
