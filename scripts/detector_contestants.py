"""Detectors side by side: networks alone, and the whole way from pixels to boxes.

The `yolox` package and onnxruntime take part if they are installed.
"""

from __future__ import annotations

import copy
import importlib.metadata
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detector_scenarios import DetectorScenario
from torch import Tensor, nn

import faimtrack
from faimtrack.boxes import clip_boxes
from faimtrack.detectors.config import Keep
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.loading import PREFIX, SETTING, build_mask_branch
from faimtrack.detectors.running import prepare
from faimtrack.detectors.yolox.config import YoloxConfig, YoloxOnnxConfig
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.detectors.yolox.export import export_onnx, export_weights
from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.onnx import YoloxOnnxDetector
from faimtrack.onnx import OnnxModel
from faimtrack.structures import Detections, Frame, Image
from faimtrack.weights.files import read_checkpoint, write_weights

OURS, UNFOLDED = "faimtrack", "faimtrack, batch norms apart"
PEER, PEER_FUSED = "yolox", "yolox, fused"
ONNX = "onnxruntime"
_MOST_OTHER_CLASSES = 0.01


@dataclass(frozen=True, kw_only=True)
class Running:
    """How all contestants run.

    Attributes:
        config: Device, precision, batch size and thresholds.
        threads: Of one operation.
        compiled: Whether a compiled network of ours takes part.
    """

    config: YoloxConfig
    threads: int
    compiled: bool

    @property
    def batch_size(self) -> int:
        """Pictures in one call."""
        return self.config.batch_size or 1


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """Something to time.

    Attributes:
        name: Shown in tables.
        version: Of its package.
        run: Looks at all pictures once and gives, once the device is done, what it found: rows
            `(N, A, 5 + K)` a batch of a network alone, detections a picture of the whole way.
    """

    name: str
    version: str
    run: Callable[[], list[Any]]


@dataclass(frozen=True)
class ScenarioFiles:
    """A scenario's network in files: for onnxruntime, as weights of ours, with a mask branch."""

    export: Path
    weights: Path
    masked: Path

    @classmethod
    def write(cls, scenario: DetectorScenario, folder: Path) -> ScenarioFiles:
        """Write them; the branch is new and as large as recipes for a CPU have it."""
        size = scenario.loaded.network.size.name
        files = cls(
            folder / f"{size}.onnx",
            folder / f"{size}.safetensors",
            folder / f"{size}-mask.safetensors",
        )
        export_onnx(scenario.loaded, files.export)
        export_weights(scenario.loaded, files.weights)
        checkpoint = read_checkpoint(files.weights)
        assert checkpoint.metadata is not None
        config = MaskBranchConfig.preset("small")
        torch.manual_seed(0)
        branch = build_mask_branch(config, scenario.loaded.network)
        tensors = {PREFIX + key: tensor for key, tensor in branch.state_dict().items()}
        settings = {**checkpoint.metadata.settings, SETTING: asdict(config)}
        metadata = replace(checkpoint.metadata, settings=settings)
        write_weights(files.masked, {**checkpoint.tensors, **tensors}, metadata)
        return files


def network_contestants(
    scenario: DetectorScenario, running: Running, files: ScenarioFiles
) -> Iterator[Contestant]:
    """The network alone, from the input's tensor to rows of boxes and scores."""
    config = running.config
    apart = prepare(copy.deepcopy(scenario.loaded.network), replace(config, channels_last=False))
    weight = next(apart.parameters())
    arrays = scenario.inputs(running.batch_size)
    inputs = [torch.from_numpy(array).to(weight) for array in arrays]

    def contestant(name: str, version: str, rows: Callable[[Tensor], Tensor]) -> Contestant:
        def run() -> list[Tensor]:
            with torch.inference_mode():
                found = [rows(images) for images in inputs]
            return _finished(found)

        return Contestant(name=name, version=version, run=run)

    def ours(name: str, network: nn.Module) -> Contestant:
        return contestant(name, faimtrack.__version__, lambda images: network(images).rows())

    def folded(**changes: Any) -> nn.Module:
        return prepare(fold_batch_norm(scenario.loaded.network), replace(config, **changes))

    yield ours(OURS, folded())
    yield ours(UNFOLDED, apart)
    for name, theirs in _peers(scenario):
        yield contestant(name, _version("pixeltable-yolox", "yolox"), theirs.to(weight))
    on_cpu = weight.device.type == "cpu"
    other_layout = f"faimtrack, channels {'first' if on_cpu else 'last'}"
    yield ours(other_layout, folded(channels_last=not on_cpu))
    if running.compiled:
        yield ours("faimtrack, compiled", folded(compile=True))
    model = _onnx_model(files.export, running)
    yield Contestant(
        name=ONNX,
        version=_version("onnxruntime-gpu", "onnxruntime"),
        run=lambda: [model.run(array)[0] for array in arrays],
    )


def path_contestants(
    scenario: DetectorScenario, running: Running, files: ScenarioFiles
) -> Iterator[Contestant]:
    """The whole way: pictures of any size in, boxes in their pixels out."""
    frames = _frames(scenario, running)

    def ours(name: str, detector: YoloxDetector) -> Contestant:
        return Contestant(
            name=name, version=faimtrack.__version__, run=lambda: detector.detect(frames)
        )

    plain = YoloxDetector(scenario.loaded, running.config)
    yield ours(OURS, plain)
    if running.compiled:
        compiled = YoloxDetector(scenario.loaded, replace(running.config, compile=True))
        yield ours("faimtrack, compiled", compiled)
    # As OpenCV reads them: what the package takes.
    images = [np.ascontiguousarray(frame.image[:, :, ::-1]) for frame in frames]
    for name, theirs in _peers(scenario):
        way = PeerWay(theirs.to(next(plain.network.parameters())), scenario, running)
        yield Contestant(
            name=name,
            version=_version("pixeltable-yolox", "yolox"),
            run=lambda way=way: way.detect(images),
        )
    onnx_config = YoloxOnnxConfig(
        batch_size=running.batch_size,
        score_threshold=running.config.score_threshold,
        nms_threshold=running.config.nms_threshold,
    )
    onnx = YoloxOnnxDetector(_onnx_model(files.export, running), onnx_config)
    yield Contestant(
        name=ONNX,
        version=_version("onnxruntime-gpu", "onnxruntime"),
        run=lambda: onnx.detect(frames),
    )


def branch_contestants(
    scenario: DetectorScenario, running: Running, files: ScenarioFiles
) -> Iterator[Contestant]:
    """The whole way, by files of the same network with and without a mask branch."""
    frames = _frames(scenario, running)
    ways: tuple[tuple[str, Path, Keep], ...] = (
        (OURS, files.weights, "none"),
        ("faimtrack, a branch in the file", files.masked, "none"),
        ("faimtrack, instance features kept", files.masked, "instance_features"),
        ("faimtrack, masks kept", files.masked, "masks"),
    )
    for name, path, keep in ways:
        detector = YoloxDetector(path, running.config, keep=keep)
        yield Contestant(
            name=name,
            version=faimtrack.__version__,
            run=lambda detector=detector: detector.detect(frames),
        )


def _frames(scenario: DetectorScenario, running: Running) -> list[Frame]:
    """As many as make whole batches."""
    frames = [Frame(number, image=image) for number, image in enumerate(scenario.images, 1)]
    return frames[: len(frames) // running.batch_size * running.batch_size]


class PeerWay:
    """The `yolox` package's way from pictures to boxes, as its demo and its processor go it."""

    def __init__(self, network: nn.Module, scenario: DetectorScenario, running: Running) -> None:
        """Give `network` pictures scaled to the scenario's input."""
        from yolox.data import ValTransform

        self._network = network
        self._transform = ValTransform(legacy=False)
        self._size = scenario.loaded.input_size
        self._running = running
        self._class_names = scenario.loaded.name_classes()

    def detect(self, images: list[Image]) -> list[Detections]:
        """Detections of each picture, which is BGR."""
        step = self._running.batch_size
        return [
            found
            for start in range(0, len(images), step)
            for found in self._detect_batch(images[start : start + step])
        ]

    def _detect_batch(self, images: list[Image]) -> list[Detections]:
        from yolox.utils import postprocess

        config = self._running.config
        weight = next(self._network.parameters())
        planes = [self._transform(image, None, self._size)[0] for image in images]
        batch = torch.stack([torch.from_numpy(each) for each in planes]).to(weight)
        with torch.inference_mode():
            rows = self._network(batch)
            answers = postprocess(
                rows, len(self._class_names), config.score_threshold, config.nms_threshold
            )
        return [
            self._in_pixels(answer, image) for answer, image in zip(answers, images, strict=True)
        ]

    def _in_pixels(self, answer: Tensor | None, image: Image) -> Detections:
        if answer is None:
            return Detections(np.zeros((0, 4)), np.zeros(0), class_names=self._class_names)
        height, width = image.shape[:2]
        ratio = min(self._size[0] / height, self._size[1] / width)
        rows = answer.double().cpu().numpy()
        boxes = clip_boxes(rows[:, :4] / ratio, width, height)
        is_inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
        boxes, rows = boxes[is_inside], rows[is_inside]
        scores, class_ids = rows[:, 4] * rows[:, 5], rows[:, 6].astype(np.int64)
        return Detections(boxes, scores, class_ids, self._class_names)


def row_difference(rows: list[Any], expected: list[Any]) -> tuple[float, float]:
    """The largest difference of a box in pixels of the input and of a score."""
    boxes = scores = 0.0
    for ours, theirs in zip(rows, expected, strict=True):
        apart = (torch.as_tensor(ours).cpu().float() - torch.as_tensor(theirs).cpu().float()).abs()
        boxes = max(boxes, float(apart[..., :4].max()))
        scores = max(scores, float(apart[..., 4:].max()))
    return boxes, scores


def detection_difference(
    found: list[Detections], expected: list[Detections]
) -> tuple[float, float]:
    """The largest difference of a box in pixels and of a score; infinite if others were found.

    Scores that differ in their last bits may change places: each is compared with the nearest.
    Where two classes of a box score alike, the better one may be the other: of a hundred, one.
    """
    boxes = scores = 0.0
    for ours, theirs in zip(found, expected, strict=True):
        if len(ours) != len(theirs):
            return np.inf, np.inf
        if not len(ours):
            continue
        apart = np.abs(ours.boxes[:, None] - theirs.boxes).max(axis=2)
        score_apart = np.abs(ours.scores[:, None] - theirs.scores)
        nearest = (apart + score_apart).argmin(axis=1)
        is_other = ours.class_ids != theirs.class_ids[nearest]
        if len(np.unique(nearest)) < len(ours) or is_other.mean() > _MOST_OTHER_CLASSES:
            return np.inf, np.inf
        rows = np.arange(len(ours))
        boxes = max(boxes, float(apart[rows, nearest].max()))
        scores = max(scores, float(score_apart[rows, nearest].max()))
    return boxes, scores


def _peers(scenario: DetectorScenario) -> Iterator[tuple[str, nn.Module]]:
    """The package's network with the scenario's weights, as it is and with batch norms merged."""
    if importlib.util.find_spec("yolox") is None:
        return
    from yolox.config import YoloxConfig as PeerConfig
    from yolox.utils import fuse_model

    network = scenario.loaded.network
    config = PeerConfig.get_named_config(f"yolox_{network.size.name}")
    config.num_classes = network.class_count
    for name in (PEER, PEER_FUSED):
        theirs = copy.deepcopy(config.get_model())  # which gives the same one again and again
        theirs.load_state_dict(network.state_dict(), strict=True)
        theirs.eval().requires_grad_(False)
        with torch.no_grad():
            yield name, fuse_model(theirs) if name == PEER_FUSED else theirs


def _finished(rows: list[Tensor]) -> list[Tensor]:
    if rows[0].device.type == "cuda":
        torch.cuda.synchronize()
    return rows


def _onnx_model(export: Path, running: Running) -> OnnxModel:
    on_gpu = running.config.device == "cuda"
    providers = ["CUDAExecutionProvider"] if on_gpu else ["CPUExecutionProvider"]
    return OnnxModel(export, threads=running.threads, providers=providers)


def _version(*packages: str) -> str:
    for package in packages:
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""
