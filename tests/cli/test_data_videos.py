import json

import cv2
import numpy as np
import pytest

JPEG = cv2.imencode(".jpg", np.full((4, 4, 3), 200, np.uint8))[1].tobytes()


@pytest.fixture
def ovis(tmp_path):
    """Two frames of OVIS with one object."""
    tree = {
        "videos": [{"id": 3, "width": 4, "height": 4, "file_names": ["a/1.jpg", "a/2.jpg"]}],
        "categories": [{"id": 1, "name": "Person"}, {"id": 2, "name": "Bird"}],
        "annotations": [
            {"id": 1, "video_id": 3, "category_id": 2, "bboxes": [[0, 0, 2, 2], None]}
        ],
    }
    (tmp_path / "ovis" / "train" / "a").mkdir(parents=True)
    (tmp_path / "ovis" / "annotations_train.json").write_text(json.dumps(tree))
    for name in ("1.jpg", "2.jpg"):
        (tmp_path / "ovis" / "train" / "a" / name).write_bytes(JPEG)
    return tmp_path / "ovis"


def test_videos_are_counted_with_their_classes(faimtrack, ovis):
    done = faimtrack("data", "check", ovis, "--dataset", "ovis", "--decode")
    assert done.status == 0
    assert "1 video\n" in done.out
    assert "Bird" in done.out
    assert "1 of 2 classes have no object" in done.out
    assert done.out.splitlines()[-1] == "nothing is wrong, 1 remark"


def test_a_missing_image_fails_and_programs_get_json(faimtrack, ovis):
    (ovis / "train" / "a" / "2.jpg").unlink()
    done = faimtrack("data", "check", ovis, "--dataset", "ovis", "--json")
    tree = json.loads(done.out)
    assert (done.status, tree["errors"], tree["videos"]) == (1, 1, 1)
    assert tree["classes"] == {"Person": 0, "Bird": 1}
    assert tree["parts"][0]["findings"][0]["kind"] == "missing images"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--dataset", "vid", "--split", "test"], "split: expected train, val of vid, got 'test'"),
        (["--dataset", "vid", "--masks", "sam"], "--dataset: expected DATA, and neither"),
        (["--split", "train-local"], "--split: expected full, train-half, val-half, got"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(faimtrack, ovis, options, message):
    done = faimtrack("data", "check", ovis, *options)
    assert done.status != 0
    assert message in " ".join(done.err.split())


def test_results_for_ovis_are_written(faimtrack, ovis, tmp_path):
    found = {
        "categories": [{"id": 1, "name": "Person"}],
        "images": [{"id": 2}],
        "annotations": [{"image_id": 2, "category_id": 1, "bbox": [0, 0, 2, 2], "score": 0.5}],
    }
    (tmp_path / "found").mkdir()
    (tmp_path / "found" / "a.json").write_text(json.dumps(found))
    options = ["--annotations", ovis / "annotations_train.json", "-o", tmp_path / "results.json"]
    done = faimtrack("data", "ovis-results", tmp_path / "found", *options)
    assert done.status == 0
    assert json.loads((tmp_path / "results.json").read_text())[0]["image_id"] == "3_2"
    assert "1 detections of 1 videos, 0 left out" in " ".join(done.out.split())


def test_masks_of_videos_are_made(faimtrack, ovis, tmp_path):
    options = ["--dataset", "ovis", "--method", "box", "--output", tmp_path / "masks"]
    done = faimtrack("masks", "make", ovis, *options)
    assert done.status == 0
    assert (tmp_path / "masks" / "a" / "box.parquet").is_file()
    assert "masks/a/box.parquet" in done.out
    assert "already there" in faimtrack("masks", "make", ovis, *options).err
    done = faimtrack("masks", "make", ovis, *options, "--classes", "1")
    assert done.status != 0
    assert "--classes: expected no such option with --dataset ovis" in " ".join(done.err.split())
    assert "split: expected train" in faimtrack("masks", "make", ovis, *options, "--split=x").err
