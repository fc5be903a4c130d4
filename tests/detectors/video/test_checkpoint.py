"""Files of FAIM and YOLOV: ours, published ones, and what is wrong with others."""

import dataclasses
from pathlib import Path

import pytest
import torch

from faimtrack.detectors.imagenet_vid import IMAGENET_VID_CLASS_NAMES
from faimtrack.detectors.video.checkpoint import (
    architecture_of,
    is_video_checkpoint,
    load_video_yolox,
    published_keys,
)
from faimtrack.detectors.video.config import VideoNetworkConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.weights.files import Checkpoint, WeightsMetadata

THEIRS = (
    ("video.branch.levels.", "head.cls_convs2."),
    ("video.aggregation.project_classification.", "head.trans.msa.qkv_cls."),
    ("video.aggregation.project_partner.", "head.trans.msa.qkv_reg."),
    ("video.aggregation.linear", "head.trans.linear"),
    ("video.classifier.", "head.linear_pred."),
)


def make_network(preset="default", class_count=30):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        config = VideoNetworkConfig.preset(preset)
        return VideoYolox(Yolox("nano", class_count), config).eval()


def as_checkpoint(network, *, path="net.safetensors", **changes):
    settings = {"video": dataclasses.asdict(network.config), "input_size": [64, 96]}
    metadata = WeightsMetadata(
        **{"architecture": architecture_of(network), "settings": settings, **changes}
    )
    return Checkpoint(dict(network.state_dict()), metadata, Path(path))


def as_published(network):
    tensors = {}
    for key, value in network.state_dict().items():
        for ours, theirs in THEIRS:
            if key.startswith(ours):
                key = theirs + key.removeprefix(ours)
        tensors[key] = value
    return Checkpoint(tensors, None, Path("yolov_nano.pth"))


def same_weights(one, other):
    mine, others = one.state_dict(), other.state_dict()
    return mine.keys() == others.keys() and all(
        torch.equal(value, others[key]) for key, value in mine.items()
    )


@pytest.fixture(scope="module")
def faim():
    return make_network()


@pytest.fixture(scope="module")
def yolov():
    return make_network("yolov")


@pytest.mark.parametrize("preset", VideoNetworkConfig.preset_names())
def test_our_files_give_the_network_that_was_written(preset):
    network = make_network(preset, class_count=2)
    loaded = load_video_yolox(as_checkpoint(network, classes=("red", "green")))
    assert same_weights(loaded.network, network)
    assert loaded.network.config == network.config
    assert loaded.architecture == ("faim-nano" if preset == "default" else "yolov-nano")
    assert loaded.name_classes() == ("red", "green")
    assert loaded.base.input_size == (64, 96)
    assert not any(module.training for module in loaded.network.modules())
    assert loaded.network.backbone is loaded.base.network.backbone


def test_yolovs_published_names_load(yolov):
    checkpoint = as_published(yolov)
    assert any(key.startswith("head.trans.msa.qkv_reg") for key in checkpoint.tensors)
    assert not any(key.startswith("video.") for key in checkpoint.tensors)
    loaded = load_video_yolox(checkpoint)
    assert same_weights(loaded.network, yolov)
    assert loaded.network.config == VideoNetworkConfig.preset("yolov")
    assert loaded.left_aside == ()
    assert loaded.name_classes() == IMAGENET_VID_CLASS_NAMES
    assert loaded.base.input_size == (576, 576)  # what they are tested with


def test_names_that_nobody_published_stay(yolov):
    keys = dict.fromkeys(yolov.state_dict(), 1)
    assert published_keys(keys) == keys
    assert published_keys(dict.fromkeys(as_published(yolov).tensors, 1)) == keys


def test_folded_weights_load(faim):
    folded = fold_batch_norm(faim)
    loaded = load_video_yolox(as_checkpoint(folded))
    assert same_weights(loaded.network, folded)
    assert loaded.base.network.is_folded


def test_half_weights_load_into_a_full_network(faim):
    checkpoint = as_checkpoint(faim)
    tensors = {
        key: value.half() if value.is_floating_point() else value
        for key, value in checkpoint.tensors.items()
    }
    loaded = load_video_yolox(dataclasses.replace(checkpoint, tensors=tensors))
    assert all(each.dtype == torch.float32 for each in loaded.network.parameters())


def test_a_mask_branch_is_left_aside(faim):
    checkpoint = as_checkpoint(faim)
    checkpoint.tensors["mask_branch.mask_head.weight"] = torch.zeros(1)
    assert load_video_yolox(checkpoint).left_aside == ("mask_branch.mask_head.weight",)


def test_the_yolox_in_it_loads_alone(faim, yolov):
    for checkpoint in (as_checkpoint(faim), as_published(yolov)):
        base = load_yolox(checkpoint)
        assert base.network.size.name == "nano"
        assert is_video_checkpoint(checkpoint)
        assert set(published_keys(dict.fromkeys(base.left_aside))) == {
            key for key in (faim if checkpoint.metadata else yolov).state_dict() if "video." in key
        }


def test_a_yolox_alone_is_refused():
    checkpoint = Checkpoint(Yolox("nano", 2).state_dict(), None, Path("yolox.pth"))
    assert not is_video_checkpoint(checkpoint)
    with pytest.raises(ValueError, match=r"yolox\.pth: expected a video object .* nano alone"):
        load_video_yolox(checkpoint)


def test_something_else_is_named():
    checkpoint = Checkpoint(
        {"rpn.x": torch.zeros(1), "roi_heads.y": torch.zeros(1)}, None, Path("f")
    )
    with pytest.raises(ValueError, match="got a Faster R-CNN by its keys"):
        load_video_yolox(checkpoint)


def test_missing_tensors_are_named(faim, yolov):
    checkpoint = as_checkpoint(faim)
    del checkpoint.tensors["video.aggregation.linear2.bias"]
    with pytest.raises(ValueError, match=r"a faim-nano of 30 classes, got none for video\.agg"):
        load_video_yolox(checkpoint)
    checkpoint = as_published(yolov)
    del checkpoint.tensors["head.linear_pred.weight"]
    with pytest.raises(ValueError, match=r"got none for video\.classifier\.weight"):
        load_video_yolox(checkpoint)


def test_tensors_that_nobody_knows_are_named(faim):
    checkpoint = as_checkpoint(faim)
    checkpoint.tensors["video.aggregation.linear3.bias"] = torch.zeros(1)
    with pytest.raises(ValueError, match=r"got besides video\.aggregation\.linear3\.bias"):
        load_video_yolox(checkpoint)


def test_heads_that_disagree_are_refused(faim):
    checkpoint = as_checkpoint(faim)
    checkpoint.tensors["video.classifier.weight"] = torch.zeros(4, 256)
    with pytest.raises(ValueError, match=r"video\.classifier\.weight: expected shape \(31, 256\)"):
        load_video_yolox(checkpoint)


@pytest.mark.parametrize(
    ("told", "complaint"),
    [
        ("yolov-nano", "expected tensors of yolov-nano, got those of faim-nano"),
        ("faim-s", "expected tensors of faim-s, got those of size nano"),
    ],
)
def test_what_a_file_says_of_itself_must_be_so(faim, told, complaint):
    with pytest.raises(ValueError, match=complaint):
        load_video_yolox(as_checkpoint(faim, architecture=told))


@pytest.mark.parametrize("settings", [{}, {"video": 3}, {"video": {"shape": 1}}])
def test_a_faim_must_say_how_it_was_built(faim, settings):
    with pytest.raises(ValueError, match=r"net\.safetensors: expected settings of the video"):
        load_video_yolox(as_checkpoint(faim, settings=settings))


def test_long_settings_of_the_wrong_kind_are_cut(faim):
    with pytest.raises(ValueError, match=r"whose tensors it holds, got list of 5000$"):
        load_video_yolox(as_checkpoint(faim, settings={"video": [1] * 5000}))


def test_settings_out_of_range_are_refused(faim):
    values = dataclasses.asdict(faim.config) | {"heads": 0}
    with pytest.raises(ValueError, match="settings of the network: heads: expected 1 or more"):
        load_video_yolox(as_checkpoint(faim, settings={"video": values}))
