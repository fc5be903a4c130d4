import pytest
import torch

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.families import (
    can_regress,
    config_class_of,
    detector_file,
    family_of,
    kind_of_family,
)
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector
from faimtrack.interfaces import BoxRegressor
from faimtrack.weights import WeightsMetadata, add_weights, write_weights


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))


@pytest.fixture
def yolox_file(tmp_path):
    path = tmp_path / "yolox.pth"
    torch.save({"model": Yolox("nano", 1).state_dict()}, path)
    return path


@pytest.fixture
def faster_rcnn_file(tmp_path):
    path = tmp_path / "frcnn.pth"
    torch.save(build_faster_rcnn("resnet18-fpn", ("person",)).state_dict(), path)
    return path


def test_registered_names_are_known_without_their_files():
    assert config_class_of("yolox-s") is YoloxConfig
    assert config_class_of("faster-rcnn-resnet50-fpn") is FasterRcnnConfig
    with pytest.raises(FileNotFoundError, match="faimtrack weights pull yolox-s"):
        detector_file("yolox-s")


def test_checkpoints_are_known_by_their_keys(yolox_file, faster_rcnn_file):
    assert family_of(yolox_file) == "yolox"
    assert family_of(str(faster_rcnn_file)) == "faster-rcnn"
    assert config_class_of(faster_rcnn_file) is FasterRcnnConfig


def test_our_weights_are_known_by_what_they_say(tmp_path):
    path = tmp_path / "own.safetensors"
    tensors = {"anything": torch.zeros(1)}
    write_weights(path, tensors, WeightsMetadata(architecture="yolox-nano"))
    assert family_of(path) == "yolox"
    write_weights(path, tensors, WeightsMetadata(architecture="faster-rcnn-resnet18-fpn"))
    assert family_of(path) == "faster-rcnn"
    write_weights(path, tensors, WeightsMetadata(architecture="sam-vit-b"))
    with pytest.raises(
        ValueError, match=r"own\.safetensors: expected a detector, got .*sam-vit-b"
    ):
        family_of(path)


def test_video_object_detectors_are_known_by_their_keys_and_by_what_they_say(tmp_path):
    path = tmp_path / "yolov_nano.pth"
    base = Yolox("nano", 1).state_dict()
    for key in ("head.trans.linear1.weight", "head.cls_convs2.0.0.conv.weight", "video.x.bias"):
        torch.save({"model": base | {key: torch.zeros(1)}}, path)
        assert family_of(path) == "video"
        assert config_class_of(path) is VideoDetectorConfig
        with pytest.raises(ValueError, match=r"yolov_nano\.pth: expected "):
            open_detector(path)
    own = tmp_path / "own.safetensors"
    for architecture in ("faim-s", "yolov-x"):
        write_weights(own, {"x": torch.zeros(1)}, WeightsMetadata(architecture=architecture))
        assert family_of(own) == "video"
    assert not can_regress(own)


def test_a_network_without_weights_says_how_to_name_some():
    for name in ("faim-s", "yolov-x"):
        with pytest.raises(ValueError, match=f"weights for the network {name}, got none: --weig"):
            family_of(name)


def test_settings_of_a_network_without_weights_are_known():
    assert config_class_of("faim-s") is config_class_of("yolov-x") is VideoDetectorConfig
    with pytest.raises(ValueError, match="got 'faim-t'; the nearest is"):
        config_class_of("faim-t")


def test_a_user_may_call_weights_what_a_network_is_called(yolox_file):
    add_weights(yolox_file, "faim-s")
    assert family_of("faim-s") == "yolox"


def test_names_that_a_user_gave_are_found(yolox_file):
    add_weights(yolox_file, "my-nano")
    assert family_of("my-nano") == "yolox"
    assert detector_file("my-nano").read_bytes() == yolox_file.read_bytes()
    assert isinstance(open_detector("my-nano"), YoloxDetector)


def test_files_of_detections_run_no_network(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,1,2,3,4,0.5,-1,-1,-1\n")
    assert config_class_of(path) is DetectorConfig
    with pytest.raises(ValueError, match=r"det\.txt: expected a network"):
        open_detector(path)


@pytest.mark.parametrize("name", ["none.pth", "folder/none", "none.onnx"])
def test_a_file_that_is_not_there_is_said_so(name):
    with pytest.raises(FileNotFoundError, match="none"):
        family_of(name)


def test_a_folder_is_no_detector(tmp_path):
    (tmp_path / "yolox.pth").mkdir()
    with pytest.raises(IsADirectoryError, match=r"yolox\.pth: expected a detector's file, got a"):
        family_of(tmp_path / "yolox.pth")


def test_a_name_that_is_none_names_the_nearest():
    with pytest.raises(ValueError, match="got 'yolox-nan'; the nearest is yolox-nano"):
        family_of("yolox-nan")
    with pytest.raises(ValueError, match="sam-vit-b: expected a detector, got SAM segmenter"):
        family_of("sam-vit-b")


def test_every_kind_opens_with_its_own_configuration(yolox_file, shared_data):
    found = open_detector(yolox_file, YoloxConfig(score_threshold=0.4))
    assert found.config.score_threshold == 0.4
    onnx = shared_data / "models" / "yolox_nano.onnx"
    assert isinstance(open_detector(onnx, classes=["person"]), YoloxOnnxDetector)
    assert config_class_of(onnx) is YoloxOnnxConfig
    with pytest.raises(ValueError, match="expected a YoloxConfig, got a FasterRcnnConfig"):
        open_detector(yolox_file, FasterRcnnConfig())


def test_names_of_classes_can_be_configured(tmp_path):
    path = tmp_path / "three.pth"
    torch.save({"model": Yolox("nano", 3).state_dict()}, path)
    config = YoloxConfig(class_names=("red", "green", "blue"))
    assert open_detector(path, config).class_names == ("red", "green", "blue")


def test_what_the_publisher_says_of_a_file_goes_before_a_guess(tmp_path):
    network = Yolox("nano", 80)
    path = tmp_path / "home" / "weights" / "yolox-nano-legacy" / "yolox_nano.pth"
    path.parent.mkdir(parents=True)
    torch.save({"model": network.state_dict()}, path)
    assert YoloxDetector(path).input_convention == "current"  # untrained: nothing to be seen
    assert open_detector("yolox-nano-legacy").input_convention == "legacy"
    assert open_detector(path).input_convention == "legacy"


def test_a_checkpoint_is_read_once(yolox_file, monkeypatch):
    from faimtrack.weights import files

    read = []
    whole = files.load_pickle
    monkeypatch.setattr(files, "load_pickle", lambda path: read.append(path) or whole(path))
    open_detector(yolox_file)
    assert read == [yolox_file]


def test_only_a_faster_rcnn_can_regress(yolox_file, faster_rcnn_file, tmp_path):
    assert can_regress(faster_rcnn_file)
    assert can_regress("faster-rcnn-resnet50-fpn")
    assert not can_regress(yolox_file)
    assert not can_regress("yolox-s")
    recorded = tmp_path / "det.txt"
    recorded.touch()
    assert not can_regress(recorded)
    assert kind_of_family("recorded") is None


def test_what_can_regress_is_a_box_regressor(yolox_file, faster_rcnn_file):
    for path in (yolox_file, faster_rcnn_file):
        detector = open_detector(path)
        assert isinstance(detector, BoxRegressor) == can_regress(path)


@pytest.mark.parametrize("keeps", [True, False])
def test_features_are_kept_of_networks_in_torch(yolox_file, faster_rcnn_file, keeps):
    for path in (yolox_file, faster_rcnn_file):
        assert open_detector(path, keep_features=keeps).keep_features == keeps


def test_a_model_that_gives_no_features_cannot_keep_them(write_model):
    path = write_model([[0.0] * 6])
    with pytest.raises(ValueError, match=r"keep_features: expected a network in torch, .*onnx"):
        open_detector(path, keep_features=True)
