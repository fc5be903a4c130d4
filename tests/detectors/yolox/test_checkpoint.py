"""Checkpoints of YOLOX and its kin: found by their shapes, refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch

from faimtrack.detectors.yolox.checkpoint import guess_input_convention, load_yolox
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox, YoloxSize
from faimtrack.video import open_source
from faimtrack.weights.files import Checkpoint, WeightsMetadata, read_checkpoint


def as_checkpoint(tensors, metadata=None, path="best_ckpt.pth.tar"):
    return Checkpoint(dict(tensors), metadata, path)


@pytest.fixture(scope="module")
def nano():
    torch.manual_seed(0)
    return Yolox("nano", 1).eval()


@pytest.mark.parametrize("name", YOLOX_SIZES)
def test_a_size_is_found_in_the_shapes(name):
    with torch.device("meta"):
        expected = Yolox(name, 3).state_dict()
    tensors = {key: torch.zeros(()).expand(tensor.shape) for key, tensor in expected.items()}
    loaded = load_yolox(as_checkpoint(tensors))
    assert loaded.network.size == YOLOX_SIZES[name]
    assert loaded.network.class_count == 3
    assert loaded.input_size == YOLOX_SIZES[name].input_size


@pytest.mark.parametrize("depth", [0.1, 0.5, 1.67])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_size_that_is_not_official_loads_too(depth, depthwise):
    size = YoloxSize(name="mine", depth=depth, width=0.3125, depthwise=depthwise)
    network = Yolox(size, 2)
    loaded = load_yolox(as_checkpoint(network.state_dict()))
    assert loaded.network.size.name == "custom"
    assert same_weights(loaded.network, network)


def same_weights(one, other):
    tensors = other.state_dict()
    return all(torch.equal(value, tensors[key]) for key, value in one.state_dict().items())


def test_a_checkpoint_of_the_package_loads_from_its_file(tmp_path):
    config = pytest.importorskip("yolox.config", reason="the yolox package is not here")
    theirs = config.YoloxConfig.get_named_config("yolox_nano").get_model().eval()
    path = tmp_path / "latest_ckpt.pth"
    torch.save({"start_epoch": 5, "model": theirs.state_dict(), "optimizer": {"state": {}}}, path)
    loaded = load_yolox(read_checkpoint(path), size="nano", class_count=80)
    images = torch.rand(1, 3, 64, 64) * 255
    with torch.no_grad():
        assert torch.equal(loaded.network(images).rows(), theirs(images))
    assert loaded.left_aside == ()
    assert loaded.classes == ()
    assert loaded.name_classes()[0] == "person"
    assert len(loaded.name_classes()) == 80


def test_one_class_is_a_person_as_in_the_weights_of_bytetrack(nano):
    loaded = load_yolox(as_checkpoint(nano.state_dict()))
    assert loaded.name_classes() == ("person",)
    assert loaded.name_classes(["head"]) == ("head",)
    with pytest.raises(ValueError, match="expected 1 class names"):
        loaded.name_classes(["head", "body"])


def test_keys_of_yolov_and_of_mask_branches_are_left_aside_and_named(nano):
    extra = (
        "head.cls_convs2.0.0.conv.weight",
        "head.trans.msa.qkv_cls.weight",
        "head.linear_pred.weight",
        "head.linear_pred.bias",
        "head.instance_conv.conv.weight",
        "head.mask_convs.predictor.weight",
    )
    tensors = nano.state_dict() | {key: torch.zeros(2, 2) for key in extra}
    loaded = load_yolox(as_checkpoint(tensors))
    assert loaded.left_aside == extra
    assert same_weights(loaded.network, nano)


def test_a_network_is_loaded_to_evaluate(nano):
    loaded = load_yolox(as_checkpoint(nano.state_dict()))
    assert not any(module.training for module in loaded.network.modules())


def test_folded_weights_are_known_as_such(nano):
    folded = fold_batch_norm(nano)
    loaded = load_yolox(as_checkpoint(folded.state_dict()))
    assert loaded.network.is_folded
    assert loaded.input_convention is None
    assert same_weights(loaded.network, folded)


def test_half_weights_load_into_a_full_network(nano):
    tensors = {
        key: value.half() if value.is_floating_point() else value
        for key, value in nano.state_dict().items()
    }
    loaded = load_yolox(as_checkpoint(tensors))
    assert all(each.dtype == torch.float32 for each in loaded.network.parameters())


def test_counters_of_steps_may_be_missing(nano):
    tensors = {key: value for key, value in nano.state_dict().items() if "batches" not in key}
    assert same_weights(load_yolox(as_checkpoint(tensors)).network, nano)


def test_what_the_file_says_counts(nano):
    metadata = WeightsMetadata(
        architecture="yolox-nano",
        classes=("pedestrian",),
        settings={"input_convention": "legacy", "input_size": [320, 576]},
    )
    loaded = load_yolox(as_checkpoint(nano.state_dict(), metadata))
    assert loaded.name_classes() == ("pedestrian",)
    assert loaded.input_convention == "legacy"
    assert loaded.input_size == (320, 576)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "faster-rcnn-resnet50-fpn"}, "a YOLOX, got weights of faster-rcnn"),
        ({"architecture": "yolox-s"}, "expected tensors of yolox-s, got .* size nano"),
        ({"classes": ("person", "car")}, "expected 1 class names, .* got 2"),
        ({"settings": {"input_convention": "rgb"}}, "expected current or legacy, got 'rgb'"),
        ({"settings": {"input_size": [416, 400]}}, "expected height and width, multiples of 32"),
        ({"settings": {"input_size": 416}}, "expected height and width, multiples of 32"),
    ],
)
def test_what_the_file_says_must_make_sense(nano, changes, message):
    metadata = WeightsMetadata(**({"architecture": "yolox-nano"} | changes))
    with pytest.raises(ValueError, match=message):
        load_yolox(as_checkpoint(nano.state_dict(), metadata))


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        (["backbone.body.conv1.weight", "rpn.head.conv.0.0.weight",
          "roi_heads.box_head.fc6.weight"], "a Faster R-CNN"),
        (["image_encoder.pos_embed", "prompt_encoder.not_a_point_embed.weight",
          "mask_decoder.iou_token.weight"], "a Segment Anything network"),
        (["conv1.weight", "layer1.0.conv1.weight", "layer2.0.conv1.weight", "fc.weight"],
         "a ResNet"),
        (["model.0.conv.weight", "model.1.conv.weight"], "a network of another YOLO family"),
        (["backbone.backbone.stem.0.conv.weight", "backbone.out1.0.conv.weight"],
         r"a YOLOX on Darknet-53 \(yolov3\)"),
        (["bbox_head.multi_level_conv_cls.0.weight"], "a YOLOX of MMDetection"),
        (["rpn_head.rpn_conv.weight", "roi_head.bbox_head.fc_cls.weight"],
         "a Faster R-CNN of MMDetection"),
        (["bbox_head.retina_cls.weight"], "a network of MMDetection"),
        (["head.classification_head.conv.0.weight", "head.regression_head.conv.0.weight"],
         "a RetinaNet"),
        (["encoder.weight"], "an unknown network with encoder.weight"),
    ],
)  # fmt: skip
def test_other_families_are_refused_by_name(keys, family):
    tensors = {key: torch.zeros(4, 4) for key in keys}
    with pytest.raises(ValueError, match=rf"best_ckpt\.pth\.tar: expected a YOLOX, got {family}"):
        load_yolox(as_checkpoint(tensors))


def test_another_size_or_class_count_than_expected_is_refused(nano):
    checkpoint = as_checkpoint(nano.state_dict())
    with pytest.raises(ValueError, match="expected a YOLOX of size s, got size nano"):
        load_yolox(checkpoint, size="s")
    with pytest.raises(ValueError, match="expected a YOLOX of 80 classes, got 1"):
        load_yolox(checkpoint, class_count=80)


def test_missing_foreign_and_misshapen_tensors_are_named(nano):
    tensors = nano.state_dict()
    some = {key: value for key, value in tensors.items() if not key.startswith("head.reg_preds")}
    with pytest.raises(
        ValueError, match=r"size nano, got none for head\.reg_preds\.0\.weight, .*3 mo"
    ):
        load_yolox(as_checkpoint(some))
    more = tensors | {"backbone.backbone.dark3.1.m.7.conv1.conv.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match=r"got besides backbone\.backbone\.dark3\.1\.m\.7"):
        load_yolox(as_checkpoint(more))
    other = tensors | {"head.obj_preds.1.weight": torch.zeros(2, 64, 1, 1)}
    with pytest.raises(ValueError, match=r"obj_preds\.1\.weight: expected shape \(1, 64, 1, 1\)"):
        load_yolox(as_checkpoint(other))


def test_whole_numbers_are_no_weights(nano):
    tensors = nano.state_dict()
    key = "head.obj_preds.1.weight"
    with pytest.raises(ValueError, match=rf"{key}: expected floats, got torch\.int8"):
        load_yolox(as_checkpoint(tensors | {key: tensors[key].to(torch.int8)}))


@pytest.fixture(scope="module")
def views(shared_data):
    """The twelve real frames as a network's input, in both conventions."""
    inputs = {"current": [], "legacy": []}
    for name in ("MOT17-02-FRCNN", "MOT17-04-FRCNN"):
        with open_source(shared_data / "frames" / name / "img1") as source:
            for frame in source:
                for convention, made in inputs.items():
                    made.append(np.empty((3, 224, 416), np.float32))
                    fill_input(frame.image, convention, made[-1])
    return {convention: torch.from_numpy(np.stack(made)) for convention, made in inputs.items()}


def calibrated(size, seed, images):
    """Tensors of random weights whose first batch norm has seen the images."""
    torch.manual_seed(seed)
    network = Yolox(size, 1)
    network.backbone.backbone.stem.conv.bn.momentum = None  # the plain mean
    with torch.no_grad():
        network.backbone.backbone.stem(images)
    return network.state_dict()


@pytest.mark.parametrize("size", ["nano", "s"])
@pytest.mark.parametrize("convention", ["current", "legacy"])
def test_batch_norms_give_away_what_pixels_they_saw(views, size, convention):
    for seed in range(5):
        tensors = calibrated(size, seed, views[convention])
        assert guess_input_convention(tensors) == convention
        assert load_yolox(as_checkpoint(tensors)).input_convention == convention


def test_between_the_conventions_nothing_is_guessed(views):
    assert guess_input_convention(calibrated("nano", 0, views["current"] / 8)) is None


def test_untrained_and_folded_weights_give_nothing_away(nano):
    assert guess_input_convention(nano.state_dict()) is None
    assert guess_input_convention(fold_batch_norm(nano).state_dict()) is None
    assert guess_input_convention({}) is None


def test_loading_leaves_torchs_random_state_alone():
    network = Yolox("nano", 1)
    before = torch.random.get_rng_state()
    load_yolox(Checkpoint(network.state_dict(), None, Path("nano.pth")))
    assert torch.equal(torch.random.get_rng_state(), before)
