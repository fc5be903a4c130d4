"""Where and how a torch network runs: device, precision, memory layout, batches that fit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from faimtrack.detectors.config import Device, TorchConfig

Item = TypeVar("Item")
Answer = TypeVar("Answer")

_LOG = logging.getLogger(__name__)


def choose_device(wanted: Device) -> torch.device:
    """The device for `wanted`.

    Raises:
        ValueError: It is not on this machine.
    """
    has_mps = torch.backends.mps.is_available()
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        reason = "no GPU is visible" if torch.version.cuda else "this torch is built without CUDA"
        raise ValueError(f"device: expected auto or cpu, got cuda: {reason}")
    if wanted == "mps" and not has_mps:
        raise ValueError("device: expected auto or cpu, got mps: there is no Metal here")
    return torch.device(wanted)


def count_threads() -> int:
    """How many threads one operation of torch uses in this process."""
    threads: int = torch.get_num_threads()
    return threads


def use_threads(count: int) -> None:
    """Let each operation of torch in this process use `count` threads.

    Sums come out otherwise in their last bits where others add them up.
    """
    torch.set_num_threads(count)


def prepare(network: nn.Module, config: TorchConfig) -> nn.Module:
    """The network as the configuration wants it to run: evaluating, without gradients.

    Args:
        network: It is moved and converted in place; what comes back is called.
        config: Device, precision, layout, compilation.

    Raises:
        ValueError: The device is not there, or half precision is asked for on a CPU.
    """
    device = choose_device(config.device)
    on_cpu = device.type == "cpu"
    if config.precision == "half" and on_cpu:
        raise ValueError("precision: expected full on a CPU, got half")
    network.eval().requires_grad_(False)
    network.to(device=device, dtype=torch.half if config.precision == "half" else None)
    if on_cpu if config.channels_last is None else config.channels_last:
        network.to(memory_format=torch.channels_last)
    return torch.compile(network) if config.compile else network


class BatchRunner(Generic[Item, Answer]):
    """Runs a network on batches; where the GPU's memory is too small, on smaller ones."""

    def __init__(self, run: Callable[..., Sequence[Answer]]) -> None:
        """Call `run` with a batch and what else is given; it gives an answer an item."""
        self._run = run
        self._fitting: int | None = None

    def __call__(self, items: Sequence[Item], batch_size: int, *others: Any) -> list[Answer]:
        """Answers of all items, at most `batch_size` in one call.

        A batch that does not fit is halved, and so are those of later calls; the log says so.

        Raises:
            MemoryError: Not even one item fits.
        """
        size = min(batch_size, self._fitting or batch_size)
        answers: list[Answer] = []
        while len(answers) < len(items):
            batch = items[len(answers) : len(answers) + size]
            try:
                answers += self._run(batch, *others)
                continue
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise MemoryError(
                        "the GPU's memory is too small for one frame: expected a smaller input, "
                        "precision=half or device=cpu"
                    ) from None
            # Outside of the handler: the error's traceback holds the tensors that did not fit.
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            size = self._fitting = len(batch) // 2
            _LOG.warning("%d frames do not fit the GPU's memory: trying %d", len(batch), size)
        return answers


def input_like(network: nn.Module, images: Any) -> torch.Tensor:
    """Numpy images `(N, 3, H, W)` as the network's input: its device and its kind of floats."""
    weight = next(network.parameters())
    tensor = torch.from_numpy(images)
    if weight.device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(weight.device, non_blocking=True).to(weight.dtype)
