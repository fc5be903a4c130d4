import json
import shutil

import cv2
import numpy as np
import pytest

from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.masks import Mask, MaskStore


@pytest.fixture(scope="module")
def crowds_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("crowds")
    for number, name in enumerate(("one", "two")):
        config = CrowdConfig(
            name=name, seed=81 + number, frames=3, width=160, height=96, density="sparse", people=4
        )
        write_crowd(simulate_crowd(config), folder / name, workers=1)
    return folder


@pytest.fixture
def data(crowds_once, tmp_path):
    return shutil.copytree(crowds_once, tmp_path / "data")


def test_masks_are_made_scored_and_shown(faimtrack, data, tmp_path):
    made = faimtrack("masks", "make", data)
    assert made.status == 0, made.err
    assert made.out.count("masks: ") == 2
    assert "2/2] two" in made.err
    assert "masks of" in made.err
    assert faimtrack("masks", "make", data, "--method", "box").status == 0
    scored = faimtrack("masks", "score", data, "--json")
    tree = json.loads(scored.out)
    assert list(tree) == ["grabcut", "box"]
    assert tree["grabcut"]["all"]["mean_iou"] > tree["box"]["all"]["mean_iou"]
    assert list(tree["box"]["sequences"]) == ["one", "two"]
    table = faimtrack("masks", "score", data, "--method", "grabcut")
    assert "grabcut" in table.out
    assert "box" not in table.out
    assert "visible 0.75-1" in table.out
    shown = faimtrack("masks", "show", data / "one", tmp_path / "sheet.png", "--count", 4)
    assert shown.status == 0, shown.err
    assert shown.out == f"picture: {tmp_path / 'sheet.png'}\n"
    assert cv2.imread(str(tmp_path / "sheet.png")).std() > 10


def test_masks_go_where_they_are_told(faimtrack, data, tmp_path):
    root = tmp_path / "masks"
    assert (
        faimtrack("masks", "make", data / "one", "--output", root, "--method", "truth").status == 0
    )
    assert (root / "one" / "truth.parquet").is_file()
    assert not (data / "one" / "masks").exists()
    assert faimtrack("masks", "score", data / "one", "--masks", root).status == 0


def test_what_is_there_is_kept_or_replaced_as_asked(faimtrack, data, complaint):
    arguments = ("masks", "make", data, "--method", "box")
    assert faimtrack(*arguments).status == 0
    again = faimtrack(*arguments)
    assert again.status == 1
    assert "already there; --resume keeps" in complaint(again.err)
    kept = faimtrack(*arguments, "--resume")
    assert kept.err.count("finished before; kept") == 2
    assert faimtrack(*arguments, "--overwrite").status == 0


def test_quality_floor_drops_and_says_how_many(faimtrack, data):
    made = faimtrack("masks", "make", data, "--min-quality", "0.99")
    assert "under the quality floor" in made.err
    with MaskStore.open(data / "one" / "masks" / "grabcut.parquet") as store:
        qualities = [mask.quality for _, masks in store for mask in masks.values()]
    assert min(qualities) >= 0.99


def test_instances_are_read_by_sequence(faimtrack, data, tmp_path, complaint):
    folder = tmp_path / "instances"
    folder.mkdir()
    exact = MaskStore.open(data / "one" / "gt" / "masks.parquet")
    results = [
        {
            "image_id": frame,
            "score": 0.5,
            "segmentation": {"size": [96, 160], "counts": mask.counts.decode()},
        }
        for frame, masks in exact
        for mask in masks.values()
    ]
    (folder / "one.json").write_text(json.dumps(results))
    arguments = ("masks", "make", data / "one", "--method", "box2mask")
    made = faimtrack(*arguments, "--instances", folder)
    assert made.status == 0, made.err
    tree = json.loads(faimtrack("masks", "score", data / "one", "--json").out)
    assert tree["box2mask"]["all"]["mean_iou_of_masks"] == pytest.approx(1, abs=0.02)
    missing = faimtrack("masks", "make", data, "--method", "box2mask", "--instances", folder)
    assert missing.status == 1
    assert "two.json: expected instances" in complaint(missing.err)


def test_a_store_without_a_mask_is_warned_of(faimtrack, data, tmp_path):
    (tmp_path / "one.json").write_text("[]")
    arguments = ("masks", "make", data / "one", "--method", "box2mask", "--instances", tmp_path)
    made = faimtrack(*arguments)
    assert made.status == 0
    assert "faimtrack: warning: one: there are no masks in it" in made.err


def test_one_sequence_that_fails_does_not_stop_the_others(faimtrack, data, complaint):
    (data / "one" / "gt" / "gt.txt").unlink()
    made = faimtrack("masks", "make", data)
    assert made.status == 1
    assert "one: " in complaint(made.err)
    assert "gt.txt: expected the ground truth, got no such file" in made.err
    assert "1 of 2 sequences failed; --resume does the rest" in made.err
    assert (data / "two" / "masks" / "grabcut.parquet").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "magic"], "'magic'"),
        (["--method", "box", "--device", "cpu"], "--device: expected no such option with"),
        (["--classes", "1,x"], "--classes '1,x': expected numbers between commas"),
        (["--resume", "--overwrite"], "expected either --resume or --overwrite"),
    ],
)
def test_commands_that_make_no_sense_are_told(faimtrack, data, complaint, arguments, message):
    ended = faimtrack("masks", "make", data, *arguments)
    assert ended.status == 2
    assert message in complaint(ended.err)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "sam"], "sam-vit-h: not in the cache; `faimtrack weights pull sam-vit-h`"),
        (["--method", "sam", "--weights", "x.pth"], "x.pth: expected a file of weights"),
        (["--method", "sam2"], "sam2: expected weights"),
        (["--min-quality", "2"], "minimum_quality: expected 0 to 1, got 2.0"),
        (["--classes", "5"], "expected rows of class 5 that count"),
    ],
)
def test_faults_are_told_in_one_line(
    faimtrack, data, complaint, arguments, message, monkeypatch, tmp_path
):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "cache"))
    ended = faimtrack("masks", "make", data / "one", *arguments)
    assert ended.status == 1
    assert message in complaint(ended.err)


def test_package_that_is_missing_is_named_with_its_extra(
    faimtrack, data, complaint, monkeypatch, tmp_path
):
    import sys

    monkeypatch.setitem(sys.modules, "mobile_sam", None)
    (tmp_path / "weights.pt").write_bytes(b"")
    ended = faimtrack(
        "masks", "make", data / "one", "--method", "mobile-sam", "--weights", "weights.pt"
    )
    assert ended.status == 1
    assert "pip install 'faimtrack[mobile-sam]' brings it" in complaint(ended.err)


def test_store_cut_short_is_told(faimtrack, data, complaint, tmp_path):
    path = data / "one" / "masks" / "grabcut.parquet"
    assert faimtrack("masks", "make", data / "one").status == 0
    path.write_bytes(path.read_bytes()[:-50])
    for command in (("score", data / "one"), ("show", data / "one", tmp_path / "a.png")):
        ended = faimtrack("masks", *command)
        assert ended.status == 1
        assert "grabcut.parquet: expected a whole Parquet file" in complaint(ended.err)
    assert not (tmp_path / "a.png").exists()


def test_nothing_to_score_or_show_is_told(faimtrack, data, complaint, tmp_path):
    ended = faimtrack("masks", "score", data)
    assert "expected masks that `faimtrack masks make` made" in complaint(ended.err)
    ended = faimtrack("masks", "show", data / "one", tmp_path / "a.png")
    assert "grabcut.parquet: expected a mask store, got no such file" in complaint(ended.err)
    ended = faimtrack("masks", "show", data / "one", tmp_path / "a.gif")
    assert "expected a picture's name, .png or .jpg" in complaint(ended.err)
    ended = faimtrack("masks", "score", data, "--method", "magic")
    assert "--method: expected grabcut" in complaint(ended.err)


def test_masks_of_another_size_are_told(faimtrack, data, complaint):
    from faimtrack.masks import MaskStoreWriter

    path = data / "one" / "masks" / "box.parquet"
    path.parent.mkdir()
    with MaskStoreWriter(path) as writer:
        writer.write(1, {1: Mask.encode(np.ones((4, 4), dtype=bool))})
    ended = faimtrack("masks", "score", data / "one", "--method", "box")
    assert "expected masks of 160 x 96 pixels, got 4 x 4" in complaint(ended.err)


def test_sheet_replaces_a_picture_only_if_asked_to(faimtrack, data, complaint):
    faimtrack("masks", "make", data / "one", "--method", "box")
    picture = data / "one" / "img1" / "000001.jpg"
    before = picture.read_bytes()
    shown = faimtrack("masks", "show", data / "one", picture, "--method", "box")
    assert shown.status == 1
    assert "already there; --overwrite replaces it" in complaint(shown.err)
    assert picture.read_bytes() == before
    sheet = data / "sheet.png"
    sheet.write_text("old")
    arguments = ("masks", "show", data / "one", sheet, "--method", "box", "--overwrite")
    assert faimtrack(*arguments).status == 0


def test_sequences_of_one_name_are_both_scored(faimtrack, data):
    ini = data / "two" / "seqinfo.ini"
    ini.write_text(ini.read_text().replace("name=two", "name=one"))
    faimtrack("masks", "make", data, "--method", "truth")
    tree = json.loads(faimtrack("masks", "score", data, "--json").out)["truth"]
    counts = {name: each["objects"] for name, each in tree["sequences"].items()}
    assert list(counts) == ["one", "two"]
    assert tree["all"]["objects"] == sum(counts.values())


def test_scores_of_nothing_are_dashes(faimtrack, data):
    truth = data / "one" / "gt" / "gt.txt"
    rows = truth.read_text().splitlines(keepends=True)
    truth.write_text("".join(row for row in rows if row.startswith("1,")))
    faimtrack("masks", "make", data / "one", "--method", "box", "--split", "val-half")
    table = faimtrack("masks", "score", data / "one").out
    assert "box" in table
    assert "nan" not in table


def test_presets_of_grabcut_are_for_people_and_for_objects(faimtrack, data, tmp_path, complaint):
    for preset in ("default", "objects"):
        faimtrack("masks", "make", data / "one", "--preset", preset, "--output", tmp_path / preset)
    configurations = [
        json.loads((tmp_path / preset / "one" / "grabcut.parquet.json").read_text())[
            "configuration"
        ]
        for preset in ("default", "objects")
    ]
    assert [each["core_height"] for each in configurations] == [0.95, 0.2]
    ended = faimtrack(
        "masks", "make", data / "one", "--preset", "cars", "--output", tmp_path / "c"
    )
    assert ended.status == 2
    assert "--preset, of --method grabcut: preset: expected default, objects, got 'cars'" in (
        complaint(ended.err)
    )
