"""Small ONNX models as protobuf by hand: the `onnx` package is not in the base install."""

import struct

import numpy as np
import pytest


def _varint(value):
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def _number(field, value):
    return _varint(field << 3) + _varint(value)


def _message(field, content):
    content = content.encode() if isinstance(content, str) else content
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _value(name, shape):
    """ValueInfoProto of a float tensor; None and names are sizes that may change."""
    sizes = b"".join(
        _message(1, _number(1, size) if isinstance(size, int) else _message(2, f"d{axis}"))
        for axis, size in enumerate(shape)
    )
    tensor = _number(1, 1) + _message(2, sizes)
    return _message(1, name) + _message(2, _message(1, tensor))


def _node(kind, inputs, output, attributes=b""):
    named = b"".join(_message(1, name) for name in inputs)
    return _message(1, named + _message(2, output) + _message(4, kind) + attributes)


def _floats(name, array):
    sizes = b"".join(_number(1, size) for size in array.shape)
    data = np.ascontiguousarray(array, "<f4").tobytes()
    return sizes + _number(2, 1) + _message(8, name) + _message(9, data)


def _integers(name, values):
    data = struct.pack(f"<{len(values)}q", *values)
    return _number(1, len(values)) + _number(2, 7) + _message(8, name) + _message(9, data)


@pytest.fixture
def write_model(tmp_path):
    """Write a model: a constant `rows` `(A, C)` for every image, plus `gain` × the image's mean.

    `shape` is that of the input, None where any size will do.
    """

    def write(rows, shape=(1, 3, 64, 64), gain=None, name="model.onnx"):
        rows = np.asarray(rows, np.float32)
        gain = np.zeros_like(rows) if gain is None else np.asarray(gain, np.float32)
        axes = _message(1, "axes") + b"".join(_number(8, axis) for axis in (1, 2, 3))
        axes = _message(5, axes + _number(20, 7))
        keep = _message(5, _message(1, "keepdims") + _number(3, 1) + _number(20, 2))
        graph = (
            _node("ReduceMean", ["images"], "mean", axes + keep)
            + _node("Reshape", ["mean", "to"], "flat")
            + _node("Mul", ["flat", "gain"], "scaled")
            + _node("Add", ["scaled", "rows"], "output")
            + _message(2, "graph")
            + _message(5, _floats("rows", rows[None]))
            + _message(5, _floats("gain", gain[None]))
            + _message(5, _integers("to", [-1, 1, 1]))
            + _message(11, _value("images", shape))
            + _message(12, _value("output", (shape[0], *rows.shape)))
        )
        opset = _message(1, "") + _number(2, 13)
        path = tmp_path / name
        path.write_bytes(_number(1, 8) + _message(8, opset) + _message(7, graph))
        return path

    return write
