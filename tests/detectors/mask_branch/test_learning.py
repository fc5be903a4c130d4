"""The branch learns two different images by heart, each box the masks of its own image."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from faimtrack.detectors.faster_rcnn.answers import Encoding, Targets, TrainingAnswer
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.mask_branch.losses import MaskPairs, mask_ious
from faimtrack.detectors.yolox.losses import YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox

SMALL = {"roi_size": 8, "hidden_channels": 32, "convolutions": 2, "instance_channels": 32}
CONFIG = MaskBranchConfig(**SMALL)


def fixed_yolox(scene, config):
    """A branch beside a network that does not learn, and how its loss is asked for."""
    network = Yolox("nano", 2).eval()
    targets = [YoloxTargets(scene.boxes, scene.class_ids) for _ in range(2)]
    with torch.no_grad():
        for prediction, stride in zip(network.head.reg_preds, (8, 16, 32), strict=True):
            prediction.bias[2:] = np.log(50 / stride)
        output = network(scene.images * 255)
        # Random features hardly differ; a trained network's do.
        maps = tuple((each - each.mean()) / each.std() for each in output.classification)
        output = output._replace(classification=maps)
        loss = yolox_loss(output, targets)
    branch = build_mask_branch(config, network)
    return branch, output, lambda: branch.loss(output, loss, targets, scene.masks)


def fixed_faster_rcnn(scene, config):
    """The same for a pyramid of random numbers and proposals by hand."""
    network = SimpleNamespace(
        roi_heads=build_faster_rcnn("resnet18-fpn").roi_heads, class_names=("a", "b")
    )
    size = scene.images.shape[2:]
    levels = {
        name: torch.randn(2, 256, -(-size[0] // stride), -(-size[1] // stride))
        for name, stride in (("0", 4), ("1", 8), ("2", 16), ("3", 32), ("pool", 64))
    }
    encoding = Encoding(levels, [tuple(size)] * 2, [tuple(size)] * 2, tuple(size))
    boxes = torch.cat([scene.boxes, scene.boxes + torch.tensor([2.0, 2, 3, 3])])
    rows = torch.tensor([0, 1, 0, 1])
    answer = TrainingAnswer({}, encoding, [boxes] * 2, [rows + 1] * 2, [rows] * 2)
    targets = [Targets(scene.boxes, scene.class_ids) for _ in range(2)]
    branch = build_mask_branch(config, network)
    return branch, encoding, lambda: branch.loss(answer, targets, scene.masks)


def learn(parameters, ask, steps, rate=3e-3):
    """Losses and mean IoUs of each step."""
    optimizer = torch.optim.Adam(list(parameters), lr=rate)
    history = []
    for _ in range(steps):
        given = ask()
        optimizer.zero_grad()
        given.loss.backward()
        optimizer.step()
        history.append((float(given.loss.detach()), float(given.mean_iou)))
    return np.array(history)


def predicted_iou(branch, features, scene):
    """Mean IoU of each image's masks with what the objects' boxes show."""
    given = branch.predict(features, [scene.boxes] * 2, [scene.class_ids] * 2)
    pairs = [
        MaskPairs(masks - 0.5, truth.sample(scene.boxes, torch.tensor([0, 1]), masks.shape[-1]))
        for masks, truth in zip(given, scene.masks, strict=True)
    ]
    return [float(mask_ious(each).mean()) for each in pairs]


def from_the_first_image(branch):
    """Make the original authors' mistake: whatever the image, pool from the first."""
    pool = branch.pool.forward

    def wrong(levels, boxes):
        every = [torch.cat(list(boxes))] + [boxes[0][:0]] * (len(boxes) - 1)
        return pool(levels, every)

    branch.pool.forward = wrong


@pytest.mark.parametrize("make", [fixed_yolox, fixed_faster_rcnn])
@pytest.mark.parametrize("mask_target", ["proposal", "ground_truth_box"])
def test_boxes_of_each_image_learn_the_masks_of_that_image(scene, make, mask_target):
    torch.manual_seed(0)
    config = MaskBranchConfig(mask_target=mask_target, **SMALL)
    branch, features, ask = make(scene, config)
    history = learn(branch.parameters(), ask, 40)
    assert history[-1, 0] < history[0, 0] / 3
    assert history[-1, 1] > 0.85
    if mask_target == "proposal":
        assert min(predicted_iou(branch, features, scene)) > 0.85


@pytest.mark.parametrize("make", [fixed_yolox, fixed_faster_rcnn])
def test_pooling_from_the_wrong_image_cannot_learn_them(scene, make):
    torch.manual_seed(0)
    branch, features, ask = make(scene, CONFIG)
    learn(branch.parameters(), ask, 40)
    assert min(predicted_iou(branch, features, scene)) > 0.85
    swapped = SimpleNamespace(**{**vars(scene), "masks": scene.masks[::-1]})
    assert max(predicted_iou(branch, features, swapped)) < 0.65

    torch.manual_seed(0)
    branch, features, ask = make(scene, CONFIG)
    from_the_first_image(branch)
    history = learn(branch.parameters(), ask, 40)
    assert history[-1, 1] < 0.8
    assert min(predicted_iou(branch, features, scene)) < 0.65


@pytest.mark.slow
def test_a_whole_yolox_learns_boxes_and_masks_together(scene):
    torch.manual_seed(0)
    network = Yolox("nano", 2).train()
    branch = build_mask_branch(CONFIG, network)
    targets = [YoloxTargets(scene.boxes, scene.class_ids) for _ in range(2)]

    def ask():
        output = network(scene.images * 255)
        loss = yolox_loss(output, targets)
        given = branch.loss(output, loss, targets, scene.masks)
        return given._replace(loss=loss.total + given.loss)

    history = learn([*network.parameters(), *branch.parameters()], ask, 150, rate=2e-3)
    assert history[-1, 0] < history[0, 0] / 4
    assert history[-1, 1] > 0.85
    with torch.no_grad():
        output = network(scene.images * 255)
    assert min(predicted_iou(branch, output, scene)) > 0.8


@pytest.mark.slow
def test_a_whole_faster_rcnn_learns_boxes_and_masks_together(scene):
    torch.manual_seed(0)
    config = FasterRcnnTrainingConfig(
        proposals_after_nms=60, box_samples=32, batch_norm="batch", trained_stages=5
    )
    network = build_faster_rcnn("resnet18-fpn", ("a", "b"), config).train()
    branch = build_mask_branch(CONFIG, network)
    targets = [Targets(scene.boxes, scene.class_ids) for _ in range(2)]

    def ask():
        answer = network(list(scene.images), targets)
        given = branch.loss(answer, targets, scene.masks)
        return given._replace(loss=sum(answer.losses.values()) + given.loss)

    history = learn([*network.parameters(), *branch.parameters()], ask, 30, rate=1e-3)
    assert history[-5:, 0].mean() < history[:5, 0].mean() / 2
    assert history[-5:, 1].mean() > 0.8
    with torch.no_grad():
        encoding = network.encode(list(scene.images))
    assert min(predicted_iou(branch, encoding, scene)) > 0.8
