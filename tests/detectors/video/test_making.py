import dataclasses

import pytest
import torch

from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.families import YOLOX_ARCHITECTURES
from faimtrack.detectors.imagenet_vid import IMAGENET_VID_CLASS_NAMES
from faimtrack.detectors.made_weights import weights_for
from faimtrack.detectors.video.checkpoint import load_video_yolox
from faimtrack.detectors.video.making import random_weights
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox
from faimtrack.weights import read_checkpoint, write_weights


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))


@pytest.fixture
def random_file(tmp_path):
    """A file of a random network of a name, with other numbers than `random` has."""

    def make(architecture, **changes):
        tensors, metadata = random_weights(architecture)
        tensors = {
            key: value + 0.25 if value.is_floating_point() else value
            for key, value in tensors.items()
        }
        path = tmp_path / f"{architecture}.safetensors"
        write_weights(path, tensors, dataclasses.replace(metadata, **changes))
        return path

    return make


def test_every_size_of_yolox_has_its_kin():
    kinds = {name.rpartition("-")[0] for name in YOLOX_ARCHITECTURES}
    assert kinds == {"faim", "yolov", "yolox"}
    assert len(YOLOX_ARCHITECTURES) == 3 * len(YOLOX_SIZES)
    assert {name.rpartition("-")[2] for name in YOLOX_ARCHITECTURES} == set(YOLOX_SIZES)


@pytest.mark.parametrize("architecture", ["faim-nano", "yolov-nano"])
def test_random_weights_are_drawn_once_and_load(architecture):
    state = torch.random.get_rng_state()
    made = weights_for(architecture, "random")
    assert torch.equal(torch.random.get_rng_state(), state)
    loaded = load_video_yolox(read_checkpoint(made.path))
    assert loaded.architecture == architecture
    assert loaded.name_classes() == IMAGENET_VID_CLASS_NAMES
    assert made.note is None
    content = made.path.read_bytes()
    made.path.write_bytes(b"mine")
    assert weights_for(architecture, "random") == made  # not drawn again
    assert made.path.read_bytes() == b"mine"
    made.path.unlink()
    assert weights_for(architecture, "random").path.read_bytes() == content


def test_a_random_yolox_knows_coco():
    loaded = load_yolox(read_checkpoint(weights_for("yolox-nano", "random").path))
    assert loaded.name_classes() == COCO_CLASS_NAMES
    assert loaded.input_size == (416, 416)


def test_large_video_detectors_are_made_for_what_the_paper_tests_with():
    for architecture, size in (("faim-s", [576, 576]), ("yolov-tiny", [416, 416])):
        _, metadata = random_weights(architecture)
        assert metadata.settings["input_size"] == size


@pytest.mark.parametrize("architecture", ["faim-nano", "yolov-nano", "yolox-nano"])
def test_a_file_of_the_network_stands_for_itself(architecture, random_file, tmp_path):
    path = random_file(architecture)
    made = weights_for(architecture, path)
    assert (made.path, made.note) == (path, None)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(("to", "of"), [("faim-nano", "yolov-nano"), ("yolov-nano", "faim-nano")])
def test_faim_and_yolov_take_from_each_other_what_fits(to, of, random_file):
    path = random_file(of, licence="mine")
    made = weights_for(to, path)
    checkpoint, given = read_checkpoint(made.path), read_checkpoint(path)
    assert load_video_yolox(checkpoint).architecture == to
    assert checkpoint.metadata.licence == "mine"
    common = checkpoint.tensors.keys() & given.tensors.keys()
    assert all(torch.equal(checkpoint.tensors[key], given.tensors[key]) for key in common)
    word = "random" if to == "faim-nano" else "left aside"
    assert made.note == f"{to} with {of}.safetensors: {word}: 5 tensors of video.extraction"
    assert weights_for(to, path) == made


def test_a_plain_yolox_may_begin_a_faim(random_file):
    path = random_file("yolox-nano")
    made = weights_for("faim-nano", path)
    checkpoint = read_checkpoint(made.path)
    loaded = load_video_yolox(checkpoint)
    assert loaded.name_classes() == COCO_CLASS_NAMES
    given = read_checkpoint(path).tensors
    assert all(torch.equal(value, checkpoint.tensors[key]) for key, value in given.items())
    assert "random: " in made.note
    assert "video.branch, video.extraction, video.aggregation, video.classifier" in made.note


def test_of_a_video_detector_the_yolox_alone_may_be_used(random_file):
    path = random_file("yolov-nano")
    made = weights_for("yolox-nano", path)
    checkpoint = read_checkpoint(made.path)
    assert checkpoint.metadata.architecture == "yolox-nano"
    assert load_yolox(checkpoint).left_aside == ()
    assert load_yolox(checkpoint).name_classes() == IMAGENET_VID_CLASS_NAMES
    given = read_checkpoint(path).tensors
    assert all(torch.equal(value, given[key]) for key, value in checkpoint.tensors.items())
    assert made.note.startswith("yolox-nano with yolov-nano.safetensors: left aside: ")


def test_folded_weights_may_begin_one_too(tmp_path):
    from faimtrack.detectors.yolox.folding import fold_batch_norm

    path = tmp_path / "folded.pth"
    torch.save({"model": fold_batch_norm(Yolox("nano", 2).eval()).state_dict()}, path)
    with pytest.raises(ValueError, match="expected 2 class names"):
        weights_for("faim-nano", path)
    torch.save({"model": fold_batch_norm(Yolox("nano", 1).eval()).state_dict()}, path)
    loaded = load_video_yolox(read_checkpoint(weights_for("faim-nano", path).path))
    assert loaded.base.network.is_folded


def test_another_size_is_refused(random_file):
    path = random_file("yolov-nano")
    with pytest.raises(ValueError, match="expected weights of size s for faim-s, got size nano"):
        weights_for("faim-s", path)


def test_heads_that_disagree_are_refused(random_file, tmp_path):
    tensors, metadata = random_weights("yolov-nano")
    tensors["video.classifier.weight"] = torch.zeros(6, 256)
    path = tmp_path / "wrong.safetensors"
    write_weights(path, tensors, metadata)
    for architecture in ("faim-nano", "yolov-nano", "yolox-nano"):
        with pytest.raises(ValueError, match=r"wrong\.safetensors: video\.classifier\.weight"):
            weights_for(architecture, path)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a network, one of faim-nano, .*got 'faim'"):
        weights_for("faim", "random")
    with pytest.raises(FileNotFoundError, match=r"none.pth"):
        weights_for("faim-s", tmp_path / "none.pth")
