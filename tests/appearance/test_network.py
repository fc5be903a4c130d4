"""Our own re-identification network, and files of its weights."""

import dataclasses

import numpy as np
import pytest
import torch

from faimtrack.appearance.checkpoint import describe_reid_network, load_reid_network
from faimtrack.appearance.crops import CropInput
from faimtrack.appearance.loading import open_embedder
from faimtrack.appearance.network import BACKBONES, ReidNetwork, normalise_crops
from faimtrack.structures import Frame
from faimtrack.training.reid.config import REID_NAMES
from faimtrack.weights.files import WeightsMetadata, read_checkpoint, write_weights


def small_network(backbone="mobilenet-v3-small", seed=0):
    """A network whose vectors differ from each other, as after some learning."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ReidNetwork(backbone, input_size=(64, 32), hidden_channels=16, dimension=8)
        torch.nn.init.normal_(network.embedding.weight)
    return network.eval()


def crops(count, height=64, width=32):
    pixels = np.random.default_rng(count).integers(0, 256, (count, 3, height, width), np.uint8)
    return torch.from_numpy(pixels)


@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("count", [0, 1, 3])
def test_every_backbone_gives_a_vector_a_crop(backbone, count):
    network = small_network(backbone)
    with torch.inference_mode():
        vectors = network(normalise_crops(crops(count)))
    assert vectors.shape == (count, 8)
    assert torch.isfinite(vectors).all()


def test_recipes_name_the_backbones():
    assert tuple(f"reid-{name}" for name in BACKBONES) == REID_NAMES
    with pytest.raises(ValueError, match=r"expected resnet50, resnet18, .* got 'vgg'"):
        ReidNetwork("vgg")


def test_by_default_it_is_what_mmtracking_configures():
    network = ReidNetwork().eval()
    body = 25_557_032 - (2048 * 1000 + 1000)  # torchvision's ResNet-50 without its classifier
    head = (2048 * 1024 + 1024) + 2 * 1024 + (1024 * 128 + 128)
    assert sum(weight.numel() for weight in network.parameters()) == body + head
    stage = []
    network.backbone.layer4.register_forward_hook(lambda _, __, out: stage.append(out))
    with torch.inference_mode():
        pooled = network.backbone(normalise_crops(crops(1, 256, 128)))
    assert stage[0].shape == (1, 2048, 8, 4)
    torch.testing.assert_close(pooled, torch.nn.functional.avg_pool2d(stage[0], (8, 4))[..., 0, 0])


def test_pixels_are_normalised_as_embedders_do_it():
    images = crops(2)
    expected = np.empty((2, 3, 64, 32), np.float32)
    for image, out in zip(images, expected, strict=True):
        CropInput(64, 32, "imagenet").fill(image.permute(1, 2, 0).numpy(), out)
    np.testing.assert_allclose(normalise_crops(images).numpy(), expected, rtol=0, atol=1e-6)
    black = normalise_crops(torch.zeros(1, 3, 1, 1, dtype=torch.uint8)).flatten().tolist()
    assert black == pytest.approx([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225])


@pytest.fixture
def written(tmp_path):
    def write(network, tensors=None, **changes):
        metadata = dataclasses.replace(describe_reid_network(network), **changes)
        write_weights(tmp_path / "reid.safetensors", tensors or network.state_dict(), metadata)
        return tmp_path / "reid.safetensors"

    return write


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_file_gives_the_same_network_back(backbone, written):
    network = small_network(backbone)
    loaded = load_reid_network(read_checkpoint(written(network)))
    assert not loaded.training
    assert (loaded.backbone_name, loaded.input_size) == (backbone, (64, 32))
    assert (loaded.hidden_channels, loaded.dimension) == (16, 8)
    inputs = normalise_crops(crops(3))
    with torch.inference_mode():
        assert torch.equal(loaded(inputs), network(inputs))


def test_a_file_opens_as_an_embedder_of_unit_vectors(written):
    network = small_network()
    embedder = open_embedder(written(network))
    assert embedder.dimension == 8
    image = crops(1, 64, 96)[0].permute(1, 2, 0).numpy()
    found = embedder.embed(Frame(1, image=image), np.array([[32.0, 0, 64, 64], [0, 0, 32, 64]]))
    cut = torch.from_numpy(np.stack([image[:, 32:64], image[:, :32]])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(network(normalise_crops(cut)))
    np.testing.assert_allclose(found, expected.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "yolox-nano"}, "a re-identification network, got yolox-nano"),
        ({"architecture": "reid-vgg"}, "expected reid-resnet50, .*, got reid-vgg"),
        ({"architecture": "reid-resnet18"}, "the tensors of reid-resnet18, got others: "),
        ({"settings": {}}, "normalisation: expected imagenet, got None"),
        ({"settings": {"normalisation": "imagenet", "input_size": [64]}}, "expected height and"),
        (
            {"settings": {"normalisation": "imagenet", "input_size": [64, 32],
                          "hidden_channels": 16, "dimension": "8"}},
            "dimension: expected a number above 0, got '8'",
        ),
        (
            {"settings": {"normalisation": "imagenet", "input_size": [64, 32],
                          "hidden_channels": 16, "dimension": 9}},
            "the tensors of reid-mobilenet-v3-small, got others: size mismatch for embedding",
        ),
    ],
)  # fmt: skip
def test_a_file_that_says_other_things_is_refused_in_a_line(changes, message, written):
    path = written(small_network(), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        load_reid_network(read_checkpoint(path))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_tensors_that_are_missing_or_no_floats_are_named(written):
    network = small_network()
    tensors = network.state_dict()
    few = {key: value for key, value in tensors.items() if key != "hidden.bias"}
    with pytest.raises(ValueError, match=r"got others: .*hidden\.bias"):
        load_reid_network(read_checkpoint(written(network, few)))
    whole = {**tensors, "hidden.bias": tensors["hidden.bias"].to(torch.int32)}
    with pytest.raises(ValueError, match=r"hidden\.bias: expected floats, got torch.int32"):
        load_reid_network(read_checkpoint(written(network, whole)))


def test_a_file_of_somebody_else_is_refused(tmp_path):
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(
        ValueError, match=r"says nothing of itself, with tensors named conv1\.weight"
    ):
        load_reid_network(read_checkpoint(tmp_path / "other.pth"))


def test_what_a_file_says_is_all_that_is_needed():
    said = describe_reid_network(small_network(), recipe="crowd/reid")
    assert said == WeightsMetadata(
        architecture="reid-mobilenet-v3-small",
        recipe="crowd/reid",
        settings={
            "input_size": [64, 32],
            "normalisation": "imagenet",
            "hidden_channels": 16,
            "dimension": 8,
        },
    )
