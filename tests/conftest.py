"""What tests of several rooms share."""

import dataclasses
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

DEFAULT_SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("FAIMTRACK_TEST_DATA", DEFAULT_SHARED_DATA))
    if not folder.is_dir():
        pytest.skip("the real data is not here (set FAIMTRACK_TEST_DATA to its folder)")
    return folder


@pytest.fixture(scope="session")
def twin_weights(tmp_path_factory):
    """Files of one random nano for 64 x 96 pixels, `plain` and with a mask branch (`masks`).

    It finds a handful of people in any picture, upright ones, with scores spread over 0 to 1.
    """
    import torch

    from faimtrack.detectors.mask_branch.config import MaskBranchConfig
    from faimtrack.detectors.mask_branch.loading import build_mask_branch
    from faimtrack.detectors.yolox.network import Yolox
    from faimtrack.weights.files import WeightsMetadata, write_weights

    config = MaskBranchConfig(roi_size=7, hidden_channels=16, convolutions=1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network = Yolox("nano", 1)
        branch = build_mask_branch(config, network)
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.momentum = 1.0  # batch norms that have seen pixels
                torch.nn.init.constant_(module.bias, 2)  # nearly linear: rounding stays small
                torch.nn.init.constant_(module.weight, 0.5)
        output = network(255 * torch.rand(8, 3, 64, 96))
        for prediction, logits in zip(
            (*network.head.obj_preds, *network.head.cls_preds),
            (*output.objectness, *output.class_logits),
            strict=True,
        ):
            spread = logits.std()
            prediction.weight.mul_(2 / spread)
            prediction.bias.sub_(logits.mean()).mul_(2 / spread)
        for prediction in network.head.reg_preds:
            prediction.weight.mul_(0.01)
            prediction.bias.copy_(torch.tensor([0, 0, 0.4, 1.1]))
    tensors = network.state_dict()
    settings = {"input_convention": "current", "input_size": [64, 96]}
    metadata = WeightsMetadata(architecture="yolox-nano", classes=("person",), settings=settings)
    folder = tmp_path_factory.mktemp("twins")
    plain, masks = folder / "plain.safetensors", folder / "masks.safetensors"
    write_weights(plain, tensors, metadata)
    settings = {**settings, "mask_branch": dataclasses.asdict(config)}
    own = {f"mask_branch.{key}": tensor for key, tensor in branch.state_dict().items()}
    write_weights(masks, {**tensors, **own}, dataclasses.replace(metadata, settings=settings))
    return SimpleNamespace(plain=plain, masks=masks)
