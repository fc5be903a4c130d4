"""Small cases of video object detection, scored by hand, and input that makes no sense."""

import numpy as np
import pytest

from faimtrack.eval.vod import (
    VideoDetections,
    VideoScorer,
    VideoTruth,
    VodConfig,
    coco_scores_by_pycocotools,
    motion_ious,
    score_videos,
)
from faimtrack.eval.vod.motion import FAST, MEDIUM, SLOW, UNKNOWN, motion_groups
from faimtrack.eval.vod.outcomes import FalseAlarms, empty_shares


def truth(rows, *, frames=(1, 2, 3), tracks=True, name="video"):
    """Rows of frame, box, class, track."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return VideoTruth(
        name=name,
        frame_numbers=np.array(frames, np.int64),
        frames=np.array(columns[0], np.int64),
        boxes=np.array(columns[1], float).reshape(-1, 4),
        class_ids=np.array(columns[2], np.int64),
        track_ids=np.array(columns[3], np.int64) if tracks else None,
    )


def found(rows, name="video"):
    """Rows of frame, box, score, class."""
    columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]
    return VideoDetections(
        name=name,
        frames=np.array(columns[0], np.int64),
        boxes=np.array(columns[1], float).reshape(-1, 4),
        scores=np.array(columns[2], float),
        class_ids=np.array(columns[3], np.int64),
    )


DOG = (0, 0, 99, 99)


def ball(frame):
    return (200 + 20 * frame, 0, 209 + 20 * frame, 9)


# docs/evaluation.md tells this one.
WORKED_TRUTH = [(frame, DOG, 0, 1) for frame in (1, 2, 3)]
WORKED_TRUTH += [(frame, ball(frame), 0, 2) for frame in (1, 2, 3)]
WORKED_FOUND = [
    (1, DOG, 0.90, 0),
    (1, np.add(ball(1), (5, 0, 5, 0)), 0.80, 0),
    (2, (0, 0, 99, 49), 0.95, 0),
    (2, DOG, 0.85, 0),
    (3, (500, 500, 509, 509), 0.82, 0),
]


def test_the_example_of_the_documentation():
    scores = score_videos([(truth(WORKED_TRUTH), found(WORKED_FOUND))], ["thing"])
    (its,) = scores.classes
    assert (its.truths, its.detections, scores.videos, scores.frames) == (6, 5, 1, 3)
    assert its.truths_by_motion == {"slow": 3, "medium": 0, "fast": 3}
    assert its.values["vid"] == pytest.approx((1 + 1 + 3 / 5) / 6)
    assert its.values["slow"] == pytest.approx((1 + 1) / 3)
    assert its.values["medium"] is None
    assert its.values["fast"] == pytest.approx((1 / 1.5) / 3)
    for metric in ("ap50", "ap75", "ap"):
        assert its.values[metric] == pytest.approx(34 * (2 / 3) / 101)
    assert scores.mean == its.values
    assert scores.most_objects == 2
    # Recalls 0 to 0.33 are reached at precision 1, up to half at 3/5, no more.
    assert its.precisions[:34].tolist() == [1] * 34
    assert its.precisions[34:51] == pytest.approx([0.6] * 17)
    assert not its.precisions[51:].any()


def test_the_mean_is_over_classes_that_have_ground_truth():
    video = truth([(1, DOG, 0, 1), (2, DOG, 0, 1), (1, ball(1), 2, 2), (2, ball(1), 2, 2)])
    answer = found([(1, DOG, 0.5, 0), (2, DOG, 0.5, 0), (1, DOG, 0.9, 1)])
    scores = score_videos([(video, answer)], ["dog", "cat", "ball"])
    assert [each.values["vid"] for each in scores.classes] == [1, None, 0]
    assert [each.values["ap"] for each in scores.classes] == [pytest.approx(1), None, 0]
    assert scores.mean["vid"] == 0.5
    assert scores.classes[1].detections == 1
    assert scores.classes[1].precisions is None


def test_a_detection_of_another_class_finds_nothing():
    scores = score_videos([(truth([(1, DOG, 0, 1)]), found([(1, DOG, 1.0, 1)]))], ["dog", "cat"])
    assert scores.classes[0].values["vid"] == 0


def test_only_annotated_frames_count():
    video = truth([(2, DOG, 0, 1), (4, DOG, 0, 1)], frames=(2, 4))
    answer = [(2, DOG, 0.5, 0), (4, DOG, 0.5, 0)]
    elsewhere = [(frame, ball(frame), 0.9, 0) for frame in (1, 3, 5)]
    scores = score_videos([(video, found(elsewhere + answer))], ["dog"])
    assert scores.classes[0].values == score_videos([(video, found(answer))], ["dog"]).mean
    assert scores.detections == 2
    assert scores.mean["vid"] == 1


def test_a_false_alarm_in_an_annotated_frame_without_objects_counts():
    video = truth([(1, DOG, 0, 1), (2, DOG, 0, 1)])
    answer = found([(3, DOG, 0.9, 0), (1, DOG, 0.5, 0), (2, DOG, 0.5, 0)])
    scores = score_videos([(video, answer)], ["dog"])
    assert scores.mean["vid"] == pytest.approx(2 / 3)
    # Slow are both objects, and the empty frame counts as one that is fast: 2 of 3.
    assert scores.mean["slow"] == pytest.approx(2 / (2 + 2 / 3))


def test_videos_do_not_share_frames_or_tracks():
    first = truth([(1, DOG, 0, 1)], name="first")
    second = truth([(1, ball(1), 0, 1)], name="second")
    scores = score_videos(
        [(first, found([(1, ball(1), 1.0, 0)])), (second, found([(1, DOG, 1.0, 0)]))], ["dog"]
    )
    assert scores.mean["vid"] == 0
    assert np.isnan(motion_ious(first, window=10)).all()


def test_nothing_found_is_zero():
    scores = score_videos([(truth(WORKED_TRUTH), VideoDetections.none("video"))], ["thing"])
    assert scores.mean == {"vid": 0, "slow": 0, "medium": None, "fast": 0, "ap50": 0, "ap75": 0,
                           "ap": 0}  # fmt: skip
    (theirs,) = coco_scores_by_pycocotools(
        [(truth(WORKED_TRUTH), VideoDetections.none("video"))], ["thing"]
    )
    assert theirs == {"ap50": 0, "ap75": 0, "ap": 0}


def test_coco_looks_at_the_best_detections_of_a_frame_only():
    answer = [(1, ball(9), 0.9, 0), (1, ball(9), 0.8, 0), (1, DOG, 0.7, 0)]
    pair = (truth([(1, DOG, 0, 1)]), found(answer))
    cut = score_videos([pair], ["dog"], VodConfig(coco_detections=2))
    whole = score_videos([pair], ["dog"], VodConfig(coco_detections=3))
    assert (cut.mean["ap50"], whole.mean["ap50"]) == (0, pytest.approx(1 / 3))
    assert cut.most_objects == 1
    assert cut.mean["vid"] == whole.mean["vid"] == pytest.approx(1 / 3)


def test_motion_iou_is_the_mean_over_the_other_boxes_within_ten_frames():
    half = (0, 0, 99, 49)
    rows = [(1, DOG, 0, 7), (11, half, 0, 7), (12, DOG, 0, 7), (5, DOG, 0, 8)]
    video = truth(rows, frames=range(1, 13))
    assert motion_ious(video, window=10)[:3].tolist() == [0.5, 0.5, 0.5]
    assert np.isnan(motion_ious(video, window=10)[3])
    assert motion_ious(video, window=11)[:3].tolist() == [0.75, 0.5, 0.75]


def test_motion_groups_have_the_bounds_of_the_paper():
    # Rows of 100 pixels, and of as many as their overlap is to have per cent.
    def pair(track, width):
        return [(1, (0, 0, 99, 0), 0, track), (2, (0, 0, width - 1, 0), 0, track)]

    rows = [*pair(1, 91), *pair(2, 90), *pair(3, 70), *pair(4, 69), (1, DOG, 0, 5),
            (1, DOG, 0, -1), (2, DOG, 0, -1)]  # fmt: skip
    groups, alone = motion_groups(truth(rows), window=10, slow_above=0.9, fast_below=0.7)
    assert groups[::2][:4].tolist() == [SLOW, MEDIUM, MEDIUM, FAST]
    assert groups[8:].tolist() == [SLOW, UNKNOWN, UNKNOWN]
    assert alone == 1


def test_a_track_twice_in_a_frame_is_compared_with_other_frames_only():
    rows = [(1, DOG, 0, 7), (1, ball(1), 0, 7), (2, DOG, 0, 7)]
    assert motion_ious(truth(rows), window=10).tolist() == [1, 0, 0.5]


def test_false_alarms_are_shared_out_as_the_published_code_does():
    alarms = FalseAlarms()
    (mixed, empty) = alarms.numbers_of_mixtures(np.array([[3, 0, 1, 0], [0, 0, 0, 0]]))
    weights = alarms.weights(empty_shares(np.array([6, 2, 1, 0]), 1))
    only_slow, slow_and_fast = 1 << SLOW, 1 << SLOW | 1 << FAST
    assert weights[mixed * 16 + only_slow].tolist() == [1, 0, 0, 0]
    # The share of the frame's objects that are *not* of the group.
    assert weights[mixed * 16 + slow_and_fast].tolist() == [0.25, 0, 0.75, 0]
    assert weights[empty * 16].tolist() == [0.6, 0.2, 0.2, 0]


def test_without_tracks_there_are_no_groups_and_the_reason_is_told():
    plain = truth(WORKED_TRUTH, tracks=False)
    scores = score_videos([(plain, found(WORKED_FOUND))], ["thing"])
    assert scores.no_groups_because == (
        "motion is measured along tracks, and the ground truth has none in video"
    )
    assert scores.classes[0].truths_by_motion is None
    assert scores.mean["slow"] is None
    assert scores.mean["vid"] == pytest.approx((1 + 1 + 3 / 5) / 6)


def test_groups_cannot_be_had_where_annotations_are_far_apart():
    rows = [(frame, DOG, 0, 1) for frame in (1, 61, 121)]
    video = truth(rows, frames=(1, 61, 121))
    scores = score_videos([(video, found([]))], ["dog"])
    assert "3 of 3 objects with a track" in scores.no_groups_because
    assert scores.alone == 3


def test_objects_that_nobody_follows_are_in_no_group():
    rows = [*WORKED_TRUTH, (1, (300, 300, 399, 399), 0, -1)]
    scores = score_videos([(truth(rows), found(WORKED_FOUND))], ["thing"])
    assert scores.not_followed == 1
    assert scores.mean["slow"] == pytest.approx((1 + 1) / 3)
    assert scores.mean["vid"] == pytest.approx((1 + 1 + 3 / 5) / 7)


def test_inputs_stay_as_they_are():
    video, answer = truth(WORKED_TRUTH), found(WORKED_FOUND)
    for array in (*vars(video).values(), *vars(answer).values()):
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    score_videos([(video, answer)], ["thing"])


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: truth([(4, DOG, 0, 1)]), "objects in annotated frames, got one in frame 4"),
        (lambda: truth([], frames=(2, 1)), "frame_numbers to rise"),
        (lambda: truth([(1, (5, 0, 4, 9), 0, 1)]), "x1 <= x2"),
        (lambda: found([(1, (0, 0, np.nan, 9), 0.5, 0)]), "finite"),
        (lambda: found([(1, DOG, np.nan, 0)]), "finite scores"),
        (lambda: score_videos([], []), "at least one class, got none"),
        (lambda: score_videos([], ["dog"]), "objects to be found, got none in 0 videos"),
        (lambda: score_videos([(truth([]), found([]))], ["dog"]), "none in 1 videos"),
        (
            lambda: VideoScorer(["dog"]).add(truth([(1, DOG, 1, 1)]), found([])),
            "class_ids of truth from 0 to 0, got 1",
        ),
        (
            lambda: VideoScorer(["dog"]).add(truth([]), found([(1, DOG, 0.5, -1)])),
            "class_ids of detections from 0 to 0, got -1",
        ),
        (lambda: VodConfig(fast_below=0.95), "fast_below: expected at most slow_above"),
        (lambda: VodConfig(coco_detections=0), "coco_detections: expected 1 or more"),
        (lambda: coco_scores_by_pycocotools([], ["dog"]), "objects to be found, got none"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(make, expected):
    with pytest.raises(ValueError, match="expected") as refused:
        make()
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["frames", "boxes", "class_ids", "scores"])
def test_columns_of_other_lengths_are_refused(name):
    whole = vars(found(WORKED_FOUND))
    with pytest.raises(ValueError, match="video: expected"):
        VideoDetections(**{**whole, name: whole[name][:-1]})
