"""FAIM or YOLOV as two ONNX files, compared with torch: what sees frames, and what joins them."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from faimtrack.atomic import atomic_file
from faimtrack.detectors.onnx_writing import finish_model, trace_to_onnx
from faimtrack.detectors.video.aggregation import Tokens
from faimtrack.detectors.video.checkpoint import SETTING, LoadedVideoYolox
from faimtrack.detectors.video.config import ProposalConfig
from faimtrack.detectors.video.export_check import VideoExportDifference, compare_video_export
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.config import YoloxExportConfig
from faimtrack.detectors.yolox.export_check import compare_export
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.onnx_metadata import YoloxOnnxMetadata
from faimtrack.weights.files import write_weights

FRAME_OUTPUTS = ("rows", "candidates", "classification", "partner")
"""What the model of frames gives."""

AGGREGATION_INPUTS = Tokens._fields
"""What the model of aggregation takes."""

_TRACED_TOKENS = 12


@dataclass(frozen=True, kw_only=True)
class VideoExport:
    """What was written.

    Attributes:
        frames: The file that sees frames.
        aggregation: The file that joins them; None of weights, which are one file.
        metadata: What the files say of themselves.
        difference: By how much they differ from torch; None of weights, which are the same.
    """

    frames: Path
    aggregation: Path | None
    metadata: YoloxOnnxMetadata
    difference: VideoExportDifference | None


def aggregation_path(path: str | os.PathLike[str]) -> Path:
    """Where the second file lies: `faim.onnx` has `faim-aggregation.onnx` beside it."""
    path = Path(path)
    return path.with_name(f"{path.stem}-aggregation{path.suffix}")


def export_onnx(
    loaded: LoadedVideoYolox,
    path: str | os.PathLike[str],
    config: YoloxExportConfig | None = None,
    *,
    proposals: ProposalConfig | None = None,
    class_names: Sequence[str] | None = None,
    origin: Mapping[str, str] | None = None,
) -> VideoExport:
    """Write a video object detector as two ONNX files, and keep them if they agree with torch.

    The first takes `images` `(batch, 3, height, width)` float32 and gives, of each frame for
    itself, `rows` `(batch, anchors, 5 + classes)` as `YoloxOutput.rows`, `candidates`
    `(batch, k)` int64, the anchors of highest objectness, the highest first, and the
    `classification` `(batch, k, C)` and `partner` `(batch, k, C')` features of these. Which of
    them are proposals (NMS and the first n, as the file's `proposals` say) is left to the reader.

    The second takes proposals of all frames of a clip: `classification` `(clips, tokens, C)`,
    `partner` `(clips, tokens, C')`, `class_scores` and `objectness` `(clips, tokens)` of the base
    detector, and `is_real` `(clips, tokens)` bool, false where a clip is filled up; any number of
    them. Of a network that adds to the base detector's logits (`refinement: add`) `class_scores`
    are `(clips, tokens, classes)`, those of all classes. It gives `scores`
    `(clips, tokens, classes)`, refined probabilities; those of a detection are to be multiplied
    by the objectness.

    Args:
        loaded: The network.
        path: The first file; `aggregation_path` says where the second one comes. They replace
            files that are there.
        config: Input size and convention; None takes the network's.
        proposals: How many candidates a frame has, and which proposals the files are compared
            with torch on; None takes the defaults. It is written into the files.
        class_names: Names of its classes; None takes those that the network has.
        origin: `recipe`, `data` and `licence` of the weights, as far as they are known.

    Raises:
        ValueError: There are more or fewer names than classes, `config` asks for suppression or
            a size that may change, the input size is no multiple of 32, or the models do not
            agree with torch; both paths are then as they were.
        OSError: A file cannot be written.
        ModuleNotFoundError: `onnx` is not installed.
    """
    config, proposals = config or YoloxExportConfig(), proposals or ProposalConfig()
    metadata = _describe(loaded, config, loaded.name_classes(class_names), origin or {})
    second = aggregation_path(path)
    network = copy.deepcopy(loaded.network).to("cpu", torch.float32).eval().requires_grad_(False)
    with atomic_file(path) as frames, atomic_file(second) as aggregation:
        _trace_frames(network, frames, metadata, proposals)
        _trace_aggregation(network, aggregation, metadata)
        base = compare_export(frames, loaded.base.network, metadata)
        difference = compare_video_export(frames, aggregation, network, metadata, proposals, base)
        if not difference.is_small:
            raise ValueError(
                f"{path}: expected models that agree with torch, got {difference}: not written"
            )
    return VideoExport(
        frames=Path(path), aggregation=second, metadata=metadata, difference=difference
    )


def export_weights(
    loaded: LoadedVideoYolox,
    path: str | os.PathLike[str],
    config: YoloxExportConfig | None = None,
    *,
    class_names: Sequence[str] | None = None,
    origin: Mapping[str, str] | None = None,
) -> VideoExport:
    """Write a video object detector as weights of ours, which `VideoDetector` runs as they are.

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
    metadata = told.weights_metadata({SETTING: asdict(loaded.network.config)})
    write_weights(path, loaded.network.state_dict(), metadata)
    return VideoExport(frames=Path(path), aggregation=None, metadata=told, difference=None)


def _describe(
    loaded: LoadedVideoYolox,
    config: YoloxExportConfig,
    class_names: tuple[str, ...],
    origin: Mapping[str, str],
) -> YoloxOnnxMetadata:
    if config.nms or config.dynamic_size:
        raise ValueError(
            "nms and dynamic_size: expected neither for a video object detector, whose proposals "
            "are chosen by its reader from maps of one size"
        )
    size, convention = loaded.base.resolve_input(config)
    told: dict[str, Any] = dict(origin)
    return YoloxOnnxMetadata(
        architecture=loaded.architecture,
        class_names=class_names,
        input_convention=convention,
        input_size=size,
        **told,
    )


class _Frames(nn.Module):
    """Images in, rows and the candidates with their features out."""

    def __init__(self, network: VideoYolox, candidates: int) -> None:
        super().__init__()
        self.network = network
        self.candidates = candidates

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        base = self.network.head(self.network.backbone(images))  # the shape's check is no graph
        output = self.network.extend(base)
        rows = base.rows()
        candidates = rows[..., 4].topk(self.candidates).indices
        features = [
            torch.cat([each.flatten(2) for each in maps], dim=2).transpose(1, 2)
            for maps in (output.classification, output.partner)
        ]
        chosen = [
            each.gather(1, candidates[..., None].expand(-1, -1, each.shape[2]))
            for each in features
        ]
        return rows, candidates, chosen[0], chosen[1]


class _Aggregation(nn.Module):
    """Tokens in, refined probabilities out."""

    def __init__(self, network: VideoYolox) -> None:
        super().__init__()
        self.video = network.video

    def forward(self, *inputs: Tensor) -> Tensor:
        tokens, scores = Tokens(*inputs), None
        if self.video.config.adds:
            scores = tokens.class_scores
            tokens = tokens._replace(class_scores=scores.amax(dim=2))
        return self.video.classify(tokens, scores).sigmoid()


def _trace_frames(
    network: VideoYolox, path: Path, metadata: YoloxOnnxMetadata, config: ProposalConfig
) -> None:
    import onnx

    height, width = metadata.input_size
    anchors = sum((height // stride) * (width // stride) for stride in (8, 16, 32))
    trace_to_onnx(
        _Frames(fold_batch_norm(network), min(config.candidates, anchors)).eval(),
        torch.zeros(1, 3, height, width),
        path,
        outputs=FRAME_OUTPUTS,
        dynamic_axes={name: {0: "batch"} for name in ("images", *FRAME_OUTPUTS)},
    )
    properties = _properties(network, metadata, "frames") | {"proposals": _as_json(config)}
    finish_model(onnx.load(path), path, properties)


def _trace_aggregation(network: VideoYolox, path: Path, metadata: YoloxOnnxMetadata) -> None:
    import onnx

    aggregation = network.video.aggregation
    first, second = (layer.in_features for layer in _projections(aggregation))
    shape = (1, _TRACED_TOKENS)
    tokens = Tokens(
        torch.rand(*shape, first),
        torch.rand(*shape, second),
        torch.rand(*shape, network.class_count) if network.config.adds else torch.rand(shape),
        torch.rand(shape),
        torch.ones(shape, dtype=torch.bool),
    )
    trace_to_onnx(
        _Aggregation(network).eval(),  # what exports it leaves its parts in its own mode
        tuple(tokens),
        path,
        inputs=AGGREGATION_INPUTS,
        outputs=["scores"],
        dynamic_axes={name: {0: "clips", 1: "tokens"} for name in (*AGGREGATION_INPUTS, "scores")},
    )
    finish_model(onnx.load(path), path, _properties(network, metadata, "aggregation"))


def _projections(aggregation: nn.Module) -> list[nn.Linear]:
    names = ("project_classification", "project_partner")
    found = [getattr(aggregation, name, None) for name in names]
    if not all(isinstance(each, nn.Linear) for each in found):
        raise ValueError(f"aggregation: expected TICAM, got {type(aggregation).__name__}")
    return [each for each in found if isinstance(each, nn.Linear)]


def _properties(network: VideoYolox, metadata: YoloxOnnxMetadata, part: str) -> dict[str, str]:
    return metadata.properties() | {"part": part, SETTING: _as_json(network.config)}


def _as_json(config: Any) -> str:
    return json.dumps({name: asdict(config)[name] for name in sorted(asdict(config))})
