import copy

import cv2
import numpy as np
import onnx
import pytest
import torch

import faimtrack
from faimtrack.detectors.yolox import export as export_module
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.detectors.yolox.export import export_onnx, export_weights
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights
from faimtrack.structures import Frame
from faimtrack.testing import check_detector
from faimtrack.video import open_source
from faimtrack.weights import Checkpoint, WeightsMetadata, read_checkpoint

SIZE = {"input_height": 64, "input_width": 96}
NAMES = ("person", "car")


def random_frames(count, height=90, width=120):
    """Noise of all grains, in front of backgrounds from dark to bright."""
    random = np.random.default_rng(5)
    frames = []
    for index in range(count):
        grain = 2 ** (1 + index % 7)
        noise = random.integers(0, 256, (grain, grain, 3), dtype=np.uint8)
        image = cv2.resize(noise, (width, height), interpolation=cv2.INTER_NEAREST)
        image[: height // 2] //= 1 + index % 3
        frames.append(Frame(index + 1, image=image))
    return frames


def random_network(class_count, convention):
    """A nano whose scores are spread over 0 to 1 and whose boxes overlap."""
    torch.manual_seed(0)
    network = Yolox("nano", class_count)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # statistics of all that comes
            torch.nn.init.constant_(module.bias, 2)  # nearly linear: rounding stays small
            torch.nn.init.constant_(module.weight, 0.5)
    frames = random_frames(21)
    views = np.empty((len(frames), 3, 64, 96), np.float32)
    for frame, view in zip(frames, views, strict=True):
        fill_input(frame.image, convention, view)
    with torch.no_grad():
        network.train()(torch.from_numpy(views))  # else every layer's numbers shrink to nothing
        output, heads = network.eval()(torch.from_numpy(views)), network.head
        for predictions, maps, spread in (
            (heads.obj_preds, output.objectness, 2),
            (heads.cls_preds, output.class_logits, 2),
            (heads.reg_preds, output.box_offsets, 0.3),
        ):
            for prediction, each in zip(predictions, maps, strict=True):
                scale = spread / each.std()
                prediction.bias.sub_(each.mean(dim=(0, 2, 3))).mul_(scale)
                prediction.weight.mul_(scale)
        for prediction in heads.reg_preds:
            prediction.bias[2:] = 1.6
    return network


@pytest.fixture(scope="module")
def load(tmp_path_factory):
    """A random network as from a file, which may say something of itself."""
    path = tmp_path_factory.mktemp("weights") / "best_ckpt.pth"

    networks = {
        (count, convention): random_network(count, convention)
        for count, convention in ((2, "current"), (1, "current"), (1, "legacy"))
    }

    def make(class_count=2, metadata=None, convention="current"):
        tensors = networks[class_count, convention].state_dict()
        return load_yolox(Checkpoint(tensors, metadata, path))

    return make


@pytest.fixture(scope="module")
def real_network(shared_data):
    path = shared_data / "models" / "yolox_nano.onnx"
    return load_yolox(Checkpoint(read_onnx_weights(path), None, path))


@pytest.fixture(scope="module")
def real_frames(shared_data):
    frames = []
    for name in ("MOT17-02-FRCNN", "MOT17-04-FRCNN"):
        with open_source(shared_data / "frames" / name / "img1") as source:
            frames += list(source)
    assert len(frames) == 12
    return frames


@pytest.fixture(scope="module")
def rows(load, tmp_path_factory):
    """An export of random weights."""
    path = tmp_path_factory.mktemp("rows") / "two.onnx"
    export_onnx(load(), path, class_names=NAMES, **SIZE)
    return path


@pytest.fixture(scope="module")
def suppressed(load, tmp_path_factory):
    """The same with suppression inside."""
    path = tmp_path_factory.mktemp("suppressed") / "two.onnx"
    export_onnx(load(), path, class_names=NAMES, nms=True, **SIZE)
    return path


@pytest.fixture(params=["rows", "suppressed"])
def two_classes(request):
    """Both."""
    return request.getfixturevalue(request.param)


def assert_alike(ours, theirs, *, at_least):
    """The same detections, where scores that are nearly equal may stand in another order."""
    for one, other in zip(ours, theirs, strict=True):
        assert len(one) == len(other) >= at_least
        near = np.abs(one.boxes[:, None] - other.boxes[None]).max(axis=2) <= 0.05
        near &= np.abs(one.scores[:, None] - other.scores[None]) <= 1e-4
        near &= one.class_ids[:, None] == other.class_ids[None]
        assert near.any(axis=0).all()
        assert near.any(axis=1).all()
        assert (np.diff(other.scores) <= 0).all()


@pytest.mark.parametrize("nms", [False, True], ids=["rows", "suppressed"])
def test_real_weights_detect_in_onnx_as_in_torch(real_network, real_frames, tmp_path, nms):
    path = tmp_path / "nano.onnx"
    export_onnx(real_network, path, nms=nms)
    expected = YoloxDetector(real_network, device="cpu").detect(real_frames)
    for batch_size in (1, 3):
        exported = YoloxOnnxDetector(path, batch_size=batch_size, device="cpu")
        assert_alike(expected, exported.detect(real_frames), at_least=10)


def test_random_weights_detect_in_onnx_as_in_torch(load, two_classes):
    frames = random_frames(4)
    expected = YoloxDetector(load(), class_names=NAMES, device="cpu", **SIZE).detect(frames)
    for batch_size in (1, 3):
        exported = YoloxOnnxDetector(two_classes, batch_size=batch_size)
        assert_alike(expected, exported.detect(frames), at_least=3)


@pytest.mark.parametrize("convention", ["current", "legacy"])
def test_one_class_and_both_conventions(load, tmp_path, convention):
    path = tmp_path / "person.onnx"
    metadata = WeightsMetadata(
        architecture="yolox-nano",
        settings={"input_convention": convention, "input_size": [64, 96]},
    )
    loaded = load(1, metadata, convention)
    frames = random_frames(2)
    expected = YoloxDetector(loaded, device="cpu").detect(frames)
    for nms in (False, True):
        told = export_onnx(loaded, path, nms=nms).metadata
        assert (told.input_convention, told.input_size) == (convention, (64, 96))
        exported = YoloxOnnxDetector(path)
        assert exported.class_names == ("person",)
        assert_alike(expected, exported.detect(frames), at_least=3)


def test_the_file_brings_all_its_settings(load, tmp_path):
    path = tmp_path / "own.onnx"
    metadata = WeightsMetadata(
        architecture="yolox-nano", classes=("cat", "dog"), settings={"input_convention": "legacy"}
    )
    origin = {"recipe": "r", "data": "pets", "licence": "MIT"}
    export_onnx(load(2, metadata), path, origin=origin, dynamic_size=True, **SIZE)
    own = YoloxOnnxDetector(path)
    assert own.class_names == ("cat", "dog")
    told = own.model.metadata
    assert told["architecture"] == "yolox-nano"
    assert told["input_convention"] == "legacy"
    assert told["input_size"] == "[64, 96]"
    assert told["faimtrack_version"] == faimtrack.__version__
    assert {told[key] for key in origin} == set(origin.values())
    frames = random_frames(2)
    asked = YoloxOnnxDetector(path, input_convention="current", class_names=["a", "b"])
    assert asked.class_names == ("a", "b")
    assert asked.detect(frames) != own.detect(frames)
    with pytest.raises(ValueError, match=r"own\.onnx: expected 2 class names.*got 1"):
        YoloxOnnxDetector(path, class_names=["a"])


def test_a_dynamic_model_takes_any_size(load, tmp_path):
    path = tmp_path / "dynamic.onnx"
    export_onnx(load(), path, class_names=NAMES, dynamic_size=True, nms=True, **SIZE)
    frames = random_frames(2)
    for height, width in ((64, 96), (32, 32), (160, 64)):
        size = {"input_height": height, "input_width": width}
        expected = YoloxDetector(load(), class_names=NAMES, device="cpu", **size)
        exported = YoloxOnnxDetector(path, **size)
        assert_alike(expected.detect(frames), exported.detect(frames), at_least=1)


def test_an_export_keeps_the_promises_of_all_detectors(two_classes):
    check_detector(lambda: YoloxOnnxDetector(two_classes, batch_size=3))


def test_classes_of_an_export_are_kept_by_name(two_classes):
    frames = random_frames(1)
    found = YoloxOnnxDetector(two_classes).detect(frames)[0]
    assert set(found.class_ids.tolist()) == {0, 1}
    cars = YoloxOnnxDetector(two_classes, classes=["car"]).detect(frames)[0]
    assert cars == found[found.class_ids == 1]


def test_the_file_is_sound_and_opens_in_the_oldest_onnxruntime(two_classes):
    model = onnx.load(two_classes)
    onnx.checker.check_model(model, full_check=True)
    assert [each.version for each in model.opset_import] == [17]
    assert model.ir_version <= 9  # all that onnxruntime 1.17 reads
    batch = model.graph.input[0].type.tensor_type.shape.dim[0]
    assert batch.dim_param == "batch"
    assert not [node for node in model.graph.node if node.op_type == "BatchNormalization"]
    # Neither the machine's paths nor lines of its code.
    assert str(two_classes.parent).encode() not in two_classes.read_bytes()
    assert not [
        node for node in model.graph.node if node.doc_string or "site-packages" in str(node)
    ]


def test_the_same_weights_give_the_same_bytes_in_silence(load, suppressed, tmp_path, capfd):
    again = tmp_path / "again.onnx"
    export_onnx(load(), again, class_names=NAMES, nms=True, **SIZE)
    assert again.read_bytes() == suppressed.read_bytes()
    assert capfd.readouterr() == ("", "")


def test_weights_are_found_again_in_an_export(load, two_classes):
    found = read_onnx_weights(two_classes)
    expected = fold_batch_norm(load().network).state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[key], expected[key]) for key in expected)


def test_what_does_not_agree_with_torch_is_not_written(load, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_text("what was there")
    trace = export_module._trace

    def trace_another(network, *arguments, **keywords):
        another = copy.deepcopy(network)
        another.head.obj_preds[1].bias += 0.01
        trace(another, *arguments, **keywords)

    monkeypatch.setattr(export_module, "_trace", trace_another)
    with pytest.raises(
        ValueError, match=r"agrees with torch, got scores that differ by \d\.\de-0[23]"
    ):
        export_onnx(load(), path, class_names=NAMES, **SIZE)
    assert path.read_text() == "what was there"
    assert list(tmp_path.iterdir()) == [path]


def test_a_suppression_that_does_not_agree_is_not_written(load, tmp_path, monkeypatch):
    add = export_module.add_suppression
    monkeypatch.setattr(
        export_module, "add_suppression", lambda *arguments: add(*arguments[:3], 0.2)
    )
    with pytest.raises(ValueError, match="agrees with torch"):
        export_onnx(load(), tmp_path / "model.onnx", class_names=NAMES, nms=True, **SIZE)


def test_an_input_size_that_is_no_multiple_of_32_is_not_exported(load, tmp_path):
    with pytest.raises(ValueError, match="expected multiples of 32, got 100 and 416"):
        export_onnx(load(), tmp_path / "model.onnx", class_names=NAMES, input_height=100)
    with pytest.raises(ValueError, match="expected 2 class names"):
        export_onnx(load(), tmp_path / "model.onnx")


def test_a_model_that_suppresses_overlaps_has_its_own_thresholds(load, tmp_path):
    path = tmp_path / "strict.onnx"
    thresholds = {"score_threshold": 0.3, "nms_threshold": 0.5}
    export_onnx(load(), path, class_names=NAMES, nms=True, **thresholds, **SIZE)
    frames = random_frames(2)
    exported = YoloxOnnxDetector(path)
    assert exported.config.score_threshold == 0.3
    assert exported.config.nms_threshold == 0.5
    torch_detector = YoloxDetector(load(), class_names=NAMES, device="cpu", **thresholds, **SIZE)
    assert_alike(torch_detector.detect(frames), exported.detect(frames), at_least=1)
    higher = YoloxOnnxDetector(path, score_threshold=0.4).detect(frames)
    assert higher == [found[found.scores >= 0.4] for found in exported.detect(frames)]
    with pytest.raises(ValueError, match=r"score_threshold: expected 0\.3 or more.*got 0\.2"):
        YoloxOnnxDetector(path, score_threshold=0.2)
    with pytest.raises(ValueError, match=r"nms_threshold: expected 0\.5.*got 0\.7"):
        YoloxOnnxDetector(path, nms_threshold=0.7)
    with pytest.raises(ValueError, match="nms_per_class: expected true, as the model"):
        YoloxOnnxDetector(path, nms_per_class=False)
    with pytest.raises(ValueError, match="nms_per_class: expected true with nms"):
        export_onnx(load(), path, class_names=NAMES, nms=True, nms_per_class=False, **SIZE)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("architecture", "faster-rcnn-resnet50-fpn", "expected a YOLOX, got a model of faster"),
        ("class_names", "person", "class_names: expected JSON"),
        ("class_names", "[1, 2]", "class_names: expected a list of str"),
        ("class_names", '["person"]', r"expected a YOLOX model's output"),
        ("input_size", "[64]", "input_size: expected two lengths in pixels"),
        ("input_convention", "rgb", "input_convention: expected current or legacy"),
        ("nms", "0.5", "nms: expected score_threshold and nms_threshold"),
    ],
)
def test_a_file_that_says_nonsense_of_itself_is_refused(rows, tmp_path, key, value, message):
    path = tmp_path / "model.onnx"
    model = onnx.load(rows)
    properties = {each.key: each.value for each in model.metadata_props}
    onnx.helper.set_model_props(model, properties | {key: value})
    onnx.save(model, path)
    with pytest.raises(ValueError, match=rf"model\.onnx: .*{message}|{message}"):
        YoloxOnnxDetector(path)


def test_weights_of_ours_run_as_what_they_were_made_of(load, tmp_path):
    path = tmp_path / "own.safetensors"
    export_weights(load(), path, class_names=NAMES, origin={"data": "none"})
    metadata = read_checkpoint(path).metadata
    assert metadata is not None
    assert (metadata.classes, metadata.data) == (NAMES, "none")
    assert metadata.settings["batch_norm"] == "kept"
    frames = random_frames(1)
    expected = YoloxDetector(load(), class_names=NAMES, device="cpu").detect(frames)
    assert YoloxDetector(path, device="cpu").detect(frames) == expected
