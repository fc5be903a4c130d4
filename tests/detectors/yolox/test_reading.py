"""Boxes read from rows beside the `yolox` package's `postprocess`."""

import numpy as np
import pytest
import torch

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.detectors.yolox.letterbox import STRIDES, anchor_grid, fill_input
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights
from faimtrack.detectors.yolox.reading import read_rows
from faimtrack.onnx import OnnxModel
from faimtrack.video import open_source
from faimtrack.weights.files import Checkpoint


@pytest.fixture
def postprocess():
    boxes = pytest.importorskip("yolox.utils.boxes", reason="the yolox package is not here")
    return boxes.postprocess


@pytest.fixture(scope="module")
def real_frames(shared_data):
    """The twelve frames, one by one: image, input of a nano, ratio."""
    made = []
    for name in ("MOT17-02-FRCNN", "MOT17-04-FRCNN"):
        with open_source(shared_data / "frames" / name / "img1") as source:
            for frame in source:
                view = np.empty((1, 3, 416, 416), np.float32)
                made.append((frame.image, view, fill_input(frame.image, "current", view[0])))
    return made


@pytest.fixture(scope="module")
def real_network(shared_data):
    path = shared_data / "models" / "yolox_nano.onnx"
    return load_yolox(Checkpoint(read_onnx_weights(path), None, path)).network


def official_detections(postprocess, rows, config, ratio, size):
    """Boxes, scores and classes of the package, cut to the image as we cut them."""
    class_count = rows.shape[1] - 5
    given = torch.from_numpy(rows[None].copy())  # it writes into what it is given
    found = postprocess(given, class_count, config.score_threshold, config.nms_threshold)[0]
    found = np.zeros((0, 7)) if found is None else found.numpy().astype(np.float64)
    limits = [size[1], size[0], size[1], size[0]]
    boxes = np.clip(found[:, :4] / ratio, 0, limits)
    is_inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    scores = (found[:, 4].astype(np.float32) * found[:, 5].astype(np.float32)).astype(np.float64)
    return boxes[is_inside], scores[is_inside], found[is_inside, 6].astype(np.int64)


def assert_equal_detections(found, expected):
    boxes, scores, classes = expected
    assert found.class_ids.tolist() == classes.tolist()
    np.testing.assert_array_equal(found.scores, scores)
    np.testing.assert_allclose(found.boxes, boxes, rtol=1e-6, atol=1e-3)


@pytest.mark.parametrize("threshold", [0.01, 0.1, 0.6])
def test_boxes_of_real_frames_are_those_of_the_package(
    real_frames, real_network, postprocess, threshold
):
    config = YoloxReading(score_threshold=threshold)
    for image, view, ratio in real_frames:
        with torch.inference_mode():
            rows = real_network(torch.from_numpy(view)).rows()[0].numpy()
        size = image.shape[:2]
        found = read_rows(rows, config, ratio=ratio, size=size, class_names=COCO_CLASS_NAMES)
        assert len(found) > 0
        assert_equal_detections(found, official_detections(postprocess, rows, config, ratio, size))


@pytest.mark.parametrize("class_count", [1, 6])
@pytest.mark.parametrize("nms_threshold", [0.45, 0.65])
def test_boxes_of_random_rows_are_those_of_the_package(postprocess, class_count, nms_threshold):
    random = np.random.default_rng(class_count)
    config = YoloxReading(score_threshold=0.05, nms_threshold=nms_threshold)
    for _ in range(10):
        # Heaps of boxes around a few places, so that there is much to suppress.
        places = random.uniform(0, 400, (40, 2))[random.integers(0, 40, 1500)]
        rows = np.concatenate(
            [
                places + random.normal(0, 4, (1500, 2)),
                random.uniform(20, 60, (1500, 2)),
                random.uniform(0, 1, (1500, 1 + class_count)),
            ],
            axis=1,
        ).astype(np.float32)
        names = tuple(f"class {number}" for number in range(class_count))
        found = read_rows(rows, config, ratio=0.5, size=(600, 700), class_names=names)
        assert 40 < len(found) < 1500
        assert_equal_detections(
            found, official_detections(postprocess, rows, config, 0.5, (600, 700))
        )


def test_real_weights_give_the_rows_of_onnxruntime_on_real_frames(
    shared_data, real_frames, real_network
):
    export = OnnxModel(shared_data / "models" / "yolox_nano.onnx", threads=1)
    corners, sizes = anchor_grid((416, 416), STRIDES)
    for _, view, _ in real_frames:
        (expected,) = export.run(view)  # boxes in offsets, as the official exports have them
        with torch.inference_mode():
            rows = real_network(torch.from_numpy(view)).rows()[0].numpy()
        centres = expected[0, :, :2] * sizes[:, None] + corners
        extents = np.exp(expected[0, :, 2:4].astype(np.float64)) * sizes[:, None]
        np.testing.assert_allclose(rows[:, 4:], expected[0, :, 4:], rtol=0, atol=1e-4)
        np.testing.assert_allclose(rows[:, :2], centres, rtol=0, atol=0.05)
        np.testing.assert_allclose(rows[:, 2:4], extents, rtol=0, atol=0.05)
