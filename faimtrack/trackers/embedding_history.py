"""How each track looked the last few times: what Tracktor finds lost ones again by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Embeddings = NDArray[np.float32]


class EmbeddingHistory:
    """The last few embeddings of each track, by id.

    All are one embedder's; a row of zeros, which says that nothing is known, is not kept.
    """

    def __init__(self, samples: int) -> None:
        """Begin with nothing; `samples` is how many embeddings of a track are kept."""
        self._samples = samples
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._of_id: dict[int, list[Embeddings]] = {}

    def append(self, ids: NDArray[np.int64], embeddings: Embeddings) -> None:
        """Add what tracks look like now.

        Args:
            ids: `(N,)`, each once.
            embeddings: `(N, D)`.
        """
        for track, embedding in zip(ids.tolist(), embeddings, strict=True):
            if embedding.any():
                kept = self._of_id.setdefault(track, [])
                kept.append(embedding.copy())
                del kept[: -self._samples]

    def distances(self, ids: NDArray[np.int64], embeddings: Embeddings) -> NDArray[np.float64]:
        """Euclidean distances of the tracks' mean embeddings to those of detections.

        Args:
            ids: `(N,)` of tracks.
            embeddings: `(M, D)` of detections.

        Returns:
            `(N, M)`; infinite where the look of either is unknown.
        """
        distances = np.full((len(ids), len(embeddings)), np.inf)
        seen = embeddings.any(axis=1)
        vectors = embeddings[seen].astype(np.float64)
        for row, track in enumerate(ids.tolist()):
            if track in self._of_id:
                mean = np.mean(self._of_id[track], axis=0, dtype=np.float64)
                distances[row, seen] = np.linalg.norm(vectors - mean, axis=1)
        return distances

    def keep_only(self, ids: NDArray[np.int64]) -> None:
        """Forget all tracks but these."""
        alive = set(ids.tolist())
        self._of_id = {track: kept for track, kept in self._of_id.items() if track in alive}

    def state(self) -> dict[str, Any]:
        """All that it holds, as arrays: an id and an embedding a row, older ones first."""
        ids = [track for track, kept in self._of_id.items() for _ in kept]
        embeddings = [each for kept in self._of_id.values() for each in kept]
        return {
            "history.ids": np.array(ids, np.int64),
            "history.embeddings": np.array(embeddings, np.float32).reshape(len(ids), -1)
            if ids
            else np.zeros((0, 0), np.float32),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self.reset()
        for track, embedding in zip(
            state["history.ids"].tolist(), state["history.embeddings"], strict=True
        ):
            self._of_id.setdefault(track, []).append(np.array(embedding, np.float32))
