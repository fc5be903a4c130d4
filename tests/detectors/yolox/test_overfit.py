"""The training path is alive on real pictures: a nano learns twelve frames by heart."""

import contextlib
import io
import logging
import math

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from faimtrack.boxes import box_xyxy_to_xywh, clip_boxes
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.losses import YoloxLossConfig, YoloxTargets, yolox_loss
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.motfile import read_mot
from faimtrack.video import open_source
from faimtrack.weights.files import WeightsMetadata, write_weights

SEQUENCES = ("MOT17-02-FRCNN", "MOT17-04-FRCNN")
INPUT_SIZE = 608, 1088  # the frames' 1080 by 1920, in multiples of 32
EPOCHS = 100
STEPS = 4 * EPOCHS
LEARNING_RATE = 2e-3


def frames_with_people(shared_data):
    """The frames of both sequences, and the boxes of who is to be found in each."""
    for name in SEQUENCES:
        folder = shared_data / "frames" / name
        table = read_mot(folder / "gt" / "gt.txt", "ground truth")
        with open_source(folder / "img1") as source:
            for frame in source:
                rows = table.select(table.rows_of(frame.index))
                is_wanted = (rows.class_ids == 1) & (rows.visibilities >= 0.25)
                height, width = frame.image.shape[:2]
                yield frame, clip_boxes(rows.boxes[is_wanted], width, height)


def input_and_targets(frame, boxes):
    """What the network sees of a frame, and what it is to find there."""
    pixels = np.empty((3, *INPUT_SIZE), np.float32)
    ratio = fill_input(frame.image, "current", pixels)
    class_ids = torch.zeros(len(boxes), dtype=torch.int64)
    return torch.from_numpy(pixels), YoloxTargets(
        torch.from_numpy(boxes * ratio).float(), class_ids
    )


def batches(samples, random):
    """Each frame once, in threes: one of the first sequence and two of the second."""
    first, second = random.permutation(4), 4 + random.permutation(8)
    for number in range(4):
        rows = [first[number], *second[2 * number : 2 * number + 2]]
        images, targets = zip(*(samples[row] for row in rows), strict=True)
        yield torch.stack(images).contiguous(memory_format=torch.channels_last), targets


def learn(network, samples, random):
    """Train, and give the mean loss of each epoch."""
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / 8) * (0.525 + 0.475 * math.cos(math.pi * step / STEPS)),
    )
    losses = []
    for epoch in range(EPOCHS):
        config = YoloxLossConfig(use_l1=epoch >= EPOCHS * 3 // 4)
        parts = []
        for images, targets in batches(samples, random):
            loss = yolox_loss(network(images), targets, config)
            optimizer.zero_grad()
            loss.total.backward()
            optimizer.step()
            schedule.step()
            parts.append(float((loss.total - loss.l1).detach()))
        losses.append(float(np.mean(parts)))
    return losses


def average_precision_50(found, wanted):
    """COCO's AP at an IoU of 0.5; every box that finds nobody wanted is a false alarm."""
    truth = COCO()
    truth.dataset = {
        "images": [{"id": number} for number in range(1, len(wanted) + 1)],
        "categories": [{"id": 1}],
        "annotations": [
            {"image_id": number, "category_id": 1, "bbox": box, "area": box[2] * box[3],
             "iscrowd": 0}
            for number, boxes in enumerate(wanted, 1)
            for box in box_xyxy_to_xywh(boxes).tolist()
        ],
    }  # fmt: skip
    for number, annotation in enumerate(truth.dataset["annotations"], 1):
        annotation["id"] = number
    answers = [
        {"image_id": number, "category_id": 1, "bbox": box, "score": score}
        for number, detections in enumerate(found, 1)
        for box, score in zip(
            box_xyxy_to_xywh(detections.boxes).tolist(), detections.scores.tolist(), strict=True
        )
    ]
    if not answers:
        return 0.0
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluation.params.iouThrs = np.array([0.5])
        evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
        evaluation.params.maxDets = [1000]
        evaluation.evaluate()
        evaluation.accumulate()
    return float(evaluation.eval["precision"].mean())


def detector_of(network, path):
    """The network as a user has it: from a file of weights, with the settings in it."""
    settings = {"input_convention": "current", "input_size": list(INPUT_SIZE)}
    metadata = WeightsMetadata(architecture="yolox-nano", classes=("person",), settings=settings)
    write_weights(path, network.state_dict(), metadata)
    return YoloxDetector(path, score_threshold=0.01, device="cpu")


@pytest.mark.slow
def test_a_nano_learns_twelve_real_frames_by_heart(shared_data, tmp_path):
    frames, wanted = zip(*frames_with_people(shared_data), strict=True)
    assert len(frames) == 12
    assert sum(map(len, wanted)) > 300
    samples = [input_and_targets(*each) for each in zip(frames, wanted, strict=True)]
    torch.manual_seed(0)
    network = Yolox("nano", 1)
    before = detector_of(network, tmp_path / "before.safetensors").detect(frames)
    losses = learn(network, samples, np.random.default_rng(0))
    after = detector_of(network, tmp_path / "after.safetensors").detect(frames)
    precision = average_precision_50(after, wanted)
    # To be seen with --log-cli-level=INFO.
    logging.getLogger(__name__).info("AP50 %.4f; losses %s", precision, np.round(losses, 2))
    assert all(np.isfinite(losses))
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) / 5
    assert average_precision_50(before, wanted) < 0.01
    assert precision > 0.9
