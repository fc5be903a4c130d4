"""Masks in files of detections."""

import json
import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco

from faimtrack.detectors.files import SUFFIXES, DetectionFile, read_detections
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.structures import Detections, SourceInfo

INFO = SourceInfo(name="walk", width=40, height=30)
FORMATS = ["coco", "parquet"]


def found(random, count):
    pixels = random.random((30, 40, count)) < 0.3
    corners = np.sort(random.uniform(0, 30, (count, 2, 2)), axis=1).reshape(-1, 4)
    masks = coco.encode(np.asfortranarray(pixels, np.uint8))
    return Detections(corners, random.uniform(0, 1, count), masks=masks)


def write(path, kind, frames, **keywords):
    with DetectionFile(path, kind, ("person",), INFO, **keywords) as file:
        for index, each in sorted(frames.items()):
            file.write(index, each)
    return path


def without_masks(found):
    return Detections(found.boxes, found.scores)


@pytest.mark.parametrize("kind", FORMATS)
def test_masks_come_back_with_their_boxes(tmp_path, kind):
    random = np.random.default_rng(1)
    frames = {index: found(random, count) for index, count in ((1, 3), (4, 0), (5, 2))}
    path = write(tmp_path / f"a{SUFFIXES[kind]}", kind, frames, with_masks=True)
    replay = RecordedDetections(read_detections(path))
    for index, expected in frames.items():
        assert replay.answer(index) == expected
        assert replay.answer(index).masks == expected.masks


@pytest.mark.parametrize("kind", FORMATS)
def test_masks_are_left_out_unless_they_are_wanted(tmp_path, kind):
    one = found(np.random.default_rng(1), 3)
    path = write(tmp_path / f"a{SUFFIXES[kind]}", kind, {1: one})
    bare = write(tmp_path / f"b{SUFFIXES[kind]}", kind, {1: without_masks(one)})
    assert path.read_bytes() == bare.read_bytes()
    assert read_detections(path).masks is None


@pytest.mark.parametrize("kind", FORMATS)
def test_detections_without_masks_are_refused_where_masks_are_wanted(tmp_path, kind):
    bare = without_masks(found(np.random.default_rng(1), 3))
    with pytest.raises(ValueError, match="expected masks with frame 2, got none"):
        write(tmp_path / "a", kind, {2: bare}, with_masks=True)


def test_text_has_no_place_for_masks(tmp_path):
    with pytest.raises(ValueError, match=r"expected coco or parquet .*, got mot"):
        DetectionFile(tmp_path / "a.txt", "mot", ("person",), INFO, with_masks=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_run_lengths_that_do_not_fill_the_frame_are_refused_when_they_are_read(tmp_path, kind):
    one = found(np.random.default_rng(1), 2)
    wrong = Detections(
        one.boxes, one.scores, masks=[one.masks[0], {**one.masks[1], "size": [30, 41]}]
    )
    path = write(tmp_path / f"a{SUFFIXES[kind]}", kind, {3: wrong}, with_masks=True)
    replay = RecordedDetections(read_detections(path))
    with pytest.raises(ValueError, match=re.escape(f"{path}, frame 3: masks: expected runs that")):
        replay.answer(3)


def coco_result(segmentation):
    return {"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5,
            **({} if segmentation is None else {"segmentation": segmentation})}  # fmt: skip


def test_polygons_and_annotations_without_masks_are_passed_over(tmp_path):
    path = tmp_path / "a.json"
    runs = {"size": [1, 1], "counts": "1"}
    for others in ([[0, 0, 1, 0, 1, 1]], None, {"size": [1, 1], "counts": [1]}):
        path.write_text(json.dumps([coco_result(runs), coco_result(others)]))
        assert read_detections(path).masks is None
    path.write_text(json.dumps([coco_result(runs), coco_result(runs)]))
    assert len(read_detections(path).masks.counts) == 2


@pytest.mark.parametrize("size", [None, [3], [3, "4"], [0, 4], [3, 10**9], 7])
def test_a_mask_of_no_size_is_named(tmp_path, size):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([coco_result({"size": size, "counts": "1"})]))
    with pytest.raises(ValueError, match="annotation 1: expected size to be a mask's height"):
        read_detections(path)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"mask_counts": [b"1"]}, "expected columns mask_height and mask_width beside the masks"),
        (
            {"mask_counts": ["1"], "mask_height": [1], "mask_width": [1]},
            "expected sizes in whole numbers and run lengths as bytes",
        ),
        (
            {"mask_counts": [b"1"], "mask_height": [0], "mask_width": [1]},
            "row 1: expected a mask of 1 to 32768 pixels a side, got 1 x 0",
        ),
    ],
)
def test_columns_of_masks_that_cannot_be_are_one_line(tmp_path, columns, expected):
    path = tmp_path / "a.parquet"
    box = {"frame": [1], "x1": [0.0], "y1": [0.0], "x2": [1.0], "y2": [1.0], "score": [0.5]}
    pq.write_table(pa.table({**box, **columns}), path)
    with pytest.raises(ValueError, match=re.escape(expected)):
        read_detections(path)
