import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.appearance.rectangles import pixel_rectangles

COORDINATES = st.one_of(st.floats(-1e9, 1e9), st.floats(-5, 70), st.integers(-5, 70))


def test_edges_go_to_the_nearest_border_between_pixels():
    boxes = np.array([[1.4, 1.5, 9.5, 9.6], [2, 3, 12, 23]])
    assert pixel_rectangles(boxes, 60, 40).tolist() == [[1, 2, 10, 10], [2, 3, 12, 23]]


def test_a_box_a_pixel_wide_keeps_it_wherever_it_begins():
    starts = np.arange(0, 10, 0.25)
    boxes = np.stack([starts, starts, starts + 1, starts + 1], axis=1)
    rectangles = pixel_rectangles(boxes, 60, 40)
    assert (rectangles[:, 2:] - rectangles[:, :2] == 1).all()


def test_boxes_are_cut_to_the_image():
    boxes = np.array([[-1e30, -3, 1e30, 1e30], [50.2, 30, 99, 99]])
    assert pixel_rectangles(boxes, 60, 40).tolist() == [[0, 0, 60, 40], [50, 30, 60, 40]]


@pytest.mark.parametrize(
    "box",
    [
        (5, 5, 5, 9),  # no area
        (5, 5, 9, 5),
        (5, 5, 5.9, 9),  # less than a pixel wide
        (9, 5, 5, 9),  # the wrong way round
        (-20, 5, -5, 9),
        (60, 5, 70, 9),
        (5, 40, 9, 50),
        (59.5, 5, 70, 9),  # half a pixel within
    ],
)
def test_what_shows_less_than_a_pixel_is_zeros(box):
    assert pixel_rectangles(np.array([box], float), 60, 40).tolist() == [[0, 0, 0, 0]]


@given(st.tuples(*[COORDINATES] * 4))
def test_a_rectangle_lies_in_the_image_and_has_area_exactly_if_a_pixel_shows(box):
    (x1, y1, x2, y2) = pixel_rectangles(np.array([box], float), 60, 40)[0].tolist()
    assert 0 <= x1 <= x2 <= 60
    assert 0 <= y1 <= y2 <= 40
    shows = (
        min(box[2], 60) - max(box[0], 0) >= 1
        and min(box[3], 40) - max(box[1], 0) >= 1
        and max(box[0], box[1]) < 60
    )
    assert (x2 > x1 and y2 > y1) == shows


@pytest.mark.parametrize(
    ("boxes", "complaint"),
    [
        (np.zeros((2, 3)), r"boxes: expected shape \(N, 4\), got \(2, 3\)"),
        (np.array([[0, 0, 1, 1], [0, 0, np.nan, 1]]), "expected finite corners, .* in row 1"),
        (np.array([[0, 0, np.inf, 1]]), "expected finite corners, .* in row 0"),
    ],
)
def test_what_are_no_boxes_is_refused(boxes, complaint):
    with pytest.raises(ValueError, match=complaint):
        pixel_rectangles(boxes, 60, 40)
