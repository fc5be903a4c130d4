import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.postprocess import (
    PostprocessConfig,
    TrackRows,
    interpolate_linear,
    postprocess,
    remove_short,
    smooth_gaussian,
)
from faimtrack.structures import Tracks

COLUMNS = ("frames", "ids", "boxes", "scores", "class_ids", "detection_indices")


def make(frames, ids, boxes=None, scores=None, class_ids=None):
    count = len(frames)
    if boxes is None:
        boxes = np.tile([10.0, 20.0, 30.0, 60.0], (count, 1))
    return TrackRows(
        frames,
        ids,
        boxes,
        np.full(count, 0.5) if scores is None else scores,
        np.zeros(count, int) if class_ids is None else class_ids,
        np.arange(count),
    )


def moving(frames, track=1, speed=3.0):
    """One track at constant velocity, its box growing a little."""
    time_ = np.asarray(frames, dtype=np.float64)[:, None]
    boxes = np.array([100.0, 50.0, 120.0, 100.0]) + time_ * [speed, 1.0, speed + 0.5, 2.0]
    return make(frames, [track] * len(frames), boxes)


def assert_same(one, other):
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@st.composite
def sequences(draw):
    """Tracks with gaps, in any order of rows."""
    pairs = draw(
        st.lists(st.tuples(st.integers(1, 60), st.integers(1, 4)), max_size=50, unique=True)
    )
    random = np.random.default_rng(draw(st.integers(0, 99)))
    corners = random.uniform(-50, 500, (len(pairs), 2))
    boxes = np.hstack([corners, corners + random.choice([0, 1e-3, 40], (len(pairs), 2))])
    return make(
        [frame for frame, _ in pairs], [track for _, track in pairs], boxes,
        random.uniform(0, 1, len(pairs)), random.integers(0, 3, len(pairs)),
    )  # fmt: skip


@given(sequences(), st.integers(0, 20))
def test_linear_interpolation_keeps_rows_and_fills_what_it_may(rows, longest):
    filled = interpolate_linear(rows, longest)
    observed = dict(zip(zip(rows.frames.tolist(), rows.ids.tolist(), strict=True),
                        range(len(rows)), strict=True))  # fmt: skip
    keys = list(zip(filled.frames.tolist(), filled.ids.tolist(), strict=True))
    assert keys == sorted(set(keys))
    expected = set(observed)
    for track in set(rows.ids.tolist()):
        frames = rows.frames[rows.ids == track].tolist()
        for before, after in pairwise(frames):
            if after - before - 1 <= longest:
                expected |= {(frame, track) for frame in range(before + 1, after)}
    assert set(keys) == expected
    for row, key in enumerate(keys):
        if key in observed:
            for name in COLUMNS:
                np.testing.assert_array_equal(
                    getattr(filled, name)[row], getattr(rows, name)[observed[key]]
                )
        else:
            assert filled.detection_indices[row] == -1
            assert 0 <= filled.scores[row] <= 1
    assert (filled.boxes[:, :2] <= filled.boxes[:, 2:]).all()
    assert_same(interpolate_linear(filled, longest), filled)


@given(sequences(), st.sampled_from([2.0, 10.0, 30.0]))
def test_smoothing_moves_boxes_alone(rows, tau):
    before = rows.boxes.copy()
    smooth = smooth_gaussian(rows, tau)
    for name in COLUMNS:
        if name != "boxes":
            np.testing.assert_array_equal(getattr(smooth, name), getattr(rows, name))
    assert np.isfinite(smooth.boxes).all()
    assert (smooth.boxes[:, :2] <= smooth.boxes[:, 2:]).all()
    np.testing.assert_array_equal(rows.boxes, before)


@given(
    st.integers(1, 400), st.integers(3, 40), st.lists(st.integers(1, 38), max_size=9),
    st.floats(-20, 20),
)  # fmt: skip
def test_constant_velocity_comes_back(start, length, holes, speed):
    every = np.arange(start, start + length)
    kept = np.array([n for n in range(length) if n not in holes or n in (0, length - 1)])
    whole, seen = moving(every, speed=speed), moving(every[kept], speed=speed)
    filled = interpolate_linear(seen, 40)
    np.testing.assert_array_equal(filled.frames, every)
    np.testing.assert_allclose(filled.boxes, whole.boxes, atol=1e-9)
    np.testing.assert_allclose(smooth_gaussian(filled).boxes, filled.boxes, atol=1e-7)


def test_a_gap_is_counted_in_missing_frames():
    rows = moving([1, 5, 10])  # 3 and 4 frames are missing
    assert interpolate_linear(rows, 2).frames.tolist() == [1, 5, 10]
    assert interpolate_linear(rows, 3).frames.tolist() == [1, 2, 3, 4, 5, 10]
    assert interpolate_linear(rows, 4).frames.tolist() == list(range(1, 11))


def test_what_bytetrack_calls_20_is_18_missing_frames():
    config = PostprocessConfig(interpolation="linear")
    assert len(postprocess(moving([1, 20]), config)) == 20  # 20 - 1 < 20
    assert len(postprocess(moving([1, 21]), config)) == 2


def test_filled_rows_have_the_score_between_and_the_class_before():
    rows = make([2, 6], [7, 7], scores=[0.9, 0.5], class_ids=[1, 2])
    filled = interpolate_linear(rows, 9)
    np.testing.assert_allclose(filled.scores, [0.9, 0.8, 0.7, 0.6, 0.5])
    assert filled.class_ids.tolist() == [1, 1, 1, 1, 2]
    assert filled.detection_indices.tolist() == [0, -1, -1, -1, 1]


def test_rounding_never_turns_a_box_inside_out():
    thin = [[left, 0.0, np.nextafter(left, 999), 1.0]
            for left in (-475.5115398020169, 152.63118487695772)]  # fmt: skip
    filled = interpolate_linear(make([1, 20], [1, 1], np.array(thin)), 18)
    assert len(filled) == 20  # and TrackRows has checked the corners


def test_ids_are_never_joined():
    rows = make([1, 3, 3, 5], [1, 1, 2, 2])
    filled = interpolate_linear(rows, 9)
    assert filled.frames.tolist() == [1, 2, 3, 3, 4, 5]
    assert filled.ids.tolist() == [1, 1, 1, 2, 2, 2]


def test_short_tracks_go_and_gaps_do_not_count():
    rows = make([1, 2, 9, 4, 5, 5], [1, 1, 1, 2, 2, 3])
    assert sorted(set(remove_short(rows, 2).ids.tolist())) == [1, 2]
    assert set(remove_short(rows, 3).ids.tolist()) == {1}
    assert len(remove_short(rows, 4)) == 0
    assert_same(remove_short(rows, 1), rows)


def test_short_tracks_are_removed_before_gaps_are_filled():
    config = PostprocessConfig(minimum_length_frames=3, interpolation="linear")
    assert len(postprocess(moving([1, 9]), config)) == 0


def test_nothing_is_done_by_default():
    rows = moving([1, 5, 10])
    assert postprocess(rows, PostprocessConfig()) is rows


@given(sequences(), st.sampled_from(["linear", "gaussian"]))
def test_frames_stay_between_first_and_last_and_ids_remain(rows, interpolation):
    done = postprocess(rows, PostprocessConfig(interpolation=interpolation))
    assert set(done.ids.tolist()) == set(rows.ids.tolist())
    if len(rows):
        assert done.frames.min() == rows.frames.min()
        assert done.frames.max() == rows.frames.max()


def dense_regression(frames, values, scale, noise):
    """Textbook Gaussian process regression at the observed frames, of one column."""
    apart = frames[:, None] - frames[None]
    kernel = np.exp(-0.5 * (apart / scale) ** 2)
    return kernel @ np.linalg.solve(kernel + noise * np.eye(len(frames)), values)


@settings(max_examples=25)
@given(st.integers(3, 300), st.integers(0, 99))
def test_the_band_gives_what_the_whole_matrix_gives(length, seed):
    random = np.random.default_rng(seed)
    frames = np.sort(random.choice(np.arange(1, 2 * length), length, replace=False))
    left = np.cumsum(random.normal(0, 3, length))
    boxes = np.column_stack([left, left + 5, left + 30, left + 70])
    found = smooth_gaussian(make(frames, np.ones(length, int), boxes)).boxes[:, 0]
    trend = np.polyval(np.polyfit(frames, left, 1), frames)
    scale = max(10 * math.log(1000 / length), 2.5)
    regressed = dense_regression(frames, left - trend, scale, 0.1)
    expected = trend + regressed / dense_regression(frames, np.ones(length), scale, 0.1)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("length", [30, 150, 700, 3000])
def test_smoothing_brings_noisy_boxes_nearer_to_the_truth(length):
    random = np.random.default_rng(1)
    frames = np.arange(1, length + 1)
    across = 200 * np.sin(frames / 40)
    truth = np.column_stack([across, across / 2, across + 40, across / 2 + 90])
    noisy = truth + random.normal(0, 2, truth.shape)
    smooth = smooth_gaussian(make(frames, np.ones(length, int), noisy)).boxes
    assert np.abs(smooth - truth).mean() < 0.7 * np.abs(noisy - truth).mean()


@pytest.mark.parametrize(("tracks", "length"), [(20, 3000), (100, 150)])
def test_long_and_many_tracks_are_smoothed_as_each_alone(tracks, length):
    frames, ids = np.tile(np.arange(1, length + 1), tracks), np.repeat(np.arange(tracks), length)
    corners = np.random.default_rng(3).uniform(0, 500, (tracks * length, 2))
    boxes = np.hstack([corners, corners + 40])
    smooth = smooth_gaussian(make(frames, ids, boxes))
    for track in (0, tracks // 2, tracks - 1):
        own = ids == track
        alone = smooth_gaussian(make(frames[own], ids[own], boxes[own]))
        np.testing.assert_array_equal(smooth.boxes[smooth.ids == track], alone.boxes)


def test_boxes_that_smoothing_would_turn_inside_out_end_without_area():
    frames = np.arange(1, 61)
    width = np.where(abs(frames - 30) < 12, 500.0, 0.0)
    boxes = np.column_stack([0 * width, 0 * width, width, width])
    smooth = smooth_gaussian(make(frames, np.ones(60, int), boxes)).boxes
    assert (smooth[:, :2] <= smooth[:, 2:]).all()
    assert (smooth[:, 0] == smooth[:, 2]).any()


def test_tracks_go_in_and_come_out():
    pairs = [
        (3, Tracks([2, 1], [[0, 0, 5, 5], [1, 1, 9, 9]], [0.5, 0.25], [0, 1], [4, -1])),
        (4, Tracks.empty()),
        (6, Tracks([2], [[3, 3, 8, 8]], [0.75], [0], [0])),
    ]
    rows = TrackRows.from_tracks(pairs)
    assert rows.frames.tolist() == [3, 3, 6]
    assert rows.ids.tolist() == [1, 2, 2]
    back = dict(rows.tracks_by_frame())
    assert back[3] == pairs[0][1][[1, 0]]
    assert back[6] == pairs[2][1]
    assert list(back) == [3, 6]
    assert len(TrackRows.from_tracks([])) == 0
    assert list(TrackRows.from_tracks([(5, Tracks.empty())]).tracks_by_frame()) == []


@pytest.mark.parametrize("interpolation", ["linear", "gaussian"])
def test_no_rows_at_all_are_fine(interpolation):
    config = PostprocessConfig(interpolation=interpolation, minimum_length_frames=5)
    assert len(postprocess(make([], []), config)) == 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"frames": [1, 1], "ids": [4, 4]}, "got 4 twice in frame 1"),
        ({"frames": [0, 1], "ids": [4, 4]}, "frames: expected numbers from 1, got 0"),
        ({"frames": [1, 2], "ids": [4]}, "ids: expected one for each of 2"),
        ({"frames": [1, 2], "ids": [4, 4], "boxes": [[0, 0, 1, 1]]}, "expected"),
        ({"frames": [1], "ids": [4], "boxes": [[5, 0, 1, 1]]}, "x1 <= x2"),
        ({"frames": [1], "ids": [4], "boxes": [[np.nan, 0, 1, 1]]}, "finite"),
    ],
)
def test_rows_that_cannot_be_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        make(**values)


def test_given_arrays_are_not_changed_or_kept():
    frames = np.array([5, 1])
    boxes = np.array([[0.0, 0, 1, 1], [2, 2, 3, 3]])
    rows = make(frames, [1, 1], boxes)
    boxes[:] = 9
    assert frames.tolist() == [5, 1]
    assert rows.boxes.tolist() == [[2, 2, 3, 3], [0, 0, 1, 1]]


def test_a_configuration_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="interpolation"):
        PostprocessConfig(interpolation="cubic")
    with pytest.raises(ValueError, match="max_gap_frames"):
        PostprocessConfig(max_gap_frames=-1)
    assert PostprocessConfig.preset("gaussian").interpolation == "gaussian"
