"""Scores equal the VID protocol written loop by loop from its definition, and pycocotools."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.eval.vod import (
    COCO_METRICS,
    VideoDetections,
    VideoTruth,
    VodConfig,
    coco_scores_by_pycocotools,
    matching,
    motion_ious,
    score_videos,
)
from faimtrack.eval.vod.matching import greedy_matches, paired_coco_ious

RANGES = {"slow": lambda iou: iou > 0.9, "medium": lambda iou: 0.7 <= iou <= 0.9,
          "fast": lambda iou: iou < 0.7}  # fmt: skip


def overlap(first, second):
    """IoU of two boxes whose corners name whole pixels."""
    width = min(first[2], second[2]) - max(first[0], second[0]) + 1
    height = min(first[3], second[3]) - max(first[1], second[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (first, second)]
    return width * height / (areas[0] + areas[1] - width * height)


def motion_iou(truth, row):
    """The mean over the object's other boxes within ten frames; None if there is none."""
    ious = [
        overlap(truth.boxes[row], truth.boxes[other])
        for other in range(len(truth))
        if truth.track_ids[other] == truth.track_ids[row]
        and 0 < abs(int(truth.frames[other]) - int(truth.frames[row])) <= 10
    ]
    return sum(ious) / len(ious) if ious else None


def group_of(truth, row):
    if truth.track_ids is None or truth.track_ids[row] < 0:
        return None
    iou = motion_iou(truth, row)
    iou = 1.0 if iou is None else iou
    (name,) = [name for name, is_within in RANGES.items() if is_within(iou)]
    return name


def threshold(box):
    width, height = box[2] - box[0] + 1, box[3] - box[1] + 1
    return min(0.5, width * height / ((width + 10) * (height + 10)))


def false_alarm(group, box, objects, share):
    """How much a detection that has found nothing counts in a group; `None` is all objects."""
    if group is None:
        return 1.0
    if not objects:
        return share
    inside = max((overlap(box, other) for other, its in objects if its == group), default=-1)
    outside = max((overlap(box, other) for other, its in objects if its != group), default=-1)
    if inside != outside:
        return float(inside > outside)
    return sum(its != group for _, its in objects) / len(objects)


def average_precision(rows, truths):
    """The area under precision over recall; `rows` are score, hit, false alarm in order."""
    rows = sorted(rows, key=lambda row: -row[0])
    hits = alarms = 0.0
    recalls, precisions = [0.0], [0.0]
    for _, hit, alarm in rows:
        hits, alarms = hits + hit, alarms + alarm
        recalls.append(hits / truths)
        precisions.append(hits / (hits + alarms) if hits + alarms else 0.0)
    area = 0.0
    for place in range(1, len(recalls)):
        area += (recalls[place] - recalls[place - 1]) * max(precisions[place:])
    return area


def reference_scores(videos, class_count):
    """By class and by `vid`, `slow`, `medium`, `fast`: an area, or None without truth."""
    groups = {
        (number, row): group_of(truth, row)
        for number, (truth, _) in enumerate(videos)
        for row in range(len(truth))
    }
    empty = sum(
        not any(truth.frames == frame) for truth, _ in videos for frame in truth.frame_numbers
    )
    found = []
    for group in (None, *RANGES):
        mine = sum(its == group for its in groups.values()) + (empty if group == "fast" else 0)
        share = mine / max(1, len(groups) + empty)
        rows, truths = [[] for _ in range(class_count)], [0] * class_count
        for number, (truth, detections) in enumerate(videos):
            for row, kind in enumerate(truth.class_ids):
                truths[kind] += group is None or groups[number, row] == group
            for frame in truth.frame_numbers:
                score_frame(number, frame, truth, detections, groups, group, share, rows)
        found.append([
            average_precision(its, count) if count else None
            for its, count in zip(rows, truths, strict=True)
        ])  # fmt: skip
    return [dict(zip(("vid", *RANGES), each, strict=True)) for each in zip(*found, strict=True)]


def score_frame(number, frame, truth, detections, groups, group, share, rows):
    """Append the rows of a frame's detections."""
    objects = [row for row in range(len(truth)) if truth.frames[row] == frame]
    known = [(truth.boxes[row], groups[number, row]) for row in objects]
    chosen = [row for row in range(len(detections)) if detections.frames[row] == frame]
    taken = set()
    for row in sorted(chosen, key=lambda row: -detections.scores[row]):
        kind, box = detections.class_ids[row], detections.boxes[row]
        best, best_iou = None, -1.0
        for other in objects:
            iou = overlap(box, truth.boxes[other])
            if (
                truth.class_ids[other] == kind
                and other not in taken
                and iou >= threshold(truth.boxes[other])
                and iou > best_iou
            ):
                best, best_iou = other, iou
        if best is None:
            hit, alarm = 0, false_alarm(group, box, known, share)
        else:
            taken.add(best)
            hit, alarm = int(group is None or groups[number, best] == group), 0
        rows[kind].append((detections.scores[row], hit, alarm))


def greedy_by_loops(ious, least, *, last_of_equals):
    """One detection (row) after the other takes the best object that is left."""
    taken, found = set(), []
    for row in np.asarray(ious).tolist():
        best = -1
        for number, iou in enumerate(row):
            better = best < 0 or iou > row[best] or (last_of_equals and iou == row[best])
            if number not in taken and iou >= least and better:
                best = number
        taken |= {best} - {-1}
        found.append(best)
    return found


# Few numbers, so that boxes, scores and overlaps often are equal; some boxes have no area.
CORNERS = st.tuples(*[st.sampled_from([0, 1, 2, 4, 8, 10.5, 11, 30])] * 2,
                    *[st.sampled_from([0, 1, 3, 8, 10, 10.5, 20, 40])] * 2)  # fmt: skip
SCORES = st.sampled_from([0.0, 0.1, 0.5, 0.5, 0.9, 1.0])


def corners(rows):
    boxes = np.array(rows, float).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return boxes


@st.composite
def videos(draw, classes=3):
    """Some videos of a few annotated frames, some of them empty; detections also elsewhere."""
    found = []
    for number in range(draw(st.integers(1, 3))):
        frames = sorted(draw(st.sets(st.integers(1, 25), min_size=1, max_size=5)))
        kind, frame, tracks = (
            st.integers(0, classes - 1),
            st.sampled_from(frames),
            st.integers(-1, 3),
        )
        objects = draw(st.lists(st.tuples(frame, CORNERS, kind, tracks), max_size=8))
        answer = st.tuples(st.one_of(frame, st.integers(1, 30)), CORNERS, SCORES, kind)
        answers = draw(st.lists(answer, max_size=12))
        if objects and draw(st.booleans()):  # some that are right to the pixel, or twice
            frame, box, kind, _ = draw(st.sampled_from(objects))
            answers += draw(st.integers(1, 2)) * [(frame, box, draw(SCORES), kind)]
        columns = [list(column) for column in zip(*objects, strict=True)] or [[], [], [], []]
        truth = VideoTruth(
            name=f"v{number}", frame_numbers=np.array(frames),
            frames=np.array(columns[0], np.int64), boxes=corners(columns[1]),
            class_ids=np.array(columns[2], np.int64), track_ids=np.array(columns[3], np.int64),
        )  # fmt: skip
        columns = [list(column) for column in zip(*answers, strict=True)] or [[], [], [], []]
        detections = VideoDetections(
            name=f"v{number}", frames=np.array(columns[0], np.int64), boxes=corners(columns[1]),
            scores=np.array(columns[2], float), class_ids=np.array(columns[3], np.int64),
        )  # fmt: skip
        found.append((truth, detections))
    return found


def has_truth(given_videos):
    return any(len(truth) for truth, _ in given_videos)


def same(came, expected):
    if expected is None or came is None:
        return came is expected
    return came == pytest.approx(expected, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(videos().filter(has_truth))
def test_areas_of_all_objects_and_of_each_motion_group_equal_the_loops(some):
    scores = score_videos(some, ("a", "b", "c"))
    for its, expected in zip(scores.classes, reference_scores(some, 3), strict=True):
        assert same(its.values["vid"], expected["vid"])
        if scores.no_groups_because is None:
            for group in RANGES:
                assert same(its.values[group], expected[group]), group


@st.composite
def followed_videos(draw):
    """A video in which most objects are followed over many frames, slowly or fast."""
    frames = np.arange(1, draw(st.integers(3, 14)))
    count = draw(st.integers(1, 4))
    starts = np.array(draw(st.lists(CORNERS, min_size=count, max_size=count)), float)
    steps = draw(st.lists(st.sampled_from([0, 0.25, 1, 6]), min_size=count, max_size=count))
    rows = [
        (frame, starts[who] + [steps[who] * frame, 0, 20, 20], who, who % 2)
        for frame in frames
        for who in range(count)
        if draw(st.integers(0, 5))
    ]
    boxes = corners([row[1] for row in rows])
    columns = np.array([(row[0], row[2], row[3]) for row in rows], np.int64).reshape(-1, 3)
    truth = VideoTruth(
        name="followed", frame_numbers=frames, frames=columns[:, 0], boxes=boxes,
        class_ids=columns[:, 2], track_ids=columns[:, 1],
    )  # fmt: skip
    chosen = draw(st.lists(st.integers(0, max(0, len(rows) - 1)), max_size=25))
    chosen = np.array(chosen if rows else [], np.int64)
    shifts = draw(st.lists(st.sampled_from([0, 2, 300]), min_size=len(chosen),
                           max_size=len(chosen)))  # fmt: skip
    detections = VideoDetections(
        name="followed", frames=columns[chosen, 0],
        boxes=boxes[chosen] + np.array(shifts, float).reshape(-1, 1),
        scores=np.array(draw(st.lists(SCORES, min_size=len(chosen), max_size=len(chosen))), float),
        class_ids=columns[chosen, 2],
    )  # fmt: skip
    return [(truth, detections)]


@settings(max_examples=60, deadline=None)
@given(followed_videos().filter(has_truth))
def test_motion_groups_of_followed_objects_equal_the_loops(some):
    scores = score_videos(some, ("a", "b"))
    ((truth, _),) = some
    ious = motion_ious(truth, window=10)
    for row, iou in enumerate(ious):
        expected = motion_iou(truth, row)
        assert np.isnan(iou) if expected is None else iou == pytest.approx(expected, abs=1e-12)
    if scores.no_groups_because is None:
        for its, expected in zip(scores.classes, reference_scores(some, 2), strict=True):
            assert all(same(its.values[name], value) for name, value in expected.items())


@settings(max_examples=60, deadline=None)
@given(videos().filter(has_truth), st.sampled_from([1, 2, 100]))
def test_coco_metrics_equal_pycocotools(some, most):
    scores = score_videos(some, ("a", "b", "c"), VodConfig(coco_detections=most))
    theirs = coco_scores_by_pycocotools(some, ("a", "b", "c"), max_detections=most)
    for its, expected in zip(scores.classes, theirs, strict=True):
        assert all(same(its.values[name], expected[name]) for name in COCO_METRICS)


def crowded(seed, *, frames=6, people=60, found=160):
    """One class, more detections a frame than COCO looks at, many near each other."""
    random = np.random.default_rng(seed)
    number = np.arange(1, frames + 1)
    corner = random.uniform(0, 200, (frames * people, 2)).round(1)
    boxes = np.concatenate([corner, corner + random.uniform(8, 60, corner.shape).round(1)], axis=1)
    truth = VideoTruth(
        name="crowd", frame_numbers=number, frames=np.repeat(number, people), boxes=boxes,
        class_ids=np.zeros(len(boxes), np.int64), track_ids=np.tile(np.arange(people), frames),
    )  # fmt: skip
    frame = np.repeat(number, found)
    near = boxes[(frame - 1) * people + random.integers(0, people, len(frame))]
    detections = VideoDetections(
        name="crowd", frames=frame, boxes=near + random.integers(-3, 4, (len(frame), 1)),
        scores=random.integers(0, 40, len(frame)) / 40, class_ids=np.zeros(len(frame), np.int64),
    )  # fmt: skip
    return [(truth, detections)]


def test_crowds_are_scored_as_the_loops_and_pycocotools_do():
    some = crowded(3)
    (its,) = score_videos(some, ("person",)).classes
    (expected,) = reference_scores(some, 1)
    (theirs,) = coco_scores_by_pycocotools(some, ("person",))
    assert all(same(its.values[name], value) for name, value in {**expected, **theirs}.items())
    assert 0.2 < its.values["ap"] < its.values["ap50"] < 1


def test_cutting_frames_into_blocks_changes_nothing(monkeypatch):
    some = crowded(4)
    whole = score_videos(some, ("person",))
    monkeypatch.setattr(matching, "_BLOCK_PAIRS", 10)
    cut = score_videos(some, ("person",))
    assert cut.classes[0].values == whole.classes[0].values


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 6).flatmap(
        lambda width: st.lists(
            st.lists(st.sampled_from([0.1, 0.5, 0.6, 0.6, 0.9]), min_size=width, max_size=width),
            min_size=1,
            max_size=7,
        )
    ),
    st.booleans(),
)
def test_matching_at_once_equals_matching_one_after_the_other(rows, last_of_equals):
    ious = np.array(rows, float).reshape(len(rows), -1)
    first, second = np.nonzero(ious >= 0.5)
    shuffled = np.random.default_rng(len(first)).permutation(len(first))
    first, second = first[shuffled], second[shuffled]
    came = greedy_matches(
        first, second, ious[first, second], counts=ious.shape, last_of_equals=last_of_equals
    )
    assert came.tolist() == greedy_by_loops(ious, 0.5, last_of_equals=last_of_equals)


def test_a_chain_of_displaced_detections_ends_with_the_first_ones_served():
    # Each wants the object that the one before it holds.
    ious = np.array([[0.9, 0.6, 0.5], [0.9, 0.8, 0.5], [0.5, 0.9, 0.8]])
    first, second = np.nonzero(ious)
    for rows in (list(range(9)), list(range(8, -1, -1)), [4, 0, 8, 2, 6, 1, 3, 5, 7]):
        came = greedy_matches(
            first[rows], second[rows], ious[first, second][rows], counts=(3, 3),
            last_of_equals=False,
        )  # fmt: skip
        assert came.tolist() == [0, 1, 2]


def test_overlaps_are_those_of_pycocotools_to_the_last_bit():
    from pycocotools import mask as coco

    random = np.random.default_rng(7)
    corner = random.uniform(0, 50, (2, 80, 2))
    boxes = np.concatenate([corner, corner + random.uniform(0, 40, corner.shape)], axis=2)
    as_coco = np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=2)
    expected = coco.iou(as_coco[0], as_coco[1], np.zeros(80, np.uint8))
    first, second = np.divmod(np.arange(6400), 80)
    ours = paired_coco_ious(boxes[0], first, boxes[1], second).reshape(80, 80)
    assert (ours == expected).all()
