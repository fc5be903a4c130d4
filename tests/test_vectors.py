import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.vectors import unit_vectors


def test_lengths_become_1_however_large_and_nothing_stays_nothing():
    vectors = np.array([[3e30, 4e30], [0, 0], [0, -2]], np.float32)
    before = vectors.copy()
    np.testing.assert_allclose(unit_vectors(vectors), [[0.6, 0.8], [0, 0], [0, -1]], atol=1e-7)
    assert unit_vectors(vectors).dtype == np.float64
    assert np.array_equal(vectors, before)


def test_no_rows_and_no_numbers_are_fine():
    for shape in ((0, 5), (5, 0), (0, 0)):
        assert unit_vectors(np.zeros(shape, np.float32)).shape == shape


@given(st.lists(st.lists(st.floats(-1e100, 1e100), min_size=3, max_size=3), max_size=8))
def test_every_row_has_length_1_or_is_zero(rows):
    vectors = np.reshape(rows, (-1, 3))
    for vector, unit in zip(vectors, unit_vectors(vectors), strict=True):
        length = np.linalg.norm(vector)
        assert not unit.any() or abs(np.linalg.norm(unit) - 1) < 1e-9
        np.testing.assert_allclose(unit * length, vector, rtol=1e-9, atol=1e-9 * length + 1e-11)
