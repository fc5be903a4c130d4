"""The training side: losses, what learns, and that it learns."""

import numpy as np
import pytest
import torch
from torch import nn

from faimtrack.detectors.faster_rcnn.answers import Targets
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn

COCO = FasterRcnnTrainingConfig.preset("coco")
FEW = FasterRcnnTrainingConfig(proposals_after_nms=60, box_samples=64)
PEOPLE = torch.tensor([[10.0, 12, 40, 70], [50, 20, 110, 60]])


def no_target():
    return Targets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.long))


@pytest.fixture
def images():
    random = torch.Generator().manual_seed(4)
    return [torch.rand(3, 96, 128, generator=random), torch.rand(3, 80, 100, generator=random)]


def test_losses_have_gradients_down_to_the_backbone_with_and_without_boxes(images):
    torch.manual_seed(0)
    network = build_faster_rcnn("resnet18-fpn", config=FEW).train()
    targets = [Targets(PEOPLE, torch.zeros(2, dtype=torch.long)), no_target()]
    answer = network(images, targets)
    assert set(answer.losses) == {"proposal_objectness", "proposal_boxes", "classes", "boxes"}
    assert all(torch.isfinite(loss) and loss.ndim == 0 for loss in answer.losses.values())
    sum(answer.losses.values()).backward()
    body = network.backbone.body
    assert body["layer2"][0].conv1.weight.grad.abs().sum() > 0
    assert body["layer2"][0].bn1.weight.grad.abs().sum() > 0
    assert body["conv1"].weight.grad is None  # the stem and the first stage stay as they are
    assert body["bn1"].weight.grad is None
    assert body["layer1"][0].bn1.weight.grad is None
    assert network.backbone.fpn.layer_blocks[0][0].weight.grad.abs().sum() > 0


def test_what_a_mask_branch_needs_comes_with_the_losses(images):
    torch.manual_seed(0)
    network = build_faster_rcnn("resnet18-fpn", ("N/A", "person"), FEW).train()
    answer = network(images, [Targets(PEOPLE, torch.zeros(2, dtype=torch.long)), no_target()])
    assert [len(each) for each in answer.boxes] == [len(each) for each in answer.labels]
    positive = answer.labels[0] > 0
    assert set(answer.labels[0][positive].tolist()) == {2}
    assert set(answer.matches[0][positive].tolist()) == {0, 1}
    assert not answer.labels[1].any()
    pool = network.roi_heads.box_roi_pool.resized(14)
    pooled = pool(answer.encoding.levels, [answer.boxes[0][positive], answer.boxes[1][:0]])
    assert pooled.shape == (int(positive.sum()), 256, 14, 14)
    assert pooled.requires_grad


def test_no_image_with_a_target_still_teaches_the_background(images):
    torch.manual_seed(0)
    network = build_faster_rcnn("resnet18-fpn", config=FEW).train()
    losses = network(images, [no_target(), no_target()]).losses
    assert losses["classes"] > 0
    assert losses["proposal_boxes"] == losses["boxes"] == 0


def test_losses_equal_torchvisions(make_torchvision, make_checkpoint, images):
    """With all proposals taken nothing is left to chance."""
    theirs = make_torchvision(
        outputs=3,
        box_positive_fraction=1.0,
        box_batch_size_per_image=4000,
        rpn_batch_size_per_image=100_000,
        rpn_post_nms_top_n_train=200,
    )
    config = FasterRcnnTrainingConfig(
        **{name: getattr(COCO, name) for name in ("roi_aligned", "roi_sampling_ratio")},
        proposals_after_nms=200,
        box_loss_beta=1 / 9,
        box_samples=4000,
        box_positive_fraction=1.0,
        proposal_samples=100_000,
        batch_norm="batch",
    )
    ours = build_faster_rcnn("resnet18-fpn", ("cat", "dog"), config)
    ours.load_state_dict(theirs.state_dict(), strict=False)
    ours.train()
    labels = torch.tensor([1, 2])
    targets = [Targets(PEOPLE, labels - 1), no_target()]
    theirs.train()
    try:
        theirs.transform._skip_resize = True
        expected = theirs(
            images,
            [
                {"boxes": PEOPLE, "labels": labels},
                {"boxes": torch.zeros(0, 4), "labels": labels[:0]},
            ],
        )
    finally:
        theirs.eval()
    for norm in ours.modules():  # torchvision's builder of this backbone freezes its norms
        if isinstance(norm, nn.BatchNorm2d):
            norm.eval()
    losses = ours(images, targets).losses
    for name, theirs_name in (
        ("proposal_objectness", "loss_objectness"),
        ("proposal_boxes", "loss_rpn_box_reg"),
        ("classes", "loss_classifier"),
        ("boxes", "loss_box_reg"),
    ):
        assert losses[name].item() == pytest.approx(expected[theirs_name].item(), rel=1e-4), name


def learning(network, part):
    return sorted(name for name, weight in network.named_parameters()
                  if weight.requires_grad and name.startswith(part))  # fmt: skip


@pytest.mark.parametrize(
    ("architecture", "stages", "first"),
    [
        ("resnet18-fpn", 5, "bn1.bias"),
        ("resnet18-fpn", 3, "layer2.0.bn1.bias"),
        ("resnet18-fpn", 0, None),
        ("mobilenet-v3-large-fpn", 6, "0.0.weight"),
        ("mobilenet-v3-large-fpn", 2, "13.block.0.0.weight"),
        ("mobilenet-v3-large-fpn", 0, None),
    ],
)
def test_the_last_stages_learn(architecture, stages, first):
    config = FasterRcnnTrainingConfig(trained_stages=stages)
    network = build_faster_rcnn(architecture, config=config)
    names = learning(network, "backbone.body.")
    assert (names[0] if names else None) == (first and f"backbone.body.{first}")
    assert learning(network, "backbone.fpn.")
    assert learning(network, "roi_heads.")


def test_norms_learn_as_the_configuration_says():
    def built(kind, architecture="resnet18-fpn"):
        config = FasterRcnnTrainingConfig(batch_norm=kind, trained_stages=5)
        return build_faster_rcnn(architecture, config=config).train()

    assert not any("bn1" in name for name in learning(built("frozen"), "backbone.body."))
    assert any("bn1" in name for name in learning(built("affine"), "backbone.body."))
    for kind in ("affine", "batch"):
        network = built(kind)
        norm = network.backbone.body["bn1"]
        before = norm.running_mean.clone()
        network.encode([torch.rand(3, 64, 64)])
        assert torch.equal(norm.running_mean, before) == (kind == "affine")


@pytest.mark.slow
def test_the_second_kind_keeps_its_statistics_unless_told_otherwise():
    for kind, changes in (("frozen", False), ("affine", False), ("batch", True)):
        config = FasterRcnnTrainingConfig(batch_norm=kind, trained_stages=5)
        network = build_faster_rcnn("resnet50-fpn-v2", config=config).train()
        norm = network.backbone.body["bn1"]
        assert norm.weight.requires_grad == (kind != "frozen")
        network.encode([torch.rand(3, 64, 64)])
        assert bool(norm.num_batches_tracked) == changes


def test_presets_are_the_originals_settings():
    config = FasterRcnnTrainingConfig()
    assert (config.proposals_before_nms, config.proposals_after_nms) == (2000, 1000)
    assert (config.proposal_samples, config.proposal_positive_fraction) == (256, 0.5)
    assert (config.proposal_positive_iou, config.proposal_negative_iou) == (0.7, 0.3)
    assert (config.box_samples, config.box_positive_fraction) == (512, 0.25)
    paper = FasterRcnnConfig.preset("tracktor-paper")
    assert (paper.max_detections, paper.short_side, paper.long_side) == (100, 1088, 1088)
    assert (paper.proposals_before_nms, paper.proposals_after_nms) == (1000, 1000)
    assert (paper.score_threshold, paper.nms_threshold) == (0.05, 0.5)
    assert FasterRcnnConfig().max_detections is None
    with pytest.raises(ValueError, match="max_detections: expected 1 or more"):
        FasterRcnnConfig(max_detections=0)


def test_a_full_hd_frame_is_scaled_as_mmtracking_does():
    from faimtrack.detectors.faster_rcnn.scaling import scaled_size

    assert scaled_size((1080, 1920), (1088, 1088)) == (612, 1088)
    assert scaled_size((1080, 1920), (800, 1333)) == (749, 1333)
    assert scaled_size((1, 4000), (800, 1333)) == (1, 1333)
    assert np.prod(scaled_size((1, 1), (800, 1333))) == 800 * 800
