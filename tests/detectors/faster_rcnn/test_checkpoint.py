"""Whose weights a file holds, and the network that is made of them."""

from pathlib import Path

import pytest
import torch

from faimtrack.detectors.faster_rcnn.checkpoint import describe_network, load_faster_rcnn
from faimtrack.detectors.faster_rcnn.config import FasterRcnnTrainingConfig
from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.weights.files import Checkpoint, WeightsMetadata, read_checkpoint, write_weights

FROZEN = FasterRcnnTrainingConfig.preset("coco")
LIVE = FasterRcnnTrainingConfig(batch_norm="batch")
ARCHITECTURES = [
    "resnet18-fpn",
    "mobilenet-v3-large-fpn",
    "mobilenet-v3-large-320-fpn",
    pytest.param("resnet50-fpn", marks=pytest.mark.slow),
    pytest.param("resnet50-fpn-v2", marks=pytest.mark.slow),
]
PREDICTOR = "roi_heads.box_predictor.cls_score.weight"


def shapes(network):
    return {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_keys_and_shapes_are_torchvisions(architecture, make_torchvision):
    expected = shapes(make_torchvision(architecture))
    outputs = [f"class {number}" for number in range(90)]
    if architecture != "resnet18-fpn":
        assert shapes(build_faster_rcnn(architecture, outputs, LIVE)) == expected
    if architecture != "resnet50-fpn-v2":  # whose published weights hold these counts
        expected = {key: shape for key, shape in expected.items() if "num_batches" not in key}
    assert shapes(build_faster_rcnn(architecture, outputs, FROZEN)) == expected


def test_norms_that_learn_have_the_keys_of_frozen_ones():
    assert shapes(build_faster_rcnn("resnet18-fpn")) == shapes(
        build_faster_rcnn("resnet18-fpn", config=FROZEN)
    )


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_architecture_is_found_in_the_tensors(architecture, make_checkpoint):
    name = f"fasterrcnn_{architecture.replace('-', '_')}-0123abcd.pth"
    loaded = load_faster_rcnn(make_checkpoint(architecture, name=name))
    assert loaded.network.architecture == architecture
    assert loaded.left_aside == ()


def test_the_smaller_mobilenet_can_be_asked_for(make_checkpoint):
    checkpoint = make_checkpoint("mobilenet-v3-large-fpn")
    small = load_faster_rcnn(checkpoint, architecture="mobilenet-v3-large-320-fpn").network
    assert (small.config.short_side, small.config.long_side) == (320, 640)
    usual = load_faster_rcnn(checkpoint).network
    assert (usual.config.short_side, usual.config.long_side) == (800, 1333)


def test_names_that_torchvision_gave_up_still_load(make_checkpoint):
    new = make_checkpoint().tensors
    old = {}
    for key, value in new.items():
        key = key.replace("rpn.head.conv.0.0.", "rpn.head.conv.")
        for blocks in ("inner_blocks", "layer_blocks"):
            key = (
                key.replace(f"{blocks}.", f"{blocks}:").replace(".0.weight", ".weight")
                if (blocks in key)
                else key
            )
            key = key.replace(".0.bias", ".bias") if blocks in key else key
        old[key.replace(":", ".")] = value
    assert old.keys() != new.keys()
    network = load_faster_rcnn(Checkpoint(old, None, Path("old.pth"))).network
    for key, value in network.state_dict().items():
        assert torch.equal(value, new[key]), key


def test_frozen_norms_add_to_their_variances_what_torchvision_adds(make_checkpoint):
    network = load_faster_rcnn(make_checkpoint()).network
    assert network.backbone.body["bn1"].eps == 1e-5
    # Of its published weights torchvision overwrites this one network's.
    frozen = build_faster_rcnn("resnet50-fpn", ["person"], FROZEN)
    assert frozen.backbone.body["bn1"].eps == 0.0


def test_norms_that_count_their_batches_are_batch_norms(make_checkpoint):
    live = make_checkpoint("mobilenet-v3-large-fpn", outputs=2)
    assert load_faster_rcnn(live).network.config.batch_norm == "batch"
    frozen = {key: value for key, value in live.tensors.items() if "num_batches" not in key}
    found = load_faster_rcnn(Checkpoint(frozen, None, live.path)).network
    assert found.config.batch_norm == "frozen"
    assert not any("num_batches" in key for key in found.state_dict())


def test_our_own_weights_say_how_they_were_made(tmp_path, make_frame):
    config = FasterRcnnTrainingConfig(short_side=64, long_side=96, trained_stages=5)
    torch.manual_seed(0)
    network = build_faster_rcnn("resnet18-fpn", ("person", "N/A", "bicycle"), config)
    metadata = describe_network(network, recipe="none", licence="Apache-2.0")
    assert metadata.architecture == "faster-rcnn-resnet18-fpn"
    path = tmp_path / "ours.safetensors"
    write_weights(path, network.state_dict(), metadata)
    detector = FasterRcnnDetector(path)
    assert detector.class_names == ("person", "bicycle")
    assert detector.network.output_of_class.tolist() == [1, 3]
    assert detector.sides == (64, 96)
    made = detector.network.config
    assert (made.roi_aligned, made.roi_sampling_ratio, made.batch_norm) == (True, 0, "affine")
    (first,) = detector.detect([make_frame()])
    assert first == FasterRcnnDetector(network).detect([make_frame()])[0]
    assert load_faster_rcnn(read_checkpoint(path)).network.output_names == network.output_names


def test_a_mask_branch_in_the_file_is_left_aside(make_checkpoint):
    extra = {"roi_heads.mask_head.mask_fcn1.weight": torch.zeros(1)}
    loaded = load_faster_rcnn(make_checkpoint(**extra))
    assert loaded.left_aside == tuple(extra)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (["head.cls_preds.0.weight", "head.stems.0.conv.weight"], "got a YOLOX"),
        (["image_encoder.a", "mask_decoder.b"], "got a Segment Anything network"),
        (["rpn_head.a", "roi_head.b"], "got a Faster R-CNN of MMDetection"),
        (["layer1.0.conv1.weight", "layer2.0.conv1.weight"], "got a ResNet"),
        (["weight"], "got tensors named weight"),
    ],
)
def test_another_family_is_named(keys, message):
    checkpoint = Checkpoint({key: torch.zeros(1) for key in keys}, None, Path("w.pth"))
    with pytest.raises(ValueError, match=f"w.pth: expected a Faster R-CNN, {message}"):
        load_faster_rcnn(checkpoint)


def test_another_architecture_is_named(make_checkpoint):
    with pytest.raises(ValueError, match="expected a Faster R-CNN resnet50-fpn, got resnet18-fpn"):
        load_faster_rcnn(make_checkpoint(), architecture="resnet50-fpn")
    deeper = {"backbone.body.layer3.2.conv1.weight": torch.zeros(1)}
    with pytest.raises(ValueError, match="got a backbone with 2, 2, 3, 2 blocks"):
        load_faster_rcnn(make_checkpoint(**deeper))


def test_missing_tensors_and_wrong_shapes_are_named(make_checkpoint):
    with pytest.raises(ValueError, match=r"Missing key.*rpn\.head\.cls_logits\.bias"):
        load_faster_rcnn(make_checkpoint(**{"rpn.head.cls_logits.bias": None}))
    with pytest.raises(ValueError, match=r"size mismatch for rpn\.head\.cls_logits\.bias"):
        load_faster_rcnn(make_checkpoint(**{"rpn.head.cls_logits.bias": torch.zeros(4)}))
    with pytest.raises(ValueError, match=r"Unexpected key.*rpn\.more"):
        load_faster_rcnn(make_checkpoint(**{"rpn.more": torch.zeros(4)}))


def test_whole_numbers_are_no_weights(make_checkpoint):
    eighths = torch.zeros(2, 1024, dtype=torch.int8)
    with pytest.raises(ValueError, match=r"cls_score\.weight: expected floats, got torch\.int8"):
        load_faster_rcnn(make_checkpoint(outputs=2, **{PREDICTOR: eighths}))


def test_boxes_of_other_outputs_than_the_scores_are_refused(make_checkpoint):
    message = r"bbox_pred\.weight: expected 12 rows, 4 for each of 3 outputs, got 8"
    with pytest.raises(ValueError, match=message):
        load_faster_rcnn(make_checkpoint(outputs=2, **{PREDICTOR: torch.zeros(3, 1024)}))


def test_metadata_that_does_not_fit_is_refused(make_checkpoint):
    for architecture, settings, message in (
        ("yolox-nano", {}, "expected a Faster R-CNN, got yolox-nano"),
        ("faster-rcnn-resnet50-fpn", {}, "expected tensors of faster-rcnn-resnet50-fpn, got"),
        ("faster-rcnn-resnet18-fpn", {"roi_aligned": 1}, "roi_aligned: expected bool, got 1"),
        ("faster-rcnn-resnet18-fpn", {"short_side": 0}, "short_side: expected 1 or more, got 0"),
        ("faster-rcnn-resnet18-fpn", {"batch_norm": "no"}, "batch_norm: expected frozen or"),
    ):
        metadata = WeightsMetadata(
            architecture=architecture, classes=("person",), settings=settings
        )
        with pytest.raises(ValueError, match=message):
            load_faster_rcnn(make_checkpoint(outputs=2, metadata=metadata))


def test_more_names_than_classes_are_refused(make_checkpoint):
    metadata = WeightsMetadata(architecture="faster-rcnn-resnet18-fpn", classes=("a", "b"))
    with pytest.raises(ValueError, match="expected 1 class names, as the network has classes"):
        load_faster_rcnn(make_checkpoint(outputs=2, metadata=metadata))


def test_an_unknown_architecture_or_no_class_cannot_be_built():
    with pytest.raises(ValueError, match="architecture: expected resnet50-fpn"):
        build_faster_rcnn("resnet34-fpn")
    for names in ((), ("N/A",), "person"):
        with pytest.raises(ValueError, match="class_names: expected names"):
            build_faster_rcnn("resnet18-fpn", names)
