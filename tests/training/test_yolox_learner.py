import numpy as np
import pytest
import torch

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.training.augmentation.sample import TrainingSample
from faimtrack.training.batches import batch_of
from faimtrack.training.learners.yolox import YoloxLearner


@pytest.mark.parametrize("convention", ["current", "legacy"])
def test_a_network_learns_from_pixels_as_it_is_given_them_when_it_detects(convention):
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3)).astype(np.uint8)
    expected = np.empty((3, 64, 96), np.float32)
    fill_input(image, convention, expected)
    sample = TrainingSample(
        torch.from_numpy(image).permute(2, 0, 1).contiguous(),
        torch.tensor([[10.0, 10.0, 40.0, 60.0]]),
        torch.zeros(1, dtype=torch.int64),
        InstanceMasks.none(1),
        ("image",),
    )
    learner = YoloxLearner(Yolox("nano", 1), ("person",), (64, 96), input_convention=convention)
    seen = []
    learner.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].clone()))
    learner(batch_of([sample]), is_plain=False, divide_by=lambda count: max(count, 1))
    assert seen[0].shape == (1, 3, 64, 96)
    np.testing.assert_allclose(seen[0][0].numpy(), expected, rtol=0, atol=1e-6)
