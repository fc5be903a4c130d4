"""What is compared with what, and what that costs."""

import pytest
import torch

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.losses import MaskPairs, mask_ious, mask_losses, mask_pairs
from faimtrack.detectors.mask_branch.positives import Positives

PAPER = MaskBranchConfig(mask_target="ground_truth_box", roi_size=14)


def logits_of(wanted, certainty=8.0):
    """Logits that say what is wanted."""
    return (wanted - 0.5) * 2 * certainty


def pairs_of(scene, logits, objects, config, image=0, boxes=None):
    objects = torch.tensor(objects)
    chosen = scene.boxes[objects] if boxes is None else boxes
    return mask_pairs(
        logits, [Positives(chosen, objects)], [scene.masks[image]], [scene.boxes],
        [scene.class_ids], config,
    )  # fmt: skip


def test_a_proposal_is_compared_with_what_its_own_box_shows(scene):
    boxes = scene.boxes + torch.tensor([[-4.0, 3, 6, 2], [0, 0, 20, 0]])
    pairs = pairs_of(scene, torch.zeros(2, 28, 28), [0, 1], MaskBranchConfig(), boxes=boxes)
    expected = scene.masks[0].sample(boxes, torch.tensor([0, 1]), 28)
    assert torch.equal(pairs.wanted, expected)


def test_the_paper_compares_in_the_box_of_the_object_wherever_the_proposal_lies(scene):
    wanted = scene.masks[0].sample(scene.boxes, torch.tensor([0, 1]), 64)
    far = scene.boxes + 1000
    pairs = pairs_of(scene, torch.ones(2, 28, 28), [0, 1], PAPER, boxes=far)
    assert pairs.logits.shape == (2, 64, 64)
    assert torch.equal(pairs.wanted, wanted)


def test_the_paper_takes_the_mask_most_alike_of_the_same_class(scene):
    masks = InstanceMasks.concatenate([scene.masks[0], scene.masks[1]])
    boxes = scene.boxes.repeat(2, 1)
    said = logits_of(masks.sample(boxes[2:3], torch.tensor([2]), 28))  # a triangle
    positives = [Positives(boxes[:1], torch.tensor([0]))]  # that answers for a disc
    given = mask_pairs(
        said, positives, [masks], [boxes], [torch.zeros(4, dtype=torch.int64)], PAPER
    )
    triangle = masks.sample(boxes[2:3], torch.tensor([2]), 64)
    assert torch.equal(given.wanted, triangle)
    other_class = [torch.tensor([0, 1, 1, 1])]
    alone = mask_pairs(said, positives, [masks], [boxes], other_class, PAPER)
    assert torch.equal(alone.wanted, masks.sample(boxes[:1], torch.tensor([0]), 64))


def test_the_paper_drops_what_overlaps_nothing_and_keeps_the_gradient_of_the_rest(scene):
    logits = torch.stack([torch.full((28, 28), -3.0), torch.ones(28, 28)]).requires_grad_()
    pairs = pairs_of(scene, logits, [0, 1], PAPER)
    assert len(pairs.logits) == 1
    mask_losses(pairs, "bce").sum().backward()
    assert logits.grad[1].abs().sum() > 0
    assert logits.grad[0].abs().sum() == 0


@pytest.mark.parametrize("kind", ["bce", "dice"])
def test_saying_the_truth_costs_least_and_the_opposite_most(scene, kind):
    wanted = (scene.masks[0].sample(scene.boxes, torch.tensor([0, 1]), 28) > 0.5).float()
    right = mask_losses(MaskPairs(logits_of(wanted), wanted), kind)
    unsure = mask_losses(MaskPairs(torch.zeros_like(wanted), wanted), kind)
    wrong = mask_losses(MaskPairs(logits_of(1 - wanted), wanted), kind)
    assert (right < 0.01).all()
    assert (right < unsure).all()
    assert (unsure < wrong).all()
    assert right.shape == (2,)


@pytest.mark.parametrize("kind", ["bce", "dice"])
def test_a_loss_has_the_gradient_that_small_steps_measure(kind):
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 5, dtype=torch.float64, requires_grad=True)
    wanted = torch.rand(2, 5, 5, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda each: mask_losses(MaskPairs(each, wanted), kind), (logits,)
    )


def test_overlaps_are_those_of_thresholded_masks():
    wanted = torch.zeros(3, 4, 4)
    wanted[:2, :2] = 1
    logits = torch.full((3, 4, 4), -1.0)
    logits[0, 1:3] = 1
    logits[1, :2] = 0.1
    assert mask_ious(MaskPairs(logits, wanted)).tolist() == pytest.approx([1 / 3, 1, 0])
