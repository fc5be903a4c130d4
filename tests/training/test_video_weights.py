"""What video object detectors start from: base detectors, YOLOV as published, each other."""

from pathlib import Path

import pytest
import torch

from faimtrack.detectors.video.config import VideoNetworkConfig
from faimtrack.detectors.video.network import VideoYolox
from faimtrack.detectors.yolox.network import Yolox, YoloxSize
from faimtrack.training.initial_weights import take_weights
from faimtrack.weights.files import Checkpoint, WeightsMetadata

SIZE = YoloxSize(name="custom", depth=0.33, width=0.125, depthwise=True)
WIDER = YoloxSize(name="custom", depth=0.33, width=0.25, depthwise=True)
NAMES = ("snake", "whale", "fox")


def video_network(partner="instance", names=NAMES, seed=0):
    torch.manual_seed(seed)
    return VideoYolox(Yolox(SIZE, len(names)), VideoNetworkConfig(partner=partner))


def checkpoint_of(network, names=NAMES, tensors=None):
    metadata = None
    if names is not None:
        metadata = WeightsMetadata(architecture="yolox-custom", classes=names, settings={})
    return Checkpoint(tensors or network.state_dict(), metadata, Path("base.safetensors"))


def published(tensors):
    """A YOLOV's tensors by the keys that YOLOV published."""
    renamed = {
        "video.branch.levels.": "head.cls_convs2.",
        "video.aggregation.project_classification.": "head.trans.msa.qkv_cls.",
        "video.aggregation.project_partner.": "head.trans.msa.qkv_reg.",
        "video.aggregation.linear": "head.trans.linear",
        "video.classifier.": "head.linear_pred.",
    }
    found = {}
    for key, value in tensors.items():
        ours = next((each for each in renamed if key.startswith(each)), "")
        found[renamed.get(ours, "") + key.removeprefix(ours)] = value
    return found


def test_a_base_detector_is_taken_whole_and_the_rest_is_named():
    torch.manual_seed(5)
    base = Yolox(SIZE, 3)
    network = video_network()
    taken = take_weights(network, checkpoint_of(base), NAMES)
    theirs = base.state_dict()
    ours = network.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    assert taken.taken == len(theirs)
    assert all(key.startswith("video.") for key in taken.missing)
    assert taken.unused == ()
    assert "random: video." in taken.sentence()


def test_of_a_base_detector_of_more_classes_the_rows_of_ours_are_taken():
    torch.manual_seed(5)
    base = Yolox(SIZE, 4)
    network = video_network()
    names = ("dog", "fox", "snake", "whale")
    taken = take_weights(network, checkpoint_of(base, names), NAMES)
    assert len(taken.class_rows) == 6
    theirs = base.head.cls_preds[0].bias[[2, 3, 1]]
    assert torch.equal(network.head.cls_preds[0].bias, theirs)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("car", "bus", "van"), "base detector of the classes snake, whale, fox, got one of car"),
        (("snake", "whale"), "got one of snake, whale$"),
        (None, "got one of 2 classes without names"),
    ],
)
def test_heads_that_disagree_are_refused(names, message):
    base = Yolox(SIZE, 2 if names is None else len(names))
    network = video_network()
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ValueError, match=f"base.safetensors: expected .*{message}"):
        take_weights(network, checkpoint_of(base, names), NAMES)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


def test_a_base_detector_of_another_size_is_refused():
    with pytest.raises(ValueError, match=r"base.safetensors: expected "):
        take_weights(video_network(), checkpoint_of(Yolox(WIDER, 3)), NAMES)


def test_yolov_as_it_was_published_is_taken_by_yolov_whole():
    given = video_network("regression", seed=1)
    network = video_network("regression")
    tensors = published(given.state_dict())
    assert tensors.keys() != given.state_dict().keys()
    taken = take_weights(network, checkpoint_of(None, None, tensors), NAMES)
    assert (taken.missing, taken.unused) == ((), ())
    ours, theirs = network.state_dict(), given.state_dict()
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)


@pytest.mark.parametrize(("giver", "taker"), [("regression", "instance"),
                                              ("instance", "regression")])  # fmt: skip
def test_between_faim_and_yolov_all_that_fits_is_taken_and_the_rest_is_named(giver, taker):
    given, network = video_network(giver, seed=1), video_network(taker)
    taken = take_weights(network, checkpoint_of(given), NAMES)
    left = taken.missing if taker == "instance" else taken.unused
    assert left
    assert all(key.startswith("video.extraction.") for key in left)
    weights = [each.video.aggregation.linear2.weight for each in (given, network)]
    assert torch.equal(*weights)


def test_a_refined_classifier_of_other_classes_gives_the_rows_of_ours_and_its_last():
    names = ("dog", "fox", "snake", "whale")
    given, network = video_network(names=names, seed=1), video_network()
    taken = take_weights(network, checkpoint_of(given, names), NAMES)
    assert "video.classifier.weight" in taken.class_rows
    expected = given.video.classifier.weight[[2, 3, 1, 4]]
    assert torch.equal(network.video.classifier.weight, expected)
