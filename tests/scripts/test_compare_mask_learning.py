"""Intervals and tables of the comparison of mask learning."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "compare_mask_learning.py"


@pytest.fixture
def script(load_script):
    return load_script("compare_mask_learning")


def scores_of(hota, switches=10):
    ratios = dict.fromkeys(("HOTA", "MOTA", "IDF1", "AP"), hota)
    return {**ratios, "IDSW": switches, "CLR_FP": 5, "CLR_FN": 7}


@pytest.fixture
def make_run(script):
    def make(arm, seed, hotas, **run):
        sequences = {f"crowd-{number}": scores_of(value) for number, value in enumerate(hotas)}
        return script.RunResult(
            run={"detector": "yolox", **run},
            arm=arm,
            seed=seed,
            sequences=sequences,
            combined=scores_of(sum(hotas) / len(hotas)),
            track_threshold=0.5,
        )

    return make


def test_differences_are_taken_in_pairs_of_the_same_seed_and_sequence(script, make_run):
    results = [
        make_run("none", 1, [0.5, 0.6]),
        make_run("none", 2, [0.1, 0.2]),
        make_run("truth", 2, [0.2, 0.1]),
        make_run("truth", 1, [0.6, 0.8]),
        make_run("truth", 3, [0.9, 0.9]),
    ]
    found = script.paired_differences(results, "truth", "HOTA")
    assert (found.seeds, found.sequences) == ((1, 2), ("crowd-0", "crowd-1"))
    assert found.values == pytest.approx(np.array([[0.1, 0.2], [0.1, -0.1]]))


def test_other_sequences_and_no_pair_are_refused(script, make_run):
    none = make_run("none", 1, [0.5, 0.6])
    with pytest.raises(ValueError, match="none, seed 1: expected the sequences crowd-0, got"):
        script.paired_differences([none, make_run("truth", 1, [0.5])], "truth", "HOTA")
    with pytest.raises(ValueError, match="truth: expected a seed that none has too, got none"):
        script.paired_differences([none, make_run("truth", 2, [0.5, 0.6])], "truth", "HOTA")


def differences_of(script, values):
    values = np.asarray(values, float)
    return script.Differences(
        seeds=tuple(range(values.shape[0])),
        sequences=tuple(map(str, range(values.shape[1]))),
        values=values,
    )


def test_equal_differences_have_an_interval_without_width(script):
    interval = script.paired_bootstrap(differences_of(script, np.full((5, 3), 0.02)))
    assert (interval.mean, interval.low, interval.high) == pytest.approx((0.02, 0.02, 0.02))
    assert (interval.seed_count, interval.sequence_count, interval.better_seeds) == (5, 3, 5)


def test_interval_is_the_same_every_time_and_turns_with_the_sign(script):
    values = np.random.default_rng(0).normal(0.01, 0.02, (6, 4))
    first = script.paired_bootstrap(differences_of(script, values))
    assert first == script.paired_bootstrap(differences_of(script, values))
    turned = script.paired_bootstrap(differences_of(script, -values))
    assert (turned.low, turned.high) == pytest.approx((-first.high, -first.low))
    assert first.low < first.mean < first.high


def test_draws_are_means_of_seeds_and_sequences_drawn_one_by_one(script):
    values = np.random.default_rng(1).normal(0, 1, (9, 7))
    random = np.random.default_rng(2)
    means = [
        values[np.ix_(random.integers(0, 9, 9), random.integers(0, 7, 7))].mean()
        for _ in range(20_000)
    ]
    interval = script.paired_bootstrap(differences_of(script, values), draws=20_000)
    expected = np.quantile(means, [0.025, 0.975])
    assert (interval.low, interval.high) == pytest.approx(tuple(expected), abs=0.02)


def test_seeds_that_differ_widen_the_interval_although_sequences_agree(script):
    by_seed = np.repeat([[-0.03], [0.0], [0.03], [0.06], [0.09]], 8, axis=1)
    interval = script.paired_bootstrap(differences_of(script, by_seed))
    assert interval.low < 0.0 < interval.mean < interval.high


def test_interval_holds_the_truth_about_as_often_as_it_says(script):
    random = np.random.default_rng(3)
    held = 0
    for trial in range(200):
        seeds, crowds = random.normal(0, 1, (10, 1)), random.normal(0, 1, (1, 8))
        values = 0.5 + seeds + crowds + random.normal(0, 1, (10, 8))
        drawn = script.paired_bootstrap(differences_of(script, values), draws=400, seed=trial)
        held += drawn.low <= 0.5 <= drawn.high
    assert 0.85 <= held / 200 <= 0.99


def test_runs_come_back_from_their_files_and_each_has_its_own(script, make_run, tmp_path):
    runs = [
        make_run("none", 1, [0.5]),
        make_run("truth", 1, [0.5]),
        make_run("truth", 2, [0.5]),
        make_run("truth", 1, [0.5], tracker="sort"),
    ]
    paths = {script.write_result(tmp_path, run) for run in runs}
    assert len(paths) == 4
    assert all(script.result_path(tmp_path, r.run, r.arm, r.seed) in paths for r in runs)
    assert {json.dumps(vars(r), sort_keys=True) for r in script.read_results(tmp_path)} == {
        json.dumps(vars(r), sort_keys=True) for r in runs
    }


def test_an_arm_cannot_lead_to_another_folder(script, tmp_path):
    assert script.result_path(tmp_path, {}, "../λ 2", 1).parent == tmp_path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "recipe"}, "expected the result of a run"),
        ({"format_version": 9}, "expected format 2, got 9"),
        ({"sequences": {}}, "expected a whole result, got none of sequences"),
        ({"combined": {"HOTA": 1}}, "expected a number for MOTA of all together, got None"),
    ],
)
def test_a_wrong_file_is_named(script, make_run, tmp_path, change, message):
    path = script.write_result(tmp_path, make_run("none", 1, [0.5]))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=message):
        script.read_results(tmp_path)


def test_a_run_that_is_there_twice_is_refused(script, make_run, tmp_path):
    path = script.write_result(tmp_path, make_run("none", 1, [0.5]))
    (tmp_path / "copy.json").write_text(path.read_text())
    with pytest.raises(ValueError, match="expected each run once"):
        script.read_results(tmp_path)


def test_tables_show_means_deviations_and_differences(script, make_run):
    results = [
        make_run("none", 1, [0.50, 0.60]),
        make_run("none", 2, [0.52, 0.62]),
        make_run("truth", 1, [0.51, 0.61]),
        make_run("truth", 2, [0.53, 0.63]),
        make_run("grabcut", 9, [0.5, 0.5]),
    ]
    tables = script.tables_of(results)["tables"]
    assert list(tables) == ["all runs: scores", "all runs: differences"]
    scores = tables["all runs: scores"]
    assert scores["columns"][:3] == ["masks", "seeds", "HOTA"]
    assert scores["rows"][0][:3] == ["none", "2", "56.00 ± 1.41"]
    assert scores["rows"][2][:3] == ["grabcut", "1", "50.00"]
    (row,) = tables["all runs: differences"]["rows"]
    assert row[:3] == ["truth − none", "2", "+1.00 (+1.00 to +1.00)"]
    assert row[tables["all runs: differences"]["columns"].index("IDSW")] == "+0.0 (+0.0 to +0.0)"


def test_runs_of_other_settings_are_never_paired(script, make_run):
    results = [make_run("none", 1, [0.5]), make_run("truth", 1, [0.9], tracker="sort")]
    tables = script.tables_of(results)["tables"]
    assert list(tables) == ["tracker None: scores", "tracker sort: scores"]


def test_tables_are_printed_and_kept_from_a_folder(script, make_run, tmp_path):
    folder = tmp_path / "runs"
    for seed in (1, 2):
        script.write_result(folder, make_run("none", seed, [0.5, 0.4]))
        script.write_result(folder, make_run("truth", seed, [0.6, 0.5]))
    command = [sys.executable, str(SCRIPT), str(folder), "--json", str(tmp_path / "tables.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "+10.00 (+10.00 to +10.00)" in done.stdout
    assert json.loads((tmp_path / "tables.json").read_text())["kind"] == "table"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "none")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "expected results of runs, got none" in done.stderr
