"""SimOTA against its definition, anchor by anchor and truth by truth."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.yolox import assignment
from faimtrack.detectors.yolox.assignment import AnchorPoints, SimOtaConfig, assign
from faimtrack.detectors.yolox.letterbox import STRIDES, anchor_grid

PRESETS = SimOtaConfig.preset_names()
SIZE = (160, 192)


def points_of(size=SIZE):
    corners, cells = (torch.from_numpy(each).float() for each in anchor_grid(size, STRIDES))
    return AnchorPoints(corners + cells[:, None] / 2, cells)


def some_predictions(generator, size=SIZE, classes=3):
    """Boxes of some cells around their own cell, and logits of any kind."""
    points = points_of(size)
    shifts = torch.randn(len(points.cells), 2, generator=generator) * 8
    sizes = torch.randn(len(points.cells), 2, generator=generator).exp() * 30
    logits = torch.randn(len(points.cells), 1 + classes, generator=generator) * 2
    return torch.cat([points.centres + shifts, sizes, logits], dim=1)


def some_truths(generator, count, size=SIZE, classes=3):
    """Boxes of 16 to 80 pixels with their centres in the image, and their classes."""
    centres = torch.rand(count, 2, generator=generator) * torch.tensor([size[1], size[0]])
    halves = torch.rand(count, 2, generator=generator) * 32 + 8
    ids = torch.randint(classes, (count,), generator=generator)
    return torch.cat([centres - halves, centres + halves], dim=1), ids


def a_scene(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return some_predictions(generator), *some_truths(generator, count), points_of()


def iou_of(first, second):
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    shared = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return shared / (areas[0] + areas[1] - shared)


def sigmoid(logit):
    return 1 / (1 + math.exp(-logit))


def class_cost(objectness, logits, wanted):
    cost = 0.0
    for number, logit in enumerate(logits):
        said = math.sqrt(sigmoid(objectness) * sigmoid(logit))
        cost -= math.log(said) if number == wanted else math.log(1 - said)
    return cost


def is_near(centre, cell, box, config, size):
    aim = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2]
    if config.centres_in_image:
        aim = [min(max(aim[0], 0), size[1]), min(max(aim[1], 0), size[0])]
    return all(abs(centre[axis] - aim[axis]) < config.radius * cell for axis in (0, 1))


def is_inside(centre, box):
    return all(box[axis] < centre[axis] < box[axis + 2] for axis in (0, 1))


def assign_slowly(rows, boxes, class_ids, points, config, size=SIZE):
    """The definition, in doubles: each chosen anchor's truth and IoU."""
    rows, boxes = rows.double().tolist(), boxes.double().tolist()
    both = config.candidates == "box_or_centre"
    costs, ious, candidates = {}, {}, []
    for anchor, row in enumerate(rows):
        centre, cell = points.centres[anchor].tolist(), float(points.cells[anchor])
        near = [is_near(centre, cell, box, config, size) for box in boxes]
        inside = [is_inside(centre, box) for box in boxes]
        if any(near) or (both and any(inside)):
            candidates.append(anchor)
        box = [row[0] - row[2] / 2, row[1] - row[3] / 2, row[0] + row[2] / 2, row[1] + row[3] / 2]
        for truth, wanted in enumerate(class_ids.tolist()):
            suits = near[truth] and (inside[truth] or not both)
            iou = ious[truth, anchor] = iou_of(boxes[truth], box)
            costs[truth, anchor] = (
                class_cost(row[4], row[5:], wanted)
                - config.iou_weight * math.log(iou + 1e-8)
                + (0 if suits else config.outside_cost)
            )
    chosen_by = {}
    for truth in range(len(boxes)):
        best = sorted((ious[truth, anchor] for anchor in candidates), reverse=True)
        count = max(1, int(sum(best[: config.iou_count])))
        by_cost = sorted((costs[truth, anchor], anchor) for anchor in candidates)
        for _, anchor in by_cost[:count]:
            chosen_by.setdefault(anchor, []).append(truth)
    answer = {}
    for anchor, truths in sorted(chosen_by.items()):
        bidders = range(len(boxes)) if len(truths) > 1 else truths
        truth = min(bidders, key=lambda each: costs[each, anchor])
        answer[anchor] = truth, ious[truth, anchor]
    return answer


def as_dictionary(given):
    return {
        anchor: (truth, pytest.approx(iou, rel=1e-4))
        for anchor, truth, iou in zip(*(each.tolist() for each in given), strict=True)
    }


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("count", [1, 4, 30])
def test_anchors_are_given_as_the_definition_says(preset, count):
    config = SimOtaConfig.preset(preset)
    for seed in range(2):
        scene = a_scene(seed, count)
        expected = assign_slowly(*scene, config)
        assert len(expected) >= count
        assert as_dictionary(assign(*scene, config)) == expected


def test_presets_differ_where_the_originals_do():
    centre, base, bytetrack, yolov = map(SimOtaConfig.preset, PRESETS)
    assert (centre.candidates, centre.radius, centre.outside_cost) == ("centre", 1.5, 1e6)
    assert (base.candidates, base.radius, base.outside_cost) == ("box_or_centre", 2.5, 1e5)
    assert bytetrack == replace(base, centres_in_image=True)
    assert yolov == replace(base, radius=4.5)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(PRESETS))
def test_each_anchor_answers_for_one_truth_and_each_truth_has_ten_at_most(seed, count, preset):
    rows, boxes, class_ids, points = a_scene(seed, count)
    given = assign(rows, boxes, class_ids, points, SimOtaConfig.preset(preset))
    assert (given.anchors.diff() > 0).all()
    assert given.truths.bincount(minlength=count).max() <= 10
    assert ((given.ious >= 0) & (given.ious <= 1 + 1e-6)).all()
    assert len(given.anchors) > 0


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10_000), st.integers(1, 40), st.sampled_from(PRESETS))
def test_truths_in_another_order_get_the_same_anchors(seed, count, preset):
    rows, boxes, class_ids, points = a_scene(seed, count)
    # A cost of a million has no room in a float for what tells two truths apart.
    config = replace(SimOtaConfig.preset(preset), outside_cost=1e3)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    given = assign(rows, boxes, class_ids, points, config)
    again = assign(rows, boxes[order], class_ids[order], points, config)
    assert torch.equal(again.anchors, given.anchors)
    assert torch.equal(order[again.truths], given.truths)


@settings(max_examples=20, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000), st.integers(0, 3), st.integers(0, 3),
    st.sampled_from(["default", "yolov-base"]),
)  # fmt: skip
def test_what_moves_by_whole_cells_gets_anchors_that_moved_along(seed, right, down, preset):
    generator = torch.Generator().manual_seed(seed)
    size = (384, 384)
    points = points_of(size)
    # Eighths of pixels, so that sums are exact; everything stays 96 px and more from the margin.
    centres = (torch.rand(6, 2, generator=generator) * 96 + 96).mul(8).round() / 8
    halves = (torch.rand(6, 2, generator=generator) * 24 + 8).mul(8).round() / 8
    boxes = torch.cat([centres - halves, centres + halves], dim=1)
    class_ids = torch.randint(3, (6,), generator=generator)
    rows = some_predictions(generator, size).mul(8).round() / 8
    rows[:, 2:4].clamp_(min=8)
    moved = rows.clone()
    anchor_moved_to = {}
    by_place = {
        (float(cell), *centre): anchor
        for anchor, (centre, cell) in enumerate(
            zip(points.centres.tolist(), points.cells.tolist(), strict=True)
        )
    }
    shift = torch.tensor([32.0 * right, 32.0 * down])
    for anchor, centre in enumerate(points.centres):
        place = (float(points.cells[anchor]), *(centre + shift).tolist())
        if place in by_place:
            anchor_moved_to[anchor] = by_place[place]
            moved[by_place[place]] = rows[anchor]
            moved[by_place[place], :2] += shift
    config = SimOtaConfig.preset(preset)
    given = assign(rows, boxes, class_ids, points, config)
    again = assign(moved, boxes + shift.repeat(2), class_ids, points, config)
    assert [anchor_moved_to[anchor] for anchor in given.anchors.tolist()] == again.anchors.tolist()
    assert torch.equal(again.truths, given.truths)
    assert torch.equal(again.ious, given.ious)


@pytest.mark.parametrize("preset", PRESETS)
def test_blocks_of_truths_give_what_all_at_once_give(preset, monkeypatch):
    scene = a_scene(3, 60)
    config = SimOtaConfig.preset(preset)
    whole = assign(*scene, config)
    monkeypatch.setattr(assignment, "_PAIRS_AT_ONCE", 1000)
    for one, other in zip(assign(*scene, config), whole, strict=True):
        assert torch.equal(one, other)


def assert_empty(given):
    assert [(len(each), each.dtype) for each in given] == [
        (0, torch.int64), (0, torch.int64), (0, torch.float32),
    ]  # fmt: skip


@pytest.mark.parametrize("preset", PRESETS)
def test_no_truths_get_no_anchors(preset):
    rows, boxes, class_ids, points = a_scene(0, 0)
    assert_empty(assign(rows, boxes, class_ids, points, SimOtaConfig.preset(preset)))


@pytest.mark.parametrize("preset", ["default", "yolov-base", "yolov"])
def test_a_truth_far_outside_the_image_gets_no_anchors(preset):
    rows, _, _, points = a_scene(0, 0)
    boxes, class_ids = torch.tensor([[900.0, 900, 960, 990]]), torch.tensor([1])
    assert_empty(assign(rows, boxes, class_ids, points, SimOtaConfig.preset(preset)))


def test_bytetrack_looks_for_a_truth_outside_at_the_image_s_nearest_point():
    rows, _, _, points = a_scene(0, 0)
    boxes, class_ids = torch.tensor([[900.0, 900, 960, 990]]), torch.tensor([1])
    given = assign(rows, boxes, class_ids, points, SimOtaConfig.preset("bytetrack"))
    assert len(given.anchors) == 1
    distance = torch.tensor([SIZE[1], SIZE[0]]) - points.centres[given.anchors[0]]
    assert (distance <= 2.5 * points.cells[given.anchors[0]]).all()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_truth_without_anchors_of_its_own_takes_one_that_others_leave(preset):
    rows, _, _, points = a_scene(1, 0)
    boxes = torch.tensor([[40.0, 40, 120, 130], [400.0, 20, 430, 60]])
    config = replace(SimOtaConfig.preset(preset), centres_in_image=False)
    given = assign(rows, boxes, torch.tensor([0, 2]), points, config)
    assert given.truths.bincount().tolist()[1:] == [1]
    assert given.ious[given.truths == 1].item() >= 0


@pytest.mark.parametrize("preset", PRESETS)
def test_a_box_smaller_than_the_cells_that_lies_between_their_centres_gets_an_anchor(preset):
    rows, _, _, points = a_scene(2, 0)
    boxes = torch.tensor([[62.5, 62.5, 65.5, 65.5]])
    given = assign(rows, boxes, torch.tensor([0]), points, SimOtaConfig.preset(preset))
    assert len(given.anchors) == 1


def test_predictions_in_half_precision_are_taken_as_the_numbers_that_they_are():
    rows, boxes, class_ids, points = a_scene(4, 20)
    halved = rows.half()
    expected = assign(halved.float(), boxes, class_ids, points)
    with torch.autocast("cpu", torch.bfloat16):
        given = assign(halved, boxes, class_ids, points)
    for one, other in zip(given, expected, strict=True):
        assert torch.equal(one, other)
        assert one.dtype == other.dtype


def test_saturated_scores_and_boxes_without_area_have_finite_costs():
    rows, boxes, class_ids, points = a_scene(5, 20)
    rows[::3, 4:] = 200
    rows[1::3, 4:] = -200
    rows[::2, 2:4] = 0
    given = assign(rows, boxes, class_ids, points)
    assert given.ious.isfinite().all()
    assert len(given.anchors) > 0


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_predictions_that_are_not_finite_are_refused(wrong):
    rows, boxes, class_ids, points = a_scene(0, 2)
    rows[7, 3] = wrong
    with pytest.raises(ValueError, match="expected finite numbers, got NaN or infinity at 1 of"):
        assign(rows, boxes, class_ids, points)


@pytest.mark.parametrize("wrong", [-1, 3])
def test_a_class_that_the_network_does_not_know_is_refused(wrong):
    rows, boxes, class_ids, points = a_scene(0, 2)
    class_ids[1] = wrong
    with pytest.raises(ValueError, match=f"class_ids: expected 0 to 2, got {wrong}"):
        assign(rows, boxes, class_ids, points)
