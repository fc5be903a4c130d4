import logging

import cv2
import numpy as np
import onnx
import pytest

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.onnx import OnnxEmbedder
from faimtrack.interfaces import Embedder
from faimtrack.provenance import file_sha256
from faimtrack.structures import Frame
from faimtrack.video.images import read_image

OSNET = "models/osnet_x0_25_msmt17.onnx"
SIZE = 16, 8
BOXES = np.array([[2.0, 3, 20, 30], [90, 0, 99, 9], [-5, -5, 30, 60], [5, 5, 5, 5]])


@pytest.mark.parametrize("what", ["mean colour", "mean colour, unflattened"])
@pytest.mark.parametrize("batch", ["n", 1, 3])
def test_vectors_do_not_depend_on_the_model_s_batch_or_last_axes(write_model, frame, what, batch):
    path = write_model(what, (batch, 3, *SIZE))
    embedder = OnnxEmbedder(path, normalisation="none", threads=1)
    assert isinstance(embedder, Embedder)
    vectors = embedder.embed(frame, BOXES)
    assert vectors.shape == (4, 3) == (4, embedder.dimension)
    expected = cv2.resize(frame.image[3:30, 2:20], SIZE[::-1]).mean(axis=(0, 1))
    np.testing.assert_allclose(vectors[0], expected / np.linalg.norm(expected), atol=1e-5)
    assert not vectors[[1, 3]].any()
    assert vectors[2].any()


def test_a_hundred_people_are_one_call_where_the_batch_allows(write_model, frame, monkeypatch):
    embedder = OnnxEmbedder(write_model(), batch_size=128, threads=1)
    sizes = []
    run = embedder.model.run

    def counted(inputs):
        sizes.append(len(inputs))
        return run(inputs)

    monkeypatch.setattr(embedder.model, "run", counted)
    assert embedder.embed(frame, np.tile(BOXES[:1], (100, 1))).shape == (100, 3)
    assert sizes == [100]


def test_a_fixed_batch_is_said(write_model, caplog):
    with caplog.at_level(logging.INFO, logger="faimtrack"):
        embedder = OnnxEmbedder(write_model(shape=(1, 3, *SIZE)), batch_size=64)
    assert embedder.batch_size == 1
    assert "takes 1 crops a call, no more and no fewer" in caplog.text


def test_the_name_tells_file_and_preprocessing(write_model):
    path = write_model()
    embedder = OnnxEmbedder(path)
    assert embedder.name == f"{file_sha256(path)[:16]}-crop-16x8-imagenet-rgb"
    assert OnnxEmbedder(path, normalisation="unit").name != embedder.name
    assert OnnxEmbedder(path, batch_size=3, threads=1).name == embedder.name
    other = write_model("mean colour, unflattened")
    assert OnnxEmbedder(other).name != embedder.name


def test_a_model_of_any_size_must_be_told_one(write_model, frame):
    path = write_model(shape=("n", 3, "h", "w"))
    with pytest.raises(ValueError, match=r"model\.onnx: expected input_height, for the model"):
        OnnxEmbedder(path)
    with pytest.raises(ValueError, match=r"model\.onnx: expected input_width, for the model"):
        OnnxEmbedder(path, EmbedderConfig(input_height=9))
    embedder = OnnxEmbedder(path, EmbedderConfig(input_height=9, input_width=5))
    assert "crop-9x5-" in embedder.name
    assert embedder.embed(frame, BOXES).shape == (4, 3)


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ({"shape": ("n", *SIZE, 3)}, r"one input \(batch, 3, height, width\) float32, got images"),
        ({"shape": ("n", 1, *SIZE)}, r"one input \(batch, 3, height, width\) float32, got images"),
        ({"what": "map", "shape": (3, *SIZE)}, r"one input \(batch, 3, height, width\)"),
        ({"what": "map", "dtype": onnx.TensorProto.DOUBLE}, r"float32, got images .* float64"),
        ({"inputs": 2}, r"one input .*, got images .*, more1"),
        ({"outputs": 2}, r"a model of one output, a vector for each crop, got y .*, also1"),
        ({"what": "map"}, r"expected one output \(2, D\) for 2 crops, got y \(2, 3, 16, 8\)"),
        ({"what": "one for all"}, r"expected one output \(2, D\) for 2 crops, got y \(1, 3\)"),
        ({"what": "no numbers"}, "expected finite numbers for a grey crop"),
        ({"what": "halves"}, "expected an output of float32, got y float16"),
    ],
)
def test_what_is_no_embedder_is_refused_in_one_line(write_model, model, complaint):
    path = write_model(**model)
    with pytest.raises(ValueError, match=complaint) as caught:
        OnnxEmbedder(path, normalisation="unit")
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_model_without_output_is_refused(write_model):
    with pytest.raises(ValueError, match=r"model\.onnx: expected"):
        OnnxEmbedder(write_model(outputs=0))


def test_an_input_of_another_size_than_the_model_s_is_refused(write_model):
    with pytest.raises(ValueError, match=r"input_width: expected 8 as the model has, got 64"):
        OnnxEmbedder(write_model(), input_width=64)


def test_an_answer_of_zeros_means_unknown(write_model, frame):
    assert not OnnxEmbedder(write_model("nothing")).embed(frame, BOXES).any()


def test_a_missing_file_and_an_unknown_device_are_named(write_model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx: expected an ONNX model"):
        OnnxEmbedder(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match=r"device: expected auto or cpu, got mps: this onn"):
        OnnxEmbedder(write_model(), device="mps")


def test_osnet_gives_what_its_network_gives_for_crops_made_by_hand(shared_data):
    embedder = OnnxEmbedder(shared_data / OSNET, threads=1)
    assert (embedder.dimension, embedder.batch_size) == (512, 1)
    assert embedder.name.endswith("-crop-256x128-imagenet-rgb")
    image = read_image(shared_data / "frames" / "MOT17-04-FRCNN" / "img1" / "000001.jpg")
    vectors = embedder.embed(Frame(1, image=image), np.array([[1363.0, 569, 1466, 810]]))
    crop = cv2.resize(image[569:810, 1363:1466], (128, 256)).astype(np.float64) / 255
    crop = (crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    (answer,) = embedder.model.run(crop.transpose(2, 0, 1)[None].astype(np.float32))
    np.testing.assert_allclose(vectors, answer / np.linalg.norm(answer), atol=1e-4)
