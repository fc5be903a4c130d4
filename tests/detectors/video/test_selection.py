from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.detectors.video.config import ProposalConfig
from faimtrack.detectors.video.selection import select_proposals

GOLDEN = Path(__file__).parent / "golden" / "yolov.npz"


def make_rows(frames=2, anchors=60, classes=3, seed=0):
    """Boxes of about one size in a small picture, so that many overlap."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.rand(frames, anchors, 5 + classes, generator=random)
    rows[..., :2] *= 40
    rows[..., 2:4] = 25 + 10 * rows[..., 2:4]
    return rows


def overlap(one, other):
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
    return shared / (sum(areas) - shared)


def by_the_formulas(rows, config):
    """METHOD.md 2, FSM, for one frame, one anchor after the other."""
    rows = rows.tolist()
    order = sorted(range(len(rows)), key=lambda anchor: -rows[anchor][4])
    candidates = order[: config.candidates]
    candidates = [each for each in candidates if rows[each][4] >= config.minimum_objectness]

    def class_of(anchor):
        scores = rows[anchor][5:]
        return scores.index(max(scores))

    def box_of(anchor):
        x, y, width, height = rows[anchor][:4]
        return [x - width / 2, y - height / 2, x + width / 2, y + height / 2]

    candidates.sort(key=lambda anchor: -rows[anchor][4] * max(rows[anchor][5:]))
    kept = []
    for anchor in candidates:
        rivals = [
            each
            for each in kept
            if class_of(each) == class_of(anchor) or not config.proposal_nms_per_class
        ]
        overlaps = [overlap(box_of(anchor), box_of(each)) for each in rivals]
        if all(each <= config.proposal_nms_threshold for each in overlaps):
            kept.append(anchor)
    return kept[: config.proposals], [box_of(each) for each in kept[: config.proposals]]


CONFIGS = {
    "the paper's": {},
    "few candidates": {"candidates": 12},
    "few proposals": {"proposals": 4},
    "strict": {"proposal_nms_threshold": 0.3},
    "no suppression": {"proposal_nms_threshold": 1.0, "proposals": 100},
    "sure ones": {"minimum_objectness": 0.6},
    "of any class": {"proposal_nms_per_class": False},
}


@pytest.mark.parametrize("case", CONFIGS)
@given(seed=st.integers(0, 1000), anchors=st.integers(1, 60), classes=st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_proposals_are_what_the_formulas_say(case, seed, anchors, classes):
    config = ProposalConfig(**CONFIGS[case])
    rows = make_rows(2, anchors, classes, seed)
    for found, frame in zip(select_proposals(rows, config), rows, strict=True):
        expected, boxes = by_the_formulas(frame, config)
        assert found.anchors.tolist() == expected
        assert torch.allclose(found.boxes, torch.tensor(boxes).view(-1, 4), atol=1e-4)
        assert torch.equal(found.objectness, frame[expected, 4])
        assert torch.equal(found.class_scores, frame[expected, 5:])


def test_boxes_of_two_classes_do_not_suppress_each_other_unless_that_is_wanted():
    rows = torch.tensor([[[9.0, 9, 4, 4, 0.9, 0.9, 0.1], [9.0, 9, 4, 4, 0.8, 0.1, 0.9]]])
    (found,) = select_proposals(rows, ProposalConfig())
    assert found.anchors.tolist() == [0, 1]
    (found,) = select_proposals(rows, ProposalConfig(proposal_nms_per_class=False))
    assert found.anchors.tolist() == [0]
    rows[0, 1, 5:] = torch.tensor([0.9, 0.1])
    (found,) = select_proposals(rows, ProposalConfig())
    assert found.anchors.tolist() == [0]


def test_candidates_are_of_high_objectness_though_others_have_higher_scores():
    rows = make_rows(1, 3, 1)
    rows[0, :, 4:] = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.7, 1.0]])
    rows[0, :, 0] = torch.tensor([0.0, 100, 200])
    (found,) = select_proposals(rows, ProposalConfig(candidates=2))
    assert found.anchors.tolist() == [1, 0]  # 0.16 before 0.09; 0.7 was no candidate


@pytest.mark.parametrize("anchors", [0, 1, 29, 749, 751])
def test_fewer_anchors_than_candidates_are_all_looked_at(anchors):
    rows = make_rows(1, anchors)
    rows[..., 0] = 100 * torch.arange(anchors)  # nothing overlaps
    (found,) = select_proposals(rows, ProposalConfig(proposals=1000))
    assert len(found.anchors) == min(anchors, 750)
    assert found.boxes.shape == (len(found.anchors), 4)
    assert found.class_scores.shape == (len(found.anchors), 3)


def test_frames_may_have_different_numbers_of_proposals_and_none():
    rows = make_rows(3)
    rows[0, :, 4] = 0.1
    rows[1, 5:, 4] = 0.1
    found = select_proposals(rows, ProposalConfig(minimum_objectness=0.2, proposals=100))
    first, second, third = (len(each.anchors) for each in found)
    assert first == 0
    assert second <= 5 < third
    assert select_proposals(rows[:0], ProposalConfig()) == []


def test_frames_are_chosen_from_each_for_itself():
    rows = make_rows(3)
    order = [2, 0, 1]
    found = select_proposals(rows[order], ProposalConfig())
    expected = select_proposals(rows, ProposalConfig())
    for one, number in zip(found, order, strict=True):
        assert all(map(torch.equal, one, expected[number]))


def test_choosing_has_no_gradient_and_changes_nothing():
    rows = make_rows().requires_grad_(True)
    before = rows.detach().clone()
    for each in select_proposals(rows, ProposalConfig()):
        assert not any(field.requires_grad for field in each)
    assert torch.equal(rows, before)


def test_half_precision_is_read_as_full():
    rows = make_rows().half()
    for one, other in zip(
        select_proposals(rows, ProposalConfig()),
        select_proposals(rows.float(), ProposalConfig()),
        strict=True,
    ):
        assert one.boxes.dtype == torch.float32
        assert all(map(torch.equal, one, other))


def test_proposals_are_those_of_yolovs_own_code():
    with np.load(GOLDEN) as file:
        rows, anchors, boxes = (
            torch.from_numpy(file[key]) for key in ("rows", "anchors", "boxes")
        )
    found = select_proposals(rows, ProposalConfig(candidates=120))
    assert torch.equal(torch.stack([each.anchors for each in found]), anchors)
    found_boxes = torch.stack([each.boxes for each in found])
    torch.testing.assert_close(found_boxes, boxes, rtol=0, atol=1e-5)
