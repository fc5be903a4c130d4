import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from faimtrack.datasets.crowd import (
    KINDS,
    VISIBILITY_ONE,
    CrowdConfig,
    Renderer,
    exact_masks,
    frames,
    simulate_crowd,
)
from faimtrack.masks.mask import Mask


def whole_boxes(crowd, frame):
    """Rows of a frame that nothing hides and that no image border cuts."""
    table = crowd.annotations
    rows = np.arange(len(table))[table.rows_of(frame)]
    boxes = table.boxes_xywh[rows]
    far = boxes[:, :2] + boxes[:, 2:]
    limit = [crowd.config.width, crowd.config.height]
    inside = (boxes[:, :2] > 0).all(axis=1) & (far < limit).all(axis=1)
    return rows[inside & (table.visibility[rows] == VISIBILITY_ONE)]


def iou_of(first, second):
    left, top = np.maximum(first[:2], second[:2])
    right, bottom = np.minimum(np.add(first[:2], first[2:]), np.add(second[:2], second[2:]))
    shared = max(right - left, 0) * max(bottom - top, 0)
    return shared / (first[2] * first[3] + second[2] * second[3] - shared)


@pytest.mark.parametrize("density", ["sparse", "medium", "dense"])
@pytest.mark.parametrize("camera", ["static", "moving"])
def test_masks_fill_their_boxes(density, camera):
    crowd = simulate_crowd(CrowdConfig(density=density, camera=camera, frames=3, seed=12))
    drawn = Renderer(crowd).render(3)
    masks = exact_masks(drawn, crowd.annotations)
    overlaps = []
    for row in whole_boxes(crowd, 3):
        table = crowd.annotations
        box = table.boxes_xywh[row]
        mask = masks[int(table.track_ids[row])]
        # Borders of mask and box are rounded on their own: one pixel either way.
        for own, drawn_at in zip(mask.box_xywh, box, strict=True):
            assert abs(own - drawn_at) <= 2, KINDS[table.class_ids[row]].name
        overlaps.append(iou_of(np.array(mask.box_xywh), box))
    assert len(overlaps) >= 2
    assert np.median(overlaps) > 0.9
    assert min(overlaps) > 0.6


def test_no_figure_is_drawn_outside_its_box(drawn):
    crowd, shown = drawn
    table = crowd.annotations
    for each in shown:
        for row in range(*table.rows_of(each.index).indices(len(table))):
            y, x = np.nonzero(each.ids == table.track_ids[row])
            if len(x):
                left, top, width, height = table.boxes_xywh[row]
                assert x.min() >= left
                assert y.min() >= top
                assert x.max() < left + width
                assert y.max() < top + height


def test_masks_are_people_shaped_not_boxes(drawn):
    crowd, shown = drawn
    table = crowd.annotations
    fills = []
    for each in shown[::4]:
        masks = exact_masks(each, table)
        for row in whole_boxes(crowd, each.index):
            if table.class_ids[row] == 0:
                area = np.prod(table.boxes_xywh[row][2:])
                fills.append(masks[int(table.track_ids[row])].area / area)
    assert 0.45 < np.median(fills) < 0.85


def test_every_drawn_pixel_belongs_to_an_annotated_figure(drawn):
    crowd, shown = drawn
    for each in shown:
        rows = crowd.annotations.rows_of(each.index)
        drawn_ids = set(np.unique(each.ids).tolist()) - {0}
        assert drawn_ids <= set(crowd.annotations.track_ids[rows].tolist())


def test_nearer_figures_hide_farther_ones(drawn):
    crowd, shown = drawn
    table = crowd.annotations
    rows = table.rows_of(1)
    visible = table.visibility[rows] / VISIBILITY_ONE
    masks = exact_masks(shown[0], table)
    areas = np.array([masks[t].area if t in masks else 0 for t in table.track_ids[rows].tolist()])
    fill = areas / np.prod(table.boxes_xywh[rows][:, 2:], axis=1)
    people = table.class_ids[rows] == 0
    assert np.corrcoef(visible[people], fill[people])[0, 1] > 0.8


def test_masks_decode_to_the_map_of_ids(drawn):
    crowd, shown = drawn
    masks = exact_masks(shown[0], crowd.annotations)
    assert list(masks) == sorted(set(np.unique(shown[0].ids).tolist()) - {0})
    for track, mask in masks.items():
        assert mask == Mask.encode(
            shown[0].ids == track, class_id=mask.class_id, method="simulator"
        )


def test_pictures_are_the_same_on_this_machine_in_any_order(drawn):
    crowd, shown = drawn
    renderer = Renderer(crowd)
    for index in (12, 3):
        again = renderer.render(index)
        assert (again.image == shown[index - 1].image).all()
        assert (again.ids == shown[index - 1].ids).all()


def test_number_of_workers_changes_nothing(drawn):
    crowd, shown = drawn
    for one, other in zip(frames(crowd, workers=1), shown, strict=True):
        assert one.index == other.index
        assert (one.image == other.image).all()


def test_pictures_change_from_frame_to_frame_and_with_the_light():
    crowd = simulate_crowd(CrowdConfig(people=0, frames=100, seed=1))
    renderer = Renderer(crowd)
    levels = [cv2.mean(renderer.render(frame).image)[1] for frame in range(1, 101, 9)]
    assert max(levels) - min(levels) > 3
    first, second = (renderer.render(frame).image.astype(int) for frame in (1, 2))
    assert 0.3 < np.abs(first - second).mean() < 8


def test_figures_stand_out_and_differ(drawn):
    crowd, shown = drawn
    table = crowd.annotations
    colours = []
    for row in whole_boxes(crowd, 1):
        if table.class_ids[row] == 0:
            colours.append(shown[0].image[shown[0].ids == table.track_ids[row]].mean(axis=0))
    gaps = [np.abs(a - b).sum() for a, b in itertools.combinations(colours, 2)]
    assert np.median(gaps) > 20


@pytest.mark.parametrize(
    ("width", "height", "people"), [(33, 77, 1), (320, 32, 3), (41, 501, 40), (501, 203, 150)]
)
@pytest.mark.parametrize("camera", ["static", "moving"])
def test_any_odd_size_can_be_drawn(width, height, people, camera):
    config = CrowdConfig(width=width, height=height, people=people, frames=1, camera=camera)
    crowd = simulate_crowd(config)
    (drawn,) = frames(crowd)
    assert drawn.image.shape == (height, width, 3)
    assert drawn.image.dtype == np.uint8
    assert drawn.ids.shape == (height, width)
    for mask in exact_masks(drawn, crowd.annotations).values():
        assert mask.decode().shape == (height, width)


def test_stopped_drawing_leaves_no_thread_at_work():
    crowd = simulate_crowd(CrowdConfig(frames=50, width=64, height=48, people=2))
    drawing = frames(crowd)
    assert next(drawing).index == 1
    drawing.close()
    with pytest.raises(StopIteration):
        next(drawing)


@given(
    arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=12)),
    st.tuples(*[st.integers(0, 3)] * 4),
)
def test_part_of_a_frame_is_encoded_like_the_whole(part, margins):
    # Without margins, runs go on from the last row of a column to the first of the next.
    top, bottom, left, right = margins
    whole = np.pad(part, ((top, bottom), (left, right)))
    assert Mask.encode_part(part, left, top, whole.shape) == Mask.encode(whole)
