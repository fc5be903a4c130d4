"""Average precision beside pycocotools, which COCO's own numbers come from."""

import contextlib
import io

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from faimtrack.training.average_precision import average_precision


def original(found, wanted):
    """The same by pycocotools, a thousand detections a frame."""
    frames = range(1, len(wanted) + 1)
    truth = COCO()
    truth.dataset = {
        "images": [{"id": frame} for frame in frames],
        "categories": [{"id": 1}],
        "annotations": [
            {
                "id": 1000 * frame + row, "image_id": frame, "category_id": 1, "iscrowd": 0,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
            }
            for frame, boxes in zip(frames, wanted, strict=True)
            for row, (x1, y1, x2, y2) in enumerate(boxes.tolist())
        ],
    }  # fmt: skip
    answers = [
        {
            "image_id": frame,
            "category_id": 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": score,
        }
        for frame, (boxes, scores) in zip(frames, found, strict=True)
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores, strict=True)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(answers), "bbox")
        evaluation.params.maxDets = [1, 10, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][:, :, 0, 0, -1]
    return precision.mean(), precision[0].mean()


def drawn(seed, frames=6, people=40):
    """Boxes that overlap, and detections of them: some off, some missing, some of nothing."""
    random = np.random.default_rng(seed)
    found, wanted = [], []
    for _ in range(frames):
        corners = random.uniform(0, 300, (people, 2))
        boxes = np.hstack([corners, corners + random.uniform(15, 80, (people, 2))])
        wanted.append(boxes)
        seen = boxes[random.random(people) < 0.8]
        detected = np.vstack([seen + random.normal(0, 4, seen.shape), boxes[:15] + 60, seen[:9]])
        # Scores of one decimal: many are equal.
        found.append((detected, random.random(len(detected)).round(1).tolist()))
    return found, wanted


@pytest.mark.parametrize("seed", range(5))
def test_it_is_that_of_pycocotools(seed):
    found, wanted = drawn(seed)
    scores = average_precision(found, wanted)
    assert (scores.ap, scores.ap50) == pytest.approx(original(found, wanted), abs=1e-12)
    assert 0.1 < scores.ap < scores.ap50 < 0.9


def test_nothing_found_and_nothing_there_are_zero():
    found, wanted = drawn(0)
    nothing = [(np.zeros((0, 4)), []) for _ in wanted]
    assert average_precision(nothing, wanted).ap50 == 0
    assert average_precision(found, [np.zeros((0, 4)) for _ in wanted]).ap == 0
