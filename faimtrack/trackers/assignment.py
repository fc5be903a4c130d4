"""Optimal assignment with gating: which track takes which detection."""

from __future__ import annotations

from typing import Literal

import lap
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Solver = Literal["scipy", "lapjv"]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

NO_PAIRS: Pairs = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def assign_below(cost: NDArray[np.float64], limit: float, *, solver: Solver = "scipy") -> Pairs:
    """The pairs of least total cost, where leaving a pair unmade costs `limit`.

    Cutting the cost off at the limit and dropping the pairs that reach it has the same optimum as
    `lapjv` with its `cost_limit` (which solves a matrix four times the size), while gating with a
    huge cost has not. Only where two optima tie may the answers differ.

    Args:
        cost: `(N, M)`; a pair at `limit` or above is never made. Not modified.
        limit: The gate.
        solver: Who solves; ties fall as it breaks them.

    Returns:
        Rows and columns of the pairs, `(K,)` each, rows ascending.
    """
    return _solve_gated(np.minimum(cost, limit), limit, solver)


def assign_pairs(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    cost: NDArray[np.float64],
    shape: tuple[int, int],
    limit: float,
    *,
    solver: Solver = "scipy",
) -> Pairs:
    """`assign_below` for a cost that is known for some pairs only: the others cannot be made.

    Args:
        rows: `(K,)` rows of the pairs, each pair once.
        columns: `(K,)` their columns.
        cost: `(K,)` what they cost.
        shape: N and M.
        limit: The gate; pairs at or above it are never made.
        solver: As in `assign_below`.

    Returns:
        Rows and columns of the pairs that are made, rows ascending.
    """
    gated = np.full(shape, limit)
    gated[rows, columns] = np.minimum(cost, limit)
    return _solve_gated(gated, limit, solver)


def _solve_gated(gated: NDArray[np.float64], limit: float, solver: Solver) -> Pairs:
    if not gated.size:
        return NO_PAIRS
    if solver == "lapjv":
        _, columns_of_rows, _ = lap.lapjv(gated, extend_cost=True)
        rows = np.flatnonzero(columns_of_rows >= 0)
        columns = columns_of_rows.take(rows).astype(np.int64)
    else:
        rows, columns = linear_sum_assignment(gated)
    made = gated[rows, columns] < limit
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
        return NO_PAIRS
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
