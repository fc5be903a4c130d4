import numpy as np
import pytest
import torch
from torchvision.ops import MultiScaleRoIAlign, roi_align

from faimtrack.detectors.faster_rcnn.roi_pool import PyramidRoiPool

STRIDES = (4, 8, 16, 32)


@pytest.fixture
def pyramid():
    random = torch.Generator().manual_seed(0)
    levels = {
        str(row): torch.randn(2, 5, 256 // stride, 384 // stride, generator=random)
        for row, stride in enumerate(STRIDES)
    }
    return levels | {"pool": torch.zeros(2, 5, 4, 6)}


def boxes(seed, count=40):
    random = np.random.default_rng(seed)
    sides = 2 ** random.uniform(0, 10, (count, 2))
    corners = random.uniform(-10, 200, (count, 2))
    return torch.from_numpy(np.concatenate([corners, corners + sides], axis=1)).float()


def test_pooling_equals_torchvisions(pyramid):
    theirs = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    ours = PyramidRoiPool(STRIDES, 7, sampling_ratio=2, aligned=False)
    images = [boxes(1), boxes(2)]
    expected = theirs(pyramid, images, [(256, 384)] * 2)
    assert torch.equal(ours(pyramid, images), expected)


def test_what_is_pooled_does_not_depend_on_earlier_images(pyramid):
    ours = PyramidRoiPool(STRIDES, 7, sampling_ratio=2, aligned=False)
    before = ours(pyramid, [boxes(1), boxes(2)])
    low = {name: level[:, :, :1] for name, level in pyramid.items()}
    ours(low, [boxes(3), boxes(4)], [(3, 384)] * 2)
    assert torch.equal(ours(pyramid, [boxes(1), boxes(2)]), before)


def test_each_box_comes_from_the_level_of_its_size(pyramid):
    pool = PyramidRoiPool(STRIDES, 3, sampling_ratio=0, aligned=True)
    for side, number in ((20, 0), (111, 0), (113, 1), (223, 1), (225, 2), (450, 3), (2000, 3)):
        box = torch.tensor([[4.0, 8.0, 4.0 + side, 8.0 + side]])
        rois = torch.cat([torch.tensor([[1.0]]), box], dim=1)
        expected = roi_align(
            pyramid[str(number)], rois, 3, 1 / STRIDES[number], sampling_ratio=0, aligned=True
        )
        assert torch.equal(pool(pyramid, [box[:0], box]), expected), side


def test_gradients_reach_the_levels(pyramid):
    levels = {name: level.requires_grad_() for name, level in pyramid.items()}
    pool = PyramidRoiPool(STRIDES, 7, sampling_ratio=2, aligned=True)
    pool(levels, [boxes(1), boxes(2)]).square().sum().backward()
    assert all(levels[name].grad.abs().sum() > 0 for name in "0123")


def test_a_mask_branch_pools_the_same_levels_in_its_own_size(pyramid):
    pool = PyramidRoiPool(STRIDES, 7, sampling_ratio=2, aligned=True)
    mask_pool = pool.resized(14)
    assert (mask_pool.strides, mask_pool.sampling_ratio, mask_pool.aligned) == (STRIDES, 2, True)
    assert mask_pool(pyramid, [boxes(1), boxes(2)]).shape == (80, 5, 14, 14)


def test_no_boxes_give_nothing(pyramid):
    pool = PyramidRoiPool(STRIDES, 7, sampling_ratio=2, aligned=True)
    assert pool(pyramid, [boxes(1)[:0]] * 2).shape == (0, 5, 7, 7)
