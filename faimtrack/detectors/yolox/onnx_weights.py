"""The weights in a YOLOX export: its graph is laid over our network's, layer by layer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from faimtrack.detectors.yolox.blocks import ConvBlock
from faimtrack.detectors.yolox.network import YOLOX_SIZES, Yolox, YoloxOutput, YoloxSize

_KINDS = {"Conv": "convolution", "Concat": "concatenation", "Add": "sum"}
# What changes where numbers lie, not which layer they come from.
_PASSING = {"Cast", "Identity", "MaxPool", "Resize", "Slice", "Upsample"}
_MOST_BLOCKS = 8


def read_onnx_weights(path: str | os.PathLike[str]) -> dict[str, Tensor]:
    """The weights of a YOLOX in ONNX, under the keys of `Yolox(..., folded=True)`.

    Exports name the tensors of folded convolutions by numbers, in whatever order their exporter
    went: layers are recognised by how they hang together, from the outputs up to the image.

    Args:
        path: An export with batch norms folded, with boxes in grid offsets or in pixels.

    Returns:
        float32 tensors by key.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is no ONNX model, or none of a YOLOX.
        ModuleNotFoundError: The `onnx` package is not installed.
    """
    import onnx

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected an ONNX model, got no such file")
    try:
        graph = onnx.load(path).graph
    except Exception:  # protobuf's errors share no base but this
        raise ValueError(f"{path}: expected an ONNX model, got something else") from None
    try:
        theirs = _OnnxLayers(graph)
        predictions = theirs.predictions()
        network = _network_like(theirs, predictions)
        pairs = zip(_prediction_layers(network), predictions, strict=True)
        return dict(_tensors(network, _match(list(pairs)), theirs))
    except _MismatchError as error:
        raise ValueError(
            f"{path}: expected a YOLOX export with batch norms folded, got {error}"
        ) from None


class _MismatchError(Exception):
    """What was found where another layer should be."""


@dataclass(eq=False)
class _Layer:
    """A convolution, concatenation or sum, or whatever `kind` says, and what it takes."""

    kind: str
    name: str
    inputs: list[_Layer] = field(default_factory=list)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        self.depth = 1 + max((each.depth for each in self.inputs), default=0)
        if self.kind == "sum":  # it has no order: the longer way first
            self.inputs.sort(key=lambda each: -each.depth)


class _OnnxLayers:
    """The layers of an ONNX graph, by the names of the values that they make."""

    def __init__(self, graph: Any) -> None:
        from onnx import numpy_helper

        self.convolutions: dict[str, Any] = {}
        self._constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
        self._layers: dict[str, _Layer] = {
            each.name: _Layer("image", each.name)
            for each in graph.input
            if each.name not in self._constants
        }
        for node in graph.node:  # they come in an order in which they can run
            if node.op_type == "Constant":
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self._constants[node.output[0]] = numpy_helper.to_array(attribute.t)
            elif node.op_type == "Identity" and node.input[0] in self._constants:
                self._constants[node.output[0]] = self._constants[node.input[0]]
            elif node.output:
                self._layers[node.output[0]] = self._layer_of(node)

    def kernels(self, name: str) -> NDArray[Any]:
        """The weights of the convolution that makes `name`."""
        return self._constant(self.convolutions[name].input[1])

    def biases(self, name: str) -> NDArray[Any]:
        """What the convolution that makes `name` adds to each channel."""
        inputs = self.convolutions[name].input
        if len(inputs) < 3:
            return np.zeros(len(self.kernels(name)), np.float32)
        return self._constant(inputs[2])

    def predictions(self) -> list[_Layer]:
        """Convolutions that give box offsets, objectness and classes, the finest level first."""
        found = []
        for layer in self._layers.values():
            makers = [_before_sigmoid(each) for each in layer.inputs]
            kinds = [each.kind for each in makers]
            if layer.kind == "concatenation" and kinds == ["convolution"] * 3:
                channels = [len(self.kernels(each.name)) for each in makers]
                if channels[:2] == [4, 1]:
                    found.append(makers)
        if len(found) != 3:
            raise _MismatchError(f"{len(found)} levels of boxes, objectness and classes, not 3")
        found.sort(key=lambda makers: makers[0].depth)
        return [maker for makers in found for maker in makers]

    def _layer_of(self, node: Any) -> _Layer:
        name = node.output[0]
        inputs = [self._layers[each] for each in node.input if each in self._layers]
        if node.op_type in _PASSING and inputs:
            return inputs[0]
        if node.op_type == "Mul" and len(inputs) == 2:  # SiLU: a value times its own sigmoid
            for value, gate in (inputs, inputs[::-1]):
                if gate.kind == "Sigmoid" and gate.inputs == [value]:
                    return value
        if node.op_type == "Conv":
            self.convolutions[name] = node
        return _Layer(_KINDS.get(node.op_type, node.op_type), name, inputs)

    def _constant(self, name: str) -> NDArray[Any]:
        if name not in self._constants:
            raise _MismatchError(f"a convolution whose weights {name} are computed")
        constant: NDArray[Any] = self._constants[name]
        return constant


def _before_sigmoid(layer: _Layer) -> _Layer:
    return layer.inputs[0] if layer.kind == "Sigmoid" and layer.inputs else layer


class _Tracer(fx.Tracer):
    """Sees a convolution with its activation as one layer."""

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return isinstance(module, ConvBlock) or bool(super().is_leaf_module(module, name))


class _Parts(nn.Module):
    """A network without the check of its input, which cannot be traced."""

    def __init__(self, network: Yolox) -> None:
        super().__init__()
        self.backbone = network.backbone
        self.head = network.head

    def forward(self, images: Tensor) -> YoloxOutput:
        output: YoloxOutput = self.head(self.backbone(images))
        return output


def _prediction_layers(network: Yolox) -> list[_Layer]:
    """The same as `_OnnxLayers.predictions` for our network, named as its modules are."""
    graph = _Tracer().trace(_Parts(network))
    layers: dict[Any, _Layer] = {}
    for node in graph.nodes:
        if node.op == "output":
            output = YoloxOutput(*node.args[0].args)  # as fx writes a named tuple
            levels = zip(output.box_offsets, output.objectness, output.class_logits, strict=True)
            return [layers[each] for level in levels for each in level]
        inputs = [layers[each] for each in node.all_input_nodes]
        if node.op == "placeholder":
            layers[node] = _Layer("image", node.name)
        elif node.op == "call_module":
            module = network.get_submodule(node.target)
            is_convolution = isinstance(module, ConvBlock | nn.Conv2d)
            layers[node] = (
                _Layer("convolution", node.target, inputs) if is_convolution else inputs[0]
            )
        elif node.target is torch.cat:
            layers[node] = _Layer(
                "concatenation", node.name, [layers[each] for each in node.args[0]]
            )
        else:
            layers[node] = _Layer("sum", node.name, inputs) if len(inputs) == 2 else inputs[0]
    raise AssertionError("a graph without an output")


def _network_like(theirs: _OnnxLayers, predictions: list[_Layer]) -> Yolox:
    """A network, without weights, that has convolutions of the same shapes."""
    shapes = sorted(theirs.kernels(name).shape for name in theirs.convolutions)
    channels = theirs.kernels(predictions[0].name).shape[1]
    class_count = len(theirs.kernels(predictions[2].name))
    depthwise = any(shape[1] == 1 and shape[2] > 1 for shape in shapes)
    sizes = [
        size
        for size in YOLOX_SIZES.values()
        if int(256 * size.width) == channels and size.depthwise == depthwise
    ] + [
        YoloxSize(name="custom", depth=count / 3, width=channels / 256, depthwise=depthwise)
        for count in range(1, _MOST_BLOCKS + 1)
    ]
    for size in sizes:
        with torch.device("meta"):
            network = Yolox(size, class_count)
        own = (each.weight.shape for each in network.modules() if isinstance(each, nn.Conv2d))
        if sorted(map(tuple, own)) == shapes:
            return network
    raise _MismatchError(
        f"{len(shapes)} convolutions, {channels} channels before the predictions, like no size"
    )


def _match(pairs: list[tuple[_Layer, _Layer]]) -> dict[str, str]:
    """Lay layers over layers, from the predictions up to the image.

    Args:
        pairs: Our predictions and theirs.

    Returns:
        The names of their convolutions by ours.
    """
    seen: dict[_Layer, _Layer] = {}
    while pairs:
        ours, theirs = pairs.pop()
        if ours.kind != theirs.kind or len(ours.inputs) != len(theirs.inputs):
            raise _MismatchError(f"{theirs.kind} in the place of the {ours.kind} {ours.name}")
        if ours not in seen:
            pairs += zip(ours.inputs, theirs.inputs, strict=True)
        if seen.setdefault(ours, theirs) is not theirs:
            raise _MismatchError(f"two layers in the place of {ours.name}")
    return {ours.name: each.name for ours, each in seen.items() if ours.kind == "convolution"}


def _tensors(
    network: Yolox, matched: dict[str, str], theirs: _OnnxLayers
) -> Iterator[tuple[str, Tensor]]:
    """Weights and biases under our keys, in our order."""
    for name, module in network.named_modules():
        if name not in matched:
            continue
        is_block = isinstance(module, ConvBlock)
        convolution, key = (module.conv, f"{name}.conv") if is_block else (module, name)
        kernels = theirs.kernels(matched[name])
        if kernels.shape != tuple(convolution.weight.shape):
            raise _MismatchError(f"kernels of shape {kernels.shape} in the place of {key}")
        for part, numbers in (("weight", kernels), ("bias", theirs.biases(matched[name]))):
            yield f"{key}.{part}", torch.from_numpy(numbers.astype(np.float32))
