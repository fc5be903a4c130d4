"""Whose masks proposals learn, in which features, and what lends these."""

import pytest
import torch

from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.losses import RefinedTargets, video_loss
from faimtrack.detectors.video.mask_branch import VideoMaskBranch, VideoMaskBranchConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.video.selection import Selection, select_proposals
from faimtrack.detectors.yolox.losses import YoloxTargets
from faimtrack.detectors.yolox.network import Yolox, YoloxSize
from faimtrack.masks.mask import Mask

SIZE = YoloxSize(name="custom", depth=0.33, width=0.125, depthwise=True)
SMALL = {"roi_size": 8, "hidden_channels": 8, "convolutions": 1, "level": "p5"}


def network_of(partner, **changes):
    torch.manual_seed(1)
    config = VideoNetworkConfig(partner=partner, **changes)
    network = VideoYolox(Yolox(SIZE, 2), config)
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = 1.0  # with random weights features would vanish layer upon layer
    with torch.no_grad():
        network(torch.rand(2, 3, 96, 96) * 255)
    return network.eval()


def branch_of(network, **changes):
    torch.manual_seed(2)
    return VideoMaskBranch(VideoMaskBranchConfig(**SMALL | changes), network).eval()


def filled(boxes, side=96):
    """A mask that is the left half of each box."""
    masks = []
    for x1, y1, x2, y2 in boxes:
        pixels = torch.zeros(side, side, dtype=torch.bool)
        pixels[y1:y2, x1 : (x1 + x2) // 2] = True
        masks.append(Mask.encode(pixels.numpy()))
    return InstanceMasks.from_masks(masks)


BOXES = [[10, 10, 60, 60], [40, 30, 90, 90]]
TARGET = YoloxTargets(torch.tensor(BOXES, dtype=torch.float32), torch.tensor([0, 1]))


def selection_of(boxes):
    count = len(boxes)
    return Selection(
        torch.arange(count),
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.ones(count),
        torch.ones(count, 2),
    )


def learning(rows, truths, ious):
    return RefinedTargets(torch.tensor(rows), torch.tensor(truths), torch.tensor(ious))


def loss_of(branch, output, given, logits, masks=None, frames=2):
    masks = [filled(BOXES)] * frames if masks is None else masks
    return branch.loss(
        output, [selection_of(BOXES)] * frames, given, logits, [TARGET] * frames, masks
    )


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)) * 255


@pytest.mark.parametrize("partner", ["instance", "regression"])
def test_faim_lends_its_instance_features_and_yolov_has_none_to_lend(partner, images):
    network = network_of(partner)
    branch = branch_of(network)
    keys = [key for key in branch.state_dict() if key.startswith("extraction.")]
    assert bool(keys) == (partner == "regression")
    output = network(images)
    maps = branch.maps(output)
    assert list(maps) == ["32"]
    if partner == "instance":
        assert maps["32"] is output.partner[2]
    else:
        expected = branch.extraction([output.classification[2]])[0]
        assert torch.equal(maps["32"], expected)


@pytest.mark.parametrize("partner", ["instance", "regression"])
def test_masks_teach_ifem_and_the_video_branch_wherever_ifem_is(partner, images):
    network = network_of(partner)
    branch = branch_of(network)
    given = [learning([0, 1], [0, 1], [0.9, 0.8])] * 2
    found = loss_of(branch, network(images), given, torch.zeros(4, 2))
    assert found.positives == 4
    found.loss.backward()
    owner = network.video if partner == "instance" else branch
    assert all(each.grad.abs().sum() > 0 for each in owner.extraction.blocks[0][0].parameters())
    assert network.video.branch.levels[2][0].dconv.conv.weight.grad.abs().sum() > 0
    assert network.video.aggregation.linear1.weight.grad is None


def test_each_proposal_is_pooled_from_its_own_frame(images):
    network = network_of("instance").double()  # batches of one and two round differently
    branch = branch_of(network).double()
    images = images.double()
    output = network(images)
    nothing = learning([], [], [])
    nothing = RefinedTargets(*(each.long() for each in nothing[:2]), nothing.ious)
    some = learning([0, 1], [0, 1], [0.9, 0.8])
    second = loss_of(branch, output, [nothing, some], torch.zeros(4, 2))
    alone = branch.loss(
        network(images[1:]), [selection_of(BOXES)], [some], torch.zeros(2, 2), [TARGET],
        [filled(BOXES)],
    )  # fmt: skip
    first = loss_of(branch, output, [some, nothing], torch.zeros(4, 2))
    assert float(second.loss.detach()) == pytest.approx(float(alone.loss.detach()), rel=1e-5)
    assert float(first.loss.detach()) != pytest.approx(float(second.loss.detach()), rel=1e-4)


def test_the_channel_is_that_of_the_object_or_of_the_refined_prediction(images):
    network = network_of("instance")
    output = network(images)
    given = [learning([0, 1], [0, 1], [0.9, 0.8])] * 2
    right = torch.tensor([[5.0, 0], [0, 5]] * 2)
    wrong = right.flip(1)
    by_target = branch_of(network)
    by_prediction = branch_of(network, channel="predicted")
    losses = [
        float(loss_of(branch, output, given, logits).loss.detach())
        for branch, logits in (
            (by_target, right), (by_target, wrong), (by_prediction, right), (by_prediction, wrong),
        )
    ]  # fmt: skip
    assert losses[0] == losses[1] == losses[2]
    assert losses[3] != pytest.approx(losses[0], rel=1e-4)
    # Who does not learn has no say: the second proposal alone learns here.
    second = [learning([1], [1], [0.8])] * 2
    fooled = torch.tensor([[5.0, 0], [0, 5]] * 2), torch.tensor([[0, 5.0], [0, 5]] * 2)
    same = [loss_of(by_prediction, output, second, each).loss.item() for each in fooled]
    assert same[0] == same[1] == loss_of(by_target, output, second, right).loss.item()


def test_no_gradient_goes_from_masks_into_the_choice_of_the_channel(images):
    network = network_of("instance")
    branch = branch_of(network, channel="predicted")
    logits = torch.randn(4, 2, requires_grad=True)
    given = [learning([0, 1], [0, 1], [0.9, 0.8])] * 2
    loss_of(branch, network(images), given, logits).loss.backward()
    assert logits.grad is None


def test_of_too_many_the_best_learn(images):
    network = network_of("instance")
    given = [learning([0, 1], [0, 1], [0.7, 0.8])] * 2
    few = branch_of(network, max_positives=1)
    assert loss_of(few, network(images), given, torch.zeros(4, 2)).positives == 2
    only = [learning([1], [1], [0.8])] * 2
    best = loss_of(branch_of(network), network(images), only, torch.zeros(4, 2))
    found = loss_of(few, network(images), given, torch.zeros(4, 2))
    assert float(found.loss.detach()) == float(best.loss.detach())


def test_without_masks_it_costs_nothing_and_every_weight_has_a_gradient(images):
    network = network_of("instance")
    branch = branch_of(network)
    given = [learning([0, 1], [0, 1], [0.9, 0.8])] * 2
    none = [InstanceMasks.none(2)] * 2
    found = loss_of(branch, network(images), given, torch.zeros(4, 2), none)
    assert (float(found.loss.detach()), found.positives) == (0.0, 0)
    found.loss.backward()
    assert all(each.grad is not None for each in branch.parameters())
    masks = [filled(BOXES), InstanceMasks.none(1)]
    with pytest.raises(ValueError, match="image 1 of the batch: expected masks of 2 objects"):
        loss_of(branch, network(images), given, torch.zeros(4, 2), masks)


def test_faims_branch_makes_no_features_of_another_kind():
    network = network_of("instance", norm="group")
    with pytest.raises(ValueError, match=r"mask_branch.norm: expected group, .* got batch"):
        branch_of(network)
    assert branch_of(network, norm="group").extraction.channels == 32


def test_the_whole_learns_from_what_the_networks_find(images):
    network = network_of("instance")
    branch = branch_of(network, level="by-size")
    output = network(images)
    selections = select_proposals(output.base.rows(), ProposalConfig(proposals=10))
    clip = network.gather(output, selections)
    logits = torch.cat(network.refine([clip]))
    targets = [TARGET] * 2
    loss = video_loss(output, selections, logits, targets)
    masks = [filled(BOXES)] * 2
    found = branch.loss(output, selections, loss.targets, logits, targets, masks)
    (loss.refined + found.loss).backward()
    assert torch.isfinite(network.video.branch.levels[0][0].dconv.conv.weight.grad).all()
