"""Which rules are chosen, and what they refuse."""

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.eval import benchmark_rules, choose_rules, class_rules, evaluate_sequence
from faimtrack.motfile import read_mot
from faimtrack.provenance import provenance_path

BOX = (0, 0, 10, 10)


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        ("MOT17-05-FRCNN", "mot17"),
        ("MOT16-02", "mot16"),
        ("MOT20-01", "mot20"),
        ("mot20-03", "mot20"),
        ("dancetrack0004", "dancetrack"),
        ("TUD-Campus", "mot15"),
        ("ADL-Rundle-6", "mot15"),
        ("PETS09-S2L1", "mot15"),
    ],
)
def test_the_name_of_a_sequence_decides(make_table, name, benchmark):
    rules, reason = choose_rules(name, make_table([(1, 1, *BOX, 1, 5)]))
    assert rules == benchmark_rules(benchmark)
    assert name in reason


def test_a_folder_above_the_ground_truth_decides_where_the_name_does_not(make_table):
    truth = make_table([(1, 1, *BOX, 1, 5)], path="MOT20/train/night/gt/gt.txt")
    rules, reason = choose_rules("night", truth)
    assert (rules.name, reason) == ("mot20", "from the folder MOT20")


@pytest.mark.parametrize(
    ("rows", "benchmark"),
    [
        ([(1, 1, *BOX, 1, -1)], "mot15"),
        ([(1, 1, *BOX, 1, 1)], "mot17"),
        ([(1, 1, *BOX, 1, 1), (1, 2, *BOX, 0, 7)], "mot17"),
    ],
)
def test_the_ground_truth_decides_where_no_name_does(make_table, rows, benchmark):
    assert choose_rules("gt", make_table(rows))[0].name == benchmark


def test_world_coordinates_are_not_taken_for_classes(tmp_path, write_mot):

    path = write_mot(tmp_path / "gt.txt", [[1, 1, *BOX, 1, 4.4852, 5.5016, 0]])
    assert choose_rules("street", read_mot(path, "ground truth"))[0].name == "mot15"


def test_own_classes_are_never_guessed_to_be_distractors(make_table):
    truth = make_table([(1, 1, *BOX, 1, 1), (1, 2, *BOX, 1, 2)])
    with pytest.raises(
        ValueError, match=r"expected --benchmark or --classes.*got classes \[1, 2\]"
    ):
        choose_rules("street", truth)


def test_an_unknown_benchmark_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"expected mot15, .*dancetrack, got 'mot99'"):
        benchmark_rules("mot99")


@pytest.mark.parametrize("lists", [([], []), ([1, 1], []), ([1], [1])])
def test_lists_of_classes_without_sense_are_refused(lists):
    with pytest.raises(ValueError, match="expected at least one, and each once"):
        class_rules(lists[0], distractor_ids=lists[1])


def test_ground_truth_with_a_class_that_the_benchmark_has_not_is_refused(make_table):
    truth = make_table([(1, 1, *BOX, 1, 1), (3, 2, *BOX, 1, 14)])
    with pytest.raises(ValueError, match=r"memory\.txt, frame 3: expected a class from 1 to 13"):
        evaluate_sequence(truth, make_table([]), range(1, 4), benchmark_rules("mot17"))


def test_results_of_another_class_than_the_benchmarks_are_refused(make_table):
    truth, found = make_table([(1, 1, *BOX, 1, 1)]), make_table([(1, 1, *BOX, 1, 3)])
    with pytest.raises(ValueError, match=r"frame 1: expected class 1 or none in column 8.*got 3"):
        evaluate_sequence(truth, found, range(1, 2), benchmark_rules("mot17"))


def test_results_without_classes_serve_one_own_class_but_not_two(make_table):
    truth, found = make_table([(1, 1, *BOX, 1, 4)]), make_table([(1, 1, *BOX)])
    scores = evaluate_sequence(truth, found, range(1, 2), class_rules([4]))
    assert scores.summary["HOTA"] == 1.0
    with pytest.raises(ValueError, match="expected a class in column 8"):
        evaluate_sequence(truth, found, range(1, 2), class_rules([4, 5]))


def test_own_distractors_are_taken_away(make_table):
    truth = make_table([(1, 1, *BOX, 1, 4), (1, 2, 100, 100, 10, 10, 1, 9)])
    found = make_table([(1, 1, *BOX, 1, 4), (1, 2, 100, 100, 10, 10, 1, 4)])
    scores = evaluate_sequence(truth, found, range(1, 2), class_rules([4], distractor_ids=[9]))
    assert scores.removed_row_count == 1
    assert scores.summary["MOTA"] == 1.0


def test_objects_of_another_own_class_do_not_shield_from_distractors(make_table):
    near, nearer = (2, 0, 10, 10), (1, 0, 10, 10)
    truth = make_table([(1, 1, *near, 1, 9), (1, 2, *nearer, 1, 5), (1, 3, 50, 50, 9, 9, 1, 4)])
    found = make_table([(1, 1, *BOX, 1, 4), (1, 2, 50, 50, 9, 9, 1, 4)])
    rules = class_rules([4, 5], distractor_ids=[9])
    scores = evaluate_sequence(truth, found, range(1, 2), rules)
    assert scores.removed_row_count == 1
    assert scores.by_class[4].summary["MOTA"] == 1.0


def test_a_class_with_nothing_at_all_is_left_out_of_the_mean(make_table):
    rows = make_table([(1, 1, *BOX, 1, 4)])
    scores = evaluate_sequence(rows, rows, range(1, 2), class_rules([4, 5]))
    assert scores.summary["HOTA"] == 1.0
    assert scores.by_class[5].summary["HOTA"] == 0.0


def test_a_synthetic_crowd_is_scored_as_mot20_whatever_it_is_called(tmp_path):
    crowd = simulate_crowd(CrowdConfig(name="MOT17-99", seed=1, frames=3, people=5))
    folder = write_crowd(crowd, tmp_path / "MOT17-99", images=False)
    truth = read_mot(folder / "gt" / "gt.txt", "ground truth")
    rules, reason = choose_rules("MOT17-99", truth)
    assert (rules.name, reason) == ("mot20", "a crowd that faimtrack made")
    provenance_path(folder).unlink()
    assert choose_rules("MOT17-99", truth)[0].name == "mot17"
