"""COCO's metrics by pycocotools itself, to check ours with: slow, and all in memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from faimtrack.boxes import box_xyxy_to_xywh
from faimtrack.eval.vod.scores import COCO_METRICS
from faimtrack.eval.vod.videos import VideoDetections, VideoTruth, is_among

_IOU_PLACES = {"ap50": slice(0, 1), "ap75": slice(5, 6), "ap": slice(None)}


def coco_scores_by_pycocotools(
    videos: Iterable[tuple[VideoTruth, VideoDetections]],
    class_names: Sequence[str],
    *,
    max_detections: int = 100,
) -> tuple[dict[str, float | None], ...]:
    """What `COCOeval` says of each class, by `COCO_METRICS`; None where there is no truth.

    Its loops over frames, classes and thresholds are Python's: minutes where ours takes seconds.

    Args:
        videos: Ground truth and detections.
        class_names: What class ids mean.
        max_detections: Of a frame and class.

    Raises:
        ValueError: There is no object in any video.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    tree, results = _coco_trees(videos, class_names)
    if not tree["annotations"]:
        raise ValueError("ground truth: expected objects to be found, got none")
    with contextlib.redirect_stdout(io.StringIO()):  # it prints as it goes
        truth = COCO()
        truth.dataset = tree
        truth.createIndex()
        # Its `loadRes` takes no empty list.
        found = truth.loadRes(results) if results else COCO()
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.params.imgIds = [image["id"] for image in tree["images"]]
        evaluation.params.catIds = [category["id"] for category in tree["categories"]]
        evaluation.params.maxDets = [max_detections]
        evaluation.params.areaRng = [[0, np.inf]]
        evaluation.params.areaRngLbl = ["all"]
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, 0]  # thresholds, recalls, classes
    return tuple(_values(precision[..., number]) for number in range(len(class_names)))


def _values(precision: Any) -> dict[str, float | None]:
    return {
        name: None if (precision < 0).all() else float(precision[_IOU_PLACES[name]].mean())
        for name in COCO_METRICS
    }


def _coco_trees(
    videos: Iterable[tuple[VideoTruth, VideoDetections]], class_names: Sequence[str]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """COCO's ground truth and results; images are numbered in the order of videos and frames."""
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    for truth, detections in videos:
        first = len(images) + 1
        images += [{"id": first + place} for place in range(len(truth.frame_numbers))]
        objects += _records(truth, truth, first)
        kept = _records(truth, detections, first)
        scored = zip(kept, detections.scores.tolist(), strict=True)
        inside = is_among(truth.frame_numbers, detections.frames)
        results += [
            {**record, "score": score}
            for (record, score), is_inside in zip(scored, inside.tolist(), strict=True)
            if is_inside
        ]
    for number, record in enumerate(objects, 1):
        # Ids from 1: it takes an object of id 0 for one that nobody found.
        record |= {"id": number, "iscrowd": 0, "area": record["bbox"][2] * record["bbox"][3]}
    categories = [{"id": number, "name": name} for number, name in enumerate(class_names)]
    return {"images": images, "categories": categories, "annotations": objects}, results


def _records(
    truth: VideoTruth, rows: VideoTruth | VideoDetections, first: int
) -> list[dict[str, Any]]:
    places = np.searchsorted(truth.frame_numbers, rows.frames) + first
    columns = zip(
        places.tolist(),
        rows.class_ids.tolist(),
        box_xyxy_to_xywh(rows.boxes).tolist(),
        strict=True,
    )
    return [{"image_id": image, "category_id": kind, "bbox": box} for image, kind, box in columns]
