import numpy as np
import pytest
import torch

from faimtrack.boxes import box_iou
from faimtrack.detectors.session import Detector
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights
from faimtrack.structures import Frame, SourceInfo
from faimtrack.testing import check_detector
from faimtrack.video import open_source
from faimtrack.weights.files import Checkpoint, WeightsMetadata, read_checkpoint, write_weights

SMALL = {"input_height": 64, "input_width": 96, "device": "cpu"}


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory):
    """A nano of two classes whose scores are spread over 0 to 1, as an official checkpoint."""
    torch.manual_seed(0)
    network = Yolox("nano", 2)
    with torch.no_grad():
        # Batch norms that have seen pixels: without, hardly anything gets through the network.
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0
        output = network(255 * torch.rand(8, 3, 64, 96))
        for prediction, logits in zip(
            (*network.head.obj_preds, *network.head.cls_preds),
            (*output.objectness, *output.class_logits),
            strict=True,
        ):
            spread = logits.std()
            prediction.weight.mul_(2 / spread)
            prediction.bias.sub_(logits.mean()).mul_(2 / spread)
        for prediction in network.head.reg_preds:  # boxes of a cell or so, whatever is seen
            prediction.weight.mul_(0.01)
    path = tmp_path_factory.mktemp("weights") / "best_ckpt.pth.tar"
    torch.save({"start_epoch": 3, "model": network.state_dict(), "optimizer": {}}, path)
    return path


def random_frames(count, height=90, width=120):
    random = np.random.default_rng(5)
    return [
        Frame(index, image=random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for index in range(1, count + 1)
    ]


def detector_of(path, **parameters):
    return YoloxDetector(path, class_names=("person", "car"), **(SMALL | parameters))


def test_real_weights_detect_as_their_export_does(shared_data):
    path = shared_data / "models" / "yolox_nano.onnx"
    detector = YoloxDetector(load_yolox(Checkpoint(read_onnx_weights(path), None, path)))
    export = YoloxOnnxDetector(path)
    assert detector.class_names == export.class_names
    for name in ("MOT17-02-FRCNN", "MOT17-04-FRCNN"):
        with open_source(shared_data / "frames" / name / "img1") as source:
            frames = list(source)
        for ours, theirs in zip(detector.detect(frames), export.detect(frames), strict=True):
            assert len(ours) > 10
            assert ours.class_ids.tolist() == theirs.class_ids.tolist()
            np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-4)
            np.testing.assert_allclose(ours.boxes, theirs.boxes, atol=0.05)


def test_a_checkpoint_keeps_the_promises_of_all_detectors(random_weights):
    check_detector(lambda: detector_of(random_weights))
    assert isinstance(detector_of(random_weights), Detector)


def test_batches_are_those_of_the_sequence_however_frames_are_pushed(random_weights):
    check_detector(lambda: detector_of(random_weights, batch_size=3))


@pytest.mark.parametrize(
    "parameters", [{"channels_last": False}, {"batch_size": 4}], ids=["channels first", "batch"]
)
def test_how_it_runs_does_not_change_what_it_finds(random_weights, parameters):
    frames = random_frames(5)
    plain = detector_of(random_weights).detect(frames)
    assert min(map(len, plain)) > 3
    for one, other in zip(
        plain, detector_of(random_weights, **parameters).detect(frames), strict=True
    ):
        assert len(one) == len(other)
        overlaps = box_iou(one.boxes, other.boxes)
        assert (overlaps.max(axis=1) > 0.99).all()


@pytest.mark.slow
def test_a_compiled_network_finds_the_same(random_weights):
    frames = random_frames(2)
    plain = detector_of(random_weights).detect(frames)
    compiled = detector_of(random_weights, compile=True).detect(frames)
    for one, other in zip(plain, compiled, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-4)


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (33, 2000)])
def test_frames_of_any_size_are_taken(random_weights, size):
    found = detector_of(random_weights).detect(random_frames(1, *size))[0]
    assert (found.boxes[:, [0, 1]] >= 0).all()
    assert (found.boxes[:, 2] <= size[1]).all()
    assert (found.boxes[:, 3] <= size[0]).all()


def test_frames_of_several_sizes_share_a_batch(random_weights):
    frames = random_frames(2) + random_frames(2, 200, 80)
    together = detector_of(random_weights, batch_size=4).detect(frames)
    alone = [detector_of(random_weights).detect([frame])[0] for frame in frames]
    for one, other in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=1e-2)


def test_classes_are_kept_by_name(random_weights):
    frames = random_frames(1)
    found = detector_of(random_weights).detect(frames)[0]
    assert set(found.class_ids.tolist()) == {0, 1}
    cars = YoloxDetector(random_weights, class_names=("person", "car"), classes=["car"], **SMALL)
    assert set(cars.detect(frames)[0].class_ids.tolist()) == {1}
    with pytest.raises(ValueError, match="got 'cra'; did you mean 'car'"):
        YoloxDetector(random_weights, class_names=("person", "car"), classes=["cra"])


def test_a_network_of_unknown_classes_wants_names(random_weights):
    with pytest.raises(ValueError, match=r"best_ckpt\.pth\.tar: expected 2 class names"):
        YoloxDetector(random_weights)


def test_our_own_weights_bring_all_their_settings(random_weights, tmp_path):
    path = tmp_path / "own.safetensors"
    metadata = WeightsMetadata(
        architecture="yolox-nano",
        classes=("person", "car"),
        settings={"input_size": [64, 96], "input_convention": "legacy"},
    )
    write_weights(path, read_checkpoint(random_weights).tensors, metadata)
    own = YoloxDetector(path, device="cpu")
    assert (own.input_size, own.input_convention) == ((64, 96), "legacy")
    assert own.class_names == ("person", "car")
    frames = random_frames(2)
    assert own.detect(frames) == detector_of(random_weights, input_convention="legacy").detect(
        frames
    )
    assert YoloxDetector(path, input_convention="current").input_convention == "current"


def test_an_input_size_that_is_no_multiple_of_32_is_refused(random_weights):
    with pytest.raises(ValueError, match="expected multiples of 32, got 100 and 96"):
        detector_of(random_weights, input_height=100)


def test_live_sources_are_answered_frame_by_frame_and_files_in_batches(
    random_weights, monkeypatch
):
    detector = detector_of(random_weights)
    frames = random_frames(3)
    monkeypatch.setattr(detector, "_on_gpu", True)
    live = detector.open(SourceInfo(name="camera"))
    assert [len(live.push([frame])) for frame in frames] == [1, 1, 1]
    file = detector.open(SourceInfo(name="file", frame_count=3))
    assert [len(file.push([frame])) for frame in frames] == [0, 0, 0]
    assert [frame.index for frame, _ in file.finish()] == [1, 2, 3]
