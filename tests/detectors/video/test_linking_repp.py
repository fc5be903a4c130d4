"""Tubelets by a learnt likeness, their scores and their paths."""

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from faimtrack.boxes import box_iou
from faimtrack.detectors.video.linking import LinkConfig, ReppConfig, SeqNmsConfig, link
from faimtrack.detectors.video.linking.coefficients import (
    LinkCoefficients,
    bundled_coefficients,
    write_coefficients,
)
from faimtrack.detectors.video.linking.pair_features import pair_features
from faimtrack.detectors.video.linking.repp import smooth_path
from faimtrack.detectors.video.linking.score_vectors import gather_classes, spread_classes
from faimtrack.structures import Detections

NAMES = ("cat", "dog", "cow")
PLAIN = ReppConfig(smoothing_std_frames=0.0)


def boxes_at(*lefts, top=0.0, width=30.0, height=60.0):
    return [[left, top, left + width, top + height] for left in lefts]


def frame(boxes, scores, kinds=None, **more):
    return Detections(boxes, scores, kinds, NAMES, **more)


def scores_of(frames):
    return [each.scores.tolist() for each in frames]


# Features of a pair


def test_features_are_distance_in_diagonals_ratios_and_overlap():
    (features,) = pair_features(np.array([[0.0, 0, 30, 40]]), np.array([[10.0, 0, 40, 80]]))[0]
    diagonals = (50 + np.hypot(30, 80)) / 2
    expected = [np.hypot(10, 20) / diagonals, 0.5, 800 / (1200 + 2400 - 800), 1.0]
    assert features.tolist() == pytest.approx(expected)


@given(
    hypothesis_numpy.arrays(np.float64, (3, 4), elements=st.floats(-1e9, 1e9)),
    hypothesis_numpy.arrays(np.float64, (2, 4), elements=st.sampled_from([0.0, 1.0, 5.0, 1e9])),
)
def test_features_are_finite_in_their_ranges_and_symmetric(first, second):
    first, second = np.sort(first.reshape(-1, 2, 2), axis=1), np.sort(second.reshape(-1, 2, 2), 1)
    first, second = first.reshape(-1, 4), second.reshape(-1, 4)
    features = pair_features(first, second)
    assert features.shape == (3, 2, 4)
    assert np.isfinite(features).all()
    assert (features >= 0).all()
    assert (features[..., 0] <= 10).all()
    assert (features[..., 1:] <= 1 + 1e-9).all()
    swapped = pair_features(second, first).transpose(1, 0, 2)
    np.testing.assert_allclose(features, swapped, atol=1e-12)


def test_features_of_a_box_and_itself_even_of_a_point():
    boxes = np.array([[0.0, 0, 30, 40], [5, 5, 5, 5]])
    features = pair_features(boxes, boxes)
    assert features[0, 0].tolist() == [0, 1, 1, 1]
    assert features[1, 1].tolist() == [0, 1, 0, 1]


def test_features_do_not_depend_on_the_size_of_the_picture():
    first, second = np.array([[0.0, 0, 30, 40]]), np.array([[10.0, 0, 40, 80]])
    np.testing.assert_allclose(pair_features(7 * first, 7 * second), pair_features(first, second))


# Score vectors


def test_rows_of_one_box_become_one_vector_and_rows_again():
    box, other = boxes_at(0, 100)
    given_rows = frame([box, other, box, box], [0.5, 0.4, 0.3, 0.2], [1, 1, 0, 1])
    scored = gather_classes(given_rows, 0.001)
    assert scored.boxes.tolist() == [box, other, box]  # its class 1 came twice
    assert scored.scores.tolist() == [[0.3, 0.5, 0], [0, 0.4, 0], [0, 0.2, 0]]
    assert scored.first_rows.tolist() == [0, 1, 3]
    boxes, kinds, sources = spread_classes(scored, 0.001)
    assert sources.tolist() == [0, 1, 2, 3]
    assert kinds.tolist() == [1, 1, 0, 1]
    assert boxes.tolist() == [0, 1, 0, 2]


ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from([0.0, 0.1, 0.5, 1.0])),
    max_size=12,
)


@given(ROWS, st.sampled_from([0.0, 0.2]))
def test_gathering_and_spreading_gives_back_every_row(rows, minimum):
    given_rows = frame(boxes_at(*(r[0] for r in rows)), [r[2] for r in rows], [r[1] for r in rows])
    scored = gather_classes(given_rows, minimum)
    boxes, kinds, sources = spread_classes(scored, minimum)
    kept = np.flatnonzero(given_rows.scores >= minimum)
    assert sources.tolist() == kept.tolist()
    assert scored.boxes[boxes].tolist() == given_rows.boxes[kept].tolist()
    assert kinds.tolist() == given_rows.class_ids[kept].tolist()
    assert scored.scores[boxes, kinds].tolist() == given_rows.scores[kept].tolist()


# Linking


def test_a_tubelet_gets_its_mean_score_and_a_lonely_box_keeps_its_own():
    frames = [frame(boxes_at(0, 300), [0.9, 0.4]), frame(boxes_at(3), [0.5])]
    found = link(frames, PLAIN)
    assert scores_of(found) == [pytest.approx([0.7, 0.4]), pytest.approx([0.7])]
    assert [each.boxes.tolist() for each in found] == [each.boxes.tolist() for each in frames]


def test_unlinked_boxes_go_where_they_are_not_wanted():
    frames = [frame(boxes_at(0, 300), [0.9, 0.4]), frame(boxes_at(3), [0.5])]
    found = link(frames, ReppConfig(keep_unlinked=False, smoothing_std_frames=0.0))
    assert scores_of(found) == [pytest.approx([0.7]), pytest.approx([0.7])]


def test_the_likelier_pair_is_linked_first_and_each_box_once():
    # The second box of the first frame is nearer to the only one of the next.
    frames = [frame(boxes_at(0, 4), [0.8, 0.8]), frame(boxes_at(5), [0.4])]
    assert scores_of(link(frames, PLAIN)) == [pytest.approx([0.8, 0.6]), pytest.approx([0.6])]


def test_a_higher_score_outweighs_a_little_nearness():
    frames = [frame(boxes_at(0, 4), [0.9, 0.1]), frame(boxes_at(3), [0.5])]
    assert scores_of(link(frames, PLAIN)) == [pytest.approx([0.7, 0.1]), pytest.approx([0.7])]


def test_equal_pairs_are_linked_by_row():
    frames = [frame(boxes_at(0, 0), [0.8, 0.8], [0, 0]), frame(boxes_at(0), [0.4])]
    assert scores_of(link(frames, PLAIN)) == [pytest.approx([0.6, 0.8]), pytest.approx([0.6])]


def test_boxes_that_are_too_unlike_are_not_linked():
    frames = [frame(boxes_at(0), [0.9]), frame(boxes_at(29), [0.5])]
    assert scores_of(link(frames, PLAIN)) == [[0.9], [0.5]]
    lenient = ReppConfig(link_threshold=0.0, smoothing_std_frames=0.0)
    assert scores_of(link(frames, lenient)) == [[0.7], [0.7]]


def test_classes_that_share_nothing_are_not_linked():
    frames = [frame(boxes_at(0), [0.9], [0]), frame(boxes_at(0), [0.5], [1])]
    assert scores_of(link(frames, PLAIN)) == [[0.9], [0.5]]


def test_a_tubelet_shares_all_classes_among_its_boxes():
    # In the middle the detector takes the cat for a dog, but says all that it thinks.
    frames = [
        frame(boxes_at(0), [0.9], [0]),
        frame(boxes_at(0, 0), [0.6, 0.3], [1, 0], masks=({"size": [1, 1], "counts": b"1"},) * 2),
        frame(boxes_at(0), [0.9], [0]),
    ]
    found = link(frames, PLAIN)
    assert [each.class_ids.tolist() for each in found] == [[0, 1], [1, 0], [0, 1]]
    assert found[0].scores.tolist() == pytest.approx([0.7, 0.2])
    assert found[1].scores.tolist() == pytest.approx([0.2, 0.7])
    assert len(found[1].masks) == 2


def test_classes_that_come_from_a_tubelet_stand_after_those_of_the_detector():
    frames = [frame(boxes_at(0), [0.9], [1]), frame(boxes_at(0, 0), [0.9, 0.4], [1, 0])]
    assert link(frames, PLAIN)[0].class_ids.tolist() == [1, 0]


def test_classes_of_a_tubelet_below_the_minimum_are_left_out():
    frames = [frame(boxes_at(0, 0), [0.9, 0.1], [0, 1]), frame(boxes_at(0), [0.9], [0])]
    found = link(frames, ReppConfig(minimum_score=0.08, smoothing_std_frames=0.0))
    assert [each.class_ids.tolist() for each in found] == [[0], [0]]


def test_detections_below_the_minimum_are_left_out():
    frames = [frame(boxes_at(0, 100), [0.5, 0.0005])]
    assert scores_of(link(frames, ReppConfig())) == [[0.5]]


def test_paths_are_smoothed_and_a_straight_one_stays_inside():
    frames = [frame(boxes_at(left), [0.5]) for left in (0, 2, 8, 6, 8)]
    lefts = [each.boxes[0, 0] for each in link(frames, ReppConfig())]
    rough = np.abs(np.diff([0, 2, 8, 6, 8], 2)).sum()
    assert np.abs(np.diff(lefts, 2)).sum() < rough / 2
    assert 0 <= min(lefts) <= max(lefts) <= 8


def test_smoothing_is_of_centres_and_sizes_with_the_ends_repeated():
    boxes = np.array([[0.0, 0, 10, 10], [0, 0, 10, 20], [0, 0, 10, 10]])
    weights = np.exp(-0.5 * np.arange(-4, 5) ** 2)
    weights /= weights.sum()
    height = 10 + 10 * weights[4]
    smooth = smooth_path(boxes, 1.0)
    assert smooth[1].tolist() == pytest.approx([0, 0, 10, height])
    np.testing.assert_allclose(smooth_path(boxes[:1], 3.0), boxes[:1])


@pytest.mark.parametrize("config", [SeqNmsConfig(), ReppConfig()])
def test_the_ends_of_videos(config):
    assert link([], config) == []
    assert link([Detections.empty(NAMES)], config) == [Detections.empty(NAMES)]
    empty = [Detections.empty()] * 3
    assert [len(each) for each in link(empty, config)] == [0, 0, 0]
    mixed = [Detections.empty(), frame(boxes_at(0), [0.5], [2]), Detections.empty()]
    assert scores_of(link(mixed, config)) == [[], [0.5], []]


@pytest.mark.parametrize("config", [SeqNmsConfig(), ReppConfig()])
def test_what_is_given_is_not_changed(config):
    frames = [frame(boxes_at(0, 3, 90), [0.9, 0.4, 0.2]), frame(boxes_at(2), [0.3])]
    before = copy.deepcopy(frames)
    found = link(frames, config)
    assert scores_of(found) != scores_of(before)
    assert frames == before


@pytest.mark.parametrize("config", [SeqNmsConfig(), ReppConfig()])
@pytest.mark.parametrize("last", [4, 3])
def test_a_gap_ends_tubelets(config, last):
    frames = [frame(boxes_at(0), [0.3]), frame(boxes_at(0), [0.5])]
    expected = [[0.3], [0.5]] if last == 4 else [[0.4], [0.4]]
    assert scores_of(link(frames, config, [2, last])) == expected


@pytest.mark.parametrize(
    ("numbers", "complaint"),
    [([1], "expected 2, one a frame"), ([2, 2], "expected rising ones, got 2 before 2")],
)
def test_wrong_frame_numbers_are_refused(numbers, complaint):
    frames = [frame(boxes_at(0), [0.3])] * 2
    with pytest.raises(ValueError, match=complaint):
        link(frames, ReppConfig(), numbers)


def test_frames_of_different_classes_are_refused():
    frames = [frame(boxes_at(0), [0.3]), Detections(boxes_at(0), [0.3])]
    with pytest.raises(ValueError, match="expected the classes cat, dog, cow in all of them"):
        link(frames, SeqNmsConfig())


def test_a_configuration_of_no_method_is_refused():
    with pytest.raises(TypeError, match="expected seq-nms or repp's, got LinkConfig"):
        link([], LinkConfig())


def test_other_coefficients_are_taken_from_their_file(tmp_path):
    # Whatever overlaps is the same.
    other = LinkCoefficients(
        means=(0.0,) * 4, deviations=(1.0,) * 4, weights=(0.0, 0.0, 1000.0, 0.0), intercept=-10.0
    )
    write_coefficients(tmp_path / "own.json", other)
    frames = [frame(boxes_at(0), [0.9]), frame(boxes_at(28), [0.5])]
    config = ReppConfig(coefficients=str(tmp_path / "own.json"), smoothing_std_frames=0.0)
    assert scores_of(link(frames, config)) == [[0.7], [0.7]]


BOX = st.tuples(st.integers(0, 40), st.integers(0, 20), st.integers(0, 30), st.integers(0, 30))
VIDEO = st.lists(
    st.lists(st.tuples(BOX, st.floats(0, 1, width=16), st.integers(0, 2)), max_size=6), max_size=6
)


def made(rows):
    boxes = [[x, y, x + width, y + height] for (x, y, width, height), _, _ in rows]
    return frame(boxes, [row[1] for row in rows], [row[2] for row in rows])


@settings(deadline=None)
@given(VIDEO, st.booleans())
def test_any_video_comes_back_whole(video, smooth):
    frames = [made(rows) for rows in video]
    config = ReppConfig(smoothing_std_frames=1.0 if smooth else 0.0, link_threshold=0.3)
    found = link(frames, config)
    assert len(found) == len(frames)
    highest = max((each.scores.max(initial=0) for each in frames), default=0)
    for given_frame, answer in zip(frames, found, strict=True):
        # Every row that scored enough is still there, or its class fell below the minimum.
        assert answer.scores.max(initial=0) <= highest + 1e-12
        assert (answer.scores >= config.minimum_score).all()
        if not smooth:
            assert (
                box_iou(answer.boxes, given_frame.boxes).max(axis=1, initial=0) > 0.99
            ).sum() == ((answer.boxes[:, 2:] > answer.boxes[:, :2]).all(axis=1).sum())


def test_the_coefficients_that_come_along_like_what_is_near_and_alike():
    coefficients = bundled_coefficients()
    weights = dict(zip(("distance", "height", "iou", "width"), coefficients.weights, strict=True))
    assert weights["distance"] < 0 < min(weights["height"], weights["iou"], weights["width"])
    assert coefficients.provenance["dataset"] == "crowd"
    assert coefficients.positives > 10_000
    box = np.array([[0.0, 0, 30, 60]])
    assert coefficients.probabilities(pair_features(box, box))[0, 0] > 0.99
    assert coefficients.probabilities(pair_features(box, box + 100))[0, 0] < 0.01
