import numpy as np
import pytest

from faimtrack.boxes import box_iou
from faimtrack.datasets.crowd import (
    VISIBILITY_ONE,
    CrowdConfig,
    detection_table,
    ground_truth_table,
    simulate_crowd,
)


@pytest.fixture(scope="module")
def matched():
    """Per annotated person: visibility, height, best score over IoU 0.5, its IoU and box error."""
    crowd = simulate_crowd(CrowdConfig(frames=120, seed=9, distractors=False))
    truth, found = ground_truth_table(crowd), detection_table(crowd)
    rows, extras = [], []
    for frame in range(1, 121):
        annotated = truth.select(truth.rows_of(frame))
        seen = found.select(found.rows_of(frame))
        overlap = box_iou(annotated.boxes, seen.boxes)
        for row, track in enumerate(annotated.ids):
            near = np.where(overlap[row] >= 0.5, seen.confidences, 0)
            best = int(near.argmax())
            error = (seen.boxes[best, 0] - annotated.boxes[row, 0]) / annotated.boxes_xywh[row, 2]
            rows.append((frame, track, annotated.visibilities[row], near[best], error))
        extras.append(np.count_nonzero(overlap.max(axis=0) < 0.5))
    return np.array(rows), np.array(extras), crowd


def test_misses_grow_with_occlusion(matched):
    rows, _, _ = matched
    missed = rows[:, 3] < 0.3
    shares = [
        missed[(rows[:, 2] >= low) & (rows[:, 2] < high)].mean()
        for low, high in ((0, 0.15), (0.15, 0.5), (0.5, 1.1))
    ]
    assert shares[0] > shares[1] > shares[2]
    assert shares[0] > 0.1
    assert shares[2] < 0.05


def test_scores_fall_with_occlusion(matched):
    rows, _, _ = matched
    seen = rows[rows[:, 3] > 0]
    medians = [
        np.median(seen[(seen[:, 2] >= low) & (seen[:, 2] < high), 3])
        for low, high in ((0, 0.2), (0.2, 0.6), (0.9, 1.1))
    ]
    assert medians[0] < medians[1] < medians[2]
    assert medians[2] > 0.85


def test_second_stage_has_low_scores_to_work_with(matched):
    rows, _, _ = matched
    low = (rows[:, 3] >= 0.1) & (rows[:, 3] < 0.6)
    assert low.mean() > 0.03
    assert low[rows[:, 2] < 0.3].mean() > 0.1


def test_boxes_stray_more_when_hidden_and_slowly_over_time(matched):
    rows, _, _ = matched
    hidden, free = (
        (rows[:, 2] < 0.3) & (rows[:, 3] > 0.3),
        (rows[:, 2] > 0.95) & (rows[:, 3] > 0.3),
    )
    assert rows[hidden, 4].std() > 1.2 * rows[free, 4].std()
    pairs = []
    for track in np.unique(rows[:, 1]):
        own = rows[(rows[:, 1] == track) & (rows[:, 3] > 0.5) & (rows[:, 2] > 0.9)]
        following = np.diff(own[:, 0]) == 1
        pairs.append(np.stack([own[:-1, 4][following], own[1:, 4][following]], axis=1))
    joined = np.concatenate(pairs)
    assert 0.6 < np.corrcoef(joined.T)[0, 1] < 0.98


def test_there_are_false_alarms_and_most_have_low_scores(matched):
    _, extras, crowd = matched
    assert 2 < extras.mean() < 25
    assert (crowd.detections.scores < 20).mean() > 0.1


def test_false_alarms_grow_with_occlusion():
    def alarms(density):
        crowd = simulate_crowd(
            CrowdConfig(frames=40, people=40, density=density, distractors=False, seed=4)
        )
        truth, found = ground_truth_table(crowd), detection_table(crowd)
        count = 0
        for frame in range(1, 41):
            boxes = truth.boxes[truth.rows_of(frame)]
            overlap = box_iou(found.boxes[found.rows_of(frame)], boxes)
            count += np.count_nonzero(overlap.max(axis=1) < 0.5)
        return count, (crowd.annotations.visibility < VISIBILITY_ONE / 2).mean()

    (few, hidden_few), (many, hidden_many) = alarms("dense"), alarms("sparse")
    assert hidden_few < hidden_many
    assert few < many


def test_some_false_alarms_stay_where_they_are():
    crowd = simulate_crowd(CrowdConfig(frames=60, people=90, density="dense", seed=2))
    truth, found = ground_truth_table(crowd), detection_table(crowd)
    streak = longest = 0
    previous = np.zeros((0, 4))
    for frame in range(1, 61):
        seen = found.select(found.rows_of(frame))
        annotated = truth.boxes[truth.rows_of(frame)]
        alone = seen.boxes[
            (box_iou(seen.boxes, annotated).max(axis=1) < 0.3) & (seen.confidences > 0.2)
        ]
        stays = len(previous) and len(alone) and (box_iou(alone, previous) > 0.7).any()
        streak = streak + 1 if stays else 0
        longest, previous = max(longest, streak), alone
    assert longest >= 8


def test_detections_fall_in_score_and_never_overlap_too_much(medium):
    table = medium.detections
    found = detection_table(medium)
    for frame in range(1, 76):
        rows = table.rows_of(frame)
        assert (np.diff(table.scores[rows]) <= 0).all()
        overlap = box_iou(found.boxes[rows], found.boxes[rows])
        np.fill_diagonal(overlap, 0)
        assert overlap.max() <= 0.7
