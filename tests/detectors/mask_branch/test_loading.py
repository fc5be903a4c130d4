"""The branch comes back from a file of weights, or is missed by name."""

from dataclasses import asdict

import pytest
import torch

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.loading import PREFIX, build_mask_branch, load_mask_branch
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.weights.files import WeightsMetadata, read_checkpoint, write_weights

CONFIG = MaskBranchConfig(roi_size=6, hidden_channels=8, convolutions=1)


@pytest.fixture
def write(tmp_path):
    """Write a nano of two classes, with the tensors and settings of a branch."""
    torch.manual_seed(0)
    network = Yolox("nano", 2)
    branch = build_mask_branch(CONFIG, network)

    def make(change=lambda tensors: tensors, settings=None):
        own = change({PREFIX + key: value for key, value in branch.state_dict().items()})
        metadata = WeightsMetadata(
            architecture="yolox-nano",
            classes=("a", "b"),
            settings={"mask_branch": asdict(CONFIG)} if settings is None else settings,
        )
        path = tmp_path / "weights.safetensors"
        write_weights(path, network.state_dict() | own, metadata)
        return read_checkpoint(path)

    return branch, make


def test_a_branch_comes_back_as_it_was_and_draws_no_random_number(write):
    branch, make = write
    checkpoint = make()
    network = load_yolox(checkpoint).network
    state = torch.random.get_rng_state()
    loaded = load_mask_branch(checkpoint, network)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert loaded.config == CONFIG
    assert not loaded.training
    expected = branch.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in loaded.state_dict().items())


def test_weights_without_a_branch_have_none(write):
    _, make = write
    checkpoint = make(lambda tensors: {})
    assert load_mask_branch(checkpoint, load_yolox(checkpoint).network) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected settings of the mask branch whose tensors it holds, got None"),
        ({"mask_branch": {"size": 3}}, "expected settings of the mask branch"),
        ({"mask_branch": {"loss": "focal"}}, "loss: expected bce or dice"),
        ({"mask_branch": {"roi_size": 6, "hidden_channels": 9}}, "expected the mask branch that"),
    ],
)
def test_settings_that_do_not_suit_are_refused_with_the_file_s_name(write, settings, message):
    _, make = write
    checkpoint = make(settings=settings)
    with pytest.raises(ValueError, match=message) as caught:
        load_mask_branch(checkpoint, load_yolox(checkpoint).network)
    assert str(checkpoint.path) in str(caught.value)


def test_a_missing_tensor_is_named(write):
    _, make = write
    key = "mask_head.predictor.bias"
    checkpoint = make(lambda tensors: {k: v for k, v in tensors.items() if not k.endswith(key)})
    with pytest.raises(ValueError, match=key):
        load_mask_branch(checkpoint, load_yolox(checkpoint).network)
