"""Thresholds and sizes at which boxes stay, beside torchvision's own choices."""

import torch
from torchvision.models.detection.roi_heads import RoIHeads

from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, ProposalConfig
from faimtrack.detectors.faster_rcnn.selection import select_detections, select_proposals

SIZE = (100, 100)


def selected(boxes, scores, **parameters):
    boxes = torch.tensor(boxes, dtype=torch.float32)[:, None]
    scores = torch.tensor(scores)[:, None]
    return select_detections(boxes, scores, SIZE, FasterRcnnConfig(**parameters))[0].tolist()


def test_a_detection_at_the_threshold_goes_as_in_torchvision():
    far, near = [60.0, 60.0, 80.0, 80.0], [0.0, 0.0, 20.0, 20.0]
    assert selected([far, near], [0.5, 0.75], score_threshold=0.5) == [near]
    heads = RoIHeads(None, None, None, 0.5, 0.5, 1, 0.5, None, 0.5, 0.5, 100)
    heads.box_coder.decode = lambda offsets, proposals: offsets.reshape(2, 2, 4)
    boxes = torch.tensor([[far, far], [near, near]]).reshape(2, 8)
    logits = torch.tensor([[0.5, 0.5], [0.25, 0.75]]).log()
    (kept,), _, _ = heads.postprocess_detections(logits, boxes, [torch.zeros(2, 4)], [SIZE])
    assert kept.tolist() == [near]


def test_a_proposal_at_the_threshold_stays():
    boxes = torch.tensor([[0.0, 0.0, 20.0, 20.0], [60.0, 60.0, 80.0, 80.0]])
    config = ProposalConfig(proposal_score_threshold=0.5)
    kept = select_proposals(boxes, torch.tensor([0.0, -0.5]), [2], SIZE, config)
    assert kept.tolist() == boxes[:1].tolist()


def test_what_is_hardly_there_is_no_detection():
    thin, beside, small = [5, 5, 5.005, 9], [-20, 5, -10, 9], [50, 50, 50.0625, 50.0625]
    assert selected([thin, beside, small], [0.9, 0.9, 0.9]) == [small]


def test_of_equal_scores_the_earlier_box_stays():
    first, second = [0.0, 0.0, 20.0, 20.0], [1.0, 0.0, 21.0, 20.0]
    assert selected([first, second], [0.75, 0.75]) == [first]
    assert selected([second, first], [0.75, 0.75]) == [second]
