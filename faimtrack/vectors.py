"""Vectors of length 1, as what looks are compared by."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

_TINY = 1e-12  # a vector shorter than this says nothing


def unit_vectors(vectors: ArrayLike) -> NDArray[np.float64]:
    """Rows of length 1.

    >>> unit_vectors([[3, 4], [0, 0]])
    array([[0.6, 0.8],
           [0. , 0. ]])

    Args:
        vectors: `(N, D)` of any length.

    Returns:
        `(N, D)` float64; rows of (nearly) nothing become zeros.
    """
    exact = np.asarray(vectors, np.float64)  # squares of large numbers overflow in float32
    length = np.sqrt(np.einsum("nd,nd->n", exact, exact))[:, None]
    divided: NDArray[np.float64] = np.divide(
        exact, length, out=np.zeros_like(exact), where=length > _TINY
    )
    return divided
