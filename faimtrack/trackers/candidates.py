"""The detections of a frame that a tracker works with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import clip_boxes
from faimtrack.structures import Detections, Frame


class Candidates:
    """The detections of a frame that a tracker works with.

    Attributes:
        boxes: `(N, 4)` corners in pixels, clipped to the image if asked for.
        scores: `(N,)`.
        class_ids: `(N,)`.
        indices: `(N,)` rows in the frame's detections.
    """

    __slots__ = ("_looks", "boxes", "class_ids", "indices", "scores")

    def __init__(
        self,
        boxes: NDArray[np.float64],
        scores: NDArray[np.float64],
        class_ids: NDArray[np.int64],
        indices: NDArray[np.int64],
        looks: NDArray[np.float32] | None = None,
    ) -> None:
        """Name them; `looks` are the embeddings of **all** detections of the frame."""
        self.boxes, self.scores, self.class_ids, self.indices = boxes, scores, class_ids, indices
        self._looks = looks

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Candidates:
        if rows.dtype == bool:
            rows = np.flatnonzero(rows)
        return Candidates(
            self.boxes.take(rows, axis=0),
            self.scores.take(rows),
            self.class_ids.take(rows),
            self.indices.take(rows),
            self._looks,
        )

    @property
    def embeddings(self) -> NDArray[np.float32] | None:
        """`(N, D)` as the detections have them, or None where nobody looks.

        They are gathered when asked for: long vectors are not copied at each selection of rows.
        """
        return None if self._looks is None else self._looks.take(self.indices, axis=0)

    def unseen(self) -> Candidates:
        """The same without embeddings."""
        return Candidates(self.boxes, self.scores, self.class_ids, self.indices)

    @classmethod
    def of(cls, detections: Detections, frame: Frame | None, *, clip: bool) -> Candidates:
        """All detections of a frame that have an area.

        Args:
            detections: The frame's.
            frame: Knows the image's size.
            clip: Whether to cut boxes to the image.

        Raises:
            ValueError: Boxes are to be clipped, but the image's size is unknown.
        """
        boxes = detections.boxes
        if clip and len(boxes):
            if frame is None or frame.size is None:
                raise ValueError("clip_boxes: expected frames of a known size, got none")
            boxes = clip_boxes(boxes, *frame.size)
        candidates = cls(
            boxes,
            detections.scores,
            detections.class_ids,
            np.arange(len(boxes), dtype=np.int64),
            detections.embeddings,
        )
        solid = (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])
        return candidates if solid.all() else candidates[solid]
