"""A Faster R-CNN as a detector and as a regressor: frames and boxes in pixels, in and out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from faimtrack.boxes import Boxes, clip_boxes
from faimtrack.detectors.config import Keep
from faimtrack.detectors.faster_rcnn.answers import BoxAnswer, Encoding
from faimtrack.detectors.faster_rcnn.checkpoint import LoadedFasterRcnn, load_faster_rcnn
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
from faimtrack.detectors.faster_rcnn.folding import fold_batch_norms
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.faster_rcnn.selection import select_detections
from faimtrack.detectors.images import ImageSession, class_numbers, session_batch_size
from faimtrack.detectors.mask_branch.faster_rcnn_branch import FasterRcnnMaskBranch
from faimtrack.detectors.mask_branch.keeping import KeptBranch, PlacedBoxes
from faimtrack.detectors.running import BatchRunner, prepare
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.weights.files import Checkpoint, read_checkpoint


@dataclass(frozen=True)
class FrameFeatures:
    """What a detector leaves in `Frame.features`.

    Attributes:
        owner: The detector; another one cannot use it.
        encoding: Of the frame alone.
    """

    owner: FasterRcnnDetector
    encoding: Encoding


class FasterRcnnDetector:
    """A Faster R-CNN of any backbone and any number of classes; also a `BoxRegressor`.

    Attributes:
        class_names: What the class ids mean: all classes of the network, whatever is filtered.
        config: The parameters.
        network: As it runs: its batch norms are merged into its convolutions.
        sides: Short and long side in pixels that frames are scaled into.
        keep_features: Whether detecting leaves in `Frame.features` what `regress` and a
            `FeatureEmbedder` need.
        kept: What it keeps of a mask branch.
    """

    def __init__(
        self,
        weights: str | os.PathLike[str] | Checkpoint | LoadedFasterRcnn | FasterRcnn,
        config: FasterRcnnConfig | None = None,
        *,
        class_names: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        keep_features: bool = False,
        mask_branch: FasterRcnnMaskBranch | None = None,
        **parameters: Any,
    ) -> None:
        """Load a network.

        Args:
            weights: A checkpoint of torchvision or faimtrack, or what `load_faster_rcnn` made of
                one, or a network; a copy of it runs.
            config: The parameters; None takes the defaults.
            class_names: Names of the network's outputs, if `weights` is a checkpoint; None takes
                those in the file, else COCO's if there are 80 or torchvision's 90, and `person`
                if there is one.
            classes: Which of them to keep; None keeps all.
            keep_features: Whether to keep each frame's features until the frame is released.
            mask_branch: The network's, where `weights` is no file; it is moved and used as it is.
                None takes the file's, if the configuration says that anything of it is kept.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: The file holds no Faster R-CNN, a class name is unknown, the device is
                not there, or there is no mask branch to keep anything of.
            OSError: The file cannot be read.
        """
        self.config = config = replace(config or FasterRcnnConfig(), **parameters)
        if isinstance(weights, (str, os.PathLike)):
            weights = read_checkpoint(weights)
        checkpoint = weights if isinstance(weights, Checkpoint) else None
        network = _network_of(weights, class_names or config.class_names)
        self.kept = KeptBranch(checkpoint, network, config, mask_branch)
        self.class_names = network.class_names
        kept = class_numbers(classes, self.class_names)
        self._kept_classes = np.arange(len(self.class_names)) if kept is None else kept
        self.sides = (
            config.short_side or network.config.short_side,
            config.long_side or network.config.long_side,
        )
        self.keep_features = keep_features
        # A network of several methods is compiled where its time goes.
        self.network = fold_batch_norms(network)
        prepare(self.network, replace(config, compile=False))
        if config.compile:
            self.network.backbone.compile()
        self._on_gpu = self.network.output_of_class.device.type != "cpu"
        self._kept_outputs = self.network.output_of_class[torch.from_numpy(self._kept_classes)]
        self._run: BatchRunner[Frame, Detections] = BatchRunner(self._detect_batch)

    def open(self, info: SourceInfo) -> ImageSession:
        """Begin a sequence; nothing is remembered from one to the next."""
        return ImageSession(self, self._frames_a_call(info))

    def detect(self, frames: Sequence[Frame], keep: Keep | None = None) -> list[Detections]:
        """Detections of each frame, the highest score first.

        Frames of different sizes never share a call: padding one to the other's size would
        change its answer.

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

    def regress(
        self, frame: Frame, boxes: Boxes, class_ids: NDArray[np.int64] | None = None
    ) -> tuple[Boxes, NDArray[np.float64]]:
        """The second stage on given boxes; see `BoxRegressor`.

        The backbone runs once for a frame, however often this is asked and whether the frame was
        detected in before (with `keep_features`) or not.
        """
        boxes = _check_boxes(boxes)
        if not len(boxes):
            return boxes, np.zeros(0)
        outputs = self._outputs_of(len(boxes), class_ids)
        encoding = self._encoding_of(frame)
        with torch.inference_mode():
            (answer,) = self.network.judge(encoding, [self._to_input(boxes, encoding)])
            rows = torch.arange(len(boxes), device=outputs.device)
            scores = _to_numpy(answer.scores[rows, outputs])
            moved = _to_numpy(answer.boxes[rows, outputs])
        _require_finite(moved, scores)
        return _to_frame(moved, encoding), scores

    def roi_features(self, frame: Frame, boxes: Boxes) -> Tensor:
        """The boxes cut out of the frame's pyramid: `(N, 256, 7, 7)` on the network's device.

        Args:
            frame: The frame; its features are used and kept as in `regress`.
            boxes: `(N, 4)` corners in pixels of the frame.

        Raises:
            ValueError: A box is not finite or the wrong way round, or the frame has no pixels.
        """
        boxes = _check_boxes(boxes)
        encoding = self._encoding_of(frame)
        with torch.inference_mode():
            return self.network.roi_features(encoding, [self._to_input(boxes, encoding)])

    def look(self, frame: Frame, boxes: Boxes) -> tuple[Encoding, PlacedBoxes]:
        """What a mask branch needs to describe given boxes; used and kept as in `regress`.

        Args:
            frame: The frame, with pixels.
            boxes: `(N, 4)` corners in pixels of the frame.
        """
        encoding = self._encoding_of(frame)
        return encoding, _place(boxes, encoding)

    def _frames_a_call(self, info: SourceInfo | None) -> int:
        wanted = self.config.batch_size
        if wanted is None and self.keep_features:
            wanted = 1  # the features of one MOT20 frame are 180 MB
        return session_batch_size(wanted, on_gpu=self._on_gpu, info=info)

    def _detect_batch(self, frames: Sequence[Frame], keep: Keep) -> list[Detections]:
        found: list[Detections] = []
        for _, alike in groupby(frames, key=lambda frame: frame.image.shape):
            found += self._detect_alike(list(alike), keep)
        return found

    def _detect_alike(self, frames: Sequence[Frame], keep: Keep) -> list[Detections]:
        with torch.inference_mode():
            encoding = self._encode(frames)
            proposals = self.network.propose(encoding, self.config)
            answers = self.network.judge(encoding, proposals)
            found = [self._read(answer, encoding, row) for row, answer in enumerate(answers)]
        if self.keep_features:
            for row, frame in enumerate(frames):
                frame.features = FrameFeatures(self, encoding.one(row))
        placed = [_place(each.boxes, encoding, row) for row, each in enumerate(found)]
        return self.kept.add(keep, found, encoding, placed)

    def _read(self, answer: BoxAnswer, encoding: Encoding, row: int) -> Detections:
        boxes, scores, columns = select_detections(
            answer.boxes[:, self._kept_outputs],
            answer.scores[:, self._kept_outputs],
            encoding.input_sizes[row],
            self.config,
        )
        corners, class_ids = _to_numpy(boxes), self._kept_classes[columns.cpu().numpy()]
        # Comparisons drop what is no number, in silence: look at what came before them.
        _require_finite(_to_numpy(answer.scores.sum()), _to_numpy(answer.boxes.sum()))
        corners = _to_frame(corners, encoding, row)
        is_inside = (corners[:, 2:] > corners[:, :2]).all(axis=1)
        kept_scores = _to_numpy(scores)[is_inside]
        return Detections(corners[is_inside], kept_scores, class_ids[is_inside], self.class_names)

    def _encode(self, frames: Sequence[Frame]) -> Encoding:
        images = [_pixels(frame, self.network) for frame in frames]
        return self.network.encode(images, self.sides)

    def _encoding_of(self, frame: Frame) -> Encoding:
        """The frame's encoding, computed and attached if it is not there."""
        kept = frame.features
        if isinstance(kept, FrameFeatures) and kept.owner is self:
            return kept.encoding
        with torch.inference_mode():
            encoding = self._encode([frame])
        frame.features = FrameFeatures(self, encoding)
        return encoding

    def _to_input(self, boxes: Boxes, encoding: Encoding) -> Tensor:
        """Corners in pixels of the network's input."""
        scaled = (boxes / _pixels_of_image(encoding)).astype(np.float32)
        return torch.from_numpy(scaled).to(self.network.output_of_class.device)

    def _outputs_of(self, count: int, class_ids: NDArray[np.int64] | None) -> Tensor:
        """`(count,)` the predictor's output for each box."""
        names = self.class_names
        if class_ids is None:
            if "person" not in names and len(names) > 1:
                raise ValueError(f"class_ids: expected them, for no class of {names} is a person")
            class_id = names.index("person") if "person" in names else 0
            class_ids = np.full(count, class_id)
        class_ids = np.asarray(class_ids)
        if class_ids.shape != (count,) or class_ids.dtype.kind not in "iu":
            raise ValueError(
                f"class_ids: expected {count} whole numbers, one a box, got shape "
                f"{class_ids.shape} {class_ids.dtype}"
            )
        if class_ids.min() < 0 or class_ids.max() >= len(names):
            raise ValueError(
                f"class_ids: expected 0 to {len(names) - 1}, got {class_ids.min()} to "
                f"{class_ids.max()}"
            )
        return self.network.output_of_class[torch.from_numpy(class_ids.astype(np.int64))]


def _network_of(
    weights: Checkpoint | LoadedFasterRcnn | FasterRcnn, class_names: Sequence[str] | None
) -> FasterRcnn:
    if isinstance(weights, Checkpoint):
        weights = load_faster_rcnn(weights, class_names=class_names)
    elif class_names is not None:
        raise ValueError("class_names: expected none, for the network has names of its own")
    return weights.network if isinstance(weights, LoadedFasterRcnn) else weights


def _pixels(frame: Frame, network: FasterRcnn) -> Tensor:
    """`(3, height, width)` uint8 on the network's device."""
    image = torch.from_numpy(np.require(frame.image, requirements=("C", "W")))
    return image.to(network.output_of_class.device).permute(2, 0, 1)


def _check_boxes(boxes: Boxes) -> Boxes:
    boxes = np.asarray(boxes, np.float64)
    if boxes.size == 0:
        return np.zeros((0, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes: expected shape (N, 4), got {boxes.shape}")
    is_box = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] >= boxes[:, :2]).all(axis=1)
    if not is_box.all():
        row = int(np.flatnonzero(~is_box)[0])
        raise ValueError(
            f"boxes: expected finite corners, x1 <= x2 and y1 <= y2, got {boxes[row].tolist()} "
            f"in row {row}"
        )
    return boxes


def _pixels_of_image(encoding: Encoding, row: int = 0) -> NDArray[np.float64]:
    """Pixels of an image to a pixel of the input, along ``x y x y``."""
    (height, width), (rows, columns) = encoding.image_sizes[row], encoding.input_sizes[row]
    return np.array([width / columns, height / rows] * 2)


def _place(boxes: Boxes, encoding: Encoding, row: int = 0) -> PlacedBoxes:
    return PlacedBoxes(
        boxes / _pixels_of_image(encoding, row),
        encoding.input_sizes[row],
        encoding.image_sizes[row],
    )


def _to_frame(boxes: Boxes, encoding: Encoding, row: int = 0) -> Boxes:
    """Corners in pixels of the frame, cut to it."""
    height, width = encoding.image_sizes[row]
    return clip_boxes(boxes * _pixels_of_image(encoding, row), width, height)


def _to_numpy(tensor: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = tensor.cpu().numpy().astype(np.float64)
    return array


def _require_finite(*arrays: NDArray[np.float64]) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("the network gave a box or score that is not a finite number")
