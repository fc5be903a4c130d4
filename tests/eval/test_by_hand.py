"""Cases small enough to be counted by hand."""

import math

import numpy as np
import pytest

from faimtrack.eval import (
    ALPHAS,
    EvaluationRules,
    benchmark_rules,
    class_rules,
    evaluate_sequence,
    evaluate_sequences,
)

MOT15, MOT17, MOT20 = (benchmark_rules(name) for name in ("mot15", "mot17", "mot20"))
BOX = (0, 0, 10, 10)
FAR = (500, 500, 10, 10)


def still(object_id, frames, box=BOX, *more):
    return [(frame, object_id, *box, *more) for frame in frames]


def test_perfect_tracks_score_one(make_table):
    rows = still(1, range(1, 6)) + still(2, range(1, 6), FAR)
    summary = evaluate_sequence(make_table(rows), make_table(rows), range(1, 6), MOT15).summary
    for metric in ("HOTA", "DetA", "AssA", "LocA", "MOTA", "MOTP", "IDF1", "IDR", "IDP"):
        assert summary[metric] == 1.0, metric
    assert (summary["CLR_TP"], summary["MT"], summary["IDTP"]) == (10, 2, 10)
    assert summary["CLR_FP"] == summary["CLR_FN"] == summary["IDSW"] == summary["Frag"] == 0


def test_a_track_cut_in_half_keeps_its_detections_and_half_its_association(make_table):
    truth = make_table(still(1, range(1, 5)))
    found = make_table(still(7, range(1, 3)) + still(8, range(3, 5)))
    summary = evaluate_sequence(truth, found, range(1, 5), MOT15).summary
    # Each of the four matches shares 2 frames of the 4 that its two ids span together.
    assert summary["DetA"] == 1.0
    assert summary["AssA"] == pytest.approx(0.5)
    assert summary["HOTA"] == pytest.approx(math.sqrt(0.5))
    assert summary["MOTA"] == pytest.approx(1 - 1 / 4)
    assert summary["IDSW"] == 1
    # The better identity has 2 of 4 boxes; the other 2 are false and missed: 2·2 / (4 + 4).
    assert summary["IDF1"] == pytest.approx(0.5)


def test_a_gap_is_two_misses_and_one_fragmentation(make_table):
    truth = make_table(still(1, range(1, 11)) + still(2, range(1, 11), FAR))
    found = make_table(still(1, [1, 2, 3, 6, 7, 8, 9, 10]) + still(2, range(1, 11), FAR))
    summary = evaluate_sequence(truth, found, range(1, 11), MOT15).summary
    assert (summary["CLR_TP"], summary["CLR_FN"], summary["CLR_FP"]) == (18, 2, 0)
    assert summary["Frag"] == 1
    assert summary["MOTA"] == pytest.approx(1 - 2 / 20)
    # Tracked for exactly 80 %: not "mostly".
    assert (summary["MT"], summary["PT"], summary["ML"]) == (1, 1, 0)
    assert summary["DetA"] == pytest.approx(18 / 20)
    assert summary["IDF1"] == pytest.approx(2 * 18 / (20 + 18))


def test_an_overlap_of_six_tenths_counts_up_to_that_threshold(make_table):
    truth = make_table([(1, 1, 0, 0, 10, 10)])
    found = make_table([(1, 1, 0, 0, 6, 10)])
    scores = evaluate_sequence(truth, found, range(1, 2), MOT15)
    expected = (np.round(ALPHAS, 2) <= 0.6).astype(float)
    assert scores.scores.hota_by_alpha.tolist() == expected.tolist()
    assert scores.summary["HOTA"] == pytest.approx(12 / 19)
    assert scores.summary["MOTP"] == pytest.approx(0.6)


def test_results_on_a_distractor_are_neither_right_nor_wrong(make_table):
    truth = make_table(still(1, range(1, 4), BOX, 1, 1) + still(2, range(1, 4), FAR, 0, 7))
    found = make_table(still(1, range(1, 4)) + still(2, range(1, 4), FAR))
    with_rules = evaluate_sequence(truth, found, range(1, 4), MOT17)
    assert with_rules.removed_row_count == 3
    assert with_rules.summary["MOTA"] == 1.0
    assert with_rules.summary["HOTA"] == 1.0
    without = evaluate_sequence(truth, found, range(1, 4), EvaluationRules(name="none"))
    assert without.removed_row_count == 0
    assert without.summary["CLR_FP"] == 3
    assert without.summary["MOTA"] == 0.0


def test_a_result_is_not_taken_away_if_a_person_fits_better(make_table):
    truth = make_table([(1, 1, 0, 0, 10, 10, 1, 1), (1, 2, 2, 0, 10, 10, 0, 7)])
    found = make_table([(1, 1, 0, 0, 10, 10)])
    scores = evaluate_sequence(truth, found, range(1, 2), MOT17)
    assert scores.removed_row_count == 0
    assert scores.summary["CLR_TP"] == 1


@pytest.mark.parametrize(("rules", "removed"), [(MOT17, 0), (MOT20, 1)])
def test_a_vehicle_without_motor_is_a_distractor_in_mot20_only(make_table, rules, removed):
    truth = make_table([(1, 1, *BOX, 1, 1), (1, 2, *FAR, 0, 6)])
    found = make_table([(1, 1, *FAR)])
    assert evaluate_sequence(truth, found, range(1, 2), rules).removed_row_count == removed


def test_people_marked_zero_are_not_evaluated(make_table):
    truth = make_table([(1, 1, *BOX, 1, 1), (1, 2, *FAR, 0, 1)])
    found = make_table([(1, 1, *BOX), (1, 2, *FAR)])
    summary = evaluate_sequence(truth, found, range(1, 2), MOT17).summary
    assert (summary["CLR_TP"], summary["CLR_FN"], summary["CLR_FP"]) == (1, 0, 1)


def test_nothing_found_is_an_honest_zero(make_table):
    truth = make_table(still(1, range(1, 4)))
    scores = evaluate_sequence(truth, make_table([]), range(1, 4), MOT15, cross_check=True)
    for metric in ("HOTA", "DetA", "AssA", "MOTA", "MOTP", "IDF1", "IDP"):
        assert scores.summary[metric] == 0.0, metric
    assert (scores.summary["CLR_FN"], scores.summary["ML"]) == (3, 1)
    combined = evaluate_sequences([scores]).combined
    assert all(math.isfinite(value) for value in combined.summary.values())
    assert combined.cross_check.motmetrics["num_misses"] == 3


def test_own_classes_are_scored_each_and_averaged(make_table):
    truth = make_table(still(1, range(1, 5), BOX, 1, 1) + still(2, range(1, 5), FAR, 1, 3))
    found = make_table(still(1, range(1, 5), BOX, 1, 1) + still(2, range(1, 3), FAR, 1, 3))
    scores = evaluate_sequence(truth, found, range(1, 5), class_rules([1, 3]))
    assert list(scores.by_class) == [1, 3]
    assert scores.by_class[1].summary["DetA"] == 1.0
    assert scores.by_class[3].summary["DetA"] == 0.5
    assert scores.summary["DetA"] == pytest.approx(0.75)
    assert scores.summary["CLR_FN"] == 2
    report = evaluate_sequences([scores])
    assert report.combined.summary == scores.summary


def test_a_result_of_another_class_is_no_match(make_table):
    truth = make_table([(1, 1, *BOX, 1, 1), (1, 2, *FAR, 1, 3)])
    found = make_table([(1, 1, *BOX, 1, 3), (1, 2, *FAR, 1, 1)])
    summary = evaluate_sequence(truth, found, range(1, 2), class_rules([1, 3])).summary
    assert (summary["CLR_TP"], summary["CLR_FP"], summary["CLR_FN"]) == (0, 2, 2)


def test_combined_counts_are_sums_and_not_means_of_ratios(make_table):
    long_truth, short_truth = still(1, range(1, 9)), still(1, range(1, 3))
    good = evaluate_sequence(
        make_table(long_truth), make_table(long_truth), range(1, 9), MOT15, name="long"
    )
    bad = evaluate_sequence(
        make_table(short_truth), make_table([]), range(1, 9), MOT15, name="short"
    )
    combined = evaluate_sequences([good, bad]).combined.summary
    assert combined["MOTA"] == pytest.approx(8 / 10)
    assert combined["DetA"] == pytest.approx(8 / 10)
    assert combined["IDF1"] == pytest.approx(2 * 8 / (10 + 8))


def test_frames_outside_the_split_are_not_looked_at(make_table):
    truth = make_table(still(1, range(1, 9)))
    found = make_table(still(1, range(5, 9)))
    summary = evaluate_sequence(truth, found, range(5, 9), MOT15).summary
    assert (summary["CLR_TP"], summary["CLR_FN"]) == (4, 0)
