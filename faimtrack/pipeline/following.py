"""Who follows people: a task's tracker, with the networks that it needs itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.detectors.config import FeatureKind
from faimtrack.detectors.families import can_regress
from faimtrack.detectors.session import Detector
from faimtrack.interfaces import BoxRegressor, Embedder
from faimtrack.pipeline.inputs import describes_by_itself, load_detector
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.pipeline.tasks import EMBEDDING_KEEPS, SequenceTask
from faimtrack.provenance import Provenance
from faimtrack.recipes import Recipe
from faimtrack.structures import Frame
from faimtrack.trackers import Tracker, create_tracker, tracker_entry


def make_tracker(task: SequenceTask, frame_rate: float | None, loader: NetworkLoader) -> Tracker:
    """A fresh tracker.

    Args:
        task: The task.
        frame_rate: Frames per second; None if unknown.
        loader: Where networks come from.

    Raises:
        ValueError: The tracker needs a network that moves boxes, and there is none.
        OSError: A file cannot be read.
    """
    recipe = task.recipe
    name, config = recipe.tracker_name, recipe.tracker
    if not needs_regressor(task):
        return create_tracker(name, config, frame_rate=frame_rate)
    return create_tracker(
        name,
        config,
        frame_rate=frame_rate,
        regressor=_regressor(task, loader),
        embedder=_embedder(task, loader),
    )


def needs_regressor(task: SequenceTask) -> bool:
    """Whether the tracker moves boxes by a network; it then also describes boxes of its own."""
    return tracker_entry(task.recipe.tracker_name).needs_regressor


def require_regressor(recipe: Recipe, weights: Path | None, regressor: Path | None) -> None:
    """See that a tracker that moves boxes by a network has one that can.

    Args:
        recipe: Names the tracker.
        weights: The detector's file; None without a network.
        regressor: The file of the network that moves boxes; None: the detector does it.

    Raises:
        ValueError: It has not.
        OSError: A file cannot be read.
    """
    if not tracker_entry(recipe.tracker_name).needs_regressor:
        return
    path = regressor or weights
    if path is None:
        raise ValueError(
            f"{recipe.tracker_name}: expected a network that moves boxes, got none: name a "
            "detector that can (--detector NAME or FILE) or another network (--regressor NAME or "
            "FILE)"
        )
    if not can_regress(path):
        raise ValueError(
            f"{path}: expected a network that moves boxes for {recipe.tracker_name} (a Faster "
            "R-CNN in torch), got one that cannot: name another one by --regressor"
        )


def public_remark(task: SequenceTask, tracks: Provenance) -> str | None:
    """What to tell of detections that another network than the regressor made, or nobody knows.

    Args:
        task: The task.
        tracks: The provenance of its tracks.
    """
    # Trackers without the setting have no regressor to ask either.
    is_public = getattr(task.recipe.tracker, "public_detections", True)
    made_by, moved_by = tracks.weights.get("detector"), tracks.weights.get("regressor")
    if task.weights is not None or is_public or made_by == moved_by:
        return None
    return (
        "the detections are not the regressor's own: with --set public_detections=true it judges "
        "them first"
    )


def _regressor(task: SequenceTask, loader: NetworkLoader) -> BoxRegressor:
    if task.regressor is not None:
        network = loader.load_regressor(task.regressor, task.recipe.regressor)
        if task.embedder is None and describes_by_itself(task):
            assert isinstance(network, BoxRegressor), "planned so"
            return _RegressorBesideDetector(network)
    elif task.weights is not None:
        network = load_detector(task, loader)
    else:
        require_regressor(task.recipe, None, None)
    assert isinstance(network, BoxRegressor), "planned so"
    return network


def _embedder(task: SequenceTask, loader: NetworkLoader) -> Embedder | None:
    """What describes boxes of the tracker's own: a network, or the detector's own features."""
    if task.embedder is not None:
        return loader.load_embedder(task.embedder, task.recipe.embedder)
    kind = task.recipe.detector.keep
    if task.weights is not None and kind in EMBEDDING_KEEPS:
        return _own_features(load_detector(task, loader), kind)
    kind = task.recipe.regressor.keep
    if task.regressor is not None and kind in EMBEDDING_KEEPS:
        network = loader.load_regressor(task.regressor, task.recipe.regressor)
        return _own_features(network, kind)
    return None


def _own_features(network: Detector, kind: FeatureKind) -> Embedder:
    # Imported here: it names torch.
    from faimtrack.detectors.mask_branch.embedder import FeatureEmbedder

    source: Any = network  # open_detector's are, and say themselves what they keep
    return FeatureEmbedder(source, kind)


class _RegressorBesideDetector:
    """A regressor that leaves a frame's features to the detector, which describes boxes later.

    There is room for one network's features in a frame. The regressor would put its own there,
    and the detector's backbone would run a second time. Tracktor asks the regressor once a frame,
    so that nothing is lost with its own.

    Attributes:
        class_names: The regressor's.
    """

    def __init__(self, regressor: BoxRegressor) -> None:
        """Ask `regressor`."""
        self._regressor = regressor
        self.class_names = regressor.class_names

    def regress(
        self, frame: Frame, boxes: Boxes, class_ids: NDArray[np.int64] | None = None
    ) -> tuple[Boxes, NDArray[np.float64]]:
        """See `BoxRegressor`."""
        features, frame.features = frame.features, None
        try:
            return self._regressor.regress(frame, boxes, class_ids)
        finally:
            frame.features = features
