"""Each box's kind: the sums are TrackEval's, and single boxes are what they look like."""

import numpy as np
import pytest

from faimtrack.datasets.crowd import (
    CrowdConfig,
    detection_table,
    ground_truth_table,
    simulate_crowd,
)
from faimtrack.eval import EvaluationSettings, benchmark_rules, class_rules, evaluate_sequence
from faimtrack.eval.events import EventCounts, find_events, total_counts
from faimtrack.eval.reading import find_files, read_tables
from faimtrack.motfile import MotTable
from faimtrack.trackers import create_tracker

BOX = (0, 0, 10, 10)
NEAR = (100, 0, 10, 10)
MOT15 = benchmark_rules("mot15")


def assert_sums_are_trackevals(ground_truth, results, frames, rules):
    events = find_events(ground_truth, results, frames, rules)
    counts = total_counts(events)
    scores = evaluate_sequence(ground_truth, results, frames, rules)
    clear = scores.summary
    came = counts.hits, counts.misses, counts.false_alarms, counts.switches
    assert came == tuple(clear[name] for name in ("CLR_TP", "CLR_FN", "CLR_FP", "IDSW"))
    assert counts.removed == scores.removed_row_count
    return counts


@pytest.mark.parametrize("tracker", ["byte", "ocsort"])
def test_sums_on_a_real_sequence_are_trackevals(shared_data, tracker):
    settings = EvaluationSettings(split="val-half", numbering="from-1")
    files = find_files(
        shared_data / "mot17" / "MOT17-05-FRCNN" / "gt" / "gt.txt",
        shared_data / "reference" / "mot17-val-half" / tracker,
        settings,
    )
    tables = read_tables(files, settings)
    counts = assert_sums_are_trackevals(
        tables.ground_truth, tables.results, tables.frames, tables.rules
    )
    assert min(counts.hits, counts.misses, counts.false_alarms, counts.switches) > 5


def tracked(detections, frames):
    """What SORT makes of detections, as a table."""
    tracker = create_tracker("sort", frame_rate=25)
    rows = []
    for frame in frames:
        tracks = tracker.update(detections.detections(frame))
        for track_id, box in zip(tracks.ids, tracks.boxes, strict=True):
            rows.append([frame, track_id, *box[:2], *(box[2:] - box[:2])])
    values = np.array(rows)
    ids = values[:, 1].astype(np.int64)
    return MotTable(
        "sort", values[:, 0].astype(np.int64), ids, values[:, 2:], np.ones(len(ids)),
        np.full(len(ids), -1), np.full(len(ids), -1.0),
    )  # fmt: skip


def test_sums_on_a_crowd_with_distractors_are_trackevals():
    crowd = simulate_crowd(CrowdConfig(seed=3, frames=40, people=40, width=640, height=360))
    frames = range(1, 41)
    results = tracked(detection_table(crowd), frames)
    rules = benchmark_rules("mot20")
    counts = assert_sums_are_trackevals(ground_truth_table(crowd), results, frames, rules)
    assert counts.hits > 400
    assert counts.switches > 0


@pytest.mark.parametrize("seed", range(8))
def test_sums_on_random_rows_are_trackevals_under_every_rule(make_crowd, make_table, seed):
    truth, found = make_crowd(seed, classes=(1, 1, 2, 7, 8))
    tables = make_table(truth), make_table(found)
    for rules in (MOT15, benchmark_rules("mot17"), class_rules([1, 2], distractor_ids=[8])):
        assert_sums_are_trackevals(*tables, range(1, 13), rules)


def test_every_row_that_counts_is_one_kind_and_rows_are_those_of_the_tables(
    make_crowd, make_table
):
    truth, found = make_crowd(1, classes=(1, 1, 2, 8))
    ground_truth, results = make_table(truth), make_table(found)
    events = find_events(ground_truth, results, range(1, 13), benchmark_rules("mot17"))
    rows = np.concatenate([np.r_[e.hits, e.false_alarms, e.removed] for e in events])
    assert sorted(rows) == list(range(len(results)))
    for each in events:
        for kind in (each.hits, each.false_alarms, each.switches, each.removed):
            assert (results.frames[kind] == each.frame).all()
        assert (ground_truth.frames[each.misses] == each.frame).all()
        assert (ground_truth.class_ids[each.misses] == 1).all()
        assert set(each.switches) <= set(each.hits)


def test_a_switch_names_the_id_before_however_long_the_object_was_lost(make_table):
    truth = make_table([(frame, 1, *BOX) for frame in range(1, 7)])
    found = make_table([(1, 70, *BOX), (2, 70, *NEAR), (6, 80, *BOX)])
    events = find_events(truth, found, range(1, 7), MOT15)
    assert [len(each.switches) for each in events] == [0, 0, 0, 0, 0, 1]
    assert events[5].switches.tolist() == [2]
    assert events[5].previous_ids.tolist() == [70]
    assert total_counts(events) == EventCounts(hits=2, misses=4, false_alarms=1, switches=1)


def test_a_result_on_a_distractor_is_neither_hit_nor_false_alarm(make_table):
    truth = make_table([(1, 1, *BOX, 1, 1), (1, 2, *NEAR, 0, 8)])
    found = make_table([(1, 5, *NEAR)])
    (event,) = find_events(truth, found, range(1, 2), benchmark_rules("mot20"))
    assert event.removed.tolist() == [0]
    assert event.counts == EventCounts(misses=1, removed=1)


def test_a_result_outside_the_frames_is_refused(make_table):
    truth = make_table([(1, 1, *BOX)])
    with pytest.raises(ValueError, match="expected frames 1 to 1, got frame 2"):
        find_events(truth, make_table([(2, 1, *BOX)]), range(1, 2), MOT15)
