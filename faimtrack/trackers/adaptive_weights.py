"""Adaptive weighting: a look says more where the best match stands out from the second best."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def adaptive_weights(similarity: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """What pairs of tracks and detections gain in weight, as Deep OC-SORT has it (2023).

    A track that looks like one detection and no other is known by its look; so is a detection that
    looks like one track. One among people in the same shirt is not.

    Args:
        similarity: `(N, M)` cosines; a row or column of zeros is of someone whose look is unknown,
            who neither gains nor is compared with.
        limit: Standing out by more than this counts no more.

    Returns:
        `(N, M)` in [0, `limit`]: half of how much its row's best stands out, and half of how much
        its column's does.
    """
    gain = np.zeros_like(similarity)
    known = np.ix_(similarity.any(axis=1), similarity.any(axis=0))
    compared = similarity[known]
    gain[known] = (_lead(compared, limit)[:, None] + _lead(compared.T, limit)) / 2
    return gain


def _lead(similarity: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """How far each row's best is above its second best, up to `limit`; 0 without a second."""
    if similarity.shape[1] < 2:
        return np.zeros(len(similarity))
    best = np.partition(similarity, -2, axis=1)[:, -2:]
    return np.minimum(best[:, 1] - best[:, 0], limit)
