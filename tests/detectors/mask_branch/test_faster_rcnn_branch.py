"""A Faster R-CNN and its mask branch, on a pyramid made by hand and on a real one."""

from types import SimpleNamespace

import pytest
import torch

from faimtrack.detectors.faster_rcnn.answers import Encoding, Targets, TrainingAnswer
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.faster_rcnn_branch import FasterRcnnMaskBranch
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.mask_branch.positives import faster_rcnn_positives

TINY = {"roi_size": 6, "hidden_channels": 8, "convolutions": 1}
FEW = FasterRcnnTrainingConfig(proposals_after_nms=60, box_samples=64)


def build(config, network, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_mask_branch(config, network)


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return build_faster_rcnn("resnet18-fpn", ("N/A", "person", "dog"), FEW).train()


@pytest.fixture(scope="module")
def learning(scene):
    """An answer by hand: positives for each object, and background between them."""
    random = torch.Generator().manual_seed(2)
    height, width = scene.images.shape[2:]
    levels = {
        name: torch.randn(
            2, 256, -(-height // stride), -(-width // stride), generator=random
        ).requires_grad_()
        for name, stride in (("0", 4), ("1", 8), ("2", 16), ("3", 32), ("pool", 64))
    }
    shift = torch.tensor([2.0, -1, 3, 2])
    boxes = torch.stack(
        [scene.boxes[0] + shift, scene.boxes[1] - 40, scene.boxes[1] + shift, scene.boxes[1]]
    )
    encoding = Encoding(levels, [(height, width)] * 2, [(height, width)] * 2, (height, width))
    answer = TrainingAnswer(
        {}, encoding, [boxes, boxes.flip(0)],
        [torch.tensor([2, 0, 3, 3]), torch.tensor([3, 3, 0, 2])],
        [torch.tensor([0, 0, 1, 1]), torch.tensor([1, 1, 0, 0])],
    )  # fmt: skip
    targets = [Targets(scene.boxes, scene.class_ids) for _ in range(2)]
    return SimpleNamespace(answer=answer, targets=targets)


def mask_loss(learning, network, masks, config=None, divide_by=None):
    branch = build(config or MaskBranchConfig(**TINY), network)
    return branch, branch.loss(learning.answer, learning.targets, masks, divide_by)


def test_positives_are_the_proposals_with_labels_and_their_own_objects(scene, learning):
    every = faster_rcnn_positives(learning.answer, learning.targets, scene.masks, 100)
    assert [each.objects.tolist() for each in every] == [[0, 1, 1], [1, 1, 0]]
    assert torch.equal(every[0].boxes, learning.answer.boxes[0][[0, 2, 3]])
    best = faster_rcnn_positives(learning.answer, learning.targets, scene.masks, 1)
    assert torch.equal(best[0].boxes, learning.answer.boxes[0][3:])  # that is the object's box
    assert torch.equal(best[1].boxes, learning.answer.boxes[1][:1])


@pytest.mark.parametrize("missing", ["none", "empty"])
def test_a_missing_mask_takes_nothing_from_others_and_gives_them_nothing(
    scene, learning, network, masks_with, missing
):
    def total(kept):
        masks = [masks_with(scene.dense[image], kept[image], missing) for image in (0, 1)]
        config = MaskBranchConfig(norm="group", **TINY)  # a batch norm would mix the boxes
        return mask_loss(learning, network, masks, config, lambda _: 1.0)[1]

    everyone = total([{0, 1}, {0, 1}])
    alone = [total([{0}, set()]), total([{1}, set()]), total([set(), {0}]), total([set(), {1}])]
    assert [each.positives for each in (everyone, *alone)] == [6, 1, 2, 1, 2]
    together = sum(float(each.loss.detach()) for each in alone)
    assert together == pytest.approx(float(everyone.loss.detach()), rel=1e-5)


def test_without_any_mask_nothing_is_learnt_and_no_gradient_is_missing(learning, network):
    branch, given = mask_loss(learning, network, [InstanceMasks.none(2)] * 2)
    assert (float(given.loss.detach()), given.positives) == (0, 0)
    given.loss.backward()
    assert all((each.grad == 0).all() for each in branch.parameters())


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_target": "ground_truth_box"},
        {"loss": "dice", "class_aware": False},
        {"upsampling": "deconv", "norm": "none"},
        {"level": "p3"},
        {"level": "p4"},
        {"level": "p5"},
    ],
)
def test_every_option_learns(scene, learning, network, changes):
    branch, given = mask_loss(learning, network, scene.masks, MaskBranchConfig(**TINY | changes))
    assert given.positives > 0
    levels = learning.answer.encoding.levels
    gradients = torch.autograd.grad(
        given.loss, [*branch.parameters(), *levels.values()], allow_unused=True
    )
    own = gradients[: -len(levels)]
    assert all(each.isfinite().all() and each.abs().sum() > 0 for each in own)
    used = {
        name for name, each in zip(levels, gradients[-len(levels) :], strict=True)
        if each is not None and each.abs().sum() > 0
    }  # fmt: skip
    # The scene's boxes are small: by size they all belong to the finest level.
    assert used == {{"p3": "1", "p4": "2", "p5": "3"}.get(changes.get("level"), "0")}


def test_the_class_that_learns_is_the_ground_truth_s(scene, learning, network, masks_with):
    masks = [masks_with(scene.dense[image], {1}, "none") for image in (0, 1)]
    branch, given = mask_loss(learning, network, masks)
    given.loss.backward()
    learnt = branch.mask_head.predictor.weight.grad.abs().sum(dim=(1, 2, 3))
    assert learnt.shape == (2,)  # N/A is no class
    assert learnt[0] == 0
    assert learnt[1] > 0


def test_each_image_s_boxes_are_pooled_from_that_image(scene, learning, network):
    branch = build(MaskBranchConfig(**TINY), network).eval()
    encoding = learning.answer.encoding
    boxes, class_ids = [scene.boxes, scene.boxes[:1]], [scene.class_ids, scene.class_ids[:1]]
    together = branch.predict(encoding, boxes, class_ids)
    vectors = branch.instance_features(encoding, boxes)
    assert [each.shape for each in together] == [(2, 12, 12), (1, 12, 12)]
    assert [each.shape for each in vectors] == [(2, 256), (1, 256)]
    for image in (0, 1):
        (alone,) = branch.predict(encoding.one(image), [boxes[image]], [class_ids[image]])
        torch.testing.assert_close(together[image], alone, rtol=0, atol=1e-5)
    assert not torch.allclose(together[0][0], together[1][0], atol=1e-4)


def test_masks_teach_a_real_backbone_and_leave_the_detector_as_it_is(scene, network):
    targets = [Targets(scene.boxes, scene.class_ids) for _ in range(2)]
    state = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(5)
    plain = network(list(scene.images), targets)
    branch = build(MaskBranchConfig(**TINY), network)
    torch.manual_seed(5)
    answer = network(list(scene.images), targets)
    assert all(torch.equal(answer.losses[name], loss) for name, loss in plain.losses.items())
    given = branch.loss(answer, targets, scene.masks)
    assert given.positives > 0
    learnt = [each for each in network.backbone.parameters() if each.requires_grad]
    total = sum(answer.losses.values())
    without = torch.autograd.grad(total, learnt, retain_graph=True)
    with_masks = torch.autograd.grad(total + given.loss, learnt, retain_graph=True)
    assert sum(not torch.equal(*each) for each in zip(without, with_masks, strict=True)) > 20
    own = torch.autograd.grad(given.loss, list(branch.extraction.parameters()))
    assert all(each.abs().sum() > 0 for each in own)
    assert all(torch.equal(network.state_dict()[key], value) for key, value in state.items())
    assert network.roi_heads.box_roi_pool.output_size == 7


def test_what_does_not_suit_a_faster_rcnn_is_refused(network):
    with pytest.raises(ValueError, match="shared_levels: expected true for a Faster R-CNN"):
        build(MaskBranchConfig(shared_levels=False), network)
    mobile = SimpleNamespace(
        roi_heads=SimpleNamespace(
            box_roi_pool=SimpleNamespace(resized=lambda size: SimpleNamespace(strides=(32, 32)))
        ),
        architecture="mobilenet-v3-large-fpn",
    )
    with pytest.raises(ValueError, match="level: expected by-size or one of strides"):
        FasterRcnnMaskBranch(MaskBranchConfig(level="p3"), mobile)
