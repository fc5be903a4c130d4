import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack import nms
from faimtrack.boxes import box_iou
from faimtrack.nms import suppress_overlaps


def plain_nms(boxes, scores, class_ids, iou_threshold):
    """The definition, box by box."""
    kept = []
    for row in sorted(range(len(boxes)), key=lambda row: -scores[row]):
        if all(
            class_ids[row] != class_ids[other]
            or box_iou(boxes[[row]], boxes[[other]])[0, 0] <= iou_threshold
            for other in kept
        ):
            kept.append(row)
    return kept


def heap(seed, count, classes=3):
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (count, 2))
    boxes = np.concatenate([corners, corners + random.uniform(10, 60, (count, 2))], axis=1)
    scores = random.integers(0, 20, count) / 20  # ties on purpose
    return boxes, scores, random.integers(0, classes, count)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32 - 1), st.integers(0, 60), st.sampled_from([0.0, 0.3, 0.65, 1.0]))
def test_what_is_kept_follows_the_definition(seed, count, iou_threshold):
    boxes, scores, class_ids = heap(seed, count)
    kept = suppress_overlaps(boxes, scores, class_ids, iou_threshold)
    assert kept.tolist() == plain_nms(boxes, scores, class_ids, iou_threshold)


def test_blocks_change_nothing(monkeypatch):
    boxes, scores, class_ids = heap(1, 300)
    expected = plain_nms(boxes, scores, class_ids, 0.5)
    assert 50 < len(expected) < 280
    for block in (7, 64, 1000):
        monkeypatch.setattr(nms, "_BLOCK", block)
        assert suppress_overlaps(boxes, scores, class_ids, 0.5).tolist() == expected


def test_an_overlap_of_exactly_the_threshold_is_kept():
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [0.0, 5.0, 10.0, 10.0]])  # IoU 0.5
    scores, ids = np.array([0.9, 0.8]), np.zeros(2, np.int64)
    assert suppress_overlaps(boxes, scores, ids, 0.5).tolist() == [0, 1]
    assert suppress_overlaps(boxes, scores, ids, 0.49).tolist() == [0]


def test_torchvision_keeps_the_same():
    torch = pytest.importorskip("torch", reason="torchvision's own NMS needs the torch extra")
    ops = pytest.importorskip("torchvision.ops", reason="its own NMS needs the torch extra")
    for seed in range(5):
        boxes, scores, class_ids = heap(seed, 500)
        tensors = (torch.from_numpy(array) for array in (boxes, scores, class_ids))
        expected = ops.batched_nms(*tensors, 0.65).tolist()
        assert suppress_overlaps(boxes, scores, class_ids, 0.65).tolist() == expected
