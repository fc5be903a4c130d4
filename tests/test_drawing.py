import subprocess
import sys

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from faimtrack.drawing import (
    TrackDrawer,
    colour_of,
    contact_sheet,
    draw_detections,
    draw_tracks,
    side_by_side,
)
from faimtrack.run_lengths import decode_window
from faimtrack.structures import Detections, Tracks


@pytest.fixture
def grey():
    return np.full((360, 640, 3), 128, np.uint8)


def tracks_at(boxes, ids=None, class_ids=None, indices=None):
    count = len(boxes)
    return Tracks(
        np.arange(1, count + 1) if ids is None else ids,
        np.asarray(boxes, float),
        np.ones(count),
        np.zeros(count, int) if class_ids is None else class_ids,
        np.zeros(count, int) if indices is None else indices,
    )


def changed(before, after):
    return (before != after).any(axis=2)


def test_the_input_is_not_modified_and_the_size_is_kept(grey):
    before = grey.copy()
    tracks = tracks_at([[100, 100, 140, 200]])
    drawn = draw_tracks(grey, tracks)
    assert np.array_equal(grey, before)
    assert drawn.shape == grey.shape
    assert not np.shares_memory(drawn, grey)
    assert np.array_equal(drawn, draw_tracks(grey, tracks))


def test_a_read_only_image_and_one_that_is_a_view_can_be_drawn_on(grey):
    expected = draw_tracks(grey, tracks_at([[100, 100, 140, 200]]))
    view = np.ascontiguousarray(grey[:, :, ::-1])[:, :, ::-1]
    view.flags.writeable = False
    assert np.array_equal(draw_tracks(view, tracks_at([[100, 100, 140, 200]])), expected)


def test_a_box_has_the_colour_of_its_id_on_its_edges_and_nothing_inside(grey):
    drawn = draw_tracks(grey, tracks_at([[100, 100, 140, 200]], ids=[17]))
    for x, y in ((100, 150), (140, 150), (120, 200)):
        assert tuple(drawn[y, x]) == colour_of(17)
    assert not changed(grey, drawn)[102:199, 102:139].any()


def test_colours_are_stable_and_neighbours_are_far_apart():
    assert colour_of(1) == (115, 156, 255)
    colours = np.array([colour_of(number) for number in range(1, 61)], float)
    apart = np.abs(colours[:, None] - colours[None]).sum(axis=2)
    for step in (1, 2, 3, 4):
        assert apart.diagonal(step).min() > 100
    assert len({colour_of(number) for number in range(1, 301)}) > 290


def test_a_predicted_box_has_only_corners(grey):
    drawn = draw_tracks(grey, tracks_at([[100, 100, 140, 200]], ids=[17], indices=[-1]))
    assert tuple(drawn[100, 139]) == colour_of(17)
    assert not changed(grey, drawn)[150].any()


def test_a_narrow_box_gets_the_number_alone(grey):
    wide, narrow = [100, 100, 300, 200], [100, 100, 120, 200]
    names = ("person", "traffic light")
    for box, is_written in ((wide, True), (narrow, False)):
        plain = draw_tracks(grey, tracks_at([box]))
        named = draw_tracks(grey, tracks_at([box], class_ids=[1]), class_names=names)
        assert changed(plain, named).any() == is_written


def test_one_class_is_not_written(grey):
    tracks = tracks_at([[100, 100, 300, 200]])
    assert np.array_equal(
        draw_tracks(grey, tracks, class_names=("person",)), draw_tracks(grey, tracks)
    )


def test_labels_leave_most_of_a_crowd_visible(grey):
    random = np.random.default_rng(0)
    feet, x = random.uniform(60, 350, 200), random.uniform(0, 640, 200)
    height = 18 + 0.2 * (feet - 60)
    boxes = np.stack([x - 0.2 * height, feet - height, x + 0.2 * height, feet], axis=1)
    drawn = draw_tracks(grey, tracks_at(boxes), class_names=("person", "car"))
    assert changed(grey, drawn).mean() < 0.33


def test_nearer_objects_lie_over_farther_ones_whatever_their_order(grey):
    far, near = [100, 100, 140, 200], [120, 150, 160, 260]
    first = draw_tracks(grey, tracks_at([far, near], ids=[1, 2]))
    second = draw_tracks(grey, tracks_at([near, far], ids=[2, 1]))
    assert np.array_equal(first, second)
    assert tuple(first[200, 120]) == colour_of(2)  # where their edges cross


@pytest.mark.parametrize(
    "box",
    [[-50, -50, 30, 30], [600, 330, 900, 500], [-1e9, -1e9, 1e9, 1e9], [50, 50, 50, 50]],
)
def test_a_box_at_or_beyond_the_border_is_no_error(grey, box):
    drawn = draw_tracks(grey, tracks_at([box]))
    assert drawn.shape == grey.shape
    assert changed(grey, drawn).sum() > 50, "its label at least"


def test_a_box_outside_the_image_leaves_no_label(grey):
    drawn = draw_tracks(grey, tracks_at([[700, 300, 800, 350], [10, 400, 50, 500]]))
    assert np.array_equal(drawn, grey)


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (2160, 3840), (64, 2000)])
def test_any_size_of_image_can_be_drawn_on(size):
    image = np.zeros((*size, 3), np.uint8)
    drawn = draw_tracks(image, tracks_at([[0, 0, size[1], size[0]]]))
    assert drawn.shape == image.shape
    assert drawn.any()


def test_lines_and_letters_grow_with_the_image():
    def label_area(height, width):
        image = np.zeros((height, width, 3), np.uint8)
        box = np.array([[0.3, 0.5, 0.6, 0.9]]) * [width, height, width, height]
        drawn = draw_tracks(image, tracks_at(box))
        assert drawn[int(0.7 * height), int(0.3 * width)].any()
        return drawn[: int(0.5 * height) - 2].any(axis=2).sum()

    assert label_area(1080, 1920) > 2.5 * label_area(360, 640)


def test_nothing_is_drawn_without_tracks(grey):
    assert np.array_equal(draw_tracks(grey, Tracks.empty()), grey)
    assert np.array_equal(draw_detections(grey, Detections.empty()), grey)


def test_masks_tint_what_they_cover_however_they_are_given(grey):
    covered = np.zeros((360, 640), bool)
    covered[120:180, 110:130] = True
    runs = coco_mask.encode(np.asfortranarray(covered.astype(np.uint8)))
    tracks = tracks_at([[100, 100, 140, 200]], ids=[5])
    plain = draw_tracks(grey, tracks)
    drawn = draw_tracks(grey, tracks, masks=[runs])
    assert np.array_equal(changed(plain, drawn), covered)
    expected = 128 * 0.55 + np.array(colour_of(5)) * 0.45
    assert drawn[150, 120] == pytest.approx(expected, abs=1)
    assert np.array_equal(drawn, draw_tracks(grey, tracks, masks=[covered]))
    empty = np.zeros_like(covered)
    assert np.array_equal(plain, draw_tracks(grey, tracks, masks=[empty]))


@pytest.mark.parametrize("density", [0.0, 0.001, 0.3, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (50, 33), (360, 640)])
def test_run_lengths_are_read_as_pycocotools_writes_them(density, size):
    covered = np.random.default_rng(0).random(size) < density
    mask = coco_mask.encode(np.asfortranarray(covered.astype(np.uint8)))
    window, inside = decode_window(mask)
    decoded = np.zeros(size, bool)
    decoded[window] = inside
    assert np.array_equal(decoded, covered)
    if covered.any() and not covered[:, -1].any():
        assert window[1].stop <= np.flatnonzero(covered.any(axis=0))[-1] + 1


@pytest.mark.parametrize("counts", [b"P", b"\xff\xff", b" ", b"999", b"ZZZ1"])
def test_run_lengths_that_do_not_fit_are_refused(counts):
    with pytest.raises(ValueError, match="masks: expected"):
        decode_window({"size": [36, 64], "counts": counts})


def test_a_track_without_a_mask_is_drawn_without(grey):
    covered = np.zeros(grey.shape[:2], bool)
    covered[100:200, 100:200] = True
    two = Tracks([1, 2], [[90, 90, 210, 210], [300, 90, 400, 210]], [0.9] * 2, [0] * 2, [0, -1])
    drawn = draw_tracks(grey, two, masks=[covered, None])
    bare = draw_tracks(grey, two)
    differs = (drawn != bare).any(axis=2)
    assert differs[150, 150]
    assert not differs[:, 220:].any()


def test_of_two_masks_the_nearer_lies_over_the_farther(grey):
    covered = np.zeros(grey.shape[:2], bool)
    covered[100:200, 100:200] = True
    boxes = [[90, 90, 210, 210], [90, 90, 210, 300]]
    both = Tracks([1, 2], boxes, [0.9] * 2, [0] * 2, [0, 1])
    swapped = Tracks([2, 1], boxes[::-1], [0.9] * 2, [0] * 2, [1, 0])
    drawn = [draw_tracks(grey, each, masks=[covered, covered]) for each in (both, swapped)]
    assert np.array_equal(drawn[0][150:190, 110:190], drawn[1][150:190, 110:190])


def test_masks_of_another_number_or_size_are_refused(grey):
    tracks = tracks_at([[100, 100, 140, 200]])
    with pytest.raises(ValueError, match="masks: expected 1, one a box, got 0"):
        draw_tracks(grey, tracks, masks=[])
    with pytest.raises(ValueError, match=r"masks: expected \(360, 640\) pixels, got \(36, 64\)"):
        draw_tracks(grey, tracks, masks=[np.ones((36, 64), bool)])


def test_a_trail_follows_the_feet_and_ends_after_its_length(grey):
    drawer = TrackDrawer(trail_length_frames=10)
    for step in range(40):
        drawn = drawer.draw(grey, tracks_at([[5 * step, 100, 5 * step + 20, 140]], ids=[3]))
    is_trail = changed(grey, drawn)[140]
    feet = 5 * 39 + 10
    assert is_trail[feet - 45 : feet].all()
    assert not is_trail[: feet - 50].any()


def test_tracks_that_are_gone_are_forgotten(grey):
    drawer = TrackDrawer(trail_length_frames=5)
    for number in range(1, 200):
        drawer.draw(grey, tracks_at([[10, 10, 30, 60]], ids=[number]))
    assert len(drawer._trails) == 5
    for _ in range(5):
        assert np.array_equal(drawer.draw(grey, Tracks.empty()), grey)
    assert not drawer._trails


def test_the_trail_of_a_track_that_is_not_there_is_not_drawn(grey):
    drawer = TrackDrawer(trail_length_frames=30)
    for step in range(4):
        drawer.draw(grey, tracks_at([[20 * step, 100, 20 * step + 20, 140]]))
    assert np.array_equal(drawer.draw(grey, Tracks.empty()), grey)
    assert drawer._trails, "it may come back"


def test_without_trails_a_drawer_draws_each_frame_alone(grey):
    drawer = TrackDrawer(trail_length_frames=0)
    drawer.draw(grey, tracks_at([[10, 10, 30, 60]]))
    tracks = tracks_at([[300, 10, 330, 60]])
    assert np.array_equal(drawer.draw(grey, tracks), draw_tracks(grey, tracks))
    with pytest.raises(ValueError, match="trail_length_frames: expected 0 or more"):
        TrackDrawer(trail_length_frames=-1)


def test_detections_have_the_colour_of_their_class_and_their_masks(grey):
    covered = np.zeros((360, 640), np.uint8, order="F")
    covered[140:150] = 1
    detections = Detections(
        [[100, 100, 200, 200], [300, 100, 400, 200]], [0.9, 0.4], [0, 1], ("person", "car"),
        masks=[coco_mask.encode(covered)] * 2,
    )  # fmt: skip
    drawn = draw_detections(grey, detections)
    assert tuple(drawn[180, 100]) == colour_of(1)
    assert tuple(drawn[180, 300]) == colour_of(2)
    assert changed(grey, drawn)[145, 600]


def test_images_side_by_side_have_one_height_and_titles():
    left, right = np.full((100, 80, 3), 10, np.uint8), np.full((50, 60, 3), 200, np.uint8)
    plain = side_by_side([left, right])
    assert plain.shape == (100, 2 * 120 + 2, 3)
    assert (plain[:, :80] == 10).all()
    assert (plain[:, 122:242] == 200).all()
    titled = side_by_side([left, right], ["before", "after"])
    bar = titled.shape[0] - 100
    assert bar > 10
    assert (titled[bar:, :80] == 10).all()
    assert (titled[:bar, :80] < 100).any()


def test_a_contact_sheet_fills_row_by_row():
    images = [np.full((90, 160, 3), 20 * number, np.uint8) for number in range(5)]
    sheet = contact_sheet(images, columns=3, tile_height=45)
    assert sheet.shape == (2 * 45 + 2, 3 * 80 + 4, 3)
    assert (sheet[:45, 82:162] == 20).all()
    assert (sheet[47:, 82:162] == 80).all()
    assert (sheet[47:, 164:] > 200).all()


def test_a_sheet_of_nothing_and_titles_of_another_number_are_refused(grey):
    with pytest.raises(ValueError, match="expected images and columns, got 0 and 4"):
        contact_sheet([])
    with pytest.raises(ValueError, match="titles: expected 2, one an image, got 1"):
        side_by_side([grey, grey], ["one"])


def test_drawing_does_not_load_supervision():
    code = (
        "import sys, numpy, faimtrack.drawing as drawing\n"
        "from faimtrack.structures import Tracks\n"
        "drawing.draw_tracks(numpy.zeros((9, 9, 3), 'uint8'), Tracks.empty())\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "faimtrack.drawing" in loaded
    assert not {"supervision", "matplotlib", "onnxruntime"} & loaded
