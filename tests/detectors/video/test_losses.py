"""What proposals learn, against a version that goes through them one by one."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.losses import VideoLossConfig, refined_targets, video_loss
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.video.selection import Selection, select_proposals
from faimtrack.detectors.yolox.assignment import Assignment, SimOtaConfig
from faimtrack.detectors.yolox.losses import YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox, YoloxSize

CLASSES = 3
SIZE = YoloxSize(name="custom", depth=0.33, width=0.125, depthwise=True)
NOTHING = YoloxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


@pytest.fixture(scope="module")
def batch():
    """Output of four frames, their proposals, logits and objects; the third frame has none."""
    torch.manual_seed(3)
    base = Yolox(SIZE, CLASSES)
    for prediction in (*base.head.cls_preds, *base.head.obj_preds, *base.head.reg_preds):
        torch.nn.init.normal_(prediction.weight, std=0.5)
        torch.nn.init.zeros_(prediction.bias)
    network = VideoYolox(base, VideoNetworkConfig()).eval()
    output = network(torch.rand(4, 3, 96, 96) * 255)
    selections = select_proposals(output.base.rows(), ProposalConfig(proposals=12))
    rows = output.base.rows().detach()
    targets = []
    for frame in range(4):
        near = selections[frame].boxes[:3].detach()
        boxes = near + torch.randn(3, 4)
        boxes[:, 2:] = torch.maximum(boxes[:, 2:], boxes[:, :2] + 4)
        targets.append(YoloxTargets(boxes, torch.randint(CLASSES, (3,))))
    targets[2] = NOTHING
    assert rows.isfinite().all()
    logits = torch.randn(sum(len(each.anchors) for each in selections), CLASSES)
    return output, selections, logits.requires_grad_(), targets


def iou(first, second):
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(each[2] - each[0]) * (each[3] - each[1]) for each in (first, second)]
    return width * height / (areas[0] + areas[1] - width * height)


def targets_one_by_one(selection, assignment, target, minimum_iou):
    """Row, truth and IoU of each proposal that learns."""
    owner = dict(zip(assignment.anchors.tolist(), assignment.truths.tolist(), strict=True))
    overlap = dict(zip(assignment.anchors.tolist(), assignment.ious.tolist(), strict=True))
    boxes = target.boxes.tolist()
    learning = []
    for row, (anchor, box) in enumerate(
        zip(selection.anchors.tolist(), selection.boxes.tolist(), strict=True)
    ):
        if anchor in owner:
            learning.append((row, owner[anchor], overlap[anchor]))
            continue
        best, best_truth = 0.0, None
        for truth in sorted(set(owner.values())):
            found = iou(box, boxes[truth])
            if found > best:
                best, best_truth = found, truth
        if best_truth is not None and best >= minimum_iou:
            learning.append((row, best_truth, best))
    return learning


def bce(logit, wanted):
    probability = 1 / (1 + torch.exp(-logit))
    return -(wanted * torch.log(probability) + (1 - wanted) * torch.log(1 - probability))


def test_the_loss_is_that_of_a_version_that_goes_through_proposals(batch):
    output, selections, logits, targets = batch
    config = VideoLossConfig(minimum_iou=0.3)  # so that all three cases come up
    found = video_loss(output, selections, logits, targets, config)
    base = yolox_loss(output.base, targets, config, SimOtaConfig.preset("yolov"))
    assert torch.equal(found.base.total, base.total)
    expected, start, kinds = 0.0, 0, set()
    for selection, assignment, target, given_rows in zip(
        selections, base.assignments, targets, found.targets, strict=True
    ):
        learning = targets_one_by_one(selection, assignment, target, 0.3)
        assert given_rows.rows.tolist() == [row for row, _, _ in learning]
        assert given_rows.truths.tolist() == [truth for _, truth, _ in learning]
        assert given_rows.ious.tolist() == pytest.approx([each for *_, each in learning], abs=1e-5)
        positive = set(assignment.anchors.tolist())
        for row, truth, overlap in learning:
            kinds.add(int(selection.anchors[row]) in positive)
            for number in range(CLASSES):
                wanted = overlap if number == int(target.class_ids[truth]) else 0.0
                expected += float(bce(logits[start + row, number].detach().double(), wanted))
        if len(learning) < len(selection.anchors):
            kinds.add("ignored")
        start += len(selection.anchors)
    assert kinds == {True, False, "ignored"}
    assert found.base.foreground_count > 0
    wanted = 2 * expected / found.base.foreground_count
    assert found.refined.item() == pytest.approx(wanted, rel=1e-5)


def test_only_logits_of_proposals_that_learn_have_a_gradient(batch):
    output, selections, logits, targets = batch
    found = video_loss(output, selections, logits, targets)
    (gradient,) = torch.autograd.grad(found.refined, logits)
    counts = [len(each.anchors) for each in selections]
    for rows, part in zip(found.targets, gradient.split(counts), strict=True):
        moved = part.abs().sum(dim=1).nonzero()[:, 0]
        assert moved.tolist() == rows.rows.tolist()


def test_frames_without_objects_cost_nothing_and_still_have_a_gradient(batch):
    output, selections, logits, _ = batch
    found = video_loss(output, selections, logits, [NOTHING] * 4)
    assert found.refined.item() == 0
    (gradient,) = torch.autograd.grad(found.refined, logits)
    assert not gradient.any()
    assert all(len(each.rows) == 0 for each in found.targets)


def test_frames_without_proposals_are_passed_over(batch):
    output, selections, logits, targets = batch
    empty = Selection(*(each[:0] for each in selections[0]))
    rest = logits[len(selections[0].anchors) :]
    found = video_loss(output, [empty, *selections[1:]], rest, targets)
    whole = video_loss(output, selections, logits, targets)
    assert found.refined.item() < whole.refined.item()
    none = video_loss(output, [empty] * 4, logits[:0], targets)
    assert none.refined.item() == 0


def test_a_shared_divisor_divides_all_parts(batch):
    output, selections, logits, targets = batch
    own = video_loss(output, selections, logits, targets)
    count = own.base.foreground_count
    double = video_loss(output, selections, logits, targets, divide_by=lambda given: 2.0 * given)
    assert count > 0
    assert double.refined.item() == pytest.approx(own.refined.item() / 2, rel=1e-6)
    assert double.base.total.item() == pytest.approx(own.base.total.item() / 2, rel=1e-6)


def test_the_weights_are_those_of_yolov():
    config = VideoLossConfig()
    assert (config.iou_weight, config.refined_weight, config.use_l1) == (3.0, 2.0, True)
    assert config.minimum_iou == 0.6
    fields = {each.name for each in dataclasses.fields(VideoLossConfig)}
    assert {"objectness_weight", "class_weight", "l1_weight"} < fields


boxes_on_a_grid = st.lists(
    st.tuples(*(st.integers(0, 8) for _ in range(2)), *(st.integers(1, 6) for _ in range(2))),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(boxes_on_a_grid, boxes_on_a_grid, st.randoms(use_true_random=False))
def test_targets_of_any_proposals_are_those_one_by_one(proposals, truths, random):
    corners = [[x, y, x + w, y + h] for x, y, w, h in proposals]
    objects = [[x, y, x + w, y + h] for x, y, w, h in truths]
    anchors = random.sample(range(20), len(corners))
    selection = Selection(
        torch.tensor(anchors, dtype=torch.int64),
        torch.tensor(corners, dtype=torch.float32).reshape(-1, 4),
        torch.ones(len(corners)),
        torch.ones(len(corners), CLASSES),
    )
    taken = sorted(random.sample(range(20), random.randint(0, 8))) if objects else []
    assignment = Assignment(
        torch.tensor(taken, dtype=torch.int64),
        torch.tensor([random.randrange(len(objects)) for _ in taken], dtype=torch.int64),
        torch.tensor([random.random() for _ in taken]),
    )
    target = YoloxTargets(
        torch.tensor(objects, dtype=torch.float32).reshape(-1, 4),
        torch.zeros(len(objects), dtype=torch.int64),
    )
    found = refined_targets(selection, assignment, target, 0.55)
    expected = targets_one_by_one(selection, assignment, target, 0.55)
    assert found.rows.tolist() == [row for row, _, _ in expected]
    assert found.ious.tolist() == pytest.approx([each for *_, each in expected], abs=1e-6)
    # Of objects that overlap a proposal alike, either may be learnt.
    for truth, (row, other, overlap) in zip(found.truths.tolist(), expected, strict=True):
        if anchors[row] in taken:
            assert truth == other
        else:
            assert iou(corners[row], objects[truth]) == pytest.approx(overlap, abs=1e-6)
