import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faimtrack.boxes import (
    box_areas,
    box_iou,
    box_xywh_to_xyxy,
    box_xyxy_to_xywh,
    clip_boxes,
    overlapping_pairs,
)

NUMBER = st.floats(-1e4, 1e4, allow_nan=False, width=32)


@st.composite
def boxes(draw, most=6):
    count = draw(st.integers(0, most))
    corners = draw(arrays(np.float64, (count, 2, 2), elements=NUMBER))
    return np.sort(corners, axis=1).reshape(count, 4)


def one_by_one(first, second, pixel_offset):
    """The definition, a pair at a time."""
    answer = np.zeros((len(first), len(second)))
    for row, a in enumerate(first):
        for column, b in enumerate(second):
            width = min(a[2], b[2]) - max(a[0], b[0]) + pixel_offset
            height = min(a[3], b[3]) - max(a[1], b[1]) + pixel_offset
            shared = max(width, 0) * max(height, 0)
            union = sum(
                (c[2] - c[0] + pixel_offset) * (c[3] - c[1] + pixel_offset) for c in (a, b)
            )
            answer[row, column] = shared / (union - shared) if union > shared else 0
    return answer


def test_conversion_adds_sizes_to_corners_without_a_pixel_more_or_less():
    xywh = np.array([[10.0, 20.0, 5.5, 40.0]])
    assert box_xywh_to_xyxy(xywh).tolist() == [[10, 20, 15.5, 60]]
    assert box_xyxy_to_xywh([[10, 20, 15.5, 60]]).tolist() == [[10, 20, 5.5, 40]]


@given(boxes())
def test_conversion_there_and_back_is_the_identity(corners):
    np.testing.assert_allclose(box_xywh_to_xyxy(box_xyxy_to_xywh(corners)), corners, atol=1e-9)


@given(boxes(), boxes(), st.sampled_from([0.0, 1.0]))
def test_iou_is_its_definition(first, second, pixel_offset):
    np.testing.assert_allclose(
        box_iou(first, second, pixel_offset=pixel_offset),
        one_by_one(first, second, pixel_offset),
        atol=1e-12,
    )


@given(boxes())
def test_iou_is_symmetric_within_bounds_and_one_with_itself(corners):
    iou = box_iou(corners, corners)
    np.testing.assert_array_equal(iou, iou.T)
    assert ((iou >= 0) & (iou <= 1)).all()
    has_area = box_areas(corners) > 0
    assert (np.diag(iou)[has_area] == 1).all()
    assert (np.diag(iou)[~has_area] == 0).all()


def test_the_pixel_offset_counts_both_border_pixels():
    box = np.array([[0.0, 0.0, 9.0, 9.0]])
    assert box_areas(box).tolist() == [81]
    assert box_areas(box, pixel_offset=1).tolist() == [100]
    beside = np.array([[10.0, 0.0, 19.0, 9.0]])
    assert box_iou(box, beside).tolist() == [[0]]
    touching = np.array([[9.0, 0.0, 18.0, 9.0]])
    assert box_iou(box, touching, pixel_offset=1)[0, 0] == 10 / 190


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_no_boxes_give_an_empty_table(shape):
    first, second = np.zeros((shape[0], 4)), np.zeros((shape[1], 4))
    assert box_iou(first, second).shape == shape
    assert [len(part) for part in overlapping_pairs(first, second)] == [0, 0, 0]


@pytest.mark.parametrize("pixel_offset", [0.0, 1.0])
def test_boxes_without_an_area_that_cross_share_nothing(pixel_offset):
    lying, standing = np.array([[0.0, 5, 10, 5]]), np.array([[5.0, 0, 5, 10]])
    expected = one_by_one(lying, standing, pixel_offset)
    assert box_iou(lying, standing, pixel_offset=pixel_offset).tolist() == expected.tolist()
    assert expected.tolist() == [[1 / 21 if pixel_offset else 0]]


@given(boxes(12), boxes(12), st.sampled_from([0.0, 1.0]))
def test_overlapping_pairs_are_sorted_and_are_all_that_share_an_area(first, second, pixel_offset):
    rows, columns, values = overlapping_pairs(first, second, pixel_offset=pixel_offset)
    expected = one_by_one(first, second, pixel_offset)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert set(zip(*map(np.ndarray.tolist, np.nonzero(expected > 1e-12)), strict=True)) <= set(
        pairs
    )
    np.testing.assert_allclose(values, expected[rows, columns], atol=1e-12)


@given(boxes(), NUMBER.map(abs), NUMBER.map(abs))
def test_clipping_keeps_boxes_inside_and_leaves_those_alone_that_are(corners, width, height):
    clipped = clip_boxes(corners, width, height)
    assert (clipped[:, [0, 2]] >= 0).all()
    assert (clipped[:, [0, 2]] <= width).all()
    assert (clipped[:, [1, 3]] >= 0).all()
    assert (clipped[:, [1, 3]] <= height).all()
    assert (clipped[:, 2:] >= clipped[:, :2]).all()
    inside = ((corners >= 0) & (corners <= [width, height, width, height])).all(axis=1)
    np.testing.assert_array_equal(clipped[inside], corners[inside])


@pytest.mark.parametrize(
    "function",
    [
        box_xywh_to_xyxy,
        box_xyxy_to_xywh,
        lambda boxes: clip_boxes(boxes, 12, 12),
        lambda boxes: box_iou(boxes, boxes, pixel_offset=1),
    ],
)
def test_inputs_are_not_modified(function):
    given_boxes = np.array([[-1.0, 2.0, 30.0, 40.0]])
    before = given_boxes.copy()
    function(given_boxes)
    np.testing.assert_array_equal(given_boxes, before)
