import copy
import json
from dataclasses import asdict

import numpy as np
import onnx
import pytest
import torch

from faimtrack.detectors.export import export_detector
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.video import export as module
from faimtrack.detectors.video.checkpoint import SETTING, load_video_yolox
from faimtrack.detectors.video.config import ProposalConfig, VideoNetworkConfig
from faimtrack.detectors.video.export import (
    AGGREGATION_INPUTS,
    FRAME_OUTPUTS,
    aggregation_path,
    export_onnx,
    export_weights,
)
from faimtrack.detectors.video.export_check import aggregation_tokens
from faimtrack.detectors.video.network import Proposals, VideoYolox
from faimtrack.detectors.video.selection import select_proposals
from faimtrack.detectors.yolox.config import YoloxExportConfig
from faimtrack.detectors.yolox.network import Yolox
from faimtrack.onnx import OnnxModel
from faimtrack.weights import Checkpoint, WeightsMetadata, read_checkpoint

SIZE = (64, 96)
NAMES = ("person", "car", "dog")
CONFIG = YoloxExportConfig(input_height=SIZE[0], input_width=SIZE[1])
VARIANTS = {
    "faim": VideoNetworkConfig(),
    "yolov, every option": VideoNetworkConfig(
        partner="regression", value="sum", partner_confidence=False, heads=8, pooling=False
    ),
    "added to the base detector's": VideoNetworkConfig(refinement="add"),
}


def random_network(config):
    """A nano with features far from zero, scores spread over 0 to 1 and boxes that overlap."""
    torch.manual_seed(0)
    network = VideoYolox(Yolox("nano", len(NAMES)), config)
    for each in network.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.momentum = None  # statistics of all that comes
            torch.nn.init.constant_(each.bias, 1)
    images = torch.rand(8, 3, *SIZE) * 255
    with torch.no_grad():
        network.train()(images)
        output, head = network.eval()(images).base, network.head
        for predictions, maps, spread in (
            (head.obj_preds, output.objectness, 2),
            (head.cls_preds, output.class_logits, 2),
            (head.reg_preds, output.box_offsets, 0.3),
        ):
            for prediction, each in zip(predictions, maps, strict=True):
                scale = spread / each.std()
                prediction.bias.sub_(each.mean(dim=(0, 2, 3))).mul_(scale)
                prediction.weight.mul_(scale)
        for prediction in head.reg_preds:
            prediction.bias[2:] = 1
        network.video.classifier.reset_parameters()  # also where nothing is added yet
        network.video.classifier.weight.mul_(8)
    return network


def load_variant(variant, folder):
    config = VARIANTS[variant]
    kind = "faim" if config.partner == "instance" else "yolov"
    metadata = WeightsMetadata(
        architecture=f"{kind}-nano",
        classes=NAMES,
        settings={
            "input_size": list(SIZE), "input_convention": "current", SETTING: asdict(config)
        },
    )  # fmt: skip
    path = folder / "random.safetensors"
    return load_video_yolox(Checkpoint(random_network(config).state_dict(), metadata, path))


@pytest.fixture(scope="module", params=VARIANTS)
def loaded(request, tmp_path_factory):
    return load_variant(request.param, tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="module")
def faim(tmp_path_factory):
    return load_variant("faim", tmp_path_factory.mktemp("faim"))


@pytest.fixture(scope="module")
def exported(loaded, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "video.onnx"
    return export_onnx(loaded, path, CONFIG, proposals=ProposalConfig(candidates=80))


def test_both_files_agree_with_torch_and_say_what_they_are(loaded, exported):
    assert exported.difference.is_small
    assert "of the largest and refined scores by" in str(exported.difference)
    frames, aggregation = OnnxModel(exported.frames), OnnxModel(exported.aggregation)
    assert exported.aggregation == exported.frames.with_name("video-aggregation.onnx")
    assert tuple(each.name for each in frames.outputs) == FRAME_OUTPUTS
    assert tuple(each.name for each in aggregation.inputs) == AGGREGATION_INPUTS
    for model, part in ((frames, "frames"), (aggregation, "aggregation")):
        told = model.metadata
        assert told["part"] == part
        assert told["architecture"] == loaded.architecture
        assert json.loads(told["class_names"]) == list(NAMES)
        assert json.loads(told["input_size"]) == list(SIZE)
        assert json.loads(told["video"]) == asdict(loaded.network.config)
    assert json.loads(frames.metadata["proposals"])["candidates"] == 80


def test_the_two_files_joined_find_what_torch_finds(loaded, exported):
    """Frames of one clip, from images to refined scores, with onnxruntime and numpy between."""
    images = np.random.default_rng(0).uniform(0, 255, (5, 3, *SIZE)).astype(np.float32)
    config = ProposalConfig(candidates=80, proposals=12)
    with torch.inference_mode():
        _, clip = loaded.network.encode(torch.from_numpy(images), config)
        (logits,) = loaded.network.refine([clip])
    frames, aggregation = OnnxModel(exported.frames), OnnxModel(exported.aggregation)
    answers = [frames.run(images[:2]), frames.run(images[2:])]  # any number at a time
    rows, candidates, classification, partner = map(np.concatenate, zip(*answers, strict=True))
    found = []
    for frame, selection in enumerate(select_proposals(torch.from_numpy(rows), config)):
        anchors = selection.anchors.numpy()
        assert anchors.tolist() == clip[frame].anchors.tolist()
        places = [candidates[frame].tolist().index(anchor) for anchor in anchors]
        features = (torch.from_numpy(each[frame][places]) for each in (classification, partner))
        found.append(Proposals(*selection, *features))
    (scores,) = aggregation.run(
        *(each.numpy() for each in aggregation_tokens(loaded.network, [found]))
    )
    expected = logits.sigmoid().numpy()
    assert scores.shape == (1, *expected.shape)
    assert np.ptp(expected) > 0.05
    # A cosine at the threshold may fall to either side.
    strays = (np.abs(scores[0] - expected) > 1e-4).any(axis=1)
    assert strays.mean() <= 0.04


@pytest.mark.parametrize("counts", [(1,), (40,), (7, 3), (5, 0)])
def test_aggregation_takes_any_number_of_tokens(loaded, exported, counts):
    random = torch.Generator().manual_seed(1)
    video = loaded.network.video
    sizes = [each.in_features for each in (
        video.aggregation.project_classification, video.aggregation.project_partner
    )]  # fmt: skip
    clips = [
        [
            Proposals(
                torch.arange(count),
                torch.zeros(count, 4),
                torch.rand(count, generator=random),
                torch.rand(count, len(NAMES), generator=random),
                *(torch.randn(count, size, generator=random) for size in sizes),
            )
        ]
        for count in counts
    ]
    tokens = aggregation_tokens(loaded.network, clips)
    (scores,) = OnnxModel(exported.aggregation).run(*(each.numpy() for each in tokens))
    with torch.inference_mode():
        expected = loaded.network.refine(clips)
    assert np.isfinite(scores).all()
    for its, logits in zip(scores, expected, strict=True):
        np.testing.assert_allclose(its[: len(logits)], logits.sigmoid().numpy(), atol=1e-4)


def test_the_same_weights_give_the_same_bytes(loaded, exported, tmp_path):
    again = export_onnx(
        loaded, tmp_path / "video.onnx", CONFIG, proposals=ProposalConfig(candidates=80)
    )
    assert again.frames.read_bytes() == exported.frames.read_bytes()
    assert again.aggregation.read_bytes() == exported.aggregation.read_bytes()


def test_more_candidates_than_anchors_are_all_anchors(faim, tmp_path):
    export = export_onnx(faim, tmp_path / "all.onnx", CONFIG)
    rows, candidates, *_ = OnnxModel(export.frames).run(np.zeros((1, 3, *SIZE), np.float32))
    assert candidates.shape[1] == rows.shape[1] == 126
    assert sorted(candidates[0].tolist()) == list(range(126))


def test_models_that_disagree_with_torch_are_not_written(faim, tmp_path, monkeypatch):
    wrong = copy.deepcopy(faim.network)
    with torch.no_grad():
        wrong.video.classifier.bias.add_(0.5)
    trace = module._trace_aggregation
    monkeypatch.setattr(
        module, "_trace_aggregation", lambda _, path, metadata: trace(wrong, path, metadata)
    )
    path = tmp_path / "faim.onnx"
    aggregation_path(path).write_text("what was there")
    with pytest.raises(ValueError, match="expected models that agree with torch, got scores"):
        export_onnx(faim, path, CONFIG)
    assert not path.exists()
    assert aggregation_path(path).read_text() == "what was there"


@pytest.mark.parametrize("parameters", [{"nms": True}, {"dynamic_size": True}])
def test_what_models_of_frames_cannot_do_is_refused(faim, tmp_path, parameters):
    with pytest.raises(ValueError, match="nms and dynamic_size: expected neither"):
        export_onnx(faim, tmp_path / "faim.onnx", YoloxExportConfig(**parameters))


def test_sides_that_are_no_multiples_of_32_are_refused(faim, tmp_path):
    with pytest.raises(ValueError, match="expected multiples of 32, got 64 and 100"):
        export_onnx(faim, tmp_path / "a.onnx", YoloxExportConfig(input_height=64, input_width=100))


def test_weights_come_back_as_they_were(loaded, tmp_path):
    path = tmp_path / "weights.safetensors"
    export_weights(loaded, path, origin={"licence": "Apache-2.0"})
    checkpoint = read_checkpoint(path)
    again = load_video_yolox(checkpoint)
    assert checkpoint.metadata.licence == "Apache-2.0"
    assert again.network.config == loaded.network.config
    assert again.base.input_size == SIZE
    assert again.name_classes() == NAMES
    state = again.network.state_dict()
    assert all(torch.equal(each, state[key]) for key, each in loaded.network.state_dict().items())


def test_files_pass_the_checker_of_onnx(exported):
    for path in (exported.frames, exported.aggregation):
        onnx.checker.check_model(onnx.load(path), full_check=True)


@pytest.fixture
def weights(faim, tmp_path):
    path = tmp_path / "weights.safetensors"
    export_weights(faim, path)
    return path


def test_the_command_writes_both_files_and_never_over_one_that_is_there(weights, tmp_path):
    path = tmp_path / "video.onnx"
    done = export_detector(weights, path, format="onnx", config=CONFIG)
    assert done.beside == (tmp_path / "video-aggregation.onnx",)
    assert done.input == "64 x 96 (height x width) BGR 0 to 255"
    assert "refined scores" in done.comparison
    for each in (path, *done.beside):
        assert each.is_file()
        assert each.with_name(f"{each.name}.json").is_file()
    path.unlink()
    with pytest.raises(FileExistsError, match=r"video-aggregation\.onnx: already there"):
        export_detector(weights, path, format="onnx", config=CONFIG)
    assert not path.exists()


def test_weights_are_converted_by_the_command(weights, tmp_path, faim):
    done = export_detector(weights, tmp_path / "other.safetensors", format="safetensors")
    assert done.beside == ()
    assert done.comparison == ""
    again = load_video_yolox(read_checkpoint(done.path))
    assert again.network.config == faim.network.config
    assert again.architecture == done.architecture == faim.architecture


def test_the_model_of_frames_alone_is_no_detector(exported):
    with pytest.raises(ValueError, match=r"expected a YOLOX, got a model of (faim|yolov)-nano"):
        open_detector(exported.frames)
