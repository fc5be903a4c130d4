import dataclasses

import numpy as np
import pytest

from faimtrack.structures import Frame
from faimtrack.trackers import ByteTrack, ByteTrackConfig
from faimtrack.trackers.motion import XYAH


def ids(answers):
    return [tracks.ids.tolist() for tracks in answers]


def byte(preset="default", frame_rate=30.0, **changes):
    return ByteTrack(
        dataclasses.replace(ByteTrackConfig.preset(preset), **changes), frame_rate=frame_rate
    )


def test_tracks_of_the_first_frame_are_shown_at_once(scene):
    answers = scene.follow(byte(), [[(scene.box(0), 0.9), (scene.box(300), 0.8)]])
    assert ids(answers) == [[1, 2]]
    assert answers[0].detection_indices.tolist() == [0, 1]
    assert answers[0].scores.tolist() == [0.9, 0.8]


def test_a_later_track_is_shown_when_it_is_seen_twice(scene):
    person, late = (scene.box(0), 0.9), (scene.box(300), 0.9)
    answers = scene.follow(byte(), [[person], [person, late], [person, late]])
    assert ids(answers) == [[1], [1], [1, 2]]


def test_a_false_alarm_of_one_frame_is_never_shown_and_its_id_is_gone(scene):
    person, alarm = (scene.box(0), 0.9), (scene.box(300), 0.9)
    late = (scene.box(600), 0.9)
    answers = scene.follow(
        byte(), [[person], [person, alarm], [person], [person, late], [person, late]]
    )
    assert ids(answers) == [[1], [1], [1], [1], [1, 3]]


def test_a_weak_detection_holds_a_track_in_the_second_round(scene):
    frames = [[(scene.box(0), 0.9)], [(scene.box(2), 0.3)], [(scene.box(4), 0.9)]]
    answers = scene.follow(byte(), frames)
    assert ids(answers) == [[1], [1], [1]]
    assert answers[1].scores.tolist() == [0.3]


def test_a_weak_detection_starts_no_track(scene):
    answers = scene.follow(byte(), [[(scene.box(0), 0.59)]] * 3)
    assert ids(answers) == [[], [], []]


def test_a_strong_detection_below_the_start_threshold_starts_no_track(scene):
    answers = scene.follow(byte(), [[(scene.box(0), 0.69)]] * 3)
    assert ids(answers) == [[], [], []]
    answers = scene.follow(byte(), [[(scene.box(0), 0.7)]] * 3)
    assert ids(answers) == [[1], [1], [1]]


def test_detections_up_to_the_low_threshold_are_dropped(scene):
    for score, expected in ((0.1, []), (0.11, [1])):
        frames = [[(scene.box(0), 0.9)], [(scene.box(0), score)]]
        assert ids(scene.follow(byte(), frames)) == [[1], expected]


def test_a_score_equal_to_the_threshold_is_lost_in_the_published_code_only(scene):
    frames = [[(scene.box(0), 0.9)], [(scene.box(0), 0.6)]]
    assert ids(scene.follow(byte(), frames)) == [[1], [1]]
    assert ids(scene.follow(byte("reference"), frames)) == [[1], []]


def test_the_strong_round_comes_before_the_weak_one(scene):
    # The weak detection fits better, but the strong one is asked first.
    frames = [[(scene.box(0), 0.9)], [(scene.box(0), 0.5), (scene.box(10), 0.9)]]
    answers = scene.follow(byte(), frames)
    assert answers[1].detection_indices.tolist() == [1]


def test_a_lost_track_takes_no_weak_detection(scene):
    person, weak = [(scene.box(0), 0.9)], [(scene.box(0), 0.5)]
    answers = scene.follow(byte(), [person, [], weak, person])
    assert ids(answers) == [[1], [], [], [1]]


@pytest.mark.parametrize(("gap", "survives"), [(10, True), (11, False)])
def test_a_track_survives_a_gap_of_its_buffer(scene, gap, survives):
    person = [(scene.box(0), 0.9)]
    frames = [person, *[[]] * gap, person, person]
    answers = scene.follow(byte(lost_buffer_frames=10), frames)
    assert ids(answers)[-1] == ([1] if survives else [2])


def test_the_published_code_gives_a_track_one_frame_more_and_drops_it_at_its_next_loss(scene):
    person = [(scene.box(0), 0.9)]
    frames = [person, *[[]] * 11, person, person, [], person, person]
    published = scene.follow(byte("reference", lost_buffer_frames=10), frames)
    # Found again after the buffer, dropped when next lost, a new track afterwards.
    assert ids(published)[12:] == [[1], [1], [], [], [2]]
    ours = scene.follow(byte(lost_buffer_frames=10), frames)
    assert ids(ours)[12:] == [[], [2], [], [2], [2]]


@pytest.mark.parametrize(("frame_rate", "expected"), [(10, [2]), (30, [1])])
def test_the_buffer_is_in_seconds_unless_frames_are_given(scene, frame_rate, expected):
    person = [(scene.box(0), 0.9)]
    answers = scene.follow(byte(frame_rate=frame_rate), [person, *[[]] * 15, person, person])
    assert ids(answers)[-1] == expected


def test_time_stamps_count_for_the_buffer(scene):
    person = scene.seen((scene.box(0), 0.9))
    for pause_s, expected in ((0.9, [1]), (1.2, [2])):
        tracker = byte(frame_rate=10)
        tracker.update(person, Frame(1, time_s=0.0))
        tracker.update(scene.seen(), Frame(2, time_s=0.1))
        tracker.update(scene.seen(), Frame(3, time_s=pause_s))
        tracker.update(person, Frame(4, time_s=pause_s + 0.1))
        assert tracker.update(person, Frame(5, time_s=pause_s + 0.2)).ids.tolist() == expected


def test_a_moving_track_is_found_where_time_has_carried_it(scene):
    tracker = byte(frame_rate=10)
    for index in range(1, 11):  # 20 px a frame
        tracker.update(scene.seen((scene.box(20.0 * index), 0.9)), Frame(index, time_s=index / 10))
    # Three frames were dropped by the camera: it is 80 px further.
    tracks = tracker.update(scene.seen((scene.box(280.0), 0.9)), Frame(11, time_s=1.4))
    assert tracks.ids.tolist() == [1]


def test_a_lost_track_neither_grows_nor_shrinks(scene):
    growing = [[(scene.box(0, height=100.0 + 6 * index), 0.9)] for index in range(8)]
    tracker = byte()
    scene.follow(tracker, growing)
    tracker.update(scene.seen())
    height = XYAH.boxes(tracker._lost)[0, 3] - XYAH.boxes(tracker._lost)[0, 1]
    tracker.update(scene.seen())
    later = XYAH.boxes(tracker._lost)[0, 3] - XYAH.boxes(tracker._lost)[0, 1]
    assert later == height


def test_of_two_tracks_in_one_place_the_longer_lived_stays(scene):
    # Track 1 is lost, drifts on, and another track comes to lie upon it.
    tracker = byte()
    frames = [[(scene.box(0), 0.9), (scene.box(200), 0.9)]] * 5
    scene.follow(tracker, frames)
    tracker._lost = tracker._tracked[:1].copy()
    tracker._tracked = tracker._tracked[1:].copy()
    tracker._tracked["mean"] = tracker._lost["mean"]
    tracker._tracked["first"] = 4.0  # the younger
    tracker._drop_duplicates()
    assert tracker._tracked["id"].tolist() == []
    assert tracker._lost["id"].tolist() == [1]


def test_the_score_counts_in_a_match_unless_fusion_is_off(scene):
    # IoU 0.25 with a score of 0.6 makes 0.15; the limit is 0.8, so 0.2 is needed.
    shifted = scene.box(24)
    frames = [[(scene.box(0), 0.9)], [(shifted, 0.6)]]
    assert ids(scene.follow(byte(match_threshold=0.8), frames)) == [[1], []]
    assert ids(scene.follow(byte(match_threshold=0.8, fuse_score=False), frames)) == [[1], [1]]


def test_strict_classes_keep_a_car_from_taking_a_person(scene):
    frames = [[(scene.box(0), 0.9, 0)], [(scene.box(0), 0.9, 1)]]
    assert ids(scene.follow(byte(), frames)) == [[1], []]
    agnostic = scene.follow(byte(class_matching="agnostic"), frames)
    assert ids(agnostic) == [[1], [1]]
    assert agnostic[1].class_ids.tolist() == [1]


def test_strict_classes_track_two_objects_in_the_same_place(scene):
    frames = [[(scene.box(0), 0.9, 0), (scene.box(1), 0.8, 1)]] * 3
    answers = scene.follow(byte(), frames)
    assert ids(answers) == [[1, 2]] * 3
    assert answers[2].class_ids.tolist() == [0, 1]


def test_boxes_are_clipped_to_the_image_when_asked(scene):
    frames = [[(scene.box(-20), 0.9)]]
    assert scene.follow(byte("mot20"), frames, size=(640, 480))[0].boxes[0, 0] == 0.0
    assert scene.follow(byte(), frames, size=(640, 480))[0].boxes[0, 0] == -20.0
    with pytest.raises(ValueError, match="clip_boxes: expected frames of a known size"):
        scene.follow(byte("mot20"), frames)


def test_the_output_filter_hides_but_does_not_forget(scene):
    small = (scene.box(300, width=9, height=11), 0.9)
    wide = (scene.box(500, width=170, height=100), 0.9)
    frames = [[(scene.box(0), 0.9), small, wide]]
    assert ids(scene.follow(byte(minimum_area=100, maximum_aspect=1.6), frames)) == [[1]]
    tracker = byte(minimum_area=100)
    scene.follow(tracker, frames)
    assert len(tracker._tracked) == 3


def test_a_detection_without_area_is_no_track(scene):
    flat = (scene.box(0, height=0.0), 0.9)
    answers = scene.follow(byte(), [[flat, (scene.box(300), 0.9)]] * 2)
    assert [tracks.detection_indices.tolist() for tracks in answers] == [[1], [1]]


def test_two_trackers_number_their_tracks_independently(scene):
    first, second = byte(), byte()
    frames = [[(scene.box(0), 0.9)]]
    assert ids(scene.follow(first, frames)) == ids(scene.follow(second, frames)) == [[1]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"track_threshold": 1.5}, "track_threshold: expected 0 to 1, got 1.5"),
        ({"lost_buffer_s": -1.0}, "lost_buffer_s: expected 0 or more, got -1.0"),
        ({"match_threshold": np.nan}, "match_threshold: expected 0 to 1, got nan"),
    ],
)
def test_values_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        ByteTrackConfig(**changes)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="expected default, mot20, reference, reference-mot20"):
        ByteTrackConfig.preset("best")
