"""An exported YOLOX beside its network in torch: by how much do their answers differ?"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from faimtrack.detectors.pictures import random_picture, smooth_picture
from faimtrack.detectors.yolox.config import YoloxReading
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.detectors.yolox.onnx_metadata import YoloxOnnxMetadata
from faimtrack.detectors.yolox.reading import read_rows, read_suppressed_rows
from faimtrack.onnx import OnnxModel
from faimtrack.structures import Detections

SCORE_TOLERANCE = 1e-4
BOX_TOLERANCE_PX = 0.05
# A network in whole pixels of a large box is as exact as one in tenths of a small one.
_RELATIVE_BOX_TOLERANCE = 2e-4
_STRAY_DETECTIONS = 0.01  # an overlap at the threshold may fall to either side in 32 bits


@dataclass(frozen=True, kw_only=True)
class ExportDifference:
    """The largest differences over all anchors of two pictures, one random and one smooth.

    Attributes:
        score: Of objectness and class scores.
        box_px: Of centre, width or height, in pixels of the input.
        is_small: Whether scores differ by at most 1e-4 and boxes by at most 0.05 px (of boxes
            larger than 250 px: by one part in 5000), and the same boxes are suppressed.
    """

    score: float
    box_px: float
    is_small: bool

    def __str__(self) -> str:
        return f"scores that differ by {self.score:.1e} and boxes by {self.box_px:.1e} px"


def compare_export(path: Path, network: Yolox, metadata: YoloxOnnxMetadata) -> ExportDifference:
    """Run an export in onnxruntime on the CPU, and the network beside it.

    Args:
        path: The file.
        network: In full precision on the CPU; its batch norms need not be folded.
        metadata: What the file says of itself.

    Raises:
        ValueError: onnxruntime cannot run the file.
    """
    height, width = metadata.input_size
    pictures = [random_picture(height, width), smooth_picture(height, width)]
    images = np.empty((len(pictures), 3, height, width), np.float32)
    for picture, out in zip(pictures, images, strict=True):
        fill_input(picture, metadata.input_convention, out)
    with torch.inference_mode():
        expected = network(torch.from_numpy(images)).rows().numpy()
    rows, detections = _run(path, images)
    differences = np.abs(rows - expected)
    sizes = expected[..., 2:4].max(axis=-1, keepdims=True)
    allowed = np.maximum(BOX_TOLERANCE_PX, _RELATIVE_BOX_TOLERANCE * sizes)
    # Written so that what is no number is not small.
    is_small = bool(
        (differences[..., :4] <= allowed).all() and (differences[..., 4:] <= SCORE_TOLERANCE).all()
    )
    if detections is not None:
        is_small = is_small and _suppresses_alike(rows, detections, metadata)
    return ExportDifference(
        score=float(differences[..., 4:].max()),
        box_px=float(differences[..., :4].max()),
        is_small=is_small,
    )


def _run(
    path: Path, images: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """The model's rows, and its detections if it suppresses overlaps."""
    import onnx

    model = onnx.load(path)
    suppresses = model.graph.output[0].name != "rows"
    with tempfile.TemporaryDirectory() as folder:
        if suppresses:
            rows = onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, None)
            model.graph.output.append(rows)
            path = Path(folder) / path.name
            onnx.save(model, path)
        answers = OnnxModel(path, providers=["CPUExecutionProvider"]).run(images)
    return (answers[1], answers[0]) if suppresses else (answers[0], None)


def _suppresses_alike(
    rows: NDArray[np.float32], detections: NDArray[np.float32], metadata: YoloxOnnxMetadata
) -> bool:
    """Whether what the graph makes of its rows is what `read_rows` makes of them."""
    assert metadata.score_threshold is not None
    assert metadata.nms_threshold is not None
    config = YoloxReading(
        score_threshold=metadata.score_threshold, nms_threshold=metadata.nms_threshold
    )
    how: dict[str, Any] = {
        "ratio": 1.0, "size": metadata.input_size, "class_names": metadata.class_names
    }  # fmt: skip
    for image, image_rows in enumerate(rows):
        own = detections[detections[:, 0] == image, 1:]
        found = _boxes_by_score(read_suppressed_rows(own, 0.0, **how))
        expected = _boxes_by_score(read_rows(image_rows, config, **how))
        strays = found.keys() ^ expected.keys()
        shared = found.keys() & expected.keys()
        if len(strays) > 2 * _STRAY_DETECTIONS * len(expected) or not all(
            np.allclose(found[each], expected[each], atol=BOX_TOLERANCE_PX) for each in shared
        ):
            return False
    return True


def _boxes_by_score(detections: Detections) -> dict[tuple[int, float], NDArray[np.float64]]:
    """Boxes by class and score: what is made of the same rows has equal scores."""
    keys = zip(detections.class_ids.tolist(), detections.scores.tolist(), strict=True)
    return dict(zip(keys, detections.boxes, strict=True))
