import dataclasses

import numpy as np
import pytest

from faimtrack.structures import Frame
from faimtrack.trackers import OcSort, OcSortConfig, Sort, SortConfig
from faimtrack.trackers.motion import XYSR


def ids(answers):
    return [tracks.ids.tolist() for tracks in answers]


def make(kind, preset="default", **changes):
    classes = {"sort": (Sort, SortConfig), "ocsort": (OcSort, OcSortConfig)}
    tracker_class, config_class = classes[kind]
    return tracker_class(dataclasses.replace(config_class.preset(preset), **changes))


BOTH = pytest.mark.parametrize("kind", ["sort", "ocsort"])


@BOTH
def test_tracks_of_the_first_frames_are_shown_at_once(scene, kind):
    answers = scene.follow(make(kind), [[(scene.box(0), 0.9)]] * 5)
    assert ids(answers) == [[1]] * 5


@BOTH
def test_a_later_track_is_shown_after_three_matches_in_a_row(scene, kind):
    person, late = (scene.box(0), 0.9), (scene.box(300), 0.9)
    answers = scene.follow(make(kind), [[person]] * 4 + [[person, late]] * 5)
    assert [2 in each for each in ids(answers)[4:]] == [False, False, False, True, True]


@BOTH
def test_a_miss_begins_the_count_of_matches_anew(scene, kind):
    person, late = (scene.box(0), 0.9), (scene.box(300), 0.9)
    frames = [[person]] * 4 + [[person, late]] * 4 + [[person]] + [[person, late]] * 3
    answers = scene.follow(make(kind), frames)
    assert [2 in each for each in ids(answers)[7:]] == [True, False, False, False, True]


@BOTH
def test_uneven_time_stamps_do_not_make_a_track_seem_missed(scene, kind):
    tracker, time_s, answers = make(kind), 0.0, []
    for index, step in enumerate(np.random.default_rng(1).uniform(0.5, 1.7, 200), 1):
        time_s += step / 30
        frame = Frame(index, time_s=time_s)
        answers.append(tracker.update(scene.seen((scene.box(3 * index), 0.9)), frame))
    assert ids(answers) == [[1]] * 200


def test_sort_forgets_a_track_after_one_frame_without_it(scene):
    person, other = (scene.box(0), 0.9), (scene.box(300), 0.9)
    frames = [[person, other]] * 5 + [[other]] + [[person, other]] * 4
    assert ids(scene.follow(make("sort"), frames))[-1] == [1, 2]
    frames = [[person, other]] * 5 + [[other]] * 2 + [[person, other]] * 4
    assert ids(scene.follow(make("sort"), frames))[-1] == [2, 3]


def test_ocsort_keeps_a_track_for_its_buffer(scene):
    person, other = (scene.box(0), 0.9), (scene.box(300), 0.9)
    for gap, expected in ((10, [1, 2]), (11, [2, 3])):
        frames = [[person, other]] * 5 + [[other]] * gap + [[person, other]] * 4
        answers = scene.follow(make("ocsort", lost_buffer_frames=10), frames)
        assert ids(answers)[-1] == expected


@BOTH
def test_a_score_equal_to_the_threshold_counts_except_in_the_published_code(scene, kind):
    frames = [[(scene.box(0), 0.6)]]
    assert ids(scene.follow(make(kind), frames)) == [[1]]
    assert ids(scene.follow(make(kind, "reference"), frames)) == [[]]


@BOTH
def test_strict_classes_keep_a_car_from_taking_a_person(scene, kind):
    frames = [[(scene.box(0), 0.9, 0)], [(scene.box(0), 0.9, 1)]]
    assert ids(scene.follow(make(kind), frames)) == [[1], [2]]
    assert ids(scene.follow(make(kind, class_matching="agnostic"), frames)) == [[1], [1]]


@BOTH
def test_strict_classes_match_each_of_two_objects_that_lie_upon_one_another(scene, kind):
    frames = [[(scene.box(0), 0.9, 0), (scene.box(1), 0.8, 1)]] * 4
    answers = scene.follow(make(kind), frames)
    assert [sorted(each) for each in ids(answers)] == [[1, 2]] * 4
    for tracks in answers:
        assert dict(zip(tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True)) == {
            1: 0,
            2: 1,
        }


@BOTH
def test_tracks_that_have_become_impossible_are_forgotten(scene, kind):
    tracker = make(kind)
    scene.follow(tracker, [[(scene.box(0), 0.9), (scene.box(300), 0.9)]] * 3)
    tracker._tracks["mean"][0, 0, 2] = -5.0  # an area below zero
    tracks = tracker.update(scene.seen((scene.box(300), 0.9)))
    assert tracks.ids.tolist() == [2]
    assert tracker._tracks["id"].tolist() == [2]


def test_sort_shows_its_estimate_and_ocsort_the_detection(scene):
    frames = [[(scene.box(7.0 * index**1.5), 0.9)] for index in range(4)]
    expected = scene.box(7.0 * 3**1.5)
    assert scene.follow(make("ocsort"), frames)[-1].boxes[0].tolist() == expected
    assert scene.follow(make("sort"), frames)[-1].boxes[0, 0] != expected[0]


def test_ocsort_finds_a_track_where_it_was_last_seen(scene):
    # It ran, stopped unseen and is still there: the prediction has long gone on.
    running = [[(scene.box(15.0 * index), 0.9)] for index in range(8)]
    frames = [*running, [], [], [], [], [], [(scene.box(15.0 * 7 + 4), 0.9)]]
    frames += [[(scene.box(15.0 * 7 + 4), 0.9)]] * 4
    answers = scene.follow(make("ocsort"), frames)
    assert ids(answers)[-1] == [1]


def test_ocsort_repairs_the_filter_of_a_track_found_again(scene):
    # Four frames unseen, on a straight line: afterwards the filter is as if it had seen them.
    path = [scene.box(10.0 * index, 100.0 + 2 * index) for index in range(14)]
    hidden = [[(each, 0.9)] if not 6 <= i < 10 else [] for i, each in enumerate(path)]
    whole = [[(each, 0.9)] for each in path]
    repaired, never_lost = make("ocsort"), make("ocsort")
    scene.follow(repaired, hidden)
    scene.follow(never_lost, whole)
    np.testing.assert_allclose(
        XYSR.boxes(repaired._tracks), XYSR.boxes(never_lost._tracks), atol=0.3
    )
    assert repaired._tracks["mean"][0, 1, 0] == pytest.approx(10.0, abs=0.3)


def test_ocsort_prefers_the_detection_in_the_direction_of_the_track(scene):
    # Two detections overlap the prediction alike, one ahead of the track and one behind.
    walking = [[(scene.box(10.0 * index), 0.9)] for index in range(8)]
    tracker = make("ocsort")
    scene.follow(tracker, walking)
    centre = XYSR.boxes(tracker._tracks)[0, 0] + tracker._tracks["mean"][0, 1, 0]
    ahead, behind = (scene.box(centre + 6.5), 0.9), (scene.box(centre - 6.0), 0.9)
    for weight, nearest in ((0.0, 1), (0.2, 0)):
        tracker = make("ocsort", direction_weight=weight)
        scene.follow(tracker, walking)
        # The one behind is nearer to the prediction, but lies against the track's direction.
        tracker._tracks["direction"] = [0.0, 1.0]
        tracker._tracks["recent_age"] = np.iinfo(np.int64).min
        tracker._tracks["observation"] = scene.box(centre)
        tracks = tracker.update(scene.seen(ahead, behind))
        taken = dict(zip(tracks.ids.tolist(), tracks.detection_indices.tolist(), strict=True))
        assert taken[1] == nearest


def test_ocsort_uses_weak_detections_when_told(scene):
    frames = [[(scene.box(0), 0.9)]] * 4 + [[(scene.box(2), 0.3)]]
    assert ids(scene.follow(make("ocsort"), frames))[-1] == []
    assert ids(scene.follow(make("ocsort", use_weak=True), frames))[-1] == [1]


def test_ocsort_tracks_detections_below_the_threshold_of_weak_ones_when_told(scene):
    answers = scene.follow(make("ocsort", detection_threshold=0.02), [[(scene.box(0), 0.05)]] * 5)
    assert ids(answers) == [[1]] * 5


def test_ocsort_does_not_take_its_first_frames_for_observations(scene):
    # A slot that was never written is not an observation of age −1 (the third age back at age 2).
    tracker = make("ocsort")
    scene.follow(
        tracker, [[(scene.box(40.0), 0.9)], [(scene.box(30.0), 0.9)], [(scene.box(20.0), 0.9)]]
    )
    assert tracker._tracks["direction"][0].tolist() == pytest.approx([0.0, -1.0], abs=1e-6)
