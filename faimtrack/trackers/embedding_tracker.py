"""What trackers share that know looks by the embeddings of detections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from faimtrack.config import PresetConfig
from faimtrack.structures import Detections, Frame
from faimtrack.trackers.appearance import AppearanceMemory
from faimtrack.trackers.base import RowTracker, State
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.config import EmbeddingTrackerConfig


class EmbeddingTracker(RowTracker):
    """Rows with looks: one blended embedding a track, compared with those of detections.

    A subclass names the score from which it looks (`appearance_threshold`), remembers what its
    tracks took (`_remember`), and lets go of the dead at the end of each frame (`_forget_dead`).
    """

    config_class: ClassVar[type[EmbeddingTrackerConfig]]

    def __init__(self, config: PresetConfig | None = None, *, frame_rate: float = 30.0) -> None:
        """Make a tracker at its beginning; see `RowTracker`."""
        self._appearance = AppearanceMemory()
        super().__init__(config, frame_rate=frame_rate)

    @property
    def appearance_threshold(self) -> float | None:
        """The lowest score of a detection whose embedding is looked at; None: none is."""
        return None

    def reset(self) -> None:
        """Forget everything, as before a new sequence; ids start again from 1."""
        super().reset()
        self._appearance.reset()

    def _candidates(self, detections: Detections, frame: Frame | None) -> Candidates:
        """The detections that the tracker works with, with embeddings if it looks at them.

        Raises:
            ValueError: The embeddings are of another kind than those before, or boxes are to be
                clipped and the image's size is unknown.
        """
        candidates = Candidates.of(detections, frame, clip=self.config.clip_boxes)
        if detections.embeddings is None:
            return candidates
        if self.appearance_threshold is None or not len(detections):
            return candidates.unseen()
        self._appearance.expect(detections.embedding_name, detections.embeddings.shape[1])
        return candidates

    def _remember(self, ids: NDArray[np.int64], taken: Candidates) -> None:
        """Blend what detections look like into what their tracks did."""
        embeddings = taken.embeddings
        if embeddings is not None and len(ids):
            self._appearance.remember(ids, embeddings, self.config.appearance_keep)

    def _forget_dead(self) -> None:
        """Let go of the looks of tracks that are no more."""
        if len(self._appearance):
            alive = [getattr(self, each)["id"] for each in self.row_lists]
            self._appearance.keep_only(np.concatenate(alive))

    def state(self) -> State:
        """All that the tracker remembers; its own copy."""
        return super().state() | self._appearance.state()

    def _restore(self, state: Mapping[str, Any]) -> None:
        super()._restore(state)
        if "appearance.name" in state:  # older states have none
            self._appearance.restore(state)
