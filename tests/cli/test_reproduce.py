"""`faimtrack reproduce` as a user runs it."""

import json

import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd


def test_the_list_shows_every_experiment_and_what_it_needs(faimtrack):
    done = faimtrack("reproduce", "--list")
    assert done.status == 0
    for name in ("table-1", "table-5d", "table-ii", "figure-5", "figure-iv"):
        assert f"{name}: " in done.out
    assert "2 trainings a seed (vid/yolox-s, vid/faim-s), 12 detections" in done.out
    assert (
        "1 training a seed (crowd/faim) beside crowd-objects-nano, which comes along, "
        "12 detections" in done.out
    )
    assert "nothing is trained" in done.out


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ([], 2, "expected an experiment and --data"),
        (["table-2"], 2, "expected an experiment and --data, got none of --data"),
        (["table-22", "--data", "crowd"], 1, "got 'table-22'; the nearest is table-2"),
        (["table-6", "--data", "crowd"], 1, "got 'table-6': it is of two-stage detectors"),
        (["table-5", "--data", "crowd"], 1, "its parts are table-5a, table-5b, table-5c and"),
        (["table-2", "--data", "nowhere"], 1, "nowhere: expected a folder of ImageNet VID"),
        (["table-8", "--data", "x", "--dataset", "vid"], 1, "expected ovis or crowd for table-8"),
        (["table-2", "--data", "crowd", "--base", "none.pth"], 1, "none.pth: expected weights"),
        (["table-2", "--data", "crowd", "--seeds", "0"], 2, "seeds"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(faimtrack, arguments, status, message):
    done = faimtrack("reproduce", *arguments)
    assert done.status == status
    assert message in done.err
    assert len(done.err.strip().splitlines()) == 1


@pytest.fixture
def small_bench(tmp_path):
    """Two videos of objects to learn from and one to be scored on."""
    for half, seed in (("train", 31009), ("train", 31038), ("test", 41134)):
        config = CrowdConfig(
            name=f"{half}-{seed}", seed=seed, frames=6, width=160, height=128, scene="objects"
        )
        write_crowd(simulate_crowd(config), tmp_path / "bench" / half / config.name)
    return tmp_path / "bench"


SMALL = [
    "schedule.steps=2", "schedule.warm_up_steps=1", "schedule.plain_steps=1",
    "schedule.batch_size=1", "data.group_frames=3", "network.input_height=128",
    "network.input_width=160", "augmentation.smallest_input=4", "augmentation.largest_input=4",
]  # fmt: skip


def small(*arguments):
    settings = [part for text in SMALL for part in ("--set", text)]
    return ["reproduce", *arguments, "--output", "out", "--seeds", "1", *settings]


@pytest.mark.slow
def test_tables_and_figures_of_a_small_bench(faimtrack, small_bench, tmp_path):
    data = ["--data", small_bench, "--dataset", "crowd"]
    stopped = faimtrack(*small("table-2", *data, "--budget-minutes", "0"))
    assert stopped.status == 1
    assert "the time is over; the same command goes on from there" in stopped.err
    done = faimtrack(*small("table-2", *data))
    assert done.status == 0, done.err
    assert "FAIM-S" in done.out
    tree = json.loads((tmp_path / "out" / "table-2.json").read_text())
    assert tree["is_whole"]
    cells = {row["label"]: row["cells"] for row in tree["numbers"]}
    for label in ("YOLOV-S", "YOLOV-S + IFEM", "YOLOX-S", "FAIM-S"):
        assert 0 <= cells[label]["map"]["mean"] <= 1
        assert cells[label]["ms"]["mean"] > 0
    trained = sorted((tmp_path / "out" / "results").glob("training-*.json"))
    assert len(trained) == 3, "and the base detector comes along"
    before = [path.stat().st_mtime_ns for path in trained]
    other = faimtrack(*small("table-1", *data))
    assert other.status == 0, other.err
    assert [path.stat().st_mtime_ns for path in trained] == before
    assert len(list((tmp_path / "out" / "results").glob("training-*.json"))) == 3
    cost = faimtrack(*small("table-i", *data))
    assert cost.status == 0, cost.err
    tree = json.loads((tmp_path / "out" / "table-i.json").read_text())
    faim = next(row for row in tree["numbers"] if row["label"] == "FAIM-S, Box2Mask")
    assert faim["cells"]["added_gib"]["mean"] is not None
    for name in ("figure-ii", "figure-iv"):
        drawn = faimtrack(*small(name, *data))
        assert drawn.status == 0, drawn.err
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 1000
