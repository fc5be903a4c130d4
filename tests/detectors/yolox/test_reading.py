"""Boxes read from rows beside the `yolox` package's `postprocess`."""

import copy

import numpy as np
import pytest
import torch

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.detectors.yolox.letterbox import STRIDES, anchor_grid, fill_input
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights
from faimtrack.detectors.yolox.reading import read_rows, read_suppressed_rows
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
    found = postprocess(
        given,
        class_count,
        config.score_threshold,
        config.nms_threshold,
        class_agnostic=not config.nms_per_class,
    )[0]
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
@pytest.mark.parametrize("per_class", [True, False])
def test_boxes_of_random_rows_are_those_of_the_package(
    postprocess, class_count, nms_threshold, per_class
):
    random = np.random.default_rng(class_count)
    config = YoloxReading(
        score_threshold=0.05, nms_threshold=nms_threshold, nms_per_class=per_class
    )
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
    exact_network = copy.deepcopy(real_network).double()  # only onnxruntime's rounding is left
    for _, view, _ in real_frames:
        (expected,) = export.run(view)  # boxes in offsets, as the official exports have them
        with torch.inference_mode():
            rows = exact_network(torch.from_numpy(view).double()).rows()[0].numpy()
        centres = expected[0, :, :2] * sizes[:, None] + corners
        extents = np.exp(expected[0, :, 2:4].astype(np.float64)) * sizes[:, None]
        np.testing.assert_allclose(rows[:, 4:], expected[0, :, 4:], rtol=0, atol=1e-4)
        np.testing.assert_allclose(rows[:, :2], centres, rtol=0, atol=0.05)
        np.testing.assert_allclose(rows[:, 2:4], extents, rtol=0, atol=0.05)


# Half of 0.6 in 32 bits is exactly the threshold 0.3 in 32 bits.
AT_THE_THRESHOLD = np.array([[50, 50, 20, 20, 0.6, 0.5], [20, 20, 20, 20, 0.5, 0.5]], np.float32)
SMALL_IMAGE = {"ratio": 1.0, "size": (100, 100), "class_names": ("person",)}


def test_a_score_at_the_threshold_is_kept_as_the_package_keeps_it(postprocess):
    config = YoloxReading(score_threshold=0.3)
    found = read_rows(AT_THE_THRESHOLD, config, **SMALL_IMAGE)
    assert len(found) == 1
    expected = official_detections(postprocess, AT_THE_THRESHOLD, config, 1.0, (100, 100))
    assert_equal_detections(found, expected)


def test_a_network_that_suppresses_overlaps_itself_keeps_a_score_at_the_threshold():
    rows = np.array([[40, 40, 60, 60, 0.3, 0], [0, 0, 20, 20, 0.29, 0]], np.float32)
    found = read_suppressed_rows(rows, 0.3, **SMALL_IMAGE)
    assert found.boxes.tolist() == [[40, 40, 60, 60]]


@pytest.mark.parametrize("column", range(6))
def test_what_is_no_number_is_an_error_and_not_an_empty_frame(column):
    rows = AT_THE_THRESHOLD.copy()
    rows[0, column] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        read_rows(rows, YoloxReading(score_threshold=0.3), **SMALL_IMAGE)
    suppressed = np.array([[40, 40, 60, 60, 0.3, 0]], np.float32)
    suppressed[0, min(column, 4)] = np.nan
    with pytest.raises(ValueError, match="not a finite number"):
        read_suppressed_rows(suppressed, 0.3, **SMALL_IMAGE)


@pytest.mark.parametrize(
    "box", [[-30, 50, 20, 20], [50, 130, 20, 20], [-10, 50, 20, 20], [50, 50, 0, 20]]
)
def test_boxes_beside_the_image_and_without_area_are_left_out(box):
    rows = np.array([[*box, 1.0, 1.0]], np.float32)
    assert len(read_rows(rows, YoloxReading(), **SMALL_IMAGE)) == 0


def test_of_equal_scores_the_earlier_row_stays_as_in_the_package(postprocess):
    rows = np.array([[50, 50, 20, 20, 0.5, 1], [52, 50, 20, 20, 0.5, 1]], np.float32)
    config = YoloxReading()
    for given in (rows, rows[::-1].copy()):
        found = read_rows(given, config, **SMALL_IMAGE)
        assert found.boxes[0, 0] == given[0, 0] - 10
        expected = official_detections(postprocess, given, config, 1.0, (100, 100))
        assert_equal_detections(found, expected)
