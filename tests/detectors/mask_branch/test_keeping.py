"""What is kept of a mask branch changes no box, and what is not kept is not there."""

import dataclasses
import functools
import re

import numpy as np
import pytest
import torch
from pycocotools import mask as coco

from faimtrack.detectors.export import export_detector
from faimtrack.detectors.faster_rcnn.checkpoint import describe_network
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.loading import open_detector
from faimtrack.detectors.mask_branch.config import MaskBranchConfig
from faimtrack.detectors.mask_branch.loading import build_mask_branch
from faimtrack.detectors.yolox.checkpoint import load_yolox
from faimtrack.detectors.yolox.config import YoloxConfig
from faimtrack.detectors.yolox.detector import YoloxDetector
from faimtrack.run_lengths import decode_window
from faimtrack.structures import Frame
from faimtrack.testing import check_detector
from faimtrack.weights.files import read_checkpoint, write_weights

KINDS = ["yolox", "faster-rcnn"]


@pytest.fixture(scope="module")
def faster_twins(tmp_path_factory):
    """A random Faster R-CNN for small frames, plain and with a mask branch."""
    folder = tmp_path_factory.mktemp("faster")
    config = FasterRcnnTrainingConfig(short_side=64, long_side=96)
    settings = MaskBranchConfig(roi_size=7, hidden_channels=16, convolutions=1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_faster_rcnn("resnet18-fpn", ("person",), config)
        branch = build_mask_branch(settings, network)
    metadata = describe_network(network)
    write_weights(folder / "plain.safetensors", network.state_dict(), metadata)
    own = {f"mask_branch.{key}": tensor for key, tensor in branch.state_dict().items()}
    told = {**metadata.settings, "mask_branch": dataclasses.asdict(settings)}
    write_weights(
        folder / "masks.safetensors",
        {**network.state_dict(), **own},
        dataclasses.replace(metadata, settings=told),
    )
    return folder / "plain.safetensors", folder / "masks.safetensors"


@pytest.fixture(scope="module")
def opened(twin_weights, faster_twins):
    """Open the plain twin or the one with a mask branch, each once."""

    @functools.cache
    def make(kind, which, **parameters):
        parameters = {"device": "cpu", "score_threshold": 0.3, **parameters}
        if kind == "yolox":
            return YoloxDetector(getattr(twin_weights, which), **parameters)
        plain, masks = faster_twins
        return FasterRcnnDetector(
            plain if which == "plain" else masks, proposals_after_nms=50, **parameters
        )

    return make


def random_frames(count=3, height=90, width=120):
    random = np.random.default_rng(5)
    return [
        Frame(index, image=random.integers(0, 256, (height, width, 3), np.uint8))
        for index in range(1, count + 1)
    ]


def bare(found):
    return [dataclasses.replace(each, masks=None, embeddings=None, embedding_name=None)
            for each in found]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", ["none", "instance_features", "mask_features", "masks"])
def test_boxes_are_those_of_the_plain_twin_bit_for_bit(opened, kind, keep):
    frames = random_frames()
    plain = opened(kind, "plain").detect(frames)
    assert sum(map(len, plain)) > 10
    assert bare(opened(kind, "masks", keep=keep).detect(frames)) == plain


@pytest.mark.parametrize("kind", KINDS)
def test_with_none_no_weight_of_the_branch_is_in_memory(opened, kind):
    detector = opened(kind, "masks")
    plain = opened(kind, "plain")
    assert detector.kept._branch is None
    assert detector.network.state_dict().keys() == plain.network.state_dict().keys()
    with_vectors = opened(kind, "masks", keep="instance_features")
    assert not list(with_vectors.kept._branch.mask_head.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_masks_lie_in_their_boxes_and_are_of_the_whole_frame(opened, kind):
    frames = random_frames(2)
    detector = opened(kind, "masks", keep="masks")
    for found in detector.detect(frames):
        assert len(found.masks) == len(found) > 3
        assert sum(int(coco.area(mask)) for mask in found.masks) > 0
        for mask, (x1, y1, x2, y2) in zip(found.masks, found.boxes, strict=True):
            assert mask["size"] == [90, 120]
            (rows, columns), covered = decode_window(mask)
            if covered.size:
                assert x1 - 0.5 <= columns.start
                assert columns.stop <= x2 + 0.5
                assert y1 - 0.5 <= rows.start
                assert rows.stop <= y2 + 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_each_frame_of_a_batch_has_its_own_masks(opened, kind):
    frames = random_frames(3)
    detector = opened(kind, "masks", keep="masks", batch_size=3)
    together = detector.detect(frames)
    for frame, found in zip(frames, together, strict=True):
        (alone,) = detector.detect([frame])
        assert len(alone) == len(found)
        # The last bits of a network may depend on what else is in its batch.
        areas = [[int(coco.area(mask)) for mask in each.masks] for each in (alone, found)]
        assert np.abs(np.subtract(*areas)).max() <= 2


@pytest.mark.parametrize("kind", KINDS)
def test_instance_features_are_vectors_that_say_whose_they_are(opened, kind):
    frames = random_frames(2)
    detector = opened(kind, "masks", keep="instance_features")
    found = detector.detect(frames)
    width = found[0].embeddings.shape[1]
    assert [each.embeddings.shape for each in found] == [(len(each), width) for each in found]
    assert {each.embedding_name for each in found} == {found[0].embedding_name}
    assert re.fullmatch(r"[0-9a-f]{16}-instance-features-whitened", found[0].embedding_name)
    assert found[0].embeddings.std(axis=0).max() > 0


def test_the_name_of_vectors_is_that_of_the_weights_and_not_of_the_file(
    opened, twin_weights, tmp_path
):
    checkpoint = read_checkpoint(twin_weights.masks)
    changed = dict(checkpoint.tensors)
    key = next(key for key in changed if key.startswith("mask_branch.extraction"))
    changed[key] = changed[key] + 1
    write_weights(tmp_path / "same.safetensors", checkpoint.tensors, checkpoint.metadata)
    write_weights(tmp_path / "other.safetensors", changed, checkpoint.metadata)
    first, same, other = (
        YoloxDetector(path, device="cpu", keep="instance_features").detect(random_frames(1))[0]
        for path in (
            twin_weights.masks,
            tmp_path / "same.safetensors",
            tmp_path / "other.safetensors",
        )
    )
    assert first.embedding_name == same.embedding_name != other.embedding_name


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keep", ["masks", "instance_features"])
def test_frames_in_which_nothing_is_found_are_answered(opened, kind, keep):
    detector = opened(kind, "masks", keep=keep, score_threshold=1.0)
    (found,) = detector.detect(random_frames(1))
    assert len(found) == 0
    assert found.masks == (() if keep == "masks" else None)
    assert (found.embeddings is None) == (keep == "masks")


@pytest.mark.parametrize("kind", KINDS)
def test_a_call_may_ask_for_less_but_not_for_what_was_not_kept(opened, kind):
    frames = random_frames(1)
    with_masks, without = opened(kind, "masks", keep="masks"), opened(kind, "masks")
    assert with_masks.detect(frames, keep="none")[0].masks is None
    assert with_masks.detect(frames, keep="masks") == with_masks.detect(frames)
    with pytest.raises(ValueError, match="keep: expected none or what the detector was made to"):
        without.detect(frames, keep="masks")
    with pytest.raises(
        ValueError, match="keep: expected none, instance_features, mask_features, masks, got"
    ):
        with_masks.detect(frames, keep="mask")


@pytest.mark.parametrize("kind", KINDS)
def test_weights_without_a_branch_say_so(opened, kind):
    with pytest.raises(
        ValueError, match=r"plain\.safetensors: keep: expected none, .*, got masks"
    ):
        opened(kind, "plain", keep="masks")


def test_a_branch_at_hand_is_used_as_that_of_a_file_is(twin_weights):
    from faimtrack.detectors.mask_branch.loading import load_mask_branch

    checkpoint, frames = read_checkpoint(twin_weights.masks), random_frames(1)
    loaded = load_yolox(checkpoint)
    branch = load_mask_branch(checkpoint, loaded.network)
    settings = {"device": "cpu", "keep": "masks"}
    ours = YoloxDetector(loaded, mask_branch=branch, **settings)
    assert ours.detect(frames) == YoloxDetector(checkpoint, **settings).detect(frames)


def test_more_boxes_than_are_pooled_at_once_have_the_same_masks(opened, monkeypatch):
    frames = random_frames(2)
    detector = opened("yolox", "masks", keep="masks", batch_size=2)
    found = detector.detect(frames)
    for size in (1, 5):
        monkeypatch.setattr("faimtrack.detectors.mask_branch.branch._BOXES_AT_ONCE", size)
        again = detector.detect(frames)
        areas = [
            [int(coco.area(mask)) for each in some for mask in each.masks]
            for some in (found, again)
        ]
        assert np.abs(np.subtract(*areas)).max() <= 2


def test_a_detector_that_keeps_masks_keeps_the_promises_of_all_detectors(twin_weights):
    check_detector(lambda: YoloxDetector(twin_weights.masks, device="cpu", keep="masks"))


@pytest.mark.parametrize("kind", ["onnx", "safetensors"])
def test_what_is_exported_is_that_of_the_plain_twin(twin_weights, tmp_path, kind):
    if kind == "onnx":
        pytest.importorskip("onnx")
    plain, masks = (
        export_detector(path, tmp_path / f"{name}.{kind}", format=kind)
        for name, path in (("plain", twin_weights.plain), ("masks", twin_weights.masks))
    )
    assert plain.path.read_bytes() == masks.path.read_bytes()
    assert b"mask_branch" not in masks.path.read_bytes()
    assert (plain.left_aside, masks.left_aside > 5) == (0, True)


def test_a_faster_rcnn_is_exported_without_its_branch(faster_twins, tmp_path):
    plain, masks = (
        export_detector(path, tmp_path / path.name, format="safetensors") for path in faster_twins
    )
    assert plain.path.read_bytes() == masks.path.read_bytes()


def test_a_model_in_onnx_has_no_branch_and_says_so(twin_weights, tmp_path):
    pytest.importorskip("onnx")
    path = export_detector(twin_weights.masks, tmp_path / "a.onnx", format="onnx").path
    with pytest.raises(ValueError, match=r"a\.onnx: keep: expected none, for a model in ONNX"):
        open_detector(path, dataclasses.replace(open_detector(path).config, keep="masks"))
    with pytest.raises(ValueError, match=r"a\.onnx: keep: expected none, for a model in ONNX"):
        open_detector(path).detect(random_frames(1), keep="masks")


def test_an_unknown_word_is_refused_before_anything_is_loaded():
    with pytest.raises(ValueError, match="keep: expected none or instance_features or mask_f"):
        YoloxConfig(keep="mask")
