"""`faimtrack export`: files made on the command line, and used on it."""

import json

import pytest
import torch

from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.onnx import OnnxModel
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.weights import read_metadata

SIZE = ("--input-height", 64, "--input-width", 96)
NAMED = (*SIZE, "--class-names", "person,car")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A nano of two classes that finds something in every picture."""
    torch.manual_seed(0)
    network = Yolox("nano", 2)
    with torch.no_grad():
        for prediction in (*network.head.obj_preds, *network.head.cls_preds):
            prediction.bias.copy_(1 + torch.arange(len(prediction.bias)))
    path = tmp_path_factory.mktemp("weights") / "best_ckpt.pth.tar"
    torch.save({"model": network.state_dict()}, path)
    return path


@pytest.fixture
def sequence(make_sequence):
    return make_sequence(frames=2, images=True)


def test_an_exported_detector_tracks_without_further_settings(
    faimtrack, checkpoint, sequence, tmp_path
):
    done = faimtrack("export", checkpoint, *NAMED)
    assert done.status == 0
    assert done.err == ""
    what, compared, use = done.out.splitlines()
    assert what.startswith("best_ckpt.onnx: yolox-nano, 3.7 MB, input 64 x 96 (height x width)")
    assert what.endswith("person, car")
    assert compared.startswith("compared with torch on two pictures: scores that differ by ")
    assert use == "use it: faimtrack track VIDEO --detector best_ckpt.onnx"
    tracked = faimtrack("detect", sequence, "--detector", "best_ckpt.onnx", "--output", "onnx")
    assert tracked.status == 0, tracked.err
    faimtrack("export", checkpoint, *NAMED, "--format", "safetensors")
    again = faimtrack("detect", sequence, "--detector", "best_ckpt.safetensors", "--output", "own")
    assert again.status == 0, again.err
    rows = (tmp_path / "onnx" / "walk.txt").read_text().splitlines()
    others = (tmp_path / "own" / "walk.txt").read_text().splitlines()
    assert len(rows) == len(others) > 2


def test_what_an_export_is_made_of_stands_beside_it(faimtrack, checkpoint, tmp_path):
    assert faimtrack("export", checkpoint, *NAMED, "--nms", "--output", "a/b.onnx").status == 0
    path = tmp_path / "a" / "b.onnx"
    record = read_provenance(path)
    assert record.kind == "weights"
    assert record.weights == {"source": file_sha256(checkpoint)}
    assert record.output_sha256 == file_sha256(path)
    assert record.configuration["export"]["nms"] is True
    told = OnnxModel(path).metadata
    assert json.loads(told["nms"]) == {"score_threshold": 0.1, "nms_threshold": 0.65}


def test_an_onnx_file_becomes_weights_of_ours(faimtrack, shared_data, tmp_path):
    source = shared_data / "models" / "yolox_nano.onnx"
    done = faimtrack("export", source, "--format", "safetensors")
    assert done.status == 0, done.err
    metadata = read_metadata(tmp_path / "yolox_nano.safetensors")
    assert metadata is not None
    assert metadata.architecture == "yolox-nano"
    assert len(metadata.classes) == 80
    assert metadata.settings == {
        "input_size": [416, 416],
        "input_convention": "current",
        "batch_norm": "folded",
    }


def test_what_a_file_says_goes_on_from_format_to_format(faimtrack, checkpoint, tmp_path):
    legacy = ("--input-convention", "legacy")
    faimtrack("export", checkpoint, *NAMED, *legacy, "--output", "one.onnx")
    faimtrack("export", "one.onnx", "--format", "safetensors", "--output", "two.safetensors")
    assert faimtrack("export", "two.safetensors", "--output", "three.onnx").status == 0
    one, three = (tmp_path / name for name in ("one.onnx", "three.onnx"))
    assert one.read_bytes() == three.read_bytes()


def test_nothing_is_replaced_unasked(faimtrack, checkpoint, complaint, tmp_path):
    path = tmp_path / "best_ckpt.onnx"
    path.write_text("old")
    done = faimtrack("export", checkpoint, *NAMED)
    assert done.status == 1
    assert complaint(done.err) == "best_ckpt.onnx: already there (--overwrite replaces it)"
    assert path.read_text() == "old"
    assert faimtrack("export", checkpoint, *NAMED, "--overwrite").status == 0
    before = path.read_bytes()
    done = faimtrack("export", path, "--overwrite")
    assert "expected another file than the one that is read" in complaint(done.err)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "safetensors", *NAMED, "--nms"), "expected the format onnx"),
        ((*NAMED[:-1], "person"), "expected 2 class names"),
        ((*NAMED[:-1], "person,,"), "--class-names 'person,,': expected names between commas"),
        (("--output", "a.pth", *NAMED), "a.pth: expected a name that ends with .onnx"),
        (("--class-names", "a,b", "--input-height", 70), "expected multiples of 32, got 70"),
        (("--format", "pth"), "'pth' is not one of 'onnx', 'safetensors'"),
    ],
)
def test_what_makes_no_sense_is_told_in_one_line(
    faimtrack, checkpoint, complaint, tmp_path, arguments, message
):
    done = faimtrack("export", checkpoint, *arguments)
    assert done.status in (1, 2)
    assert message in complaint(done.err)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_known_and_a_file_of_detections_are_refused(
    faimtrack, complaint, sequence
):
    assert "the nearest is yolox-nano" in complaint(faimtrack("export", "yolox-nan").err)
    done = faimtrack("export", sequence / "det" / "det.txt")
    assert "expected a network, got a file of detections" in complaint(done.err)


def test_a_faster_rcnn_takes_no_settings_of_a_yolox(faimtrack, complaint, tmp_path):
    path = tmp_path / "frcnn.pth"
    torch.save(build_faster_rcnn("resnet18-fpn", ("person",)).state_dict(), path)
    done = faimtrack("export", path, "--nms", *SIZE)
    assert "expected no input_height or input_width or nms for a Faster" in complaint(done.err)
    done = faimtrack("export", path, "--format", "safetensors")
    assert done.status == 0, done.err
    assert done.out.startswith("frcnn.safetensors: faster-rcnn-resnet18-fpn, ")
    metadata = read_metadata(tmp_path / "frcnn.safetensors")
    assert metadata is not None
    assert metadata.classes == ("person",)


@pytest.mark.slow
def test_a_faster_rcnn_in_onnx_detects_without_further_settings(faimtrack, sequence, tmp_path):
    path = tmp_path / "frcnn.pth"
    torch.save(build_faster_rcnn("resnet18-fpn", ("person",)).state_dict(), path)
    done = faimtrack("export", path)
    assert done.status == 0, done.err
    assert "of proposals chosen otherwise" in done.out
    found = faimtrack("detect", sequence, "--detector", "frcnn.onnx", "--set",
                      "detector.short_side=64", "--set", "detector.long_side=128")  # fmt: skip
    assert found.status == 0, found.err
    again = faimtrack("export", "frcnn.onnx", "--format", "safetensors")
    assert again.status == 1
