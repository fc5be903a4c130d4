"""What the comparison of mask learning trains and tunes on."""

from types import SimpleNamespace

import pytest

from faimtrack.datasets.crowd import bench_sequences


@pytest.fixture
def script(load_script):
    return load_script("mask_learning_runs")


def test_tuning_crowds_are_none_of_the_bench(script):
    of_bench = {each.config.seed for each in bench_sequences(script.BENCH)}
    seeds = [crowd.seed for crowd in script.TUNING_CROWDS]
    assert len({*seeds, *of_bench}) == len(seeds) + len(of_bench)


def test_arms_differ_in_their_mask_branch_and_threshold_only(script):
    overrides = script._thresholds(0.4)
    plain, masked = (
        script.Arm.parse(text).recipe("crowd/bench", 3, overrides).tree()
        for text in ("none", "truth,weight=0.3")
    )
    branch = masked.pop("mask_branch")
    assert (branch["source"], branch["weight"]) == ("truth", 0.3)
    assert masked == {key: value for key, value in plain.items() if key != "mask_branch"}
    assert (plain["tracker"]["track_threshold"], plain["tracker"]["new_track_threshold"]) == (
        0.4, 0.5,
    )  # fmt: skip
    assert plain["schedule"]["seed"] == 3


def test_detectors_for_tracktor_are_compared_through_bytetrack_too(script):
    recipe = script.Arm.parse("none").recipe("crowd/bench-tracktor", 0, script._thresholds(0.4))
    assert recipe.tracking.tracker_name == "bytetrack"
    assert recipe.tracking.tracker.track_threshold == 0.4
    assert script.shared_settings("crowd/bench-tracktor", [])["tracker"] == "bytetrack"


def test_runs_of_other_settings_are_told_apart(script):
    same = script.shared_settings("crowd/bench", [])
    assert same == script.shared_settings("crowd/bench", [])
    other = script.shared_settings("crowd/bench", ["schedule.averaging=0.5"])
    assert other["settings_sha256"] != same["settings_sha256"]


def test_the_threshold_of_the_highest_mean_is_chosen(script, monkeypatch, tmp_path):
    hotas = {"tracks-0.3": [0.5, 0.1], "tracks-0.5": [0.3, 0.4], "tracks-0.7": [0.2, 0.2]}

    def evaluate(data, tracks, settings):
        each = [SimpleNamespace(summary={"HOTA": value}) for value in hotas[tracks.name]]
        return SimpleNamespace(failures=failures, sequences=each)

    for name in ("plan_detection", "plan_tasks", "find_sequences"):
        monkeypatch.setattr(script, name, lambda *arguments, **keywords: [])
    monkeypatch.setattr(script, "evaluate_folders", evaluate)
    failures = []
    variants = {
        threshold: script.Arm.parse("none").recipe("crowd/bench", 0, script._thresholds(threshold))
        for threshold in (0.3, 0.5, 0.7)
    }
    found = script._best_threshold(variants, tmp_path, tmp_path / "w", tmp_path / "out")
    assert found == 0.5
    failures = [SimpleNamespace(message="a: no tracks")]
    with pytest.raises(ValueError, match="a: no tracks"):
        script._best_threshold(variants, tmp_path, tmp_path / "w", tmp_path / "out")
