"""The networks, pictures and videos that detectors are timed on: real ones where they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from faimtrack.detectors.yolox.checkpoint import LoadedYolox
from faimtrack.detectors.yolox.config import YoloxConfig
from faimtrack.detectors.yolox.letterbox import fill_input
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights
from faimtrack.structures import Image
from faimtrack.video import open_source

_ROWS_ABOVE_THRESHOLD, _LOG_CELLS = 200, 1.4
_REPOSITORY = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class DetectorScenario:
    """A network with its batch norms, and what it looks at.

    Attributes:
        loaded: The network.
        weights: Where its weights come from, in a few words.
        images: RGB pictures.
        pictures: Where they come from, in a few words.
    """

    loaded: LoadedYolox
    weights: str
    images: list[Image]
    pictures: str

    @property
    def name(self) -> str:
        """Size of the network and side of its input."""
        return f"{self.loaded.network.size.name} {self.loaded.input_size[0]}"

    def inputs(self, batch_size: int) -> list[NDArray[np.float32]]:
        """All pictures as batches of the network's input; what does not fill one is left out."""
        planes = _as_inputs(self.images, self.loaded.input_size)
        count = len(planes) // batch_size * batch_size
        return [planes[start : start + batch_size] for start in range(0, count, batch_size)]


def detector_scenario(size: str, frame_count: int) -> DetectorScenario:
    """The network of a size on `frame_count` pictures."""
    images, pictures = _pictures(frame_count)
    export = data_folder() / "models" / f"yolox_{size}.onnx"
    if export.is_file():
        network, weights = _official(size, export), "official"
    else:
        network, weights = _made_to_see(size, images), "random"
    loaded = LoadedYolox(
        network=network,
        path=export if export.is_file() else Path(f"random-{size}"),
        classes=(),
        input_size=YOLOX_SIZES[size].input_size,
        input_convention="current",
        left_aside=(),
    )
    return DetectorScenario(
        loaded=loaded,
        weights=weights,
        images=images,
        pictures=pictures,
    )


def data_folder() -> Path:
    """Where the real data would be."""
    return Path(os.environ.get("FAIMTRACK_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))


def tracked_source(folder: Path, frame_count: int) -> tuple[str, str]:
    """What the pipeline is timed on, and its name: a real video, else a crowd made in `folder`."""
    video = data_folder() / "video" / "snakeboard.mp4"
    if video.is_file():
        return str(video), "snakeboard.mp4, 1280x720"
    return str(_crowd(folder, frame_count) / "img1"), "rendered crowd, 1920x1080, as JPEG"


def _pictures(count: int) -> tuple[list[Image], str]:
    sequences = sorted((data_folder() / "frames").glob("MOT17-*"))
    images = [frame.image for folder in sequences for frame in open_source(str(folder / "img1"))]
    if images:
        chosen = np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)
        return [images[place] for place in chosen], "MOT17, 1920x1080"
    with tempfile.TemporaryDirectory() as folder:
        source = open_source(str(_crowd(Path(folder), count) / "img1"))
        return [frame.image for frame in source], "rendered crowd, 1920x1080"


def _crowd(folder: Path, frame_count: int) -> Path:
    from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd

    config = CrowdConfig(name="crowd", seed=7, frames=frame_count, width=1920, height=1080)
    write_crowd(simulate_crowd(config), folder / config.name, images=True)
    return folder / config.name


def _official(size: str, export: Path) -> Yolox:
    """An export's weights, whose batch norms are folded, under batch norms that do nothing."""
    network = Yolox(size).eval()
    state = network.state_dict()
    for key, tensor in state.items():
        if key.endswith(".bn.running_var"):
            tensor.fill_(1 - 1e-3)  # and their epsilon makes it 1
    for key, tensor in read_onnx_weights(export).items():
        norm = f"{key.removesuffix('.conv.bias')}.bn.bias"
        state[norm if norm in state else key] = tensor
    network.load_state_dict(state)
    return network


def _made_to_see(size: str, images: Sequence[Image]) -> Yolox:
    """Random weights that find something: what a network at birth does not.

    Boxes are a few cells wide, so that neighbours overlap, and some of them in each picture exceed
    the threshold.
    """
    torch.manual_seed(0)
    network = Yolox(size).eval()
    head = network.head
    pictures = torch.from_numpy(_as_inputs(images[:2], YOLOX_SIZES[size].input_size))
    with torch.no_grad():
        for prediction in (*head.reg_preds, *head.obj_preds, *head.cls_preds):
            prediction.bias.zero_()
        output = network(pictures)
        for predictions, maps, spread in (
            (head.reg_preds, output.box_offsets, 0.5),
            (head.obj_preds, output.objectness, 1.5),
            (head.cls_preds, output.class_logits, 1.5),
        ):
            for prediction, values in zip(predictions, maps, strict=True):
                prediction.weight.mul_(spread / values.std())
        for prediction in head.reg_preds:
            prediction.bias[2:] = _LOG_CELLS
        objectness = network(pictures).logit_rows()[..., 4]
        weakest = objectness.topk(_ROWS_ABOVE_THRESHOLD, dim=1).values[:, -1].mean()
        wanted = torch.logit(torch.tensor(YoloxConfig().score_threshold))
        for prediction in head.obj_preds:
            prediction.bias.fill_(float(wanted - weakest))
    return network


def _as_inputs(images: Sequence[Image], size: tuple[int, int]) -> NDArray[np.float32]:
    """Pictures as the network takes them, `(N, 3, H, W)`."""
    planes = np.empty((len(images), 3, *size), np.float32)
    for image, out in zip(images, planes, strict=True):
        fill_input(image, "current", out)
    return planes
