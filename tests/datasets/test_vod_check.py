import cv2
import numpy as np
import pytest

from faimtrack.datasets.vod.checking import check_videos
from faimtrack.datasets.vod.opening import SPLITS, open_videos

JPEG = cv2.imencode(".jpg", np.full((4, 4, 3), 200, np.uint8))[1].tobytes()
VIDEO = "ILSVRC2015_val_00000001"
HEAD = "<annotation><size><width>4</width><height>4</height></size>"


def an_object(name, left, top, right, bottom, track=0):
    return (
        f"<object><trackid>{track}</trackid><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>"
        f"{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
    )


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """ImageNet VID with one fault of each kind."""
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "cache"))
    zebra, dog = "n02391049", "n02084071"
    texts = {
        "000000": an_object(zebra, 0, 0, 2, 2) + an_object(dog, -1, 0, 2, 2, 1),
        "000001": "",
        "000002": an_object(zebra, 5, 5, 7, 7) + an_object("n00000001", 0, 0, 2, 2, 1),
        "000003": an_object(zebra, 3, 0, 1, 2) + an_object(dog, 1, 1, 1, 3, 1),
        "000004": None,
        "000005": an_object(zebra, 0, 0, 1, 1),
        "000006": an_object(zebra, 0, 0, 1, 1) + an_object(zebra, 0, 0, 1, 2),
        "000007": an_object(zebra, 0, 0, 1, 1),
    }
    root = tmp_path / "ILSVRC2015"
    annotations = root / "Annotations" / "VID" / "val" / VIDEO
    images = root / "Data" / "VID" / "val" / VIDEO
    for folder in (annotations, images):
        folder.mkdir(parents=True)
    for stem, text in texts.items():
        whole = "<annotation>" if text is None else f"{HEAD}{text}</annotation>"
        (annotations / f"{stem}.xml").write_text(whole)
        (images / f"{stem}.JPEG").write_bytes(JPEG)
    (images / "000005.JPEG").unlink()
    (images / "000007.JPEG").write_bytes(JPEG[:-40])
    large = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    (images / "000001.JPEG").write_bytes(large)
    return root


def test_every_fault_is_counted_with_its_first(faulty):
    seen = []
    report = check_videos(
        "vid", faulty, split="val", decode=True, progress=lambda *each: seen.append(each)
    )
    part = report.parts[0]
    assert {kind: found.count for kind, found in part.findings.items()} == {
        "missing images": 1,
        "images that cannot be decoded": 1,
        "images of another size": 1,
        "lines that cannot be read": 1,
        "ids twice in a frame": 1,
        "boxes of negative sides": 1,
        "classes that the benchmark does not have": 1,
        "boxes of no area": 1,
        "boxes wholly outside": 1,
        "boxes partly outside": 1,
        "frames without objects": 2,
    }
    assert all(VIDEO in finding.first for finding in part.ordered)
    assert (report.videos, part.images, part.objects) == (1, 7, 6)
    assert {name: count for name, count in report.class_counts.items() if count} == {
        "dog": 1,
        "zebra": 5,
    }
    assert seen[-1] == ("vid val", 6, 6)
    assert not list(faulty.rglob("*.parquet")), "an index of what could not be read"


def test_data_that_cannot_be_opened_at_all_are_one_error(tmp_path):
    report = check_videos("ovis", tmp_path, split="train")
    assert report.error_count == 1
    assert "annotations_train.json" in report.parts[0].findings["no ground truth"].first


def test_data_sets_and_splits_that_there_are_not_are_refused(tmp_path):
    with pytest.raises(ValueError, match="dataset: expected vid, ovis, epic, crowd, got 'coco'"):
        open_videos("coco", tmp_path, split="train")
    for dataset, splits in SPLITS.items():
        with pytest.raises(ValueError, match=f"split: expected {', '.join(splits)} of {dataset}"):
            open_videos(dataset, tmp_path, split="dev")
