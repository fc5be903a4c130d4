"""Faster R-CNN as an ONNX file of faimtrack: image in, boxes in pixels of the image out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import clip_boxes
from faimtrack.detectors.config import Keep
from faimtrack.detectors.faster_rcnn.config import FasterRcnnOnnxConfig
from faimtrack.detectors.faster_rcnn.sizes import scaled_size
from faimtrack.detectors.images import (
    ImageSession,
    class_numbers,
    name_classes,
    refuse_to_keep,
)
from faimtrack.detectors.onnx_properties import told_list, told_pair
from faimtrack.nms import suppress_overlaps
from faimtrack.onnx import OnnxModel, providers_of
from faimtrack.structures import Detections, Frame, Image, SourceInfo

_SMALLEST_DETECTION = 1e-2  # as in torch: narrower or lower boxes are dropped, in input pixels


class FasterRcnnOnnxDetector:
    """What `faimtrack export` made of a Faster R-CNN.

    The proposals are chosen as they were when it was exported; detections are chosen here.

    Attributes:
        class_names: What the class ids mean: all classes of the model, whatever is filtered.
        config: The parameters.
        model: The model.
        sides: Short and long side in pixels that frames are scaled into.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | OnnxModel,
        config: FasterRcnnOnnxConfig | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        **parameters: Any,
    ) -> None:
        """Load a model.

        Args:
            model: The `.onnx` file, or one already loaded (to choose threads or a GPU).
            config: The parameters; None takes the defaults.
            class_names: Names of the model's classes; None takes those in the file.
            classes: Which of them to keep; None keeps all.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The model is no Faster R-CNN of faimtrack, or a class name is unknown.
            OSError: The file cannot be read.
        """
        self.config = config = replace(config or FasterRcnnOnnxConfig(), **parameters)
        if not isinstance(model, OnnxModel):
            model = OnnxModel(model, providers=providers_of(config.device))
        self.model = model
        told, path = model.metadata, model.path
        refuse_to_keep(config.keep, path)
        if not told.get("architecture", "").startswith("faster-rcnn"):
            raise ValueError(f"{path}: expected a Faster R-CNN of faimtrack, got another model")
        own = told_list(told, "class_names", str, path)
        self.class_names = name_classes(len(own), class_names or config.class_names or own, path)
        kept = class_numbers(classes, self.class_names)
        self._kept_classes = np.arange(len(own)) if kept is None else kept
        sides = told_pair(told, "sides", path)
        self.sides = (config.short_side or sides[0], config.long_side or sides[1])

    def open(self, info: SourceInfo) -> ImageSession:
        """Begin a sequence; nothing is remembered from one to the next."""
        return ImageSession(self, 1)

    def detect(self, frames: Sequence[Frame], keep: Keep | None = None) -> list[Detections]:
        """Detections of each frame, the highest score first.

        Args:
            frames: Of any sizes.
            keep: Nothing can be given besides boxes, for a model in ONNX has no mask branch.

        Raises:
            ValueError: A frame's image cannot be decoded, the network gives no finite number, or
                something is to be kept.
            OSError: A frame's image cannot be read.
        """
        refuse_to_keep(keep, self.model.path)
        return [self._detect(frame.image) for frame in frames]

    def _detect(self, image: Image) -> Detections:
        images = input_of(image, self.sides)
        boxes, scores = self.model.run(images)
        if not np.isfinite(boxes).all() or not np.isfinite(scores).all():
            raise ValueError("the network gave a box or score that is not a finite number")
        height, width = images.shape[2:]
        corners, kept_scores, class_ids = self._select(boxes, scores, (height, width))
        corners *= np.array([image.shape[1] / width, image.shape[0] / height] * 2)
        corners = clip_boxes(corners, image.shape[1], image.shape[0])
        is_inside = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        return Detections(
            corners[is_inside], kept_scores[is_inside], class_ids[is_inside], self.class_names
        )

    def _select(
        self, boxes: NDArray[np.float32], scores: NDArray[np.float32], size: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
        """As `select_detections` in torch: corners in pixels of the input, scores, class ids."""
        rows, columns = np.nonzero(scores[:, self._kept_classes] > self.config.score_threshold)
        class_ids = self._kept_classes[columns]
        corners = clip_boxes(boxes[rows, class_ids].astype(np.float64), size[1], size[0])
        is_large = (corners[:, 2:] - corners[:, :2] >= _SMALLEST_DETECTION).all(axis=1)
        rows, class_ids, corners = rows[is_large], class_ids[is_large], corners[is_large]
        numbers = scores[rows, class_ids].astype(np.float64)
        kept = suppress_overlaps(corners, numbers, class_ids, self.config.nms_threshold)
        kept = kept[: self.config.max_detections]
        return corners[kept], numbers[kept], class_ids[kept]


def input_of(image: Image, sides: tuple[int, int]) -> NDArray[np.float32]:
    """An image as the model takes it: `(1, 3, height, width)` RGB from 0 to 1, scaled.

    Args:
        image: `(height, width, 3)` uint8 RGB.
        sides: Short and long side in pixels that it is scaled into.
    """
    import cv2

    height, width = scaled_size((image.shape[0], image.shape[1]), sides)
    pixels = image.astype(np.float32) / np.float32(255)
    scaled = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
