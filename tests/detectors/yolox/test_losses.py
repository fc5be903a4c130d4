"""Losses and gradients against the `yolox` package's, and what they owe by themselves."""

import dataclasses

import pytest
import torch

from faimtrack.detectors.yolox.assignment import SimOtaConfig, corners_to_centres
from faimtrack.detectors.yolox.losses import YoloxLossConfig, YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox, YoloxOutput

CLASSES = 3
NO_OBJECTS = YoloxTargets(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64))


@pytest.fixture
def originals_head(monkeypatch):
    """Make the `yolox` package's head of a network's size."""
    models = pytest.importorskip("yolox.models", reason="the yolox package is not here")

    def make(network):
        head = models.YoloxHead(
            network.class_count, network.size.width, depthwise=network.size.depthwise
        )
        for module in head.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eps, module.momentum = 1e-3, 0.03
        head.load_state_dict(network.head.state_dict())
        return head.train()

    return make


def lively_network(size, seed=0):
    """A network whose boxes, scores and classes differ from anchor to anchor."""
    torch.manual_seed(seed)
    network = Yolox(size, CLASSES).train()
    with torch.no_grad():
        for predictions, spread in (
            (network.head.cls_preds, 0.5),
            (network.head.obj_preds, 0.5),
            (network.head.reg_preds, 0.2),
        ):
            for prediction in predictions:
                prediction.weight.normal_(std=spread)
                prediction.bias.add_(torch.randn_like(prediction.bias))
    return network


def truths_near(rows, count):
    """Boxes near some predictions of `(A, …)` rows, or anywhere, on sixteenths of pixels."""
    centres = rows[torch.randint(len(rows), (count,)), :4]
    centres = centres + torch.randn(count, 4) * 2
    sizes = centres[:, 2:].clamp(6, 200)
    boxes = torch.cat([centres[:, :2] - sizes / 2, centres[:, :2] + sizes / 2], dim=1)
    boxes = boxes.mul(16).round() / 16
    # The original takes a row whose numbers sum up to 0 or less for the end of its list.
    boxes[:, 2:] += (1 - corners_to_centres(boxes).sum(dim=1, keepdim=True)).clamp(min=0)
    return YoloxTargets(boxes, torch.randint(CLASSES, (count,)))


def padded_labels(targets):
    """Targets as the original takes them: class, centre and size, padded with zeros."""
    labels = torch.zeros(len(targets), max(len(each.boxes) for each in targets) + 1, 5)
    for row, each in zip(labels, targets, strict=True):
        row[: len(each.boxes), 0] = each.class_ids
        row[: len(each.boxes), 1:] = corners_to_centres(each.boxes)
    return labels


def spy_on_assignments(head):
    """What the original assigns, an image: its anchors and their truths and IoUs."""
    seen = {}
    assign = head.get_assignments

    def spied(number, *arguments):
        answer = assign(number, *arguments)
        _, is_foreground, ious, truths, _ = answer
        seen[number] = is_foreground.nonzero()[:, 0], truths, ious
        return answer

    head.get_assignments = spied
    return seen


def image_of(output, number):
    """One image of a batch, as a batch."""
    return YoloxOutput(*(tuple(each[number : number + 1] for each in maps) for maps in output))


def gradients_of(loss, *modules):
    parameters = {
        f"{number}.{name}": parameter
        for number, module in enumerate(modules)
        for name, parameter in module.named_parameters()
    }
    given = torch.autograd.grad(loss, parameters.values(), retain_graph=True)
    return dict(zip(parameters, given, strict=True))


@pytest.mark.filterwarnings("ignore:.*torch.cuda.amp.autocast:FutureWarning")
@pytest.mark.filterwarnings("ignore:.*CUDA is not available:UserWarning")
@pytest.mark.parametrize("use_l1", [False, True])
@pytest.mark.parametrize("count", [5, 150])
@pytest.mark.parametrize("size", ["nano", "s"])
def test_assignments_losses_and_gradients_are_the_original_s(originals_head, size, count, use_l1):
    network = lively_network(size)
    head = originals_head(network)
    head.use_l1 = use_l1
    levels = network.features(torch.rand(3, 3, 96, 128) * 255)
    output = network.head(levels)
    rows = output.logit_rows().detach()
    targets = [truths_near(rows[0], count), NO_OBJECTS, truths_near(rows[2], count // 2)]
    seen = spy_on_assignments(head)
    expected = head(levels, padded_labels(targets), torch.zeros(3, 3, 96, 128))
    loss = yolox_loss(output, targets, YoloxLossConfig(use_l1=use_l1))

    assert seen.keys() == {0, 2}
    assert sum(len(anchors) for anchors, _, _ in seen.values()) == loss.foreground_count
    assert loss.foreground_count >= min(count, 60)
    for number, (anchors, truths, ious) in seen.items():
        given = loss.assignments[number]
        assert torch.equal(given.anchors, anchors)
        assert torch.equal(given.truths, truths)
        torch.testing.assert_close(given.ious, ious, rtol=1e-5, atol=0)
    for given, wanted in zip(loss[:5], expected[:5], strict=True):
        torch.testing.assert_close(given, torch.as_tensor(wanted), rtol=1e-5, atol=0)
    assert_same_gradients(
        gradients_of(loss.total, network.backbone, network.head),
        gradients_of(expected[0], network.backbone, head),
    )


def assert_same_gradients(given, wanted):
    assert given.keys() == wanted.keys()
    for name, gradient in given.items():
        difference = (gradient - wanted[name]).norm()
        assert difference <= 1e-4 * wanted[name].norm(), name


@pytest.fixture(scope="module")
def output():
    with torch.no_grad():
        return lively_network("nano")(torch.rand(2, 3, 96, 128) * 255)


@pytest.fixture(scope="module")
def targets(output):
    torch.manual_seed(1)
    return [truths_near(rows, 12) for rows in output.logit_rows()]


def test_the_parts_sum_up_to_the_total(output, targets):
    loss = yolox_loss(output, targets, YoloxLossConfig(use_l1=True))
    assert float(loss.total) == pytest.approx(sum(map(float, loss[1:5])), rel=1e-6)
    assert min(map(float, loss[1:5])) > 0
    assert float(yolox_loss(output, targets).l1) == 0


def test_each_part_grows_with_its_weight(output, targets):
    usual = YoloxLossConfig(use_l1=True)
    names = {
        "iou_weight": "iou",
        "objectness_weight": "objectness",
        "class_weight": "classification",
        "l1_weight": "l1",
    }
    before = yolox_loss(output, targets, usual)
    for weight, part in names.items():
        doubled = dataclasses.replace(usual, **{weight: 2 * getattr(usual, weight)})
        after = yolox_loss(output, targets, doubled)
        for other in names.values():
            factor = 2 if other == part else 1
            assert float(getattr(after, other)) == pytest.approx(
                factor * float(getattr(before, other))
            )


def test_yolov_weighs_boxes_less_and_always_counts_offsets():
    config = YoloxLossConfig.preset("yolov")
    assert (config.iou_weight, config.use_l1) == (3.0, True)


def test_images_without_objects_still_teach_that_there_is_nothing(output):
    maps = tuple(each.clone().requires_grad_() for each in output.objectness)
    offsets = tuple(each.clone().requires_grad_() for each in output.box_offsets)
    loss = yolox_loss(
        output._replace(objectness=maps, box_offsets=offsets),
        [NO_OBJECTS, NO_OBJECTS],
        YoloxLossConfig(use_l1=True),
    )
    assert loss.foreground_count == 0
    loss.total.backward()
    total, iou, _, classification, l1 = (float(each.detach()) for each in loss[:5])
    assert iou == classification == l1 == 0
    expected = sum(torch.nn.functional.softplus(each).sum() for each in output.objectness)
    assert total == pytest.approx(float(expected), rel=1e-5)
    assert all((each.grad > 0).all() for each in maps)
    assert all((each.grad == 0).all() for each in offsets)  # there, as parallel training wants it


def test_parts_are_averages_over_the_anchors_of_the_whole_batch(output, targets):
    one_by_one = [
        yolox_loss(image_of(output, number), [target]) for number, target in enumerate(targets)
    ]
    together = yolox_loss(output, targets)
    counts = [loss.foreground_count for loss in one_by_one]
    assert together.foreground_count == sum(counts)
    weighted = sum(
        float(loss.total) * count for loss, count in zip(one_by_one, counts, strict=True)
    )
    assert float(together.total) == pytest.approx(weighted / sum(counts), rel=1e-5)


def test_sums_are_divided_by_what_the_caller_makes_of_the_count(output, targets):
    asked = []

    def divide_by(count):
        asked.append(count)
        return 2.5 * count

    usual = yolox_loss(output, targets, YoloxLossConfig(use_l1=True))
    given = yolox_loss(output, targets, YoloxLossConfig(use_l1=True), divide_by=divide_by)
    assert asked == [usual.foreground_count]
    for mine, theirs in zip(given[:5], usual[:5], strict=True):
        assert float(mine) == pytest.approx(float(theirs) / 2.5, rel=1e-6)


def test_a_box_that_is_predicted_exactly_costs_nothing(output):
    rows = output.logit_rows()[0]
    config = YoloxLossConfig(use_l1=True, objectness_weight=0, class_weight=0)
    centre = rows[60, :4]
    box = torch.cat([centre[:2] - centre[2:] / 2, centre[:2] + centre[2:] / 2])[None]
    # With one anchor a truth, it is the one of highest IoU.
    simota = SimOtaConfig(iou_count=1, iou_weight=1e6, candidates="box_or_centre", radius=100)
    target = YoloxTargets(box, torch.tensor([1]))
    loss = yolox_loss(image_of(output, 0), [target], config, simota)
    assert loss.assignments[0].anchors.tolist() == [60]
    assert float(loss.iou) == pytest.approx(0, abs=1e-4)
    assert float(loss.l1) == pytest.approx(0, abs=1e-4)
    assert float(loss.total) == float(loss.iou + loss.l1)


def test_half_precision_around_the_loss_changes_nothing(output, targets):
    expected = yolox_loss(output, targets)
    with torch.autocast("cpu", torch.bfloat16):
        given = yolox_loss(output, targets)
    assert given.total.dtype == torch.float32
    assert float(given.total) == float(expected.total)


def test_an_output_in_half_precision_has_a_float_loss_and_half_gradients(output, targets):
    halved = YoloxOutput(*(tuple(each.half() for each in maps) for maps in output))
    maps = tuple(each.requires_grad_() for each in halved.box_offsets)
    loss = yolox_loss(halved, targets, YoloxLossConfig(use_l1=True))
    loss.total.backward()
    assert loss.total.dtype == torch.float32
    # Half rounds to a thousandth.
    expected = yolox_loss(output, targets, YoloxLossConfig(use_l1=True))
    assert float(loss.total.detach()) == pytest.approx(float(expected.total), rel=0.05)
    assert all(each.grad.dtype == torch.float16 for each in maps)


def test_predictions_that_are_not_finite_are_refused_with_the_image_s_number(output, targets):
    maps = [each.clone() for each in output.objectness]
    maps[2][1] = torch.nan
    with pytest.raises(ValueError, match="image 1 of the batch: predictions: expected finite"):
        yolox_loss(output._replace(objectness=tuple(maps)), targets)


def test_targets_of_another_number_of_images_are_refused(output, targets):
    with pytest.raises(ValueError, match="targets: expected 2, one an image, got 1"):
        yolox_loss(output, targets[:1])


@pytest.mark.parametrize(
    ("boxes", "class_ids", "message"),
    [
        (torch.zeros(4), torch.zeros(1, dtype=torch.int64), r"boxes: expected \(G, 4\)"),
        (torch.zeros(1, 4).long(), torch.zeros(1, dtype=torch.int64), "floats, got"),
        (torch.zeros(0, 4), torch.zeros(2, dtype=torch.int64), r"expected \(0,\)"),
        (torch.zeros(0, 4), torch.zeros(0), "torch.int64"),
        (torch.tensor([[0.0, 0, 5, 5], [3, 3, 3, 9]]), torch.tensor([0, 0]), "in row 1"),
        (torch.tensor([[0.0, torch.nan, 5, 5]]), torch.tensor([0]), "in row 0"),
        (torch.tensor([[0.0, 0, torch.inf, 5]]), torch.tensor([0]), "in row 0"),
    ],
)
def test_targets_that_make_no_sense_are_refused(boxes, class_ids, message):
    with pytest.raises(ValueError, match=message):
        YoloxTargets(boxes, class_ids)
