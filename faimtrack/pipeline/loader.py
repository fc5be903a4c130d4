"""Networks that are loaded once and used for one sequence after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.loading import open_embedder
from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.session import Detector
from faimtrack.interfaces import Embedder
from faimtrack.weights import weights_files


class NetworkLoader:
    """Loads detectors, and what moves and describes boxes; keeps the last of each kind.

    Whoever works on sequences one after the other owns one. What a detector remembers of a
    sequence lives in that sequence's session, so one detector serves them all; regressors and
    embedders remember nothing.
    """

    def __init__(self) -> None:
        self._detector, self._regressor, self._embedder = _Last(), _Last(), _Last()

    def load(
        self,
        weights: Path,
        config: DetectorConfig,
        classes: tuple[str, ...] = (),
        *,
        keep_features: bool = False,
    ) -> Detector:
        """The detector in a file of weights.

        Args:
            weights: The file; if it has changed since, it is loaded anew.
            config: Its parameters.
            classes: Which of its classes to keep; none named: all.
            keep_features: Whether it is to leave what `BoxRegressor.regress` needs in each frame.

        Raises:
            As `open_detector`.
        """
        more = {"keep_features": True} if keep_features else {}

        def make() -> Detector:
            return open_detector(weights, config, classes=classes or None, **more)

        detector: Detector = self._detector.get(weights, (config, classes, keep_features), make)
        return detector

    def load_regressor(self, weights: Path, config: DetectorConfig) -> Detector:
        """The network in a file of weights, to move boxes that come from elsewhere.

        Args:
            weights: The file.
            config: Its parameters.

        Raises:
            As `open_detector`.
        """
        detector: Detector = self._regressor.get(
            weights, config, lambda: open_detector(weights, config, classes=None)
        )
        return detector

    def load_embedder(self, weights: Path | str, config: EmbedderConfig) -> Embedder:
        """What describes how boxes look.

        Args:
            weights: The file of a network, or the name of an embedder that has none.
            config: Its parameters.

        Raises:
            As `open_embedder`.
        """
        if isinstance(weights, str):
            return open_embedder(weights, config)
        embedder: Embedder = self._embedder.get(
            weights, config, lambda: open_embedder(weights, config)
        )
        return embedder


class _Last:
    """What was made last of a file."""

    def __init__(self) -> None:
        self._key: object = None
        self._made: Any = None

    def get(self, weights: Path, settings: object, make: Callable[[], Any]) -> Any:
        """What `make` gave for the same file in the same state with the same settings."""
        states = [
            (path.resolve(), path.stat().st_mtime_ns, path.stat().st_size)
            for path in weights_files(weights)
        ]
        key = (states, settings)
        if self._made is None or key != self._key:
            self._key = self._made = None  # two networks may be more than the memory holds
            self._made = make()
            self._key = key
        return self._made
