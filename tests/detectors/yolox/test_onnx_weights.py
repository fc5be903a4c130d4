"""Weights found again in an export, whatever its exporter called them."""

import warnings

import numpy as np
import pytest
import torch

from faimtrack.detectors.yolox.folding import fold_batch_norm
from faimtrack.detectors.yolox.network import Yolox, YoloxSize
from faimtrack.detectors.yolox.onnx_weights import read_onnx_weights

onnx = pytest.importorskip("onnx", reason="the onnx package comes with the extra export")


class Rows(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, images):
        return self.network(images).rows()


def lively(size, class_count):
    torch.manual_seed(3)
    network = Yolox(size, class_count).eval()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    for prediction in (*network.head.obj_preds, *network.head.cls_preds):
        prediction.bias.data.normal_()
    return network


def export(network, path):
    with warnings.catch_warnings():
        # Its own deprecation, and that our check of the input's shape becomes a constant.
        warnings.simplefilter("ignore")
        torch.onnx.export(Rows(network).eval(), (torch.zeros(1, 3, 64, 64),), path, dynamo=False)
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    network = lively("nano", 4)
    return network, export(network, tmp_path_factory.mktemp("export") / "nano.onnx")


def assert_found(found, network):
    expected = fold_batch_norm(network).state_dict()
    assert list(found) == list(expected)
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, expected[key], rtol=1e-4, atol=1e-6, msg=key)


def test_an_export_of_ours_gives_back_its_weights(exported):
    network, path = exported
    assert_found(read_onnx_weights(path), network)


@pytest.mark.parametrize("class_count", [1, 4])
@pytest.mark.parametrize("depthwise", [False, True])
def test_a_size_of_ones_own_is_recognised(tmp_path, class_count, depthwise):
    # With one class and with four, classes look like objectness or boxes by their shapes.
    size = YoloxSize(name="own", depth=0.67, width=0.125, depthwise=depthwise)
    network = lively(size, class_count)
    assert_found(read_onnx_weights(export(network, tmp_path / "own.onnx")), network)


@pytest.mark.parametrize("seed", range(3))  # in the order of seed 0 the coarse levels come first
def test_names_and_order_of_an_export_do_not_matter(exported, tmp_path, seed):
    network, path = exported
    model = onnx.load(path)
    graph = model.graph
    renamed = {each.name: f"tensor {99 - i}" for i, each in enumerate(graph.initializer)}
    for each in graph.initializer:
        each.name = renamed[each.name]
    for node in graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
        if node.op_type == "Add":  # a sum has no order
            node.input[:] = reversed(node.input)
    initializers = sorted(graph.initializer, key=lambda each: each.name)
    del graph.initializer[:]
    graph.initializer.extend(initializers)
    known = {each.name for each in graph.input} | set(renamed.values())
    nodes = shuffled(list(graph.node), known, seed)
    del graph.node[:]
    graph.node.extend(nodes)
    onnx.save(model, tmp_path / "renamed.onnx")
    assert_found(read_onnx_weights(tmp_path / "renamed.onnx"), network)


def shuffled(nodes, known, seed):
    """Another order in which the nodes can run."""
    known = known | {""}
    waiting = [nodes[i] for i in np.random.default_rng(seed).permutation(len(nodes))]
    order = []
    while waiting:
        node = next(node for node in waiting if known.issuperset(node.input))
        waiting.remove(node)
        known = known.union(node.output)
        order.append(node)
    return order


def test_the_official_nano_is_read(shared_data):
    found = read_onnx_weights(shared_data / "models" / "yolox_nano.onnx")
    Yolox("nano", 80, folded=True).load_state_dict(found, strict=True)


def test_another_network_is_refused(shared_data, write_model):
    with pytest.raises(ValueError, match=r"expected a YOLOX export .*got 0 levels"):
        read_onnx_weights(shared_data / "models" / "osnet_x0_25_msmt17.onnx")
    with pytest.raises(ValueError, match=r"expected a YOLOX export .*got 0 levels"):
        read_onnx_weights(write_model(np.zeros((84, 6))))


def test_another_activation_is_refused(exported, tmp_path):
    model = onnx.load(exported[1])
    for node in model.graph.node:
        if node.op_type == "Sigmoid":
            node.op_type = "Tanh"
            break
    onnx.save(model, tmp_path / "tanh.onnx")
    with pytest.raises(ValueError, match=r"got Mul in the place of the convolution backbone\."):
        read_onnx_weights(tmp_path / "tanh.onnx")


def test_what_is_no_onnx_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.onnx: expected an ONNX model"):
        read_onnx_weights(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ValueError, match=r"text\.onnx: expected an ONNX model, got something"):
        read_onnx_weights(tmp_path / "text.onnx")
