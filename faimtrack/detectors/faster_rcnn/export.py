"""A Faster R-CNN as an ONNX file that knows how it is to be run, and was compared with torch."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import faimtrack
from faimtrack.atomic import atomic_file
from faimtrack.detectors.faster_rcnn.checkpoint import PREFIX
from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig, ProposalConfig
from faimtrack.detectors.faster_rcnn.folding import fold_batch_norms
from faimtrack.detectors.faster_rcnn.network import FasterRcnn
from faimtrack.detectors.faster_rcnn.onnx import input_of
from faimtrack.detectors.onnx_writing import finish_model, trace_to_onnx
from faimtrack.detectors.pictures import random_picture, smooth_picture
from faimtrack.onnx import OnnxModel

SCORE_TOLERANCE = 1e-4
BOX_TOLERANCE_PX = 0.05
_RELATIVE_BOX_TOLERANCE = 2e-4  # of boxes larger than 250 px
# Proposals of equal scores stand in for each other when rounding orders them otherwise: none in a
# thousand of a ResNet's, a quarter of those of a MobileNet with random weights. A graph that is
# wrong shares none with torch.
_STRAY_PROPOSALS = 0.5
_TRACED_SIZE = (160, 224)
_COMPARED_SIZES = ((256, 384), (333, 250))


@dataclass(frozen=True, kw_only=True)
class ProposalDifference:
    """The largest differences over the proposals of two pictures, one random and one smooth.

    Attributes:
        score: Of the scores of all classes, where both looked at a proposal.
        box_px: Of the corners of all classes, in pixels of the input, where both did.
        strays: The share of proposals that only one of torch and the model looked at, or of which
            scores differ by more than 1e-4 or corners by more than 0.05 px (of boxes larger than
            250 px: one part in 5000).
    """

    score: float
    box_px: float
    strays: float

    def __str__(self) -> str:
        return (
            f"scores that differ by {self.score:.1e} and boxes by {self.box_px:.1e} px, "
            f"{self.strays:.1%} of proposals chosen otherwise"
        )


def export_onnx(
    network: FasterRcnn,
    path: str | os.PathLike[str],
    config: ProposalConfig | None = None,
    *,
    origin: Mapping[str, str] | None = None,
) -> ProposalDifference:
    """Write a Faster R-CNN as ONNX, run it beside the network, and keep it if they agree.

    The model takes `images` `(1, 3, height, width)` float32, one RGB image from 0 to 1 of any
    size, already scaled. It gives `boxes` `(proposals, classes, 4)`, corners ``x1 y1 x2 y2`` in
    pixels of the input, and `scores` `(proposals, classes)`: what the second stage says of each
    proposal. Thresholds and the suppression of overlaps are left to the reader.

    Args:
        network: The network.
        path: The file; it replaces one that is there, once it was compared with torch.
        config: Which proposals the second stage looks at; None takes the defaults.
        origin: `recipe`, `data` and `licence` of the weights, as far as they are known.

    Returns:
        By how much the file differs from torch.

    Raises:
        ValueError: The model does not agree with torch; `path` is then as it was.
        OSError: The file cannot be written.
        ModuleNotFoundError: `onnx` is not installed.
    """
    import onnx

    config = config or FasterRcnnConfig()
    network = copy.deepcopy(network).to("cpu", torch.float32).eval().requires_grad_(False)
    plain = _SecondStage(network, config)
    folded = _SecondStage(fold_batch_norms(network), config).eval()
    with atomic_file(path) as temporary:
        trace_to_onnx(
            folded,
            torch.zeros(1, 3, *_TRACED_SIZE),
            temporary,
            outputs=["boxes", "scores"],
            dynamic_axes={
                "images": {2: "height", 3: "width"},
                "boxes": {0: "proposals"},
                "scores": {0: "proposals"},
            },
        )
        model = onnx.load(temporary)
        finish_model(model, temporary, _properties(network, config) | dict(origin or {}))
        difference = _compare(OnnxModel(temporary, providers=["CPUExecutionProvider"]), plain)
        if not difference.strays <= _STRAY_PROPOSALS:  # nor what is no number
            raise ValueError(
                f"{path}: expected a model that agrees with torch, got {difference}: not written"
            )
    return difference


class _SecondStage(nn.Module):
    """One image in; boxes and scores of its proposals out, of the classes that have a name."""

    def __init__(self, network: FasterRcnn, config: ProposalConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        encoding = self.network.encode([images[0]])
        (answer,) = self.network.judge(encoding, self.network.propose(encoding, self.config))
        outputs = self.network.output_of_class
        return answer.boxes[:, outputs], answer.scores[:, outputs]


def _properties(network: FasterRcnn, config: ProposalConfig) -> dict[str, str]:
    proposals = {
        name: value for name, value in asdict(config).items() if name.startswith("proposal")
    }
    return {
        "faimtrack_version": faimtrack.__version__,
        "architecture": PREFIX + network.architecture,
        "class_names": json.dumps(network.class_names),
        "sides": json.dumps([network.config.short_side, network.config.long_side]),
        "proposals": json.dumps(proposals),
    }


def _compare(model: OnnxModel, network: _SecondStage) -> ProposalDifference:
    """Run both on two pictures; each proposal is compared with the most similar one."""
    pictures = (random_picture(*_COMPARED_SIZES[0]), smooth_picture(*_COMPARED_SIZES[1]))
    score, box_px, strays = 0.0, 0.0, 0.0
    for picture in pictures:
        size = picture.shape[:2]
        images = input_of(picture, (min(size), max(size)))
        boxes, scores = model.run(images)
        with torch.inference_mode():
            expected = [each.numpy() for each in network(torch.from_numpy(images))]
        if not len(boxes) or not len(expected[0]):
            strays = max(strays, float(len(boxes) != len(expected[0])))
            continue
        rows = _nearest(expected[0], boxes)
        differences = np.abs(expected[0] - boxes[rows])
        sides = (expected[0][..., 2:] - expected[0][..., :2]).max(axis=2, keepdims=True)
        allowed = np.maximum(BOX_TOLERANCE_PX, _RELATIVE_BOX_TOLERANCE * sides)
        box_differences = differences.max(axis=(1, 2))
        score_differences = np.abs(expected[1] - scores[rows]).max(axis=1)
        is_same = (differences <= allowed).all(axis=(1, 2))
        is_same &= score_differences <= SCORE_TOLERANCE
        count_difference = abs(len(boxes) - len(expected[0])) / len(expected[0])
        strays = max(strays, 1 - float(is_same.mean()), count_difference)
        score = max(score, float(score_differences[is_same].max(initial=0)))
        box_px = max(box_px, float(box_differences[is_same].max(initial=0)))
    return ProposalDifference(score=score, box_px=box_px, strays=strays)


def _nearest(boxes: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.int64]:
    """The row of `others` whose box of the first class is nearest, for each row of `boxes`."""
    distances = np.abs(boxes[:, None, 0] - others[None, :, 0]).max(axis=2)
    return np.asarray(distances.argmin(axis=1), np.int64)
