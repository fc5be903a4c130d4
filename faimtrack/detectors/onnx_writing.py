"""From a torch network to a finished ONNX file."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import faimtrack

OPSET = 17
"""ONNX's version, which onnxruntime reads since 1.12."""

_KNOWN_WARNINGS: tuple[tuple[str, type[Warning]], ...] = (
    ("You are using the legacy TorchScript-based ONNX export", DeprecationWarning),
    ("The feature will be removed", DeprecationWarning),
    ("`torch.jit.script` is deprecated", FutureWarning),  # by torchvision
    ("To copy construct from a tensor", UserWarning),  # by torchvision, only while tracing
)


def trace_to_onnx(
    module: nn.Module,
    example: Tensor | tuple[Tensor, ...],
    path: Path,
    *,
    inputs: Sequence[str] = ("images",),
    outputs: Sequence[str],
    dynamic_axes: Mapping[str, Mapping[int, str]],
) -> None:
    """Write the graph from inputs, usually `images`, to outputs.

    By torch's exporter through TorchScript, deprecated as it is: under torch 2.6 the newer one
    fails on a YOLOX, under 2.15 it takes 30 times as long, and onnxruntime 1.17 cannot open what
    it writes.

    Args:
        module: Takes the inputs, gives the outputs; it is to evaluate without gradients.
        example: What to trace it with: the input, or all of them.
        path: The file.
        inputs: Their names.
        outputs: Their names.
        dynamic_axes: Names of the sizes that may change, by tensor and axis.
    """
    with _quiet_exporter():
        torch.onnx.export(
            module,
            (example,) if isinstance(example, Tensor) else example,
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes={name: dict(axes) for name, axes in dynamic_axes.items()},
        )


def finish_model(model: Any, path: Path, properties: Mapping[str, str]) -> None:
    """Name a model's maker, add what it says of itself, check it and write it.

    Args:
        model: As `onnx.load` gives it; it is changed.
        path: The file; the same model and texts give the same bytes.
        properties: What it says of itself; `architecture` is its name.
    """
    import onnx

    used = set(_used_names(model.graph))
    for initializer in list(model.graph.initializer):
        if initializer.name not in used:
            model.graph.initializer.remove(initializer)
    model.graph.name = properties["architecture"]
    model.producer_name, model.producer_version = "faimtrack", faimtrack.__version__
    onnx.helper.set_model_props(model, dict(properties))
    onnx.checker.check_model(model, full_check=True)
    path.write_bytes(model.SerializeToString(deterministic=True))


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Leave out what torch says of its exporter's age and of tracing, and nothing else.

    What tracing takes for constant is seen when the model is compared with torch.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", torch.jit.TracerWarning)
        for message, kind in _KNOWN_WARNINGS:
            warnings.filterwarnings("ignore", message, kind)
        yield


def _used_names(graph: Any) -> Iterator[str]:
    """Names of all values that nodes take, in branches and loops too."""
    for node in graph.node:
        yield from node.input
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _used_names(attribute.g)
    for output in graph.output:
        yield output.name
