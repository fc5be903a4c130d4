"""What holds for all tracks, whatever they look like."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.eval import benchmark_rules, evaluate_sequence

RULES = benchmark_rules("mot15")
RATIOS = ("HOTA", "DetA", "AssA", "LocA", "MOTP", "IDF1", "IDR", "IDP", "CLR_Re", "CLR_Pr")
FRAMES = range(1, 13)
SEEDS = st.integers(0, 2**32 - 1)


def crowd(make_crowd, seed):
    truth, found = make_crowd(seed)
    return [*truth, [1, 99, 700, 700, 20, 20, 1, 1]], found


def summary_of(make_table, truth, found, frames=FRAMES):
    return evaluate_sequence(make_table(truth), make_table(found), frames, RULES).summary


@pytest.mark.parametrize("seed", range(3))
def test_the_crowds_are_neither_perfect_nor_lost(make_crowd, make_table, seed):
    summary = summary_of(make_table, *crowd(make_crowd, seed))
    assert 0.1 < summary["HOTA"] < 0.9
    assert summary["CLR_FP"] > 0 < summary["IDSW"]


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_ratios_stay_between_zero_and_one(make_crowd, make_table, seed):
    summary = summary_of(make_table, *crowd(make_crowd, seed))
    assert all(0.0 <= summary[name] <= 1.0 for name in RATIOS)
    assert summary["MOTA"] <= 1.0


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS)
def test_perfect_tracks_score_one_under_any_ids(make_crowd, make_table, seed):
    truth, _ = crowd(make_crowd, seed)
    truth = [row for row in truth if row[6]]
    found = [[row[0], 1000 - 3 * row[1], *row[2:]] for row in truth]
    summary = summary_of(make_table, truth, found)
    assert all(summary[name] == pytest.approx(1.0, abs=1e-12) for name in (*RATIOS, "MOTA"))


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, data=st.data())
def test_renaming_ids_changes_nothing(make_crowd, make_table, seed, data):
    truth, found = crowd(make_crowd, seed)
    ids = sorted({row[1] for row in found})
    # In the same order: equal overlaps may otherwise be matched the other way.
    names = sorted(data.draw(st.sets(st.integers(1, 10**9), min_size=len(ids), max_size=len(ids))))
    renamed = dict(zip(ids, names, strict=True))
    other = [[row[0], renamed[row[1]], *row[2:]] for row in found]
    assert summary_of(make_table, truth, found) == summary_of(make_table, truth, other)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, shift=st.integers(1, 1000))
def test_shifting_all_frames_changes_nothing(make_crowd, make_table, seed, shift):
    truth, found = crowd(make_crowd, seed)
    later = [[[row[0] + shift, *row[1:]] for row in rows] for rows in (truth, found)]
    frames = range(FRAMES.start + shift, FRAMES.stop + shift)
    assert summary_of(make_table, truth, found) == summary_of(make_table, *later, frames)


@settings(deadline=None, max_examples=30)
@given(seed=SEEDS, count=st.integers(1, 12))
def test_false_positives_lower_detection_and_leave_association(
    make_crowd, make_table, seed, count
):
    truth, found = crowd(make_crowd, seed)
    more = found + [[frame, 5000, 900, 900, 10, 10, 1, 1] for frame in range(1, count + 1)]
    before, after = summary_of(make_table, truth, found), summary_of(make_table, truth, more)
    assert after["DetA"] < before["DetA"]
    assert after["MOTA"] < before["MOTA"]
    assert after["CLR_FP"] == before["CLR_FP"] + count
    assert after["AssA"] == pytest.approx(before["AssA"], abs=1e-12)


@settings(deadline=None, max_examples=20)
@given(seed=SEEDS)
def test_inputs_are_not_modified(make_crowd, make_table, seed):
    tables = [make_table(rows) for rows in crowd(make_crowd, seed)]
    before = [[np.copy(array) for array in arrays(table)] for table in tables]
    evaluate_sequence(*tables, FRAMES, RULES)
    for table, copies in zip(tables, before, strict=True):
        assert all(map(np.array_equal, arrays(table), copies))


def arrays(table):
    return [table.frames, table.ids, table.boxes_xywh, table.confidences, table.class_ids]
