"""Small re-identification models in ONNX, and a frame to cut people out of."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from faimtrack.structures import Frame

SIZE = 16, 8  # height, width of the models' input

# What a model does with its images; `y` is its output.
_GRAPHS = {
    "mean colour": [("GlobalAveragePool", ["images"], "pooled"), ("Flatten", ["pooled"], "y")],
    "mean colour, unflattened": [("GlobalAveragePool", ["images"], "y")],
    "map": [("Relu", ["images"], "y")],
    "one for all": [
        ("GlobalAveragePool", ["images"], "pooled"),
        ("Flatten", ["pooled"], "flat"),
        ("ReduceMax", ["flat", "first"], "y"),
    ],
    "no numbers": [
        ("GlobalAveragePool", ["images"], "pooled"),
        ("Flatten", ["pooled"], "flat"),
        ("Neg", ["flat"], "negative"),
        ("Log", ["negative"], "y"),
    ],
    "nothing": [
        ("GlobalAveragePool", ["images"], "pooled"),
        ("Flatten", ["pooled"], "flat"),
        ("Mul", ["flat", "zero"], "y"),
    ],
    "halves": [
        ("GlobalAveragePool", ["images"], "pooled"),
        ("Flatten", ["pooled"], "flat"),
        ("Cast", ["flat"], "y"),
    ],
}


@pytest.fixture
def write_model(tmp_path):
    """Write a model that answers with something of the colours of its crops."""

    def write(
        what="mean colour", shape=("n", 3, *SIZE), *, inputs=1, outputs=1, dtype=TensorProto.FLOAT
    ):
        nodes = [
            helper.make_node(kind, names, [out], **({"to": 10} if kind == "Cast" else {}))
            for kind, names, out in _GRAPHS[what]
        ]
        names = ["images", *(f"more{k}" for k in range(1, inputs))]
        answers = ["y", *(f"also{k}" for k in range(1, outputs))][:outputs]
        nodes += [helper.make_node("Neg", ["y"], [name]) for name in answers[1:]]
        kind = TensorProto.FLOAT16 if what == "halves" else dtype
        graph = helper.make_graph(
            nodes,
            "graph",
            [helper.make_tensor_value_info(name, dtype, list(shape)) for name in names],
            [helper.make_tensor_value_info(name, kind, None) for name in answers],
            [
                numpy_helper.from_array(np.array([0]), "first"),
                numpy_helper.from_array(np.zeros(1, np.float32), "zero"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def frame():
    """Random colours, 40 pixels high and 60 wide."""
    random = np.random.default_rng(3)
    return Frame(7, image=random.integers(0, 256, (40, 60, 3), np.uint8))
