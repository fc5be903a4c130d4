"""Equal to TrackEval and py-motmetrics, on real and on random data."""

import json

import numpy as np
import pytest

from faimtrack.boxes import box_iou
from faimtrack.eval import (
    EvaluationSettings,
    benchmark_rules,
    evaluate_files,
    evaluate_folders,
    evaluate_sequence,
)

VAL_HALF_FROM_1 = EvaluationSettings(split="val-half", numbering="from-1")


@pytest.mark.parametrize("benchmark", ["mot17", "mot20"])
@pytest.mark.parametrize("tracker", ["byte", "ocsort"])
def test_reference_files_score_what_trackeval_says(shared_data, benchmark, tracker):
    path = shared_data / "reference" / "trackeval_metrics.json"
    expected = json.loads(path.read_text())[f"{benchmark.upper()}-val/{tracker}"]
    results = shared_data / "reference" / f"{benchmark}-val-half" / tracker
    report = evaluate_folders(shared_data / benchmark, results, VAL_HALF_FROM_1)
    assert not report.failures
    assert {sequence.name for sequence in report.sequences} == set(expected)
    for sequence in report.sequences:
        values = {**sequence.summary, "HOTA_alpha": sequence.scores.hota_by_alpha}
        for metric, value in expected[sequence.name].items():
            np.testing.assert_allclose(values[metric], value, rtol=0, atol=1e-9, err_msg=metric)


def test_tud_scores_what_motmetrics_says_alone_and_over_all(shared_data):
    folder = shared_data / "tud"
    expected = json.loads((folder / "expected_motmetrics.json").read_text())
    settings = EvaluationSettings(cross_check=True)
    report = evaluate_folders(folder, folder / "results", settings)
    rows = {sequence.name: sequence.scores for sequence in report.sequences}
    rows["OVERALL"] = report.combined
    assert set(rows) == set(expected)
    for name, numbers in expected.items():
        came = {key: round(rows[name].cross_check.motmetrics[key], 10) for key in numbers}
        assert came == numbers


def test_one_file_scores_what_the_folder_does(shared_data):
    folder = shared_data / "mot17"
    results = shared_data / "reference" / "mot17-val-half" / "byte"
    many = evaluate_folders(folder, results, VAL_HALF_FROM_1)
    name = "MOT17-09-FRCNN"
    one = evaluate_files(
        folder / name / "gt" / "gt.txt", results / f"{name}.txt.gz", VAL_HALF_FROM_1
    )
    (of_many,) = [sequence for sequence in many.sequences if sequence.name == name]
    assert one.sequences[0].summary == of_many.summary
    assert one.combined.summary == of_many.summary


def folder_ritual(folder, benchmark, names):
    """TrackEval as its users run it: from files in the folders that it wants."""
    import trackeval

    quiet = {"PRINT_CONFIG": False}
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            **quiet,
            "GT_FOLDER": str(folder / "data"),
            "TRACKERS_FOLDER": str(folder / "trackers"),
            "TRACKERS_TO_EVAL": ["ours"],
            "TRACKER_SUB_FOLDER": "",
            "BENCHMARK": benchmark.upper(),
            "SKIP_SPLIT_FOL": True,
            "SEQ_INFO": dict.fromkeys(names),
        }
    )
    answers = {}
    metrics = trackeval.metrics
    for metric in (metrics.HOTA(), metrics.CLEAR(quiet), metrics.Identity(quiet)):
        by_name = {}
        for name in names:
            raw = dataset.get_raw_seq_data("ours", name)
            by_name[name] = metric.eval_sequence(
                dataset.get_preprocessed_seq_data(raw, "pedestrian")
            )
        by_name["COMBINED"] = metric.combine_sequences(dict(by_name))
        answers[metric.get_name()] = by_name
    return answers


@pytest.mark.parametrize("benchmark", ["mot15", "mot16", "mot17", "mot20"])
@pytest.mark.parametrize("seed", range(6))
def test_random_crowds_score_what_trackeval_scores_from_its_folders(
    tmp_path, make_crowd, make_sequence, benchmark, seed
):
    names = ["A", "B"]
    for number, name in enumerate(names):
        truth, found = make_crowd(100 * seed + number, classes=(1, 1, 1, 2, 6, 7, 8, 12, 3))
        make_sequence(name, [[*row, 1.0] for row in truth], found)
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "ours").symlink_to(tmp_path / "results")
    expected = folder_ritual(tmp_path, benchmark, names)
    report = evaluate_folders(
        tmp_path / "data",
        tmp_path / "results",
        EvaluationSettings(rules=benchmark_rules(benchmark)),
    )
    rows = {sequence.name: sequence.scores for sequence in report.sequences}
    rows["COMBINED"] = report.combined
    for metric, by_name in expected.items():
        for name, fields in by_name.items():
            came = rows[name].fields()[metric]
            assert set(came) == set(fields)
            for field, value in fields.items():
                np.testing.assert_allclose(came[field], value, rtol=0, atol=1e-12, err_msg=field)


def test_the_distractors_of_the_random_crowds_matter(make_crowd, make_table):
    removed = []
    for benchmark in ("mot15", "mot17", "mot20"):
        count = 0
        for seed in range(6):
            truth, found = make_crowd(100 * seed, classes=(1, 1, 1, 2, 6, 7, 8, 12, 3))
            rules = benchmark_rules(benchmark)
            scores = evaluate_sequence(make_table(truth), make_table(found), range(1, 13), rules)
            count += scores.removed_row_count
        removed.append(count)
    assert removed[0] == 0 < removed[1] < removed[2]


def test_overlaps_are_trackevals_to_the_last_bit():
    from trackeval.datasets import MotChallenge2DBox

    random = np.random.default_rng(0)
    first, second = (np.round(random.uniform(0, 90, (300, 4)), 2) for _ in range(2))
    first[0, 2] = second[0, 3] = 0.0  # no area
    second[1:40] = first[1:40]
    theirs = MotChallenge2DBox._calculate_box_ious(first, second, box_format="xywh")
    corners = [np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) for boxes in (first, second)]
    assert np.array_equal(box_iou(*corners), theirs)
