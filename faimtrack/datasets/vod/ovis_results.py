"""Detections in OVIS's videos as one file of results, as a server of COCO's kind takes them.

The form is that of YOLOV's own tool, whose published numbers on OVIS came from such a file: a
list of results as COCO has them, in which `image_id` is the video's number, `_` and the frame's
number in the video from 1.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from faimtrack.atomic import atomic_file
from faimtrack.boxes import box_xyxy_to_xywh, clip_boxes
from faimtrack.datasets.vod.ovis_file import OvisFile, OvisVideo, read_ovis_file
from faimtrack.detectors.files.reading import read_detections
from faimtrack.detectors.files.table import DetectionTable

_SUFFIXES = (".parquet", ".json", ".txt")
_NAME_IN_ARCHIVE = "results.json"


@dataclass(frozen=True)
class OvisResults:
    """What was written.

    Attributes:
        videos: How many.
        detections: How many.
        left_out: Detections under the score, or wholly outside of their frames.
    """

    videos: int
    detections: int
    left_out: int


def write_ovis_results(
    annotations: Path, detections: Path, output: Path, *, minimum_score: float = 0.001
) -> OvisResults:
    """Write the results of all videos of a split.

    Boxes are cut at the images' borders and rounded to hundredths of a pixel.

    Args:
        annotations: OVIS's file of the split, such as `annotations_valid.json`.
        detections: A folder with a file of detections a video, by the video's name.
        output: A file `*.json`; or `*.zip`, which holds the same as `results.json`.
        minimum_score: Detections with less are left out.

    Raises:
        ValueError: A file is wrong, names other classes, or has frames beyond its video.
        OSError: A video has no detections, or something cannot be read or written.
    """
    if output.suffix.lower() not in (".json", ".zip"):
        raise ValueError(f"{output}: expected a name with .json or .zip, got {output.suffix!r}")
    listed = read_ovis_file(annotations)
    results: list[dict[str, Any]] = []
    left_out = 0
    paths = {video.number: _detections_of(detections, video) for video in listed.videos.values()}
    for video in listed.videos.values():
        table = read_detections(
            paths[video.number], frame_count=len(video.file_names), allow_empty=True
        )
        rows = _rows(listed, video, table, minimum_score)
        left_out += len(table) - len(rows)
        results += rows
    text = json.dumps(results, separators=(",", ":"))
    with atomic_file(output) as temporary:
        if output.suffix.lower() == ".json":
            temporary.write_text(text, encoding="ascii")
        else:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr(zipfile.ZipInfo(_NAME_IN_ARCHIVE), text, zipfile.ZIP_DEFLATED)
    return OvisResults(len(listed.videos), len(results), left_out)


def _detections_of(folder: Path, video: OvisVideo) -> Path:
    for suffix in _SUFFIXES:
        path = folder / f"{video.name}{suffix}"
        if path.is_file():
            return path
    raise FileNotFoundError(
        f"{folder / video.name}{_SUFFIXES[0]}: expected the detections of {video.name}, got no "
        "such file"
    )


def _rows(
    listed: OvisFile, video: OvisVideo, table: DetectionTable, minimum_score: float
) -> list[dict[str, Any]]:
    numbers = _category_numbers(listed, table)
    boxes = np.round(box_xyxy_to_xywh(clip_boxes(table.boxes, video.width, video.height)), 2)
    is_kept = (table.scores >= minimum_score) & np.asarray((boxes[:, 2:] > 0).all(axis=1))
    return [
        {
            "image_id": f"{video.number}_{frame}",
            "category_id": numbers[kind],
            "bbox": box,
            "score": score,
        }
        for frame, kind, box, score in zip(
            table.frames[is_kept].tolist(),
            table.class_ids[is_kept].tolist(),
            boxes[is_kept].tolist(),
            table.scores[is_kept].tolist(),
            strict=True,
        )
    ]


def _category_numbers(listed: OvisFile, table: DetectionTable) -> list[int]:
    """OVIS's numbers of the detections' classes."""
    names: Sequence[str] = table.class_names or ()
    number_of = {name: number for number, name in listed.categories.items()}
    unknown = [name for name in names if name not in number_of]
    if unknown or (len(table) and not names):
        came = repr(unknown[0]) if unknown else "no names of classes"
        raise ValueError(f"{table.path}: expected classes of {listed.path.name}, got {came}")
    return [number_of[name] for name in names]
