"""Optimal assignment with gating: which track takes which detection."""

from __future__ import annotations

from typing import Literal

import lap
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Solver = Literal["scipy", "lapjv"]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

_NOTHING = np.zeros(0, np.int64)


def assign_below(cost: NDArray[np.float64], limit: float, *, solver: Solver = "scipy") -> Pairs:
    """The pairs of least total cost, where leaving a pair unmade costs `limit`.

    Args:
        cost: `(N, M)`; a pair at `limit` or above is never made. Not modified.
        limit: The gate.
        solver: `scipy` solves the cost cut off at the limit, which has the same optimum as
            `lapjv` with its cost limit, and is faster. Only where two optima tie may they differ;
            `lapjv` then ties as the originals do.

    Returns:
        Rows and columns of the pairs, `(K,)` each, rows ascending.
    """
    if not cost.size:
        return _NOTHING, _NOTHING
    if solver == "lapjv":
        _, columns_of_rows, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
        rows = np.flatnonzero(columns_of_rows >= 0)
        return rows, columns_of_rows[rows].astype(np.int64)
    rows, columns = linear_sum_assignment(np.minimum(cost, limit))
    made = cost[rows, columns] < limit
    return rows[made], columns[made]


def assign_most_similar(similarity: NDArray[np.float64], *, solver: Solver = "scipy") -> Pairs:
    """As many pairs as fit, of the greatest total similarity; nothing is gated.

    Args:
        similarity: `(N, M)`, finite.
        solver: As in `assign_below`.

    Returns:
        Rows and columns of the `min(N, M)` pairs.
    """
    if not similarity.size:
        return _NOTHING, _NOTHING
    if solver == "lapjv":
        _, columns_of_rows, _ = lap.lapjv(-similarity, extend_cost=True)
        rows = np.flatnonzero(columns_of_rows >= 0)
        return rows, columns_of_rows[rows].astype(np.int64)
    rows, columns = linear_sum_assignment(similarity, maximize=True)
    return rows, columns


def left_over(count: int, taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers from 0 to `count` − 1 that are not in `taken`, ascending."""
    free = np.ones(count, dtype=bool)
    free[taken] = False
    return np.flatnonzero(free)
