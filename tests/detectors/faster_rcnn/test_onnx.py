"""A network can be traced into ONNX: one image of a fixed size, any number of boxes."""

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
from faimtrack.detectors.faster_rcnn.folding import fold_batch_norms
from faimtrack.detectors.faster_rcnn.selection import select_detections
from faimtrack.onnx import OnnxModel

SIZE = (97, 150)  # not a multiple of 32: padding is traced too


class _OneImage(nn.Module):
    """`(1, 3, H, W)` RGB from 0 to 1, at the network's size, to boxes, scores and columns."""

    def __init__(self, network, config):
        super().__init__()
        self.network, self.config = network, config

    def forward(self, image):
        encoding = self.network.encode([image[0]])
        proposals = self.network.propose(encoding, self.config)
        (answer,) = self.network.judge(encoding, proposals)
        outputs = self.network.output_of_class
        return select_detections(
            answer.boxes[:, outputs], answer.scores[:, outputs], SIZE, self.config
        )


def export(module, path):
    names = ["boxes", "scores", "classes"]
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # the tracing exporter is old, and tells what it fixes
        torch.onnx.export(
            module, (torch.rand(1, 3, *SIZE),), path, dynamo=False, opset_version=17,
            input_names=["image"], output_names=names,
        )  # fmt: skip
    return OnnxModel(path, threads=1)


@pytest.mark.parametrize(
    ("outputs", "limit"), [(2, None), pytest.param(91, 100, marks=pytest.mark.slow)]
)
def test_what_onnxruntime_gives_is_what_torch_gives(outputs, limit, make_network, tmp_path):
    pytest.importorskip("onnx")
    config = FasterRcnnConfig(
        proposals_after_nms=200, max_detections=limit, score_threshold=0.05 if limit else 0.4
    )
    module = _OneImage(fold_batch_norms(make_network(outputs)).requires_grad_(False), config)
    model = export(module, tmp_path / "model.onnx")
    random = torch.Generator().manual_seed(6)
    counts = []
    for image in (
        *(torch.rand(1, 3, *SIZE, generator=random) for _ in range(3)),
        torch.rand(1, 3, *SIZE, generator=random) ** 3,
    ):
        with torch.no_grad():
            expected = module(image)
        came = model.run(image.numpy())
        counts.append(len(expected[0]))
        assert came[0].shape == expected[0].shape
        np.testing.assert_allclose(came[0], expected[0], atol=0.01)
        np.testing.assert_allclose(came[1], expected[1], atol=1e-4)
        np.testing.assert_array_equal(came[2], expected[2])
    assert max(counts) > 0


@pytest.mark.slow
def test_onnx_gives_no_box_where_there_is_none(make_network, tmp_path):
    pytest.importorskip("onnx")
    config = FasterRcnnConfig(score_threshold=1.0, proposals_after_nms=50)
    module = _OneImage(fold_batch_norms(make_network(2)).requires_grad_(False), config)
    boxes, scores, classes = export(module, tmp_path / "model.onnx").run(
        np.random.default_rng(0).random((1, 3, *SIZE), np.float32)
    )
    assert boxes.shape == (0, 4)
    assert scores.shape == classes.shape == (0,)
