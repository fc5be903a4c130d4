"""Sheets of predictions beside the truth."""

import numpy as np

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.masks.mask import Mask
from faimtrack.run_lengths import decode_window
from faimtrack.structures import Detections
from faimtrack.training.pictures import Shown, as_found, prediction_sheet

BOXES = np.array([[10, 120, 50, 200], [2, 300, 20, 340]], float)


class Blind:
    """Finds nothing."""

    def detect(self, frames):
        return [Detections(np.zeros((0, 4)), np.zeros(0)) for _ in frames]


def shown_with(masks):
    return Shown("a", np.full((360, 64, 3), 90, np.uint8), BOXES, masks)


def test_the_truth_has_the_masks_that_are_learnt_where_they_lie():
    covered = np.zeros((360, 64), bool)
    covered[40:80, 20:30] = True
    masks = InstanceMasks.from_masks([Mask.encode(covered), None]).shifted(4, 100)
    first, second = as_found(shown_with(masks)).masks
    window, inside = decode_window(first)
    assert window == np.s_[140:180, 24:34]
    assert inside.all()
    assert not decode_window(second)[1].any()
    assert as_found(shown_with(None)).masks is None
    with_masks, without = (prediction_sheet(Blind(), [shown_with(each)]) for each in (masks, None))
    assert with_masks.shape == without.shape
    assert (with_masks != without).any(axis=2).sum() > 200
