"""YOLOX as an ONNX file: image in, boxes in pixels of the image out."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.boxes import clip_boxes
from faimtrack.config import PresetConfig, parameter
from faimtrack.detectors.coco import COCO_CLASS_NAMES
from faimtrack.detectors.nms import suppress_overlaps
from faimtrack.onnx import OnnxModel
from faimtrack.structures import Detections, Frame, Image, SourceInfo

InputConvention = Literal["current", "legacy"]

_PADDING = 114
_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)[:, None, None]
_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)[:, None, None]


@dataclass(frozen=True, kw_only=True)
class YoloxOnnxConfig(PresetConfig):
    """How a YOLOX model's input is made and its output is read."""

    score_threshold: float = parameter(
        0.1, "Keep boxes whose objectness times class score is at least this.", low=0, high=1
    )
    nms_threshold: float = parameter(
        0.65, "Of two boxes of a class that overlap more, the weaker goes.",
        unit="IoU", low=0, high=1,
    )  # fmt: skip
    input_convention: InputConvention = parameter(
        "current",
        "current: BGR 0 to 255 (weights since 0.1.1); legacy: RGB normalised as ImageNet "
        "(YOLOX 0.1.0, ByteTrack's weights).",
    )
    decoded: bool | None = parameter(
        None, "Whether the model gives boxes in pixels, not grid offsets; unset: look and see."
    )
    input_height: int | None = parameter(
        None, "For a model that takes any size.", unit="px", low=32
    )
    input_width: int | None = parameter(
        None, "For a model that takes any size.", unit="px", low=32
    )
    batch_size: int = parameter(
        8, "Most frames in one call, where the model takes any number.", unit="frames", low=1
    )


class YoloxOnnxDetector:
    """A YOLOX export, with boxes in grid offsets (the official ones) or in pixels.

    Attributes:
        class_names: What the class ids mean: all classes of the model, whatever is filtered.
        config: The parameters.
        model: The model, its hash included.
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | OnnxModel,
        config: YoloxOnnxConfig | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        **parameters: Any,
    ) -> None:
        """Load a model and see that it is a YOLOX.

        Args:
            model: The `.onnx` file, or one already loaded (to choose threads or a GPU).
            config: The parameters; None takes the defaults.
            class_names: Names of the model's classes; None takes COCO's if it has 80, and
                `person` if it has one.
            classes: Which of them to keep; None keeps all.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The model is no YOLOX, or a class name is unknown.
            OSError: The file cannot be read.
        """
        self.config = replace(config or YoloxOnnxConfig(), **parameters)
        self.model = model if isinstance(model, OnnxModel) else OnnxModel(model)
        self._size, self._batch = self._input_layout()
        output = self._probe()
        self._corners, self._cell_sizes = self._grid(output)
        self.class_names = self._name_classes(output.shape[2] - 5, class_names)
        self._kept_classes = _class_numbers(classes, self.class_names)
        decoded = self.config.decoded
        self._is_decoded = _looks_decoded(output, self._corners) if decoded is None else decoded

    def open(self, info: SourceInfo) -> _ImageSession:
        """Begin a sequence; nothing is remembered from one to the next."""
        return _ImageSession(self)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Detections of each frame, the highest score first.

        Raises:
            ValueError: A frame's image cannot be decoded.
            OSError: A frame's image cannot be read.
        """
        found: list[Detections] = []
        step = self._batch or self.config.batch_size
        for start in range(0, len(frames), step):
            images = [frame.image for frame in frames[start : start + step]]
            # A model of a fixed batch wants it full.
            batch = np.zeros((self._batch or len(images), 3, *self._size), np.float32)
            ratios = [self._prepare(image, out) for image, out in zip(images, batch, strict=False)]
            (output,) = self.model.run(batch)[:1]
            found += map(self._read, output, ratios, images)  # stops at the last image
        return found

    def _prepare(self, image: Image, out: NDArray[np.float32]) -> float:
        """Fill `out` `(3, H, W)` with the network's view of an image; give the scale."""
        small, ratio = letterbox(image, self._size)
        planes = small.transpose(2, 0, 1)
        if self.config.input_convention == "current":
            out[:] = planes[::-1]
        else:
            out[:] = (planes.astype(np.float32) / np.float32(255) - _MEAN) / _DEVIATION
        return ratio

    def _read(self, output: NDArray[np.float32], ratio: float, image: Image) -> Detections:
        """The detections in one image's `(A, 5 + classes)` rows."""
        class_scores = output[:, 5:]
        best = class_scores.argmax(axis=1)
        scores = output[:, 4] * class_scores[np.arange(len(output)), best]
        is_kept = scores >= self.config.score_threshold
        if self._kept_classes is not None:
            is_kept &= np.isin(best, self._kept_classes)
        rows = np.flatnonzero(is_kept)
        values = output[rows, :4].astype(np.float64)
        centres, sizes = values[:, :2], values[:, 2:]
        if not self._is_decoded:
            cells = self._cell_sizes[rows, None]
            centres = centres * cells + self._corners[rows]
            sizes = np.exp(np.minimum(sizes, 20.0)) * cells
        boxes = np.concatenate([centres - sizes / 2, centres + sizes / 2], axis=1) / ratio
        scores64, class_ids = scores[rows].astype(np.float64), best[rows].astype(np.int64)
        kept = suppress_overlaps(boxes, scores64, class_ids, self.config.nms_threshold)
        boxes = clip_boxes(boxes[kept], image.shape[1], image.shape[0])
        is_inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        kept = kept[is_inside]
        return Detections(boxes[is_inside], scores64[kept], class_ids[kept], self.class_names)

    def _input_layout(self) -> tuple[tuple[int, int], int | None]:
        """Height and width of the input, and its batch size (None: any)."""
        path = self.model.path
        taken = self.model.inputs[0]
        is_image = len(self.model.inputs) == 1 and len(taken.shape) == 4
        if not is_image or taken.shape[1] not in (3, None) or taken.dtype != np.float32:
            raise ValueError(
                f"{path}: expected a YOLOX model of one input (batch, 3, height, width) float32, "
                f"got {', '.join(map(str, self.model.inputs))}"
            )
        height = taken.shape[2] or self.config.input_height
        width = taken.shape[3] or self.config.input_width
        if height is None or width is None:
            raise ValueError(
                f"{path}: expected input_height and input_width, for the model takes any size"
            )
        return (height, width), taken.shape[0]

    def _probe(self) -> NDArray[np.float32]:
        """The model's answer to a grey image: its shape, and what kind of boxes it gives."""
        grey = np.full((self._batch or 1, 3, *self._size), _PADDING, np.float32)
        output = self.model.run(grey)[0]
        if output.ndim != 3 or output.shape[2] < 6 or output.dtype != np.float32:
            raise ValueError(
                f"{self.model.path}: expected a YOLOX model's output "
                f"(batch, anchors, 5 + classes) float32, got {output.shape} {output.dtype}"
            )
        return output

    def _grid(self, output: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Each anchor's place `(A, 2)` and cell size `(A,)` in pixels of the input."""
        for strides in _STRIDES:
            corners, cells = anchor_grid(self._size, strides)
            if len(corners) == output.shape[1]:
                return corners, cells
        raise ValueError(
            f"{self.model.path}: expected {len(anchor_grid(self._size, _STRIDES[0])[0])} anchors "
            f"of a YOLOX with {self._size[0]} x {self._size[1]} input, got {output.shape[1]}"
        )

    def _name_classes(self, count: int, class_names: Sequence[str] | None) -> tuple[str, ...]:
        known = {len(COCO_CLASS_NAMES): COCO_CLASS_NAMES, 1: ("person",)}
        names = known.get(count, ()) if class_names is None else tuple(class_names)
        if len(names) != count:
            raise ValueError(
                f"{self.model.path}: expected {count} class names, as the model has classes, "
                f"got {len(names)}"
            )
        return names


class _ImageSession:
    """A session of a detector that looks at each image alone: it answers at once."""

    def __init__(self, detector: YoloxOnnxDetector) -> None:
        self._detector = detector

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Each frame with its detections."""
        return list(zip(frames, self._detector.detect(frames), strict=True))

    def finish(self) -> list[tuple[Frame, Detections]]:
        """Nothing is owed."""
        return []


def letterbox(image: Image, size: tuple[int, int]) -> tuple[Image, float]:
    """Scale an image into `size` (height, width), padded with grey at the right and the bottom.

    Returns:
        `(height, width, 3)` uint8 in the image's channel order, and the scale: pixels of the
        result to a pixel of the image.
    """
    import cv2

    height, width = size
    ratio = min(height / image.shape[0], width / image.shape[1])
    # Whole pixels rounded down, as YOLOX does it; boxes are still divided by the exact ratio.
    scaled = max(1, int(image.shape[1] * ratio)), max(1, int(image.shape[0] * ratio))
    padded = np.full((height, width, 3), _PADDING, np.uint8)
    padded[: scaled[1], : scaled[0]] = cv2.resize(image, scaled, interpolation=cv2.INTER_LINEAR)
    return padded, ratio


def anchor_grid(
    size: tuple[int, int], strides: Sequence[int]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """YOLOX's anchors, level by level and row by row.

    Args:
        size: Height and width of the input in pixels.
        strides: Cell sizes of the levels in pixels.

    Returns:
        `(A, 2)` left top corners ``x y`` of the cells in pixels, and `(A,)` cell sizes.
    """
    corners, cells = [], []
    for stride in strides:
        rows, columns = np.mgrid[: size[0] // stride, : size[1] // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1) * float(stride))
        cells.append(np.full(rows.size, float(stride)))
    return np.concatenate(corners), np.concatenate(cells)


def _looks_decoded(output: NDArray[np.float32], corners: NDArray[np.float64]) -> bool:
    """Whether boxes lie around their own cells (pixels) or around zero (offsets in cells)."""
    places = output[0, :, :2]
    from_cells = np.median(np.abs(places - corners))
    return bool(from_cells < np.median(np.abs(places)))


def _class_numbers(
    classes: Sequence[str] | None, class_names: tuple[str, ...]
) -> NDArray[np.int64] | None:
    if classes is None:
        return None
    for name in classes:
        if name not in class_names:
            nearest = difflib.get_close_matches(name, class_names, n=1, cutoff=0.0)
            raise ValueError(f"classes: expected a class of the model, got {name!r}; "
                             f"did you mean {nearest[0]!r}?")  # fmt: skip
    return np.array([class_names.index(name) for name in classes], np.int64)
