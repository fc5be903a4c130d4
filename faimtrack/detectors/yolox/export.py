"""A YOLOX as a file that knows how it is to be run: ONNX, compared with torch, or weights."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faimtrack.atomic import atomic_file
from faimtrack.detectors.onnx_writing import finish_model, trace_to_onnx
from faimtrack.detectors.yolox.checkpoint import LoadedYolox
from faimtrack.detectors.yolox.config import YoloxExportConfig
from faimtrack.detectors.yolox.export_check import ExportDifference, compare_export
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.detectors.yolox.onnx_metadata import YoloxOnnxMetadata
from faimtrack.detectors.yolox.onnx_nms import add_suppression
from faimtrack.weights.files import write_weights

_STEP = 32  # heights and widths are multiples of this


@dataclass(frozen=True, kw_only=True)
class YoloxExport:
    """What was written.

    Attributes:
        metadata: What the file says of itself.
        difference: By how much it differs from torch; None of weights, which are the same.
    """

    metadata: YoloxOnnxMetadata
    difference: ExportDifference | None = None


def export_onnx(
    loaded: LoadedYolox,
    path: str | os.PathLike[str],
    config: YoloxExportConfig | None = None,
    *,
    class_names: Sequence[str] | None = None,
    origin: Mapping[str, str] | None = None,
    **parameters: Any,
) -> YoloxExport:
    """Write a YOLOX as ONNX, run it beside the network, and keep it if they agree.

    The model takes `images` `(batch, 3, height, width)` float32, any number at a time. Without
    `nms` it gives `rows` `(batch, anchors, 5 + classes)` as `YoloxOutput.rows` does: centre
    ``x y``, width and height in pixels of the input, objectness and a score a class. With `nms` it
    gives `detections` `(boxes, 7)` of all images together: number of the image from 0, corners
    ``x1 y1 x2 y2`` in pixels of the input, score (objectness times class score), class id; image
    by image, in it class by class, in a class the highest score first. As in `read_rows` an anchor
    stands for its best class only, and boxes of two classes never suppress each other.

    The same weights and settings give the same bytes under the same versions of torch and onnx.

    Args:
        loaded: The network.
        path: The file; it replaces one that is there, once it was compared with torch.
        config: The parameters; None takes the defaults.
        class_names: Names of its classes; None takes the file's, else COCO's for 80 and `person`
            for one.
        origin: `recipe`, `data` and `licence` of the weights, as far as they are known.
        parameters: Single parameters by name, over those in `config`.

    Raises:
        ValueError: There are more or fewer names than classes, the input size is no multiple of
            32, `nms` is wanted without `nms_per_class`, or the model does not agree with torch;
            `path` is then as it was.
        OSError: The file cannot be written.
        ModuleNotFoundError: `onnx` is not installed.
    """
    config = replace(config or YoloxExportConfig(), **parameters)
    metadata = _describe(loaded, config, loaded.name_classes(class_names), origin or {})
    network = copy.deepcopy(loaded.network).to("cpu", torch.float32).eval().requires_grad_(False)
    with atomic_file(path) as temporary:
        _trace(network, temporary, metadata.input_size, dynamic_size=config.dynamic_size)
        _finish(temporary, network, metadata, dynamic_size=config.dynamic_size)
        difference = compare_export(temporary, network, metadata)
        _require_agreement(difference, Path(path))
    return YoloxExport(metadata=metadata, difference=difference)


def export_weights(
    loaded: LoadedYolox,
    path: str | os.PathLike[str],
    config: YoloxExportConfig | None = None,
    *,
    class_names: Sequence[str] | None = None,
    origin: Mapping[str, str] | None = None,
) -> YoloxExport:
    """Write a YOLOX as weights of ours, which `YoloxDetector` runs without further settings.

    Args:
        loaded: The network; its batch norms stay as they are, merged or not.
        path: The file; it replaces one that is there.
        config: Input size and convention; None takes those that the network has.
        class_names: As in `export_onnx`.
        origin: As in `export_onnx`.

    Raises:
        ValueError: There are more or fewer names than classes, or the input size is no multiple
            of 32.
        OSError: The file cannot be written.
    """
    names = loaded.name_classes(class_names)
    told = _describe(loaded, config or YoloxExportConfig(), names, origin or {})
    metadata = told.weights_metadata(
        {"batch_norm": "folded" if loaded.network.is_folded else "kept"}
    )
    write_weights(path, loaded.network.state_dict(), metadata)
    return YoloxExport(metadata=told)


def _describe(
    loaded: LoadedYolox,
    config: YoloxExportConfig,
    class_names: tuple[str, ...],
    origin: Mapping[str, str],
) -> YoloxOnnxMetadata:
    if config.nms and not config.nms_per_class:
        raise ValueError(
            "nms_per_class: expected true with nms, for a model suppresses overlaps class by "
            "class, got false"
        )
    size, convention = loaded.resolve_input(config)
    return YoloxOnnxMetadata(
        architecture=f"yolox-{loaded.network.size.name}",
        class_names=class_names,
        input_convention=convention,
        input_size=size,
        score_threshold=config.score_threshold if config.nms else None,
        nms_threshold=config.nms_threshold if config.nms else None,
        **origin,
    )


class _Rows(nn.Module):
    """Images in, rows out; without the check of the images' shape, which cannot be traced."""

    def __init__(self, network: Yolox) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        rows: Tensor = self.network.head(self.network.backbone(images)).rows()
        return rows


def _trace(network: Yolox, path: Path, size: tuple[int, int], *, dynamic_size: bool) -> None:
    """Write the graph from images to rows."""
    sides = {2: "height", 3: "width"} if dynamic_size else {}
    trace_to_onnx(
        _Rows(fold_batch_norm(network)),
        torch.zeros(1, 3, *((_STEP, _STEP) if dynamic_size else size)),
        path,
        outputs=["rows"],
        dynamic_axes={"images": {0: "batch", **sides}, "rows": {0: "batch"}},
    )


def _finish(
    path: Path, network: Yolox, metadata: YoloxOnnxMetadata, *, dynamic_size: bool
) -> None:
    """Name the sizes, put in the suppression and the metadata."""
    import onnx

    model = onnx.load(path)
    height, width = metadata.input_size
    anchors = sum((height // stride) * (width // stride) for stride in STRIDES)
    shape = ["batch", "anchors" if dynamic_size else anchors, 5 + network.class_count]
    rows = onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, shape)
    model.graph.output[0].CopyFrom(rows)
    if metadata.score_threshold is not None and metadata.nms_threshold is not None:
        add_suppression(
            model.graph, network.class_count, metadata.score_threshold, metadata.nms_threshold
        )
    finish_model(model, path, metadata.properties())


def _require_agreement(difference: ExportDifference, path: Path) -> None:
    if not difference.is_small:
        raise ValueError(
            f"{path}: expected a model that agrees with torch, got {difference}: not written"
        )
