"""A torch network on crops as an embedder."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from faimtrack.appearance.config import Device, EmbedderConfig
from faimtrack.appearance.conventions import INPUT_SIZE
from faimtrack.appearance.crops import CPU_BATCH, GPU_BATCH, CropEmbedding, CropInput
from faimtrack.boxes import Boxes
from faimtrack.structures import Frame


class NetworkEmbedder:
    """A network `(N, 3, height, width)` → `(N, D)`, such as our own for re-identification.

    Attributes:
        name: Of the weights and how crops are made for them.
        dimension: Of its vectors.
        config: The parameters.
        network: Where it runs, in its evaluating mode.
        batch_size: Crops in one call, at most.
    """

    def __init__(
        self,
        network: nn.Module,
        weights_name: str,
        config: EmbedderConfig | None = None,
        *,
        size: tuple[int, int] = INPUT_SIZE,
        **parameters: Any,
    ) -> None:
        """Take a network over: it is moved to the device and set to evaluate.

        Args:
            network: Maps normalised crops to vectors.
            weights_name: Tells its weights from all others, such as their hash; `name` begins
                with it.
            config: The parameters; None takes the defaults.
            size: Height and width of its input in pixels, where `config` does not say.
            parameters: Single parameters by name, over those in `config`.

        Raises:
            ValueError: Its answer to grey crops is not a vector of finite numbers for each, or
                there is no such device.
        """
        self.config = replace(config or EmbedderConfig(), **parameters)
        self._device = _device(self.config.device)
        self.network = network.to(self._device).eval()
        on_cpu = self._device.type == "cpu"
        self.batch_size = self.config.batch_size or (CPU_BATCH if on_cpu else GPU_BATCH)
        size = self.config.input_height or size[0], self.config.input_width or size[1]
        crop_input = CropInput.of_config(self.config, size)
        self.dimension = self._probe(size)
        self.name = f"{weights_name}-{crop_input.kind}"
        self._embedding = CropEmbedding(
            crop_input,
            self._run,
            self.dimension,
            self.batch_size,
            needs_full_batches=False,
            source=weights_name,
        )

    def embed(self, frame: Frame, boxes: Boxes) -> NDArray[np.float32]:
        """One vector a box, as in `faimtrack.interfaces.Embedder`.

        Raises:
            MemoryError: A batch does not fit the GPU's memory.
        """
        return self._embedding.embed(frame, boxes)

    def _run(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            with torch.inference_mode():
                answers = self.network(torch.from_numpy(inputs).to(self._device))
                found: NDArray[np.float32] = answers.float().cpu().numpy()
        except torch.OutOfMemoryError:
            raise MemoryError(
                f"the GPU's memory is too small for {len(inputs)} crops: expected a smaller "
                "batch_size or device=cpu"
            ) from None
        return found

    def _probe(self, size: tuple[int, int]) -> int:
        answer = self._run(np.zeros((2, 3, *size), np.float32))
        if answer.ndim != 2 or len(answer) != 2 or not answer.size:
            raise ValueError(f"network: expected an output (2, D) for 2 crops, got {answer.shape}")
        if not np.isfinite(answer).all():
            raise ValueError("network: expected finite numbers for a grey crop, got others")
        return int(answer.shape[1])


def _device(name: Device) -> torch.device:
    """The device of a name.

    Raises:
        ValueError: There is none here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    backend = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(name)
    if backend is not None and not backend.is_available():
        raise ValueError(f"device: expected auto or cpu, got {name}: there is none here")
    return torch.device(name)
