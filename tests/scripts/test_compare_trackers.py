"""The comparison of trackers on two tiny crowds with a random detector."""

import json
from types import SimpleNamespace

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd

CROWDS = tuple(
    CrowdConfig(
        name=f"tiny-{camera}", seed=77, frames=6, width=96, height=64, people=4,
        density="sparse", camera=camera,
    )
    for camera in ("static", "moving")
)  # fmt: skip


@pytest.fixture
def script(load_script):
    return load_script("compare_trackers")


@pytest.fixture
def tiny_bench(script, monkeypatch):
    def write_bench(name, folder):
        for config in CROWDS:
            write_crowd(simulate_crowd(config), folder / "test" / config.name, masks=False)

    sequences = [SimpleNamespace(split="test", config=config) for config in CROWDS]
    monkeypatch.setattr(script, "write_bench", write_bench)
    monkeypatch.setattr(script, "bench_sequences", lambda name: sequences)
    monkeypatch.setattr(script, "GROUPS", ("all", "static", "moving"))


@pytest.fixture
def run(script, monkeypatch):
    def run_script(*arguments):
        monkeypatch.setattr("sys.argv", ["compare_trackers.py", *map(str, arguments)])
        return script.main()

    return run_script


def test_every_kind_of_detections_has_the_same_boxes_and_what_is_done_is_kept(
    tmp_path, script, run, tiny_bench, twin_weights, monkeypatch, capsys
):
    options = (tmp_path / "work", "--detector", twin_weights.masks, "--trackers", "sort")
    assert run(*options, "--json", tmp_path / "first.json") == 0
    first = json.loads((tmp_path / "first.json").read_text(encoding="utf-8"))
    assert [row[0] for row in first["tables"]["appearance"]["rows"]] == [
        "SORT, boxes", "SORT, box", "SORT, mask",
    ]  # fmt: skip
    assert [row[0] for row in first["tables"]["camera"]["rows"]] == [
        "SORT, sparse-flow", "SORT, none", "SORT, true",
    ]  # fmt: skip
    assert len(first["detections_sha256"]) == 64

    def refuse(*_, **__):
        raise AssertionError("it had been done before")

    monkeypatch.setattr(script, "plan_tasks", refuse)
    monkeypatch.setattr(script, "plan_detection", refuse)
    assert run(*options, "--json", tmp_path / "second.json") == 0
    assert json.loads((tmp_path / "second.json").read_text(encoding="utf-8")) == first
    assert "not begun" not in capsys.readouterr().out


def test_a_run_out_of_time_says_what_is_missing(tmp_path, run, tiny_bench, twin_weights, capsys):
    options = (tmp_path, "--detector", twin_weights.masks, "--trackers", "sort")
    assert run(*options, "--budget-minutes", "0") == 0
    assert "5 runs were not begun for lack of time" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--embedder", "osnet"), "expected NAME=FILE, got 'osnet'"),
        (("--embedder", "box=x.onnx"), "expected another name than box"),
        (("--trackers", "tracktor"), "expected some of bytetrack"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path, run, capsys, options, message):
    with pytest.raises(SystemExit):
        run(tmp_path, "--detector", "x", *options)
    assert message in capsys.readouterr().err
