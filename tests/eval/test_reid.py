import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.eval.reid import (
    ReidEvaluationConfig,
    combined_scores,
    evaluate_reid_across_cameras,
    evaluate_reid_by_sequence,
    evaluate_reid_over_time,
    match_ranks,
    spaced_queries,
)


def at(*degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def naive(vectors, people, times, config):
    """Scores of one sequence as their definitions say, a pair at a time, in exact numbers.

    Vectors of whole numbers of equal length make equal cosines equal.
    """
    precisions, firsts = [], []
    last = {}
    for query in sorted(range(len(people)), key=lambda k: times[k]):
        person = people[query]
        if person in last and times[query] - last[person] < config.query_interval:
            continue
        last[person] = times[query]
        candidates = []
        for other in range(len(people)):
            is_same = people[other] == person
            if is_same and abs(times[other] - times[query]) < config.minimum_gap:
                continue
            similarity = sum(a * b for a, b in zip(vectors[query], vectors[other], strict=True))
            candidates.append((-similarity, is_same))  # of ties, others first
        hits = [k for k, (_, is_same) in enumerate(sorted(candidates), 1) if is_same]
        if hits:
            precisions.append(sum(n / rank for n, rank in enumerate(hits, 1)) / len(hits))
            firsts.append(hits[0])
    return precisions, firsts


def test_an_example_worked_by_hand():
    # Looked at from 0 degrees, person 1 is found at ranks 1 and 3: (1/1 + 2/3) / 2 = 5/6.
    # Looked at from 60 degrees, 3 at 55 comes before 2 at 80: rank 2, 1/2.
    vectors = at(0, 10, -30, 60, 80, 20, 55)
    people = [1, 1, 1, 2, 2, 3, 3]
    cameras = [0, 1, 2, 0, 1, 1, 1]
    is_query = [True, False, False, True, False, False, False]
    scores = evaluate_reid_across_cameras(vectors, people, cameras, is_query)
    assert scores.mean_average_precision == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert (scores.rank(1), scores.rank(2), scores.rank(5)) == (0.5, 1, 1)
    assert (scores.queries, scores.queries_left_out, scores.identities) == (2, 0, 2)
    assert scores.gallery == 5


def test_views_of_a_person_by_the_same_camera_do_not_count():
    vectors, people = at(0, 0, 50, 20), [1, 1, 1, 2]
    scores = evaluate_reid_across_cameras(vectors, people, [0, 0, 1, 0], [True] + [False] * 3)
    assert scores.mean_average_precision == 0.5
    assert scores.rank(1) == 0


def test_views_near_in_time_do_not_count_but_other_people_always_do():
    config = ReidEvaluationConfig(query_interval=100, minimum_gap=10)
    vectors, people = at(0, 1, 40, 20, 90), [1, 1, 1, 2, 3]
    scores = evaluate_reid_over_time(vectors, people, [5] * 5, [1, 10, 11, 1, 50], config)
    assert (
        scores.mean_average_precision == 0.5
    )  # the view 9 frames later is no hit; person 2 is in
    assert (scores.queries, scores.queries_left_out, scores.identities) == (1, 2, 1)


def test_people_are_not_looked_for_in_other_sequences():
    config = ReidEvaluationConfig(minimum_gap=1)
    vectors = at(0, 30, 10, 0, 30, 10)
    people, sequences = [1, 1, 2, 3, 3, 4], [0, 0, 0, 1, 1, 1]
    found = evaluate_reid_by_sequence(vectors, people, sequences, [1, 40, 1, 1, 40, 1], config)
    assert list(found) == [0, 1]
    assert found[0].mean_average_precision == found[1].mean_average_precision
    both = combined_scores(found.values())
    assert both.mean_average_precision == found[0].mean_average_precision
    assert (both.queries, both.gallery, both.identities) == (4, 6, 2)


def test_a_sequence_in_which_nobody_can_be_found_counts_its_queries_as_left_out():
    config = ReidEvaluationConfig(minimum_gap=5)
    people, sequences, times = [1, 1, 2, 3, 4], [0, 0, 0, 1, 1], [1, 40, 1, 1, 1]
    found = evaluate_reid_by_sequence(at(0, 30, 10, 0, 90), people, sequences, times, config)
    assert [(each.queries, each.queries_left_out) for each in found.values()] == [(2, 1), (0, 2)]
    assert not found[1].mean_average_precision
    both = combined_scores(found.values())
    assert (both.queries, both.queries_left_out) == (2, 3)
    assert both.mean_average_precision == found[0].mean_average_precision
    assert np.array_equal(both.cmc, found[0].cmc)


@settings(max_examples=60)
@given(st.data())
def test_scores_are_those_of_the_definitions(data):
    count = data.draw(st.integers(2, 25))
    people = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    times = data.draw(st.lists(st.integers(1, 30), min_size=count, max_size=count, unique=False))
    # Signs only: all of one length, and many ties.
    signs = st.lists(st.sampled_from([-1, 1]), min_size=4, max_size=4)
    vectors = data.draw(st.lists(signs, min_size=count, max_size=count))
    order = sorted(range(count), key=lambda k: (people[k], times[k]))
    # A person has one view a frame.
    rows = [
        row
        for before, row in zip([None, *order], order, strict=False)
        if before is None or (people[before], times[before]) != (people[row], times[row])
    ]
    people, times, vectors = ([each[row] for row in rows] for each in (people, times, vectors))
    config = ReidEvaluationConfig(
        query_interval=data.draw(st.integers(1, 9)), minimum_gap=data.draw(st.integers(1, 9))
    )
    precisions, firsts = naive(vectors, people, times, config)
    sequences = np.zeros(len(rows), int)
    if not precisions:
        with pytest.raises(ValueError, match="expected a person seen twice"):
            evaluate_reid_over_time(vectors, people, sequences, times, config)
        return
    scores = evaluate_reid_over_time(vectors, people, sequences, times, config)
    assert scores.queries == len(precisions)
    assert scores.mean_average_precision == pytest.approx(np.mean(precisions))
    for rank in (1, 2, 5, 50):
        assert scores.rank(rank) == pytest.approx(np.mean(np.array(firsts) <= rank))
    shuffled = data.draw(st.permutations(range(len(rows))))
    again = evaluate_reid_over_time(
        *(np.array(each)[shuffled] for each in (vectors, people, sequences, times)), config
    )
    assert again.mean_average_precision == pytest.approx(scores.mean_average_precision)
    assert np.array_equal(again.cmc, scores.cmc)


def test_of_equals_other_people_come_first_so_that_a_constant_finds_nobody():
    assert match_ranks(np.array([1.0, 1.0]), np.array([1.0, 1.0, 0.0])).tolist() == [3, 4]
    people, times = np.arange(40) % 4, np.arange(40)
    config = ReidEvaluationConfig(minimum_gap=1)
    for constant in (np.ones((40, 3)), np.zeros((40, 3))):
        scores = evaluate_reid_over_time(constant, people, np.zeros(40, int), times, config)
        assert scores.rank(5) == 0
        assert scores.mean_average_precision < 0.25


def test_differences_in_the_last_digits_of_float32_are_ties():
    vectors = at(0, 0.03, 0.05)  # cosines 1 - 1.4e-7 and 1 - 3.8e-7
    scores = evaluate_reid_across_cameras(vectors, [1, 1, 2], [0, 1, 1], [True, False, False])
    assert scores.mean_average_precision == 0.5


def test_lengths_of_vectors_have_no_say():
    random = np.random.default_rng(0)
    vectors, people = random.normal(size=(60, 8)), random.integers(0, 6, 60)
    arguments = people, np.zeros(60, int), np.arange(60), ReidEvaluationConfig(minimum_gap=3)
    long = vectors * random.uniform(1e-3, 1e6, (60, 1))
    one, other = (evaluate_reid_over_time(each, *arguments) for each in (vectors, long))
    assert one.mean_average_precision == other.mean_average_precision


def test_queries_keep_their_distance_whatever_the_order_of_rows():
    people = np.array([1, 2, 1, 1, 1])
    frames = np.array([30, 4, 1, 10, 11])
    assert spaced_queries(people, frames, 10).tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"vectors": np.zeros(3)}, r"vectors: expected shape \(N, D\), got \(3,\)"),
        ({"vectors": np.full((3, 2), np.nan)}, "vectors: expected finite numbers, .* in row 0"),
        ({"identities": [1, 1]}, "identities: expected 3 whole numbers, one a vector"),
        ({"frames": [1.0, 2.0, 3.0]}, "frames: expected 3 whole numbers, .* float64"),
        ({"frames": [1, 2, 3]}, r"expected a person seen twice, 25 \(minimum_gap\) frames"),
        ({"vectors": np.zeros((0, 2)), "identities": [], "sequences": [], "frames": []}, "whole"),
    ],
)
def test_what_cannot_be_scored_is_said(changes, complaint):
    given = {
        "vectors": np.ones((3, 2)), "identities": [1, 1, 1], "sequences": [0, 0, 0],
        "frames": [1, 40, 80], **changes,
    }  # fmt: skip
    with pytest.raises(ValueError, match=complaint):
        evaluate_reid_over_time(**given)


def test_a_query_set_without_matches_is_refused():
    with pytest.raises(ValueError, match=r"is_query: expected some with views .* got none of 1"):
        evaluate_reid_across_cameras(at(0, 1), [1, 2], [0, 1], [True, False])
