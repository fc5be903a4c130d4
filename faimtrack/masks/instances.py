"""Masks from instances that another program found, such as Box2Mask: COCO's JSON of results."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from faimtrack.boxes import overlapping_pairs
from faimtrack.masks.config import InstancesConfig
from faimtrack.masks.mask import Mask
from faimtrack.masks.segmenter import FrameObjects, Segment

_NUMBER = re.compile(r"(\d{1,18})\.[A-Za-z]+$")
_FARTHEST_PX = 1e9


class AlignedInstances:
    """The instances of one sequence, each given to the object whose box it fits best.

    Classes are not compared. Pairs of an object and an instance are taken by falling IoU of the
    object's box with the box round the instance's mask: an instance serves one object at most, so
    that two people of a crowd never share a mask.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], config: InstancesConfig | None = None
    ) -> None:
        """Read a file of instances.

        Args:
            path: A list of COCO results: `image_id` (the frame's number) or `file_name`
                (`000012.jpg` is frame 12), `segmentation` (run lengths or polygons) and `score`;
                or a COCO data set whose `images` say the file names.
            size: Height and width of the frames in pixels.
            config: Parameters; None takes the defaults.

        Raises:
            ValueError: It is no such file, or an instance has another size.
            OSError: It cannot be read.
        """
        self._path, self._size = path, size
        self._config = config or InstancesConfig()
        self._by_frame: dict[int, list[tuple[Mask, float]]] = {}
        results, frames = _read_results(path)
        for number, result in enumerate(results):
            where = f"{path}: result {number + 1}"
            score = _score(where, result)
            if score < self._config.minimum_score:
                continue
            mask = _mask_of(where, result, size)
            self._by_frame.setdefault(_frame_of(where, result, frames), []).append((mask, score))

    def segments(self, objects: FrameObjects) -> Sequence[Segment | None]:
        """As `MaskSource.segments`; the quality is the instance's score."""
        found: list[Segment | None] = [None] * len(objects.windows)
        instances = self._by_frame.get(objects.index, [])
        if not instances:
            return found
        boxes = np.array([mask.box_xywh for mask, _ in instances])
        boxes[:, 2:] += boxes[:, :2]
        for row, column in _best_pairs(
            objects.windows.astype(np.float64), boxes, self._config.minimum_iou
        ):
            mask, score = instances[column]
            found[row] = Segment(mask.window(objects.windows[row].tolist()), score)
        return found


def _best_pairs(
    boxes: NDArray[np.float64], others: NDArray[np.float64], minimum_iou: float
) -> list[tuple[int, int]]:
    """Pairs by falling IoU, each row of either side once; ties go to the first row."""
    rows, columns, ious = overlapping_pairs(boxes, others)
    is_good = (ious >= minimum_iou) & (ious > 0)
    rows, columns, ious = rows[is_good], columns[is_good], ious[is_good]
    pairs: list[tuple[int, int]] = []
    used_rows: set[int] = set()
    used_columns: set[int] = set()
    for place in np.lexsort([columns, rows, -ious]).tolist():
        row, column = int(rows[place]), int(columns[place])
        if row not in used_rows and column not in used_columns:
            used_rows.add(row)
            used_columns.add(column)
            pairs.append((row, column))
    return pairs


def _read_results(path: Path) -> tuple[list[Any], dict[object, int]]:
    """All instances of a file, and the frame of each image id that the file explains."""
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected instances in COCO's JSON, got no such file")
    try:
        tree = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: expected instances in COCO's JSON, got no whole JSON") from None
    frames: dict[object, int] = {}
    if isinstance(tree, Mapping):
        frames = _frames_of_images(path, tree.get("images", []))
        tree = tree.get("annotations")
    if not isinstance(tree, list):
        raise ValueError(f"{path}: expected a list of COCO results, got other JSON")
    return tree, frames


def _frames_of_images(path: Path, images: Any) -> dict[object, int]:
    if not isinstance(images, list) or not all(isinstance(each, Mapping) for each in images):
        raise ValueError(f"{path}: expected images as a list of objects, got other JSON")
    return {
        _image_id(where, image): _frame_of(where, image, {})
        for where, image in ((f"{path}: image {row}", each) for row, each in enumerate(images, 1))
    }


def _image_id(where: str, image: Mapping[str, Any]) -> int | str:
    found = image.get("id")
    if not isinstance(found, (int, str)):
        raise ValueError(f"{where}: expected an id, a number or a text, got {found!r}")
    return found


def _frame_of(where: str, result: Mapping[str, Any], frames: Mapping[object, int]) -> int:
    number = result.get("image_id")
    if isinstance(number, (int, str)) and number in frames:
        return frames[number]
    if "file_name" in result:
        match = _NUMBER.search(str(result["file_name"]))
        if match is None:
            raise ValueError(
                f"{where}: expected a file name with the frame's number, "
                f"got {result['file_name']!r}"
            )
        return int(match[1])
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{where}: expected image_id to be a frame from 1, got {number!r}")
    return number


def _score(where: str, result: Any) -> float:
    score = result.get("score", 1.0) if isinstance(result, Mapping) else None
    if not isinstance(score, (int, float)) or not 0 <= score <= 1:
        raise ValueError(f"{where}: expected a result with a score from 0 to 1, got {score!r}")
    return float(score)


def _mask_of(where: str, result: Mapping[str, Any], size: tuple[int, int]) -> Mask:
    """The mask of a result, checked: pycocotools trusts what it is given."""
    height, width = size
    segmentation = result.get("segmentation")
    if isinstance(segmentation, list):
        counts = _polygon_counts(where, segmentation, size)
    elif isinstance(segmentation, Mapping):
        if segmentation.get("size") != [height, width]:
            raise ValueError(
                f"{where}: expected masks of {height} x {width} (height x width) pixels, got "
                f"{segmentation.get('size')!r}"
            )
        counts = _run_counts(where, segmentation.get("counts"), size)
    else:
        raise ValueError(f"{where}: expected a segmentation, got {type(segmentation).__name__}")
    try:
        return Mask(height=height, width=width, counts=counts)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _run_counts(where: str, counts: Any, size: tuple[int, int]) -> bytes:
    if isinstance(counts, str):
        return counts.encode("ascii", errors="replace")
    is_list = isinstance(counts, list) and all(type(run) is int and run >= 0 for run in counts)
    if is_list and sum(counts) == size[0] * size[1]:
        encoded: bytes = coco.frPyObjects({"size": list(size), "counts": counts}, *size)["counts"]
        return encoded
    raise ValueError(f"{where}: expected run lengths that fill {size[0]} x {size[1]} pixels")


def _polygon_counts(where: str, polygons: list[Any], size: tuple[int, int]) -> bytes:
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"{where}: expected polygons x1 y1 x2 y2 x3 y3 ..., got {polygon!r}")
        # What is not a number makes pycocotools ask for all the memory there is.
        if not all(
            isinstance(value, (int, float)) and abs(value) <= _FARTHEST_PX for value in polygon
        ):
            raise ValueError(f"{where}: expected polygons of finite numbers, got {polygon!r}")
    if not polygons:
        raise ValueError(f"{where}: expected polygons, got none")
    height, width = size
    # Beyond the image's borders pycocotools would count on.
    inside = [np.clip(polygon, 0, max(size)).tolist() for polygon in polygons]
    encoded: bytes = coco.merge(coco.frPyObjects(inside, height, width))["counts"]
    return encoded
