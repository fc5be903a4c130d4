import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from faimtrack.motfile import read_mot
from faimtrack.motfile.exact import extent_text, far_corner, is_exact, number_text

coordinates = st.floats(-1e9, 1e9)


@given(coordinates, coordinates)
@example(300.00000000000006, 900.0000000000001)
@example(-1000.3, 5e-324)
@example(-0.0, 0.0)
def test_a_far_corner_is_found_again_bit_for_bit(one, other):
    near, far = sorted((one, other))
    text = extent_text(near, far)
    assert far_corner(near, text) == far
    # To anybody else it is the number next to it.
    assert near + float(text) == pytest.approx(far, abs=4 * math.ulp(max(abs(near), abs(far))))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number_is_that_number(value):
    assert float(number_text(value)) == value
    assert not is_exact(number_text(value))


@pytest.mark.parametrize(
    ("text", "is_more"),
    [
        ("0.19999999999999998", False),  # 17 digits
        ("600.00000000000006253", True),
        ("0.000000000000000000000000012", False),  # zeros in front say nothing
        ("-600.00000000000006253", False),
        ("6.000000000000000625e+02", False),  # how numpy writes a plain float64
        ("1.2.3.4.5.6.7.8.9.10.11.12", False),
        ("1" * 5000, False),
    ],
)
def test_only_plain_texts_of_18_digits_and_more_are_exact(text, is_more):
    assert is_exact(text) is is_more


@pytest.mark.parametrize("separator", [",", " "])
def test_the_corners_of_a_table_are_exact_where_its_text_is(tmp_path, separator):
    near, far = 300.00000000000006, 900.0000000000001
    assert near + (far - near) != far
    path = tmp_path / "det.txt"
    rows = [[2, -1, near, 5, extent_text(near, far), 7, 0.5], [1, -1, 1, 2, 3, 4, 0.5]]
    path.write_text("".join(separator.join(map(str, row)) + "\n" for row in rows))
    table = read_mot(path)
    assert table.boxes.tolist() == [[1, 2, 4, 6], [near, 5, far, 12]]
    assert table.detections(2).boxes.tolist() == [[near, 5, far, 12]]
    assert table.select(table.frames > 1).boxes.tolist() == [[near, 5, far, 12]]
