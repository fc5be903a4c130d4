"""An experiment from a wish to its files, by somebody who only pretends to train."""

import csv
import json

import pytest

from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.reproduce import data as data_module
from faimtrack.reproduce.run import reproduce
from faimtrack.weights import weights_entry


@pytest.fixture
def make(plain_hashes, pretender):
    return lambda wish: reproduce(wish, pretender, device="an abacus")


def cells_of(done, label):
    rows = {row["label"]: row["cells"] for row in done.report.tree()["numbers"]}
    return rows[label]


def test_files_have_ours_and_the_papers(make, wish_for, tmp_path):
    done = make(wish_for("table-2"))
    assert [path.name for path in done.files] == ["table-2.json", "table-2.csv", "table-2.md"]
    tree = json.loads((tmp_path / "out" / "table-2.json").read_text())
    assert tree["is_whole"]
    faim = cells_of(done, "FAIM-S")
    values = list(faim["map"]["values"].values())
    assert len(values) == 3
    assert faim["map"]["mean"] == pytest.approx(sum(values) / 3)
    assert faim["map"]["paper"] == 78.2
    assert faim["ms"]["values"] == {"0": 10.0}
    lines = (tmp_path / "out" / "table-2.csv").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    first = next(row for row in rows if row["row"] == "FAIM-S" and row["column"] == "map")
    assert float(first["ours"]) == pytest.approx(100 * values[0])
    text = (tmp_path / "out" / "table-2.md").read_text()
    assert "| FAIM-S |" in text
    assert "+8.9 is 78.2 − 69.5 = +8.7" in text
    record = read_provenance(tmp_path / "out" / "table-2.md")
    assert record.configuration["experiment"] == "table-2"
    trained = [name for name in record.weights if " trained, seed " in name]
    assert len(trained) == 9


def test_a_base_detector_that_comes_along_is_that_of_all_seeds(
    make, wish_for, pretender, tmp_path
):
    done = make(wish_for("table-2"))
    assert not [title for title in pretender.done if title.startswith("yolox-s trained")]
    assert len([title for title in pretender.done if title.startswith("yolox-s detects")]) == 1
    assert "One base detector for all seeds: crowd-objects-nano." in done.report.notes()
    record = read_provenance(tmp_path / "out" / "table-2.md")
    entry = weights_entry("crowd-objects-nano")
    assert record.weights[entry.file_name] == entry.sha256


def test_who_names_a_base_detector_gets_that_one(make, wish_for, tmp_path):
    before = cells_of(make(wish_for("table-2")), "FAIM-S")["map"]["values"]
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"mine")
    done = make(wish_for("table-2", base=weights))
    assert cells_of(done, "FAIM-S")["map"]["values"] != before
    assert "One base detector for all seeds: mine." in done.report.notes()
    record = read_provenance(tmp_path / "out" / "table-2.md")
    assert record.weights["mine.safetensors"] == file_sha256(weights)


def test_a_base_detector_that_nobody_begins_from_is_refused(make, wish_for, tmp_path):
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"base: expected none, for no network on built-in crowd"):
        make(wish_for("table-9", base=weights))


def test_gains_are_of_pairs_of_one_seed(make, wish_for):
    done = make(wish_for("table-2"))
    faim, base = cells_of(done, "FAIM-S"), cells_of(done, "YOLOX-S")
    for seed, gain in faim["gain"]["values"].items():
        assert gain == pytest.approx(faim["map"]["values"][seed] - base["map"]["values"][seed])
    assert faim["gain"]["paper"] == pytest.approx(8.7)


def test_what_masks_add_is_a_difference_to_the_twin_without(make, wish_for):
    done = make(wish_for("table-i", seeds=(0,)))
    faim = cells_of(done, "FAIM-S, SAM")
    assert faim["added_minutes"]["values"] == {"0": 2.0}
    assert faim["added_gib"]["values"] == {"0": 1.5}
    assert "added_gib" not in cells_of(done, "YOLOX-S")
    assert "Left out" in done.report.markdown()


def test_a_missing_run_is_a_dash_with_its_reason(make, wish_for, pretender):
    pretender.fails = {"faim-s trained, seed 1": ValueError("no masks of grass")}
    done = make(wish_for("table-2"))
    faim = cells_of(done, "FAIM-S")
    assert faim["map"]["values"].keys() == {"0", "2"}
    assert "no masks of grass" in faim["map"]["missing"]["1"]
    assert any("no masks of grass" in line for line in done.missing)
    assert not done.ran_out_of_time
    pretender.fails = {f"faim-s trained, seed {seed}": ValueError("no masks") for seed in (3, 4)}
    alone = make(wish_for("table-2", seeds=(3, 4)))
    body = {cells[0]: cells for cells in alone.report.body()}
    assert body["FAIM-S"][1] == "–"
    assert body["FAIM-S"][2] == "78.2"


def test_the_next_call_does_the_rest_and_other_tables_share(make, wish_for, pretender):
    pretender.breaks_off = {"faim-s trained, seed 0"}
    make(wish_for("table-2", seeds=(0,)))
    before = list(pretender.done)
    pretender.breaks_off = set()
    assert make(wish_for("table-2", seeds=(0,))).missing == ()
    again = pretender.done[len(before) :]
    assert all(title.startswith("faim-s") for title in again)
    count = len(pretender.done)
    make(wish_for("table-4", seeds=(0,)))
    assert not [title for title in pretender.done[count:] if "trained" in title]


def test_without_time_all_is_dashes_and_it_says_so(make, wish_for, pretender):
    done = make(wish_for("table-3", seeds=(0,), budget_minutes=0.0))
    assert pretender.done == []
    assert done.ran_out_of_time
    assert done.missing == ("no time was left",)
    assert done.report.body()[0][1:] == ["–", "75.4"]


def test_runs_of_other_settings_are_never_mixed(make, wish_for, pretender):
    first = make(wish_for("table-2", seeds=(0,)))
    count = len(pretender.done)
    other = make(wish_for("table-2", seeds=(0,), overrides=("schedule.steps=5",)))
    # The base detector is the one that comes along, whatever others learn with.
    own = [title for title in pretender.done[:count] if not title.startswith("yolox-s")]
    assert pretender.done[count:] == own
    mine, others = (cells_of(done, "FAIM-S")["map"]["values"] for done in (first, other))
    assert mine != others
    assert "schedule.steps=5" in other.report.markdown()


def test_data_that_are_not_there_are_refused(make, wish_for, tmp_path):
    with pytest.raises(NotADirectoryError, match="expected a folder of built-in crowds"):
        make(wish_for("table-2", data=str(tmp_path / "nowhere")))
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotADirectoryError, match="expected a folder of crowds, got none"):
        make(wish_for("table-2", data=str(tmp_path / "empty")))
    with pytest.raises(ValueError, match="expected a folder of ImageNet VID"):
        make(wish_for("table-2", data="crowd", dataset="vid"))


@pytest.fixture
def no_drawing(monkeypatch):
    def write_bench(name, folder):
        raise AssertionError(f"{name} was drawn")

    monkeypatch.setattr(data_module, "write_bench", write_bench)


@pytest.mark.parametrize("name", ["table-2", "table-9", "figure-5"])
def test_settings_are_looked_at_before_anything_is_drawn(
    make, wish_for, no_drawing, tmp_path, name
):
    for setting in ("schedule.stepz=9", "schedule.steps=many"):
        with pytest.raises(ValueError, match=r"schedule\.step"):
            make(wish_for(name, data="crowd", overrides=(setting,)))
    assert not (tmp_path / "out").exists()


def test_a_figure_that_trains_nothing_refuses_unknown_keys_too(make, wish_for, no_drawing):
    with pytest.raises(ValueError, match=r"schedule\.stepz: unknown key"):
        make(wish_for("figure-iv", data="crowd", overrides=("schedule.stepz=9",)))


def test_an_output_that_is_no_folder_is_refused_before_anything_is_drawn(
    make, wish_for, no_drawing, tmp_path
):
    (tmp_path / "out").touch()
    with pytest.raises(NotADirectoryError, match="out: expected a folder for table-2, got a file"):
        make(wish_for("table-2", data="crowd"))
