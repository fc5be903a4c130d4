"""A YOLOX in torch as a detector: frames in, boxes in pixels of the frames out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.detectors.config import Keep
from faimtrack.detectors.images import ImageSession, class_numbers, session_batch_size
from faimtrack.detectors.mask_branch.keeping import KeptBranch, PlacedBoxes
from faimtrack.detectors.mask_branch.yolox_branch import YoloxMaskBranch
from faimtrack.detectors.running import BatchRunner, input_like, prepare
from faimtrack.detectors.yolox.checkpoint import LoadedYolox, load_yolox
from faimtrack.detectors.yolox.config import YoloxConfig
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import YoloxOutput
from faimtrack.detectors.yolox.reading import read_rows
from faimtrack.structures import Detections, Frame, Image, SourceInfo
from faimtrack.weights.files import Checkpoint, read_checkpoint


@dataclass(frozen=True)
class YoloxFeatures:
    """What a detector leaves in `Frame.features`.

    Attributes:
        owner: The detector; another one cannot use it.
        output: Of the frame alone: what a mask branch takes, and nothing else.
        ratio: Pixels of the input to a pixel of the frame.
    """

    owner: YoloxDetector
    output: YoloxOutput
    ratio: float


class YoloxDetector:
    """A YOLOX of any size and any number of classes.

    Attributes:
        class_names: What the class ids mean: all classes of the network, whatever is filtered.
        config: The parameters.
        network: As it runs: its batch norms are merged into its convolutions.
        input_size: Height and width in pixels that images are scaled into.
        input_convention: `current` or `legacy`.
        keep_features: Whether detecting leaves in `Frame.features` what a `FeatureEmbedder`
            needs.
        kept: What it keeps of a mask branch.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Checkpoint | LoadedYolox,
        config: YoloxConfig | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        keep_features: bool = False,
        mask_branch: YoloxMaskBranch | None = None,
        **parameters: Any,
    ) -> None:
        """Load a network.

        Args:
            weights: A checkpoint of YOLOX, ByteTrack, YOLOV or faimtrack, or what `load_yolox`
                made of one.
            config: The parameters; None takes the defaults.
            class_names: Names of the network's classes; None takes those in the file, else COCO's
                if there are 80, and `person` if there is one.
            classes: Which of them to keep; None keeps all.
            keep_features: Whether to keep each frame's features until the frame is released,
                where there is a mask branch that can use them.
            mask_branch: The network's, where `weights` is no file; it is moved and used as it is.
                None takes the file's, if the configuration says that anything of it is kept.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The file holds no YOLOX, a class name is unknown, the device is not
                there, or there is no mask branch to keep anything of.
            OSError: The file cannot be read.
        """
        self.config = config = replace(config or YoloxConfig(), **parameters)
        if isinstance(weights, (str, os.PathLike)):
            weights = read_checkpoint(weights)
        checkpoint = weights if isinstance(weights, Checkpoint) else None
        loaded = load_yolox(weights) if isinstance(weights, Checkpoint) else weights
        self.class_names = loaded.name_classes(class_names or config.class_names)
        self._kept_classes = class_numbers(classes, self.class_names)
        self.input_size, self.input_convention = loaded.resolve_input(config)
        self.keep_features = keep_features
        self.kept = KeptBranch(checkpoint, loaded.network, config, mask_branch)
        self.network = prepare(fold_batch_norm(loaded.network), config)
        self._on_gpu = next(self.network.parameters()).device.type != "cpu"
        self._run: BatchRunner[Frame, Detections] = BatchRunner(self._detect_batch)

    def open(self, info: SourceInfo) -> ImageSession:
        """Begin a sequence; nothing is remembered from one to the next."""
        return ImageSession(self, self._frames_a_call(info))

    def detect(self, frames: Sequence[Frame], keep: Keep | None = None) -> list[Detections]:
        """Detections of each frame, the highest score first.

        Args:
            frames: Of any sizes.
            keep: What to give besides boxes, which are the same with each: nothing, or what the
                configuration said; None: what it said.

        Raises:
            ValueError: A frame's image cannot be decoded, the network gives no finite number, or
                the detector was not made to keep what is asked for.
            OSError: A frame's image cannot be read.
            MemoryError: The GPU's memory is too small for one frame.
        """
        return self._run(frames, self._frames_a_call(None), self.kept.resolve(keep))

    def look(self, frame: Frame, boxes: Boxes) -> tuple[YoloxOutput, PlacedBoxes]:
        """What a mask branch needs to describe given boxes.

        The network runs once for a frame, however often this is asked and whether the frame was
        detected in before (with `keep_features`) or not.

        Args:
            frame: The frame, with pixels.
            boxes: `(N, 4)` corners in pixels of the frame.
        """
        kept = frame.features
        if not (isinstance(kept, YoloxFeatures) and kept.owner is self):
            output, ratios = self._compute([frame.image])
            kept = frame.features = self._features(output, ratios, 0)
        return kept.output, _place(boxes, kept.ratio, frame.image)

    def _frames_a_call(self, info: SourceInfo | None) -> int:
        return session_batch_size(self.config.batch_size, on_gpu=self._on_gpu, info=info)

    def _detect_batch(self, frames: Sequence[Frame], keep: Keep) -> list[Detections]:
        images = [frame.image for frame in frames]
        output, ratios = self._compute(images)
        with torch.inference_mode():
            rows = output.rows().cpu().numpy()
        found = list(map(self._read, rows, ratios, images))
        if self.keep_features and self.kept.keep != "none":
            for row, frame in enumerate(frames):
                frame.features = self._features(output, ratios, row)
        placed = [
            _place(each.boxes, ratio, image)
            for each, ratio, image in zip(found, ratios, images, strict=True)
        ]
        return self.kept.add(keep, found, output, placed)

    def _compute(self, images: Sequence[Image]) -> tuple[YoloxOutput, list[float]]:
        """What the network computes for a batch, and pixels of the input to one of each image."""
        batch = np.empty((len(images), 3, *self.input_size), np.float32)
        ratios = [
            fill_input(image, self.input_convention, out)
            for image, out in zip(images, batch, strict=True)
        ]
        with torch.inference_mode():
            return self.network(input_like(self.network, batch)), ratios

    def _features(self, output: YoloxOutput, ratios: Sequence[float], row: int) -> YoloxFeatures:
        """Those of one frame of a batch, in memory of their own."""
        maps = tuple(each[row : row + 1].clone() for each in output.classification)
        nothing: dict[str, Any] = dict.fromkeys(YoloxOutput._fields, ())
        return YoloxFeatures(self, YoloxOutput(**{**nothing, "classification": maps}), ratios[row])

    def _read(self, rows: NDArray[np.float32], ratio: float, image: Image) -> Detections:
        return read_rows(
            rows,
            self.config,
            ratio=ratio,
            size=(image.shape[0], image.shape[1]),
            class_names=self.class_names,
            kept_classes=self._kept_classes,
        )


def _place(boxes: Boxes, ratio: float, image: Image) -> PlacedBoxes:
    size = image.shape[0], image.shape[1]
    return PlacedBoxes(boxes * ratio, (int(size[0] * ratio), int(size[1] * ratio)), size)
