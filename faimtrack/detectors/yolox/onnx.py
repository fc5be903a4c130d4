"""YOLOX as an ONNX file: image in, boxes in pixels of the image out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from faimtrack.detectors.config import Keep
from faimtrack.detectors.images import (
    ImageSession,
    class_numbers,
    name_classes,
    refuse_to_keep,
    session_batch_size,
)
from faimtrack.detectors.yolox.config import YoloxOnnxConfig
from faimtrack.detectors.yolox.letterbox import PADDING, STRIDES, anchor_grid, fill_input
from faimtrack.detectors.yolox.onnx_metadata import YoloxOnnxMetadata, read_yolox_metadata
from faimtrack.detectors.yolox.reading import Grid, read_rows, read_suppressed_rows
from faimtrack.onnx import OnnxModel, providers_of
from faimtrack.structures import Detections, Frame, Image, SourceInfo

_LEVELS = (STRIDES, (*STRIDES, 64))


class YoloxOnnxDetector:
    """A YOLOX export, with boxes in grid offsets (the official ones) or in pixels.

    What `faimtrack export` wrote says itself how it is to be run; one that suppresses overlaps has
    its own thresholds, and only a higher `score_threshold` can be asked for.

    Attributes:
        class_names: What the class ids mean: all classes of the model, whatever is filtered.
        config: The parameters, with the model's thresholds if it has its own.
        model: The model.
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
            class_names: Names of the model's classes; None takes those in the file, else COCO's
                if it has 80, and `person` if it has one.
            classes: Which of them to keep; None keeps all.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The model is no YOLOX, a class name is unknown, or the model's own
                thresholds do not allow those that are asked for.
            OSError: The file cannot be read.
        """
        self.config = replace(config or YoloxOnnxConfig(), **parameters)
        self.model = (
            model
            if isinstance(model, OnnxModel)
            else OnnxModel(model, providers=providers_of(self.config.device))
        )
        refuse_to_keep(self.config.keep, self.model.path)
        self._told = told = read_yolox_metadata(self.model.metadata, self.model.path)
        self._suppresses = told is not None and told.score_threshold is not None
        if told is not None and self._suppresses:
            self.config = _with_thresholds_of(told, self.config, self.model.path)
        self._size, self._batch = self._input_layout()
        convention = self.config.input_convention
        if convention == "auto":
            convention = "current" if told is None else told.input_convention
        self._convention: Literal["current", "legacy"] = convention
        output = self._probe()
        count = output.shape[-1] - 5 if told is None else len(told.class_names)
        names = class_names or self.config.class_names
        if names is None and told is not None:
            names = told.class_names
        self.class_names = name_classes(count, names, self.model.path)
        self._kept_classes = class_numbers(classes, self.class_names)
        self._grid = None if self._suppresses else self._offset_grid(output)

    def open(self, info: SourceInfo) -> ImageSession:
        """Begin a sequence; nothing is remembered from one to the next."""
        return ImageSession(self, self._frames_a_call(info))

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
        found: list[Detections] = []
        step = self._frames_a_call(None)
        for start in range(0, len(frames), step):
            images = [frame.image for frame in frames[start : start + step]]
            # A model of a fixed batch wants it full.
            batch = np.zeros((self._batch or len(images), 3, *self._size), np.float32)
            ratios = [
                fill_input(image, self._convention, out)
                for image, out in zip(images, batch, strict=False)
            ]
            output = self.model.run(batch)[0]
            rows: Iterable[NDArray[np.float32]] = output
            if self._suppresses:
                rows = (output[output[:, 0] == row, 1:] for row in range(len(images)))
            found += map(self._read, rows, ratios, images)  # stops at the last image
        return found

    def _frames_a_call(self, info: SourceInfo | None) -> int:
        if self._batch is not None and (info is None or info.frame_count is not None):
            return self._batch
        on_gpu = self.model.providers[0] != "CPUExecutionProvider"
        wanted = session_batch_size(self.config.batch_size, on_gpu=on_gpu, info=info)
        return min(wanted, self._batch or wanted)

    def _read(self, rows: NDArray[np.float32], ratio: float, image: Image) -> Detections:
        size = (image.shape[0], image.shape[1])
        if self._suppresses:
            return read_suppressed_rows(
                rows,
                self.config.score_threshold,
                ratio=ratio,
                size=size,
                class_names=self.class_names,
                kept_classes=self._kept_classes,
            )
        return read_rows(
            rows,
            self.config,
            ratio=ratio,
            size=size,
            class_names=self.class_names,
            grid=self._grid,
            kept_classes=self._kept_classes,
        )

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
        usual = (None, None) if self._told is None else self._told.input_size
        for name, size in zip(("input_height", "input_width"), taken.shape[2:], strict=True):
            wanted = getattr(self.config, name)
            if None not in (size, wanted) and wanted != size:
                raise ValueError(f"{path}: {name}: expected {size} as the model has, got {wanted}")
        height = taken.shape[2] or self.config.input_height or usual[0]
        width = taken.shape[3] or self.config.input_width or usual[1]
        if height is None or width is None:
            raise ValueError(
                f"{path}: expected input_height and input_width, for the model takes any size"
            )
        return (height, width), taken.shape[0]

    def _probe(self) -> NDArray[np.float32]:
        """The model's answer to a grey image: its shape, and what kind of boxes it gives."""
        grey = np.full((self._batch or 1, 3, *self._size), PADDING, np.float32)
        output = self.model.run(grey)[0]
        told, shape = self._told, output.shape
        if self._suppresses:
            expected, fits = "(boxes, 7)", len(shape) == 2 and shape[1] == 7
        else:
            expected, fits = "(batch, anchors, 5 + classes)", len(shape) == 3 and shape[2] > 5
            fits = fits and (told is None or shape[2] == 5 + len(told.class_names))
        if not fits or output.dtype != np.float32:
            raise ValueError(
                f"{self.model.path}: expected a YOLOX model's output {expected} float32, "
                f"got {shape} {output.dtype}"
            )
        return output

    def _offset_grid(self, output: NDArray[np.float32]) -> Grid | None:
        """What boxes are offsets from; None if they are pixels."""
        grid = self._anchors(output)
        decoded = self.config.decoded
        if decoded is None:
            decoded = self._told is not None or _looks_decoded(output, grid[0])
        return None if decoded else grid

    def _anchors(self, output: NDArray[np.float32]) -> Grid:
        for strides in _LEVELS:
            corners, cells = anchor_grid(self._size, strides)
            if len(corners) == output.shape[1]:
                return corners, cells
        raise ValueError(
            f"{self.model.path}: expected {len(anchor_grid(self._size, STRIDES)[0])} anchors "
            f"of a YOLOX with {self._size[0]} x {self._size[1]} input, got {output.shape[1]}"
        )


def _with_thresholds_of(
    told: YoloxOnnxMetadata, config: YoloxOnnxConfig, path: Path
) -> YoloxOnnxConfig:
    """The configuration with the thresholds that hold; those left at their defaults give way.

    Raises:
        ValueError: It asks for boxes that the model drops, or for other overlaps.
    """
    default = YoloxOnnxConfig()
    lowest, overlap = told.score_threshold, told.nms_threshold
    assert lowest is not None
    assert overlap is not None
    if config.nms_threshold not in (default.nms_threshold, overlap):
        raise ValueError(
            f"{path}: nms_threshold: expected {overlap}, at which the model suppresses overlaps "
            f"itself, got {config.nms_threshold}"
        )
    if not config.nms_per_class:
        raise ValueError(
            f"{path}: nms_per_class: expected true, as the model suppresses overlaps itself, "
            "class by class, got false"
        )
    score = config.score_threshold
    if score < lowest and score != default.score_threshold:
        raise ValueError(
            f"{path}: score_threshold: expected {lowest} or more, as the model drops boxes below, "
            f"got {score}"
        )
    return replace(config, score_threshold=max(score, lowest), nms_threshold=overlap)


def _looks_decoded(output: NDArray[np.float32], corners: NDArray[np.float64]) -> bool:
    """Whether boxes lie around their own cells (pixels) or around zero (offsets in cells)."""
    places = output[0, :, :2]
    from_cells = np.median(np.abs(places - corners))
    return bool(from_cells < np.median(np.abs(places)))
