"""A YOLOX and its mask branch: who learns, from what, and what stays as it was."""

import math
from types import SimpleNamespace

import pytest
import torch

from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.instances import InstanceMasks
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.mask_branch.positives import yolox_positives
from faimtrack.detectors.mask_branch.yolox_branch import YoloxMaskBranch
from faimtrack.detectors.yolox.losses import YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox

TINY = {"roi_size": 6, "hidden_channels": 8, "convolutions": 1}
CONFIG = MaskBranchConfig(**TINY)


def build(config, network, seed=1):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build_mask_branch(config, network)


@pytest.fixture(scope="module")
def learning(scene):
    """A network in training, its output on the scene, and the loss of that."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Yolox("nano", 2).train()
    with torch.no_grad():  # boxes as large as the objects, so that several answer for each
        for prediction, stride in zip(network.head.reg_preds, (8, 16, 32), strict=True):
            prediction.bias[2:] = math.log(50 / stride)
    targets = [YoloxTargets(scene.boxes, scene.class_ids) for _ in range(2)]
    output = network(scene.images * 255)
    return SimpleNamespace(
        network=network, output=output, targets=targets, loss=yolox_loss(output, targets)
    )


def mask_loss(learning, masks, config=CONFIG, divide_by=None):
    branch = build(config, learning.network)
    loss = branch.loss(learning.output, learning.loss, learning.targets, masks, divide_by)
    return branch, loss


def gradients(loss, module):
    given = torch.autograd.grad(
        loss, list(module.parameters()), retain_graph=True, allow_unused=True
    )
    return dict(zip([name for name, _ in module.named_parameters()], given, strict=True))


def test_masks_teach_the_instance_features_the_head_and_the_backbone(scene, learning):
    # To the coarsest level everything below it leads.
    branch, given = mask_loss(learning, scene.masks, MaskBranchConfig(level="p5", **TINY))
    assert given.positives > 8
    assert 0 <= float(given.mean_iou) <= 1
    own = gradients(given.loss, branch)
    assert all(each.abs().sum() > 0 for each in own.values())
    assert any(name.startswith("extraction.") for name in own)
    body = gradients(given.loss, learning.network.backbone)
    assert all(each is not None and each.isfinite().all() for each in body.values())
    assert all(each.abs().sum() > 0 for each in body.values())


def test_no_gradient_goes_through_where_boxes_are_predicted(scene, learning):
    _, given = mask_loss(learning, scene.masks)
    head = gradients(given.loss, learning.network.head)
    assert all(
        each is None
        for name, each in head.items()
        if name.startswith(("reg_convs", "reg_preds", "obj_preds", "cls_preds"))
    )
    assert head["cls_convs.0.0.pconv.conv.weight"].abs().sum() > 0


def test_the_detector_computes_and_keeps_the_same_with_and_without_a_branch(scene):
    torch.manual_seed(4)
    network = Yolox("nano", 2).eval()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    state = torch.random.get_rng_state()
    with torch.no_grad():
        expected = network(scene.images * 255)
        branch = build(CONFIG, network).eval()
        given = network(scene.images * 255)
        branch.predict(given, [scene.boxes] * 2, [scene.class_ids] * 2)
    assert torch.equal(torch.random.get_rng_state(), state)
    after = network.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    for maps, same in zip(given, expected, strict=True):
        assert all(torch.equal(*each) for each in zip(maps, same, strict=True))


def test_a_seed_gives_the_same_branch(learning):
    first, second, other = (
        build(CONFIG, learning.network, seed).state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("missing", ["none", "empty"])
def test_a_missing_mask_takes_nothing_from_others_and_gives_them_nothing(
    scene, learning, masks_with, missing
):
    def total(kept):
        masks = [masks_with(scene.dense[image], kept[image], missing) for image in (0, 1)]
        return mask_loss(learning, masks, divide_by=lambda _: 1.0)[1]

    everyone = total([{0, 1}, {0, 1}])
    alone = [total([{0}, set()]), total([{1}, set()]), total([set(), {0}]), total([set(), {1}])]
    assert sum(each.positives for each in alone) == everyone.positives
    assert min(each.positives for each in alone) > 0
    together = sum(float(each.loss.detach()) for each in alone)
    assert together == pytest.approx(float(everyone.loss.detach()), rel=1e-5)


@pytest.mark.parametrize("mask_target", ["proposal", "ground_truth_box"])
def test_without_any_mask_nothing_is_learnt_and_no_gradient_is_missing(
    scene, learning, mask_target
):
    config = MaskBranchConfig(mask_target=mask_target, **TINY)
    asked = []
    branch, given = mask_loss(
        learning, [InstanceMasks.none(2)] * 2, config, lambda count: asked.append(count) or 1.0
    )
    assert asked == [0]
    assert (float(given.loss.detach()), given.positives, float(given.mean_iou)) == (0, 0, 0)
    (learning.loss.total * 0 + given.loss).backward(retain_graph=True)
    assert all((each.grad == 0).all() for each in branch.parameters())
    learning.network.zero_grad()


def test_images_without_objects_or_boxes_are_passed_over(scene, learning):
    nothing = YoloxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))
    targets = [nothing, learning.targets[1]]
    loss = yolox_loss(learning.output, targets)
    masks = [InstanceMasks.none(0), scene.masks[1]]
    given = build(CONFIG, learning.network).loss(learning.output, loss, targets, masks)
    assert given.positives == len(loss.assignments[1].anchors)
    assert given.loss > 0


def test_where_the_paper_finds_no_overlap_nothing_is_learnt_and_no_gradient_is_missing(
    scene, learning
):
    config = MaskBranchConfig(mask_target="ground_truth_box", **TINY)
    branch = build(config, learning.network)
    with torch.no_grad():
        branch.mask_head.predictor.weight.zero_()
        branch.mask_head.predictor.bias.fill_(-5)
    given = branch.loss(learning.output, learning.loss, learning.targets, scene.masks)
    assert (float(given.loss.detach()), given.positives) == (0, 0)
    given.loss.backward(retain_graph=True)
    assert all((each.grad == 0).all() for each in branch.parameters())
    learning.network.zero_grad()


@pytest.mark.parametrize(
    "changes",
    [
        {"mask_target": "ground_truth_box"},
        {"loss": "dice"},
        {"class_aware": False},
        {"upsampling": "deconv"},
        {"upsampling": "none"},
        {"shared_levels": False},
        {"norm": "group"},
        {"norm": "none", "instance_channels": 24},
        {"level": "p3"},
        {"level": "p4"},
        {"level": "p5", "roi_size": 32},
    ],
)
def test_every_option_learns(scene, learning, changes):
    config = MaskBranchConfig(**TINY | {"convolutions": 2} | changes)
    branch, given = mask_loss(learning, scene.masks, config)
    assert given.positives > 0
    own = gradients(given.loss, branch)
    assert all(each.isfinite().all() for each in own.values())
    used = {name: float(each.abs().sum()) for name, each in own.items() if "blocks" not in name}
    assert min(used.values()) > 0
    assert float(own["extraction.blocks.0.0.weight"].abs().sum()) > 0
    assert branch.extraction.channels == (config.instance_channels or 64)


def test_the_weight_scales_the_loss_and_the_caller_divides_it(scene, learning):
    usual = mask_loss(learning, scene.masks)[1]
    doubled = mask_loss(learning, scene.masks, MaskBranchConfig(weight=2.0, **TINY))[1]
    divided = mask_loss(learning, scene.masks, divide_by=lambda count: 4.0 * count)[1]
    assert float(doubled.loss.detach()) == pytest.approx(2 * float(usual.loss.detach()))
    assert float(divided.loss.detach()) == pytest.approx(float(usual.loss.detach()) / 4)


def test_too_many_boxes_leave_those_that_fit_best(scene, learning):
    few = yolox_positives(learning.output, learning.loss, scene.masks, 3)
    every = yolox_positives(learning.output, learning.loss, scene.masks, 1000)
    for some, each, given in zip(few, every, learning.loss.assignments, strict=True):
        best = given.ious.argsort(descending=True, stable=True)[:3].sort().values
        assert torch.equal(some.boxes, each.boxes[best])
        assert torch.equal(some.objects, given.truths[best])
    limited = mask_loss(learning, scene.masks, MaskBranchConfig(max_positives=3, **TINY))[1]
    assert limited.positives == 6


def test_boxes_are_cut_to_the_image(scene, learning):
    offsets = [each.detach() for each in learning.output.box_offsets]
    wide = [torch.cat([each[:, :2], torch.full_like(each[:, 2:], 5.0)], dim=1) for each in offsets]
    output = learning.output._replace(box_offsets=tuple(wide))
    for each in yolox_positives(output, learning.loss, scene.masks, 1000):
        assert len(each.boxes)
        assert (each.boxes == torch.tensor([0.0, 0, 128, 96])).all()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_mixed_precision_learns(scene, learning, kind):
    branch = build(CONFIG, learning.network)
    with torch.autocast("cpu", dtype=kind):
        output = learning.network(scene.images * 255)
        loss = yolox_loss(output, learning.targets)
        given = branch.loss(output, loss, learning.targets, scene.masks)
    assert given.loss.dtype == torch.float32
    given.loss.backward()
    assert all(
        each.grad.isfinite().all() and each.grad.abs().sum() > 0 for each in branch.parameters()
    )
    learning.network.zero_grad()


def test_each_image_s_boxes_are_pooled_from_that_image(scene, learning):
    branch = build(MaskBranchConfig(norm="group", **TINY), learning.network)
    boxes = [scene.boxes, scene.boxes[[1, 0, 1]]]
    class_ids = [torch.tensor([0, 1]), torch.tensor([1, 1, 0])]
    together = branch.predict(learning.output, boxes, class_ids)
    vectors = branch.instance_features(learning.output, boxes)
    for image in (0, 1):
        alone = type(learning.output)(
            *(tuple(each[image : image + 1] for each in maps) for maps in learning.output)
        )
        (expected,) = branch.predict(alone, [boxes[image]], [class_ids[image]])
        torch.testing.assert_close(together[image], expected, rtol=0, atol=1e-5)
        (vector,) = branch.instance_features(alone, [boxes[image]])
        torch.testing.assert_close(vectors[image], vector, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(together[0][1], together[1][1], atol=1e-4)  # same box and class


def test_predictions_are_probabilities_and_features_one_vector_a_box(scene, learning):
    branch = build(MaskBranchConfig(instance_channels=10, **TINY), learning.network).eval()
    boxes = [scene.boxes[:0], scene.boxes.repeat(40, 1)]  # more than go through at once
    class_ids = [scene.class_ids[:0], scene.class_ids.repeat(40)]
    masks = branch.predict(learning.output, boxes, class_ids)
    assert [each.shape for each in masks] == [(0, 12, 12), (80, 12, 12)]
    torch.testing.assert_close(masks[1][:2], masks[1][-2:])
    assert masks[1].min() >= 0
    assert masks[1].max() <= 1
    assert not masks[1].requires_grad
    features = branch.instance_features(learning.output, boxes)
    assert [each.shape for each in features] == [(0, 10), (80, 10)]
    nothing = branch.predict(learning.output, [scene.boxes[:0]] * 2, [scene.class_ids[:0]] * 2)
    assert [len(each) for each in nothing] == [0, 0]


def test_masks_of_other_objects_are_refused(scene, learning):
    branch = build(CONFIG, learning.network)
    with pytest.raises(
        ValueError, match="image 1 of the batch: expected masks of 2 objects, got 3"
    ):
        branch.loss(
            learning.output, learning.loss, learning.targets,
            [scene.masks[0], InstanceMasks.none(3)],
        )  # fmt: skip
    with pytest.raises(ValueError, match="masks: expected 2, one an image, got 1"):
        branch.loss(learning.output, learning.loss, learning.targets, scene.masks[:1])


def test_a_yolox_gets_its_own_kind_of_branch(learning):
    branch = build(CONFIG, learning.network)
    assert isinstance(branch, YoloxMaskBranch)
    assert {key.partition(".")[0] for key in branch.state_dict()} == {"extraction", "mask_head"}
