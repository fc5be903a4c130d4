import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.datasets.crowd.integers import (
    SINE,
    Draws,
    cosine,
    divide_rounded,
    interpolate,
    rough_length,
    sine,
)


def test_sine_table_is_the_rounded_sine():
    exact = [round(1024 * math.sin(2 * math.pi * step / 1024)) for step in range(1024)]
    assert SINE.tolist() == exact


def test_cosine_is_the_sine_a_quarter_turn_later():
    angles = np.arange(-2000, 2000)
    assert (cosine(angles) == sine(angles + 256)).all()


def test_draws_are_the_frozen_ones():
    # Written down once: a machine or a numpy that draws others breaks every crowd.
    draws = Draws("test", 1, 2)
    assert draws.bits("stream", [0, 1, 2**40], 3).tolist() == FROZEN_BITS
    assert draws.between("stream", [0, 1, 2, 3], -5, 5).tolist() == FROZEN_BETWEEN


FROZEN_BITS = [3584261631391670573, 10383772388258789709, 653967059159562462]
FROZEN_BETWEEN = [3, -3, 1, 2]


def test_draws_differ_by_stream_entity_step_and_key():
    draws = Draws("test", 1)
    first = draws.bits("a", [0])[0]
    others = [
        draws.bits("b", [0])[0],
        draws.bits("a", [1])[0],
        draws.bits("a", [0], 1)[0],
        Draws("test", 2).bits("a", [0])[0],
    ]
    assert first not in others
    assert len(set(others)) == 4


@given(st.integers(-(2**30), 2**30), st.integers(0, 2**20))
def test_drawn_numbers_stay_in_their_range(low, width):
    drawn = Draws("range").between("s", np.arange(50), low, low + width)
    assert drawn.min() >= low
    assert drawn.max() <= low + width


def test_drawn_numbers_reach_both_ends_evenly():
    drawn = Draws("even").between("s", np.arange(20000), 0, 3)
    assert np.bincount(drawn).min() > 4700


def test_bell_has_mean_0_and_deviation_1024():
    drawn = Draws("bell").bell("s", np.arange(40000))
    assert abs(drawn.mean()) < 25
    assert drawn.std() == pytest.approx(1024, rel=0.02)


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_rough_length_is_at_most_nine_percent_too_short(x, y):
    length = int(rough_length(np.array([x]), np.array([y]))[0])
    exact = math.hypot(x, y)
    assert 0.91 * exact <= length <= exact + 1


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**9))
def test_divided_numbers_are_rounded_to_the_nearest(numerator, denominator):
    quotient = int(divide_rounded(np.array([numerator]), denominator)[0])
    assert abs(2 * (quotient * denominator - numerator)) <= denominator


def test_interpolation_passes_its_knots_and_stays_flat_outside():
    knots = ((0, 10), (100, 20), (300, 0))
    values = np.array([-50, 0, 50, 100, 200, 300, 900])
    assert interpolate(values, knots).tolist() == [10, 10, 15, 20, 10, 0, 0]
