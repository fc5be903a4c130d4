"""Re-identification models in ONNX: crops in, one vector a crop out."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.appearance.config import EmbedderConfig
from faimtrack.appearance.conventions import HASH_DIGITS
from faimtrack.appearance.crops import CPU_BATCH, GPU_BATCH, CropEmbedding, CropInput
from faimtrack.boxes import Boxes
from faimtrack.onnx import OnnxModel, providers_of
from faimtrack.structures import Frame
from faimtrack.weights import weights_sha256

_LOG = logging.getLogger(__name__)

_PROBES = 2  # crops; with one, an answer for the whole batch would look like one for it
_GREY = 128


class OnnxEmbedder:
    """Any re-identification model of one's own, such as OSNet (Zhou et al., ICCV 2019).

    It has one input `(batch, 3, height, width)` and one output `(batch, D)` or `(batch, D, 1, 1)`,
    both float32. A model of a fixed batch is run as often as it takes, one crop at a time if that
    is its batch; the log says so.

    Attributes:
        name: The hash of the file and how crops are made for it.
        dimension: Of its vectors.
        config: The parameters.
        model: The model.
        batch_size: Crops in one call, at most; exactly so many if the model's batch is fixed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        config: EmbedderConfig | None = None,
        **parameters: Any,
    ) -> None:
        """Load a model and see that it embeds crops.

        Args:
            path: The `.onnx` file.
            config: The parameters; None takes the defaults.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: It is no ONNX model, has other inputs or outputs, its answer to grey
                crops is not a vector of finite numbers for each, or there is no such device.
            OSError: The file cannot be read.
        """
        self.config = replace(config or EmbedderConfig(), **parameters)
        self.model = OnnxModel(
            path, threads=self.config.threads, providers=providers_of(self.config.device)
        )
        size, batch = self._input_layout()
        on_gpu = self.model.providers[0] != "CPUExecutionProvider"
        self.batch_size = batch or self.config.batch_size or (GPU_BATCH if on_gpu else CPU_BATCH)
        if batch is not None:
            _LOG.info("%s: takes %d crops a call, no more and no fewer", self.model.path, batch)
        crop_input = CropInput.of_config(self.config, size)
        self.dimension = self._probe(crop_input, batch)
        self.name = f"{weights_sha256(path)[:HASH_DIGITS]}-{crop_input.kind}"
        self._embedding = CropEmbedding(
            crop_input,
            self._run,
            self.dimension,
            self.batch_size,
            needs_full_batches=batch is not None,
            source=str(self.model.path),
        )

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """One vector a box, as in `faimtrack.interfaces.Embedder`."""
        return self._embedding.embed(frame, boxes)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        answers: NDArray[np.float32] = self.model.run(inputs)[0]
        return answers.reshape(len(inputs), self.dimension)

    def _input_layout(self) -> tuple[tuple[int, int], int | None]:
        """Height and width of the input, and its batch (None: any)."""
        path, taken = self.model.path, self.model.inputs
        is_image = len(taken) == 1 and len(taken[0].shape) == 4 and taken[0].shape[1] in (3, None)
        if not is_image or taken[0].dtype != np.float32:
            raise ValueError(
                f"{path}: expected a model of one input (batch, 3, height, width) float32, got "
                f"{', '.join(map(str, taken)) or 'none'}"
            )
        if len(self.model.outputs) != 1:
            raise ValueError(
                f"{path}: expected a model of one output, a vector for each crop, got "
                f"{', '.join(map(str, self.model.outputs)) or 'none'}"
            )
        batch, _, *sizes = taken[0].shape
        chosen = []
        for name, size in zip(("input_height", "input_width"), sizes, strict=True):
            wanted = getattr(self.config, name)
            if None not in (size, wanted) and wanted != size:
                raise ValueError(f"{path}: {name}: expected {size} as the model has, got {wanted}")
            if (found := size or wanted) is None:
                raise ValueError(f"{path}: expected {name}, for the model takes any size")
            chosen.append(found)
        return (chosen[0], chosen[1]), batch

    def _probe(self, crop_input: CropInput, batch: int | None) -> int:
        """The length of the vectors, by the answer to grey crops."""
        count = batch or min(_PROBES, self.batch_size)
        grey = np.full((crop_input.height, crop_input.width, 3), _GREY, np.uint8)
        whole = np.array([[0, 0, crop_input.width, crop_input.height]] * count)
        answer = self.model.run(crop_input.batch(grey, whole))[0]
        path, output = self.model.path, self.model.outputs[0]
        is_vector = answer.ndim == 2 or (answer.ndim == 4 and answer.shape[2:] == (1, 1))
        if not is_vector or len(answer) != count or not answer.size:
            raise ValueError(
                f"{path}: expected one output ({count}, D) for {count} crops, got {output.name} "
                f"({', '.join(map(str, answer.shape))})"
            )
        if answer.dtype != np.float32:
            raise ValueError(
                f"{path}: expected an output of float32, got {output.name} {answer.dtype}"
            )
        if not np.isfinite(answer).all():
            raise ValueError(f"{path}: expected finite numbers for a grey crop, got others")
        return int(answer.shape[1])
