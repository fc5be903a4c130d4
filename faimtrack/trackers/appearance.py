"""What tracks look like: vectors by id, compared with those of detections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from faimtrack.vectors import unit_vectors


class AppearanceMemory:
    """One vector of length 1 for each track whose look is known, kept beside the tracks' rows.

    Vectors of two models must not meet: as long as anybody is remembered, only the same model's
    are taken. Who has forgotten everybody may go on with another.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._name: str | None = None
        self._ids = np.zeros(0, np.int64)  # ascending
        self._vectors = np.zeros((0, 0))

    @property
    def name(self) -> str | None:
        """The embedding that it holds; None while it holds none."""
        return self._name if len(self._ids) else None

    def expect(self, name: str | None, dimension: int) -> None:
        """See that detections' embeddings, about to come, are of the kind that is remembered.

        Raises:
            ValueError: They are another model's, or of another length.
        """
        if not len(self._ids):
            self._name = name
        elif (name, dimension) != (self._name, self._vectors.shape[1]):
            raise ValueError(
                f"embeddings: expected {self._name} with {self._vectors.shape[1]} numbers, as "
                f"before, got {name} with {dimension}"
            )

    def similarity(self, ids: NDArray[np.int64], embeddings: ArrayLike) -> NDArray[np.float64]:
        """Cosine between tracks and detections.

        Args:
            ids: `(N,)` of tracks.
            embeddings: `(M, D)` of detections, of any length.

        Returns:
            `(N, M)` in [-1, 1]; 0 where either side is unknown.
        """
        vectors = unit_vectors(embeddings)
        known, places = self._find(ids)
        similarity = np.zeros((len(ids), len(vectors)))
        if known.any():
            similarity[known] = self._vectors[places[known]] @ vectors.T
        return similarity

    def pair_similarity(
        self,
        ids: NDArray[np.int64],
        embeddings: ArrayLike,
        rows: NDArray[np.int64],
        columns: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Cosine between tracks and detections, for some pairs only.

        In a crowd few of all pairs are near enough to be asked for, and vectors are long.

        Args:
            ids: `(N,)` of tracks.
            embeddings: `(M, D)` of detections, of any length.
            rows: `(K,)` the pairs' tracks.
            columns: `(K,)` the pairs' detections.

        Returns:
            `(K,)` in [-1, 1]; NaN where either side is unknown.
        """
        similarity = np.full(len(rows), np.nan)
        known, places = self._find(ids)
        vectors = unit_vectors(embeddings)
        seen: NDArray[np.bool_] = np.any(vectors != 0.0, axis=1)
        sure = known[rows] & seen[columns]
        looks = self._vectors.take(places[rows[sure]], axis=0)
        similarity[sure] = np.einsum("kd,kd->k", looks, vectors.take(columns[sure], axis=0))
        return similarity

    def remember(
        self, ids: NDArray[np.int64], embeddings: ArrayLike, keep: float | NDArray[np.float64]
    ) -> None:
        """Blend what was seen now into what is remembered; exponential averaging.

        Args:
            ids: `(N,)` of tracks, each once; a new one takes its vector as it is.
            embeddings: `(N, D)` what each looks like now; a row of zeros changes nothing.
            keep: What part of the old vector stays, one number or `(N,)`.
        """
        vectors = unit_vectors(embeddings)
        seen = vectors.any(axis=1)
        known, places = self._find(ids)
        old = np.flatnonzero(known & seen)
        if len(old):
            share = np.broadcast_to(keep, len(ids))[old, None]
            blend = share * self._vectors[places[old]] + (1.0 - share) * vectors[old]
            self._vectors[places[old]] = unit_vectors(blend)
        new = np.flatnonzero(~known & seen)
        if len(new):
            joined = np.concatenate([self._ids, ids[new]])
            order = np.argsort(joined)
            self._ids = joined[order]
            held = self._vectors if len(self._vectors) else vectors[:0]
            self._vectors = np.concatenate([held, vectors[new]])[order]

    def __len__(self) -> int:
        return len(self._ids)

    def keep_only(self, ids: NDArray[np.int64]) -> None:
        """Forget all tracks but these."""
        alive = np.isin(self._ids, ids)
        if not alive.any():
            self.reset()
        elif not alive.all():
            self._ids, self._vectors = self._ids[alive], self._vectors[alive]

    def state(self) -> dict[str, Any]:
        """All that it holds, as arrays and scalars; its own copy."""
        return {
            "appearance.name": self.name,
            "appearance.ids": self._ids.copy(),
            "appearance.vectors": self._vectors.copy(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` gave."""
        self._name = state["appearance.name"]
        self._ids = np.array(state["appearance.ids"], np.int64)
        self._vectors = np.array(state["appearance.vectors"], np.float64)

    def _find(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """Which of some tracks are known, and where; places of the others mean nothing."""
        if not len(self._ids):
            return np.zeros(len(ids), bool), np.zeros(len(ids), np.int64)
        places = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        return self._ids[places] == ids, places
