import itertools

import lap
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from faimtrack.trackers.assignment import (
    assign_below,
    assign_most_similar,
    assign_pairs,
    left_over,
)

SOLVERS = ["scipy", "lapjv"]


def least_cost_by_trying_all(cost, limit):
    """The optimum where each row of the shorter side takes a column or pays the limit."""
    rows, columns = cost.shape
    best = np.inf
    for choice in itertools.product(range(-1, columns), repeat=rows):
        taken = [column for column in choice if column >= 0]
        if len(set(taken)) < len(taken):
            continue
        paid = sum(cost[row, column] for row, column in enumerate(choice) if column >= 0)
        best = min(best, paid + limit * (min(rows, columns) - len(taken)))
    return best


costs = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    elements=st.integers(0, 1000).map(lambda value: value / 1000),
)


@pytest.mark.parametrize("solver", SOLVERS)
@given(cost=costs, limit=st.sampled_from([0.3, 0.5, 0.9]))
def test_gated_assignment_is_optimal(solver, cost, limit):
    rows, columns = assign_below(cost, limit, solver=solver)
    assert (cost[rows, columns] < limit).all()
    assert len(set(rows.tolist())) == len(rows)
    assert len(set(columns.tolist())) == len(columns)
    paid = cost[rows, columns].sum() + limit * (min(cost.shape) - len(rows))
    assert paid == pytest.approx(least_cost_by_trying_all(cost, limit), abs=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
def test_gated_assignment_pairs_as_lapjv_with_its_cost_limit_does(solver):
    rng = np.random.default_rng(0)
    for _ in range(500):
        cost = rng.random(rng.integers(1, 25, 2))
        limit = rng.uniform(0.1, 0.95)
        _, expected, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
        rows, columns = assign_below(cost, limit, solver=solver)
        came = np.full(len(cost), -1)
        came[rows] = columns
        np.testing.assert_array_equal(came, expected)


@pytest.mark.parametrize("solver", SOLVERS)
@given(cost=costs, limit=st.sampled_from([0.3, 0.9]))
def test_pairs_left_out_are_as_good_as_pairs_at_the_limit(solver, cost, limit):
    rows, columns = np.nonzero(cost < 0.8)
    some = assign_pairs(rows, columns, cost[rows, columns], cost.shape, limit, solver=solver)
    everything = assign_below(np.where(cost < 0.8, cost, 1.0), limit, solver=solver)
    paid = [cost[r, c].sum() + limit * (min(cost.shape) - len(r)) for r, c in (some, everything)]
    assert paid[0] == pytest.approx(paid[1], abs=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@given(similarity=costs)
def test_ungated_assignment_has_the_greatest_total(solver, similarity):
    rows, columns = assign_most_similar(similarity, solver=solver)
    assert len(rows) == min(similarity.shape)
    flipped = similarity if similarity.shape[0] <= similarity.shape[1] else similarity.T
    best = max(
        flipped[range(len(flipped)), list(choice)].sum()
        for choice in itertools.permutations(range(flipped.shape[1]), len(flipped))
    )
    assert similarity[rows, columns].sum() == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_assign_gives_no_pairs(solver, shape):
    for rows, columns in (
        assign_below(np.zeros(shape), 0.5, solver=solver),
        assign_most_similar(np.zeros(shape), solver=solver),
    ):
        assert len(rows) == len(columns) == 0


def test_costs_are_not_modified():
    cost = np.array([[0.2, 0.95], [0.95, 0.3]])
    before = cost.copy()
    assign_below(cost, 0.5)
    assign_most_similar(cost)
    np.testing.assert_array_equal(cost, before)


def test_left_over_names_who_was_not_taken():
    assert left_over(5, np.array([3, 0])).tolist() == [1, 2, 4]
    assert left_over(0, np.array([], dtype=np.int64)).tolist() == []
