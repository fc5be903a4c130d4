"""A detector's own instance features as an embedder of any boxes: no second network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import Boxes, clip_boxes
from faimtrack.detectors.config import FeatureKind
from faimtrack.structures import Frame

if TYPE_CHECKING:  # it is torch's
    from faimtrack.detectors.mask_branch.keeping import KeptBranch, PlacedBoxes

_SMALLEST_SIDE_PX = 1.0


class FeatureSource(Protocol):
    """A detector that leaves what it computed for a frame to its mask branch.

    Attributes:
        class_names: What class ids mean.
        kept: What it keeps of the branch.
    """

    class_names: tuple[str, ...]
    kept: KeptBranch

    def look(self, frame: Frame, boxes: Boxes) -> tuple[Any, PlacedBoxes]:
        """What the network computed for a frame, and where boxes of it are in the input."""
        ...


class FeatureEmbedder:
    """An `Embedder` that describes boxes as the detector itself describes what it finds.

    Of the boxes that a detector found it gives the vectors that came with them, up to the last
    bits. A frame that was detected in with `keep_features` is not computed again.

    Attributes:
        name: Of the weights and the kind of vectors.
        dimension: Of the vectors.
    """

    def __init__(self, detector: FeatureSource, kind: FeatureKind | None = None) -> None:
        """Describe boxes by what `detector` computes.

        Args:
            detector: A YOLOX or a Faster R-CNN that was made to keep something of its mask
                branch.
            kind: Over what features are averaged; None: what the detector keeps, or masks where
                it keeps masks.

        Raises:
            ValueError: The detector keeps too little for that, or it knows several classes and
                none is a person.
        """
        kept = detector.kept
        if kind is None:
            kind = "instance_features" if kept.keep == "instance_features" else "mask_features"
        if kind not in kept.names:
            raise ValueError(
                f"detector: expected one that was made to keep {kind}, got one that keeps "
                f"{kept.keep}"
            )
        names = detector.class_names
        if "person" not in names and len(names) > 1:
            raise ValueError(f"detector: expected one that knows people, got one of {names}")
        self.name, self.dimension = kept.names[kind], kept.dimension
        self._detector, self._kind = detector, kind
        self._class_id = names.index("person") if "person" in names else 0

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """See `Embedder`; boxes are cut to the frame, and taken for people."""
        boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
        if not np.isfinite(boxes).all():
            row = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
            raise ValueError(
                f"boxes: expected finite corners, got {boxes[row].tolist()} in row {row}"
            )
        vectors = np.zeros((len(boxes), self.dimension), np.float32)
        if not len(boxes):
            return vectors
        height, width = frame.image.shape[:2]
        inside = clip_boxes(boxes, width, height)
        is_seen = (inside[:, 2:] - inside[:, :2] >= _SMALLEST_SIDE_PX).all(axis=1)
        if not is_seen.any():
            return vectors
        features, placed = self._detector.look(frame, inside[is_seen])
        class_ids = np.full(len(placed.boxes), self._class_id, np.int64)
        (vectors[is_seen],) = self._detector.kept.vectors(
            self._kind, features, [placed], [class_ids]
        )
        return vectors
