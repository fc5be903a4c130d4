"""py-motmetrics beside TrackEval: every difference is found, measured and given its true cause."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.eval import EvaluationSettings, benchmark_rules, evaluate_folders
from faimtrack.eval.cross_check import (
    accumulate,
    count_by_motmetrics_rules,
    motmetrics_pairs,
    trackeval_pairs,
)
from faimtrack.eval.differences import (
    DEFINITION_REASONS,
    PAIRS_REASON,
    UNEXPLAINED_REASON,
    differences,
)
from faimtrack.eval.evaluate import evaluate_sequence, evaluate_sequences
from faimtrack.eval.matching_input import matching_input
from faimtrack.eval.trackeval_adapter import score

MOT15 = benchmark_rules("mot15")
BOX, FAR = (0, 0, 10, 10), (500, 500, 10, 10)


def still(object_id, frames, box=BOX):
    return [(frame, object_id, *box) for frame in frames]


def found_differences(make_table, truth, found, frame_count):
    scores = evaluate_sequence(
        make_table(truth), make_table(found), range(1, frame_count + 1), MOT15, cross_check=True
    )
    listed = differences(evaluate_sequences([scores]))
    return {item.metric: item for item in listed if item.row == "COMBINED"}


def pairs_counts(sequence, pairs):
    """TP and identity switches of given pairs, counted the plain way."""
    last, matched, switches = {}, 0, 0
    for paired in pairs:
        matched += len(paired)
        switches += sum(last.get(o, r) != r for o, r in paired.items())
        last.update(paired)
    return matched, switches


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_retraced_pairs_are_the_ones_that_trackeval_counts(make_crowd, make_table, seed):
    truth, found = make_crowd(seed, object_count=8)
    sequence = matching_input(make_table(truth), make_table(found), range(1, 13), MOT15, None)
    clear = score(sequence)["CLEAR"]
    expected = (clear["CLR_TP"], clear["IDSW"])
    assert pairs_counts(sequence, trackeval_pairs(sequence)) == expected


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_motmetrics_definitions_on_its_own_pairs_give_its_own_counts(make_crowd, make_table, seed):
    truth, found = make_crowd(seed, object_count=8)
    tables = make_table(truth), make_table(found)
    sequence = matching_input(*tables, range(1, 13), MOT15, None)
    scores = evaluate_sequence(*tables, range(1, 13), MOT15, cross_check=True).scores
    numbers = scores.cross_check.motmetrics
    pairs = motmetrics_pairs(sequence, accumulate(sequence))
    assert count_by_motmetrics_rules(sequence, pairs) == {
        "Frag": numbers["num_fragmentations"],
        "MT": numbers["mostly_tracked"],
        "PT": numbers["partially_tracked"],
        "ML": numbers["mostly_lost"],
    }


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_parts_of_a_difference_add_up_and_have_a_reason(make_crowd, make_table, seed):
    truth, found = make_crowd(seed, object_count=8)
    for item in found_differences(make_table, truth, found, 12).values():
        assert item.motmetrics - item.trackeval == pytest.approx(
            item.by_definition + item.by_pairs
        )
        assert item.reasons
        assert not any(reason.startswith("unknown") for reason in item.reasons)


@pytest.mark.parametrize("benchmark", ["mot17", "mot20"])
@pytest.mark.parametrize("tracker", ["byte", "ocsort"])
def test_on_real_tracks_a_longer_memory_is_all_that_pairs_differently(
    shared_data, benchmark, tracker
):
    results = shared_data / "reference" / f"{benchmark}-val-half" / tracker
    settings = EvaluationSettings(split="val-half", numbering="from-1", cross_check=True)
    report = evaluate_folders(shared_data / benchmark, results, settings)
    check = report.combined.cross_check
    assert check.differing_frame_count > 0 == check.unexplained_frame_count
    listed = differences(report)
    reasons = {reason for item in listed for reason in item.reasons}
    assert PAIRS_REASON in reasons
    assert reasons <= {PAIRS_REASON, *DEFINITION_REASONS.values()}
    assert not {"IDF1", "IDP", "IDR"} & {item.metric for item in listed}


def test_a_partner_that_comes_back_beside_a_closer_one_is_explained(make_table):
    near, nearer = (3, 0, 10, 10), (1, 0, 10, 10)
    truth = still(1, range(1, 7)) + still(2, range(1, 7), FAR)
    # Object 1 has partner 5, nobody in frame 3, then 5 again and beside it the closer 6.
    found = still(5, [1, 2, 4, 5, 6], near) + still(6, [4, 5], nearer) + still(9, range(1, 7), FAR)
    item = found_differences(make_table, truth, found, 6)["IDSW"]
    assert (item.trackeval, item.motmetrics, item.by_pairs) == (2, 0, -2)
    assert item.reasons == (PAIRS_REASON,)


def test_exactly_four_fifths_tracked_is_a_matter_of_definition(make_table):
    found = found_differences(make_table, still(1, range(1, 6)), still(1, range(1, 5)), 5)
    assert set(found) == {"MT", "PT"}
    assert (found["MT"].trackeval, found["MT"].motmetrics) == (0, 1)
    assert found["MT"].by_definition == 1
    assert found["MT"].reasons == (DEFINITION_REASONS["MT"],)


def test_an_object_that_was_away_is_a_fragmentation_in_trackeval_only(make_table):
    frames = [1, 2, 5, 6]
    rows = still(1, frames) + still(2, range(1, 7), FAR)
    found = found_differences(make_table, rows, rows, 6)
    assert set(found) == {"Frag"}
    assert (found["Frag"].trackeval, found["Frag"].by_definition) == (1, -1)
    assert found["Frag"].reasons == (DEFINITION_REASONS["Frag"],)


def test_a_gap_in_which_nothing_is_found_is_a_fragmentation_in_motmetrics_only(make_table):
    found = found_differences(make_table, still(1, range(1, 10)), still(1, [1, 2, 3, 8, 9]), 9)
    assert set(found) == {"Frag"}
    assert (found["Frag"].trackeval, found["Frag"].motmetrics) == (0, 1)


def test_more_pairs_or_more_overlap_is_told_apart_from_memory(make_table):
    # In a row, each overlaps its neighbour by 0.94 and its own by 0.52: two pairs or three.
    truth = [(1, 1, 0, 0, 100, 10), (1, 2, 35, 0, 100, 10), (1, 3, 70, 0, 100, 10)]
    found = [(1, 4, 32, 0, 100, 10), (1, 5, 67, 0, 100, 10), (1, 6, 102, 0, 100, 10)]
    listed = found_differences(make_table, truth, found, 1)
    assert listed["CLR_FN"].trackeval == 1
    assert listed["CLR_FN"].motmetrics == 0
    assert listed["CLR_FN"].reasons == (UNEXPLAINED_REASON,)


def test_nothing_found_has_no_precision_in_motmetrics_and_says_so(make_table):
    listed = found_differences(make_table, still(1, [1, 2]), [], 2)
    assert set(listed) == {"CLR_Pr", "MOTP", "IDP"}
    assert all("has no value" in item.reasons[0] for item in listed.values())


def test_a_sequence_without_matches_does_not_spoil_the_mean_distance(make_table):
    truth, near = still(1, [1, 2]), still(1, [1, 2], (1, 0, 10, 10))
    parts = [
        evaluate_sequence(
            make_table(truth), make_table(found), range(1, 3), MOT15, name=name, cross_check=True
        )
        for name, found in (("a", near), ("b", []))
    ]
    combined = evaluate_sequences(parts).combined.cross_check.motmetrics
    assert combined["motp"] == pytest.approx(1 - 9 / 11)
    assert combined["num_misses"] == 2
