"""The two modules of the branch by themselves."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.extraction import InstanceFeatureExtraction
from faimtrack.detectors.mask_branch.head import MaskHead

SMALL = {"roi_size": 6, "hidden_channels": 5, "convolutions": 2}


@pytest.mark.parametrize("upsampling", ["bilinear", "deconv", "none"])
@pytest.mark.parametrize("class_aware", [True, False])
def test_logits_have_the_size_that_the_config_tells(upsampling, class_aware):
    config = MaskBranchConfig(upsampling=upsampling, class_aware=class_aware, **SMALL)
    head = MaskHead(4, 3, config)
    logits = head(torch.randn(7, 4, 6, 6), torch.tensor([0, 1, 2, 2, 1, 0, 0]))
    assert logits.shape == (7, config.mask_size, config.mask_size)
    assert head.predictor.out_channels == (3 if class_aware else 1)
    assert head(torch.randn(0, 4, 6, 6), torch.tensor([], dtype=torch.int64)).shape[0] == 0


def test_interpolating_logits_is_the_paper_s_interpolating_of_features():
    torch.manual_seed(0)
    head = MaskHead(4, 3, MaskBranchConfig(**SMALL))
    pooled, class_ids = torch.randn(5, 4, 6, 6), torch.tensor([0, 1, 2, 2, 1])
    fine = functional.interpolate(head.convolutions(pooled), scale_factor=2, mode="bilinear")
    expected = head.predictor(fine)[torch.arange(5), class_ids]
    torch.testing.assert_close(head(pooled, class_ids), expected, rtol=1e-5, atol=1e-5)


def test_only_the_class_that_is_asked_for_learns():
    head = MaskHead(4, 3, MaskBranchConfig(**SMALL))
    head(torch.randn(2, 4, 6, 6), torch.tensor([1, 1])).sum().backward()
    gradients = head.predictor.weight.grad.abs().sum(dim=(1, 2, 3))
    assert gradients[1] > 0
    assert gradients[0] == gradients[2] == 0


@pytest.mark.parametrize(
    ("norm", "kind"), [("batch", nn.BatchNorm2d), ("group", nn.GroupNorm), ("none", nn.Identity)]
)
def test_instance_features_keep_places_and_have_the_channels_that_are_wanted(norm, kind):
    config = MaskBranchConfig(norm=norm, instance_channels=12)
    extraction = InstanceFeatureExtraction(8, config, map_count=2)
    maps = extraction([torch.randn(2, 8, 6, 4), torch.randn(2, 8, 3, 2)])
    assert [each.shape for each in maps] == [(2, 12, 6, 4), (2, 12, 3, 2)]
    assert isinstance(extraction.blocks[0][1], kind)
    assert InstanceFeatureExtraction(8, MaskBranchConfig()).channels == 8


def test_levels_share_a_convolution_or_have_one_each():
    maps = [torch.ones(1, 8, 4, 4)] * 3
    shared = InstanceFeatureExtraction(8, MaskBranchConfig(norm="none"), map_count=3)
    apart = InstanceFeatureExtraction(
        8, MaskBranchConfig(norm="none", shared_levels=False), map_count=3
    )
    assert [len(shared.blocks), len(apart.blocks)] == [1, 3]
    assert torch.equal(shared(maps)[0], shared(maps)[2])
    assert not torch.equal(apart(maps)[0], apart(maps)[2])
