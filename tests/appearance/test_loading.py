import dataclasses
import subprocess
import sys

import numpy as np
import pytest

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.loading import embedder_file, open_embedder
from faimtrack.appearance.onnx import OnnxEmbedder
from faimtrack.appearance.simple import ColourEmbedder, NoEmbedder
from faimtrack.interfaces import Embedder
from faimtrack.provenance import file_sha256
from faimtrack.weights import write_weights

BOXES = np.array([[2.0, 3, 20, 30], [90, 0, 99, 9]])


@pytest.fixture(scope="module")
def own_network(tmp_path_factory):
    """A small random network of ours and its file."""
    import torch

    from faimtrack.appearance.checkpoint import describe_reid_network
    from faimtrack.appearance.network import ReidNetwork

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = ReidNetwork(
            "mobilenet-v3-small", input_size=(64, 32), hidden_channels=8, dimension=6
        ).eval()
    path = tmp_path_factory.mktemp("own") / "own.safetensors"
    write_weights(path, network.state_dict(), describe_reid_network(network))
    return network, path


def test_names_without_weights_and_onnx_files_open(write_model):
    assert isinstance(open_embedder("none"), NoEmbedder)
    assert isinstance(open_embedder("colours"), ColourEmbedder)
    path = write_model()
    opened = open_embedder(path, EmbedderConfig(normalisation="unit"))
    assert isinstance(opened, OnnxEmbedder)
    assert opened.config.normalisation == "unit"
    assert (embedder_file("none"), embedder_file(path)) == (None, path)


def test_our_own_network_opens_and_embeds_as_it_answers(own_network, frame):
    import torch

    network, path = own_network
    embedder = open_embedder(path, EmbedderConfig(device="cpu"))
    assert isinstance(embedder, Embedder)
    assert embedder.dimension == 6
    assert embedder.name == f"{file_sha256(path)[:16]}-crop-64x32-imagenet-rgb"
    vectors = embedder.embed(frame, BOXES)
    (inputs,) = embedder._embedding.crop_input.batch(frame.image, np.array([[2, 3, 20, 30]]))
    with torch.inference_mode():
        answer = network(torch.from_numpy(inputs)[None]).numpy()
    np.testing.assert_allclose(vectors[:1], answer / np.linalg.norm(answer), atol=1e-5)
    assert not vectors[1].any()
    wider = open_embedder(path, EmbedderConfig(input_height=96))
    assert "crop-96x32-" in wider.name


def test_our_own_network_wants_the_pixels_it_was_trained_with(own_network):
    for change in ({"normalisation": "unit"}, {"colour_order": "bgr"}):
        with pytest.raises(ValueError, match=f"{next(iter(change))}: expected .* as it was train"):
            open_embedder(own_network[1], EmbedderConfig(**change))


def test_weights_of_something_else_are_refused(twin_weights, tmp_path):
    with pytest.raises(ValueError, match=r"expected a re-identification network, .* yolox-nano"):
        open_embedder(twin_weights.plain)
    path = tmp_path / "notes.txt"
    path.write_text("no network")
    with pytest.raises(ValueError, match=r"notes\.txt: expected a re-identification network"):
        open_embedder(path)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"broken\.onnx: expected an ONNX model, got"):
        open_embedder(broken)


@pytest.mark.parametrize("name", ["yolox-s", "crowd-nano"])
def test_a_detector_s_name_is_not_fetched_but_refused(name):
    with pytest.raises(ValueError, match=f"for re-identification, got {name}, a detector"):
        open_embedder(name)


@pytest.mark.parametrize("name", ["osnet.onnx", "folder/osnet", "own.safetensors"])
def test_a_file_that_is_not_there_is_named(name):
    with pytest.raises(FileNotFoundError, match="expected an embedder, got no such file"):
        open_embedder(name)


def test_a_name_that_nobody_knows_is_answered_with_those_that_are(monkeypatch, tmp_path):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path))
    with pytest.raises(ValueError, match=r"embedder: expected none, colours, a file .* 'osnett'"):
        open_embedder("osnett")


def test_a_torch_network_of_one_s_own_embeds(frame):
    import torch

    from faimtrack.appearance.network_embedder import NetworkEmbedder

    class Mean(torch.nn.Module):
        def forward(self, images):
            return images.mean(dim=(2, 3))

    embedder = NetworkEmbedder(Mean(), "mean", normalisation="none", size=(16, 8))
    assert embedder.name == "mean-crop-16x8-none-rgb"
    assert embedder.embed(frame, BOXES).shape == (2, 3)
    with pytest.raises(ValueError, match=r"expected an output \(2, D\) for 2 crops, got \(2, 3, "):
        NetworkEmbedder(torch.nn.Identity(), "map", size=(16, 8))
    with pytest.raises(ValueError, match="expected finite numbers for a grey crop"):
        NetworkEmbedder(
            torch.nn.Sequential(Mean(), torch.nn.Threshold(1e9, float("nan"))), "nan", size=(16, 8)
        )
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device: expected auto or cpu, got cuda"):
            NetworkEmbedder(Mean(), "mean", device="cuda")


def test_an_onnx_embedder_needs_no_torch(write_model):
    code = (
        "import sys; from faimtrack.appearance.loading import open_embedder; "
        "open_embedder(sys.argv[1]); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, write_model()], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n", done.stderr


def test_each_parameter_says_what_it_is():
    for field in dataclasses.fields(EmbedderConfig):
        assert field.metadata["help"]
    with pytest.raises(ValueError, match="normalisation: expected imagenet or unit or none"):
        EmbedderConfig(normalisation="caffe")
    with pytest.raises(ValueError, match="batch_size: expected 1 or more"):
        EmbedderConfig(batch_size=0)
