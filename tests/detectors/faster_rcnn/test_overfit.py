"""The training settings are alive: a few drawn pictures can be learnt by heart."""

import numpy as np
import pytest
import torch

from faimtrack.boxes import box_iou, box_xywh_to_xyxy
from faimtrack.datasets.crowd import CrowdConfig, Renderer, simulate_crowd
from faimtrack.detectors.faster_rcnn.answers import Targets
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.structures import Frame

STEPS = 100


def pictures():
    """Frames of a crowd far apart in time, and the boxes of who is mostly seen in each."""
    config = CrowdConfig(
        width=256, height=160, frames=151, density="sparse", people=6, distractors=False, seed=2
    )
    crowd = simulate_crowd(config)
    renderer, table = Renderer(crowd), crowd.annotations
    for number in (1, 51, 101, 151):
        rows = table.rows_of(number)
        seen = table.visibility[rows] > 50_000
        boxes = box_xywh_to_xyxy(table.boxes_xywh[rows][seen].astype(float))
        boxes = np.clip(boxes, 0, [256, 160, 256, 160])
        yield Frame(number, image=renderer.render(number).image), boxes


def average_precision(found, wanted):
    """AP at an IoU of 0.5 over all pictures, and the largest recall."""
    hits, scores = [], []
    for detections, boxes in zip(found, wanted, strict=True):
        free = np.ones(len(boxes), bool)
        for overlaps in box_iou(detections.boxes, boxes):
            best = int(np.argmax(overlaps * free))
            hit = bool(free[best] and overlaps[best] >= 0.5)
            free[best] &= not hit
            hits.append(hit)
        scores += detections.scores.tolist()
    count = sum(map(len, wanted))
    hits = np.array(hits, bool)[np.argsort(-np.array(scores), kind="stable")]
    recall = hits.cumsum() / count
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
    return float((hits * best_from_here).sum() / count), float(recall[-1] if len(hits) else 0)


def score(network, frames, wanted):
    detector = FasterRcnnDetector(network, short_side=160, long_side=256)
    return average_precision(detector.detect(frames), wanted)


@pytest.mark.slow
def test_a_network_learns_four_pictures_by_heart():
    torch.manual_seed(0)
    frames, wanted = zip(*pictures(), strict=True)
    images = [torch.from_numpy(frame.image).permute(2, 0, 1) for frame in frames]
    targets = [
        Targets(torch.from_numpy(boxes), torch.zeros(len(boxes), dtype=torch.long))
        for boxes in wanted
    ]
    config = FasterRcnnTrainingConfig(
        batch_norm="batch", trained_stages=5, proposals_after_nms=200, box_samples=128
    )
    network = build_faster_rcnn("resnet18-fpn", config=config)
    before, _ = score(network, frames, wanted)
    optimizer = torch.optim.AdamW(network.parameters(), lr=2e-4)
    network.train()
    history = []
    for step in range(STEPS):
        chosen = [(2 * step) % 4, (2 * step + 1) % 4]
        losses = network([images[row] for row in chosen], [targets[row] for row in chosen]).losses
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        history.append(total.item())
    after, recall = score(network, frames, wanted)
    assert np.mean(history[-10:]) < 0.5 * np.mean(history[:10])
    assert before < 0.1
    assert after > 0.8
    assert recall > 0.9
