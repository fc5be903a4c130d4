"""Faster R-CNN in ONNX beside torch: frames of any size, thresholds that the reader chooses."""

import numpy as np
import onnx
import pytest

from faimtrack.detectors.families import family_of
from faimtrack.detectors.faster_rcnn import export as export_module
from faimtrack.detectors.faster_rcnn.checkpoint import load_faster_rcnn
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.faster_rcnn.export import export_onnx
from faimtrack.detectors.faster_rcnn.onnx import FasterRcnnOnnxDetector
from faimtrack.detectors.loading import open_detector
from faimtrack.structures import Frame
from faimtrack.testing import check_detector
from faimtrack.video import open_source

SMALL = {"short_side": 120, "long_side": 200}


@pytest.fixture
def network(make_checkpoint):
    return load_faster_rcnn(make_checkpoint(outputs=3), class_names=("person", "car")).network


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return tmp_path_factory.mktemp("export") / "two.onnx"


@pytest.fixture
def model(network, written):
    """A model with random weights; made once."""
    if not written.exists():
        export_onnx(network, written, origin={"licence": "MIT"})
    return written


def random_frames(*sizes):
    random = np.random.default_rng(7)
    return [
        Frame(index, image=random.integers(0, 256, (*size, 3), dtype=np.uint8))
        for index, size in enumerate(sizes, 1)
    ]


def assert_alike(ours, theirs):
    """The same detections, where scores that are nearly equal may stand in another order."""
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) > 3
        near = np.abs(one.boxes[:, None] - other.boxes[None]).max(axis=2) <= 0.05
        near &= np.abs(one.scores[:, None] - other.scores[None]) <= 1e-4
        near &= one.class_ids[:, None] == other.class_ids[None]
        assert near.any(axis=0).all()
        assert near.any(axis=1).all()


@pytest.mark.parametrize("parameters", [{}, {"score_threshold": 0.3, "max_detections": 20}])
def test_onnx_finds_what_torch_finds_in_frames_of_any_size(network, model, parameters):
    frames = random_frames((97, 150), (240, 320), (300, 90))
    expected = FasterRcnnDetector(network, device="cpu", **SMALL, **parameters).detect(frames)
    assert_alike(expected, FasterRcnnOnnxDetector(model, **SMALL, **parameters).detect(frames))


@pytest.mark.slow
def test_onnx_finds_what_torch_finds_in_real_frames(network, model, shared_data):
    sides = {"short_side": 480, "long_side": 853}
    with open_source(shared_data / "frames" / "MOT17-04-FRCNN" / "img1") as source:
        frames = list(source)[:3]
    expected = FasterRcnnDetector(network, device="cpu", **sides).detect(frames)
    assert_alike(expected, FasterRcnnOnnxDetector(model, **sides).detect(frames))


def test_the_file_brings_all_its_settings(network, model):
    assert family_of(model) == "faster-rcnn-onnx"
    detector = open_detector(model)
    assert isinstance(detector, FasterRcnnOnnxDetector)
    assert detector.class_names == ("person", "car")
    assert detector.sides == FasterRcnnDetector(network, device="cpu").sides
    assert detector.model.metadata["licence"] == "MIT"
    with pytest.raises(ValueError, match=r"two\.onnx: expected 2 class names.*got 1"):
        FasterRcnnOnnxDetector(model, class_names=["person"])


def test_an_export_keeps_the_promises_of_all_detectors(model):
    check_detector(lambda: FasterRcnnOnnxDetector(model, short_side=32, long_side=48))


def test_classes_of_an_export_are_kept_by_name(network, model):
    frames = random_frames((97, 150))
    expected = FasterRcnnDetector(network, device="cpu", classes=["car"], **SMALL).detect(frames)
    found = FasterRcnnOnnxDetector(model, classes=["car"], **SMALL).detect(frames)
    assert set(found[0].class_ids.tolist()) == {1}
    assert_alike(expected, found)


def test_the_file_is_sound_and_opens_in_the_oldest_onnxruntime(model):
    loaded = onnx.load(model)
    onnx.checker.check_model(loaded, full_check=True)
    assert loaded.ir_version <= 9  # all that onnxruntime 1.17 reads
    sizes = [each.dim_param or each.dim_value for each in
             loaded.graph.input[0].type.tensor_type.shape.dim]  # fmt: skip
    assert sizes == [1, 3, "height", "width"]


@pytest.mark.slow
def test_the_same_weights_give_the_same_bytes_in_silence(network, model, tmp_path, capfd):
    again = tmp_path / "again.onnx"
    export_onnx(network, again, origin={"licence": "MIT"})
    assert again.read_bytes() == model.read_bytes()
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_what_does_not_agree_with_torch_is_not_written(network, tmp_path, monkeypatch):
    trace = export_module.trace_to_onnx

    def trace_another(module, *arguments, **keywords):
        module.network.roi_heads.box_predictor.cls_score.bias[1] += 0.01
        trace(module, *arguments, **keywords)

    monkeypatch.setattr(export_module, "trace_to_onnx", trace_another)
    with pytest.raises(ValueError, match=r"agrees with torch, got .* 100\.0% of proposals"):
        export_onnx(network, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_of_others_is_refused(shared_data):
    with pytest.raises(ValueError, match=r"yolox_nano\.onnx: expected a Faster R-CNN of faimt"):
        FasterRcnnOnnxDetector(shared_data / "models" / "yolox_nano.onnx")
