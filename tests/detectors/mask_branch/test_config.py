"""What can be asked of a mask branch, and what cannot."""

import pytest

from faimtrack.detectors.mask_branch.config import MaskBranchConfig


def test_the_paper_pools_all_from_the_coarsest_level_and_stretches_masks_over_boxes():
    config = MaskBranchConfig.preset("paper")
    assert (config.level, config.mask_target) == ("p5", "ground_truth_box")
    assert (config.roi_size, config.mask_size, config.weight) == (32, 64, 1.0)


@pytest.mark.parametrize(("upsampling", "factor"), [("bilinear", 2), ("deconv", 2), ("none", 1)])
def test_masks_are_twice_as_fine_as_boxes_unless_nothing_is_upsampled(upsampling, factor):
    assert MaskBranchConfig(roi_size=14, upsampling=upsampling).mask_size == 14 * factor


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"loss": "focal"}, "loss: expected bce or dice, got 'focal'"),
        ({"roi_size": 1}, "roi_size: expected 2 to 128, got 1"),
        ({"weight": -1}, "weight: expected 0 or more, got -1"),
        ({"source": "guess"}, "source: expected grabcut or"),
    ],
)
def test_impossible_values_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=message):
        MaskBranchConfig(**values)
