"""Weights to start from, of other classes and of other networks."""

from pathlib import Path

import pytest
import torch

from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn
from faimtrack.detectors.yolox.network import Yolox, YoloxSize
from faimtrack.training.initial_weights import take_weights
from faimtrack.weights.files import Checkpoint, WeightsMetadata

SMALL = YoloxSize(name="custom", depth=0.33, width=0.125, depthwise=True)


def checkpoint(network, **changes):
    return Checkpoint({**network.state_dict(), **changes}, None, Path("given.pth"))


def test_people_of_coco_become_the_one_class():
    coco, person = Yolox(SMALL, 80), Yolox(SMALL, 1)
    taken = take_weights(person, checkpoint(coco), ("person",))
    for level in range(3):
        for part in ("weight", "bias"):
            given = getattr(coco.head.cls_preds[level], part)
            assert torch.equal(getattr(person.head.cls_preds[level], part), given[:1])
    assert torch.equal(person.head.reg_preds[0].weight, coco.head.reg_preds[0].weight)
    assert taken.missing == ()
    assert len(taken.class_rows) == 6
    assert "of 6 of them only the rows of its classes" in taken.sentence()


def test_names_in_the_file_tell_where_people_are():
    given, person = Yolox(SMALL, 2), Yolox(SMALL, 1)
    metadata = WeightsMetadata(architecture="yolox-custom", classes=("car", "person"))
    take_weights(person, Checkpoint(given.state_dict(), metadata, Path("a")), ("person",))
    bias = given.head.cls_preds[0].bias
    assert torch.equal(person.head.cls_preds[0].bias, bias[1:])


def test_what_has_no_people_leaves_the_classes_random_and_says_so():
    given, person = Yolox(SMALL, 2), Yolox(SMALL, 1)
    taken = take_weights(person, checkpoint(given, extra=torch.zeros(1)), ("person",))
    assert len(taken.missing) == 6
    assert "random: head.cls_preds.0.weight" in taken.sentence()
    assert "left aside: extra" in taken.sentence()


def test_weights_of_another_class_are_not_taken_for_people():
    given, person = Yolox(SMALL, 1), Yolox(SMALL, 1)
    metadata = WeightsMetadata(architecture="yolox-custom", classes=("car",))
    taken = take_weights(person, Checkpoint(given.state_dict(), metadata, Path("a")), ("person",))
    assert len(taken.missing) == 6
    assert not torch.equal(person.head.cls_preds[0].weight, given.head.cls_preds[0].weight)
    assert torch.equal(person.head.reg_preds[0].weight, given.head.reg_preds[0].weight)


def test_torchvisions_people_follow_its_background():
    given = build_faster_rcnn("mobilenet-v3-large-320-fpn", [str(n) for n in range(90)])
    person = build_faster_rcnn("mobilenet-v3-large-320-fpn", ["person"])
    taken = take_weights(person, checkpoint(given), ("person",))
    ours, theirs = person.roi_heads.box_predictor, given.roi_heads.box_predictor
    assert torch.equal(ours.cls_score.weight, theirs.cls_score.weight[:2])
    assert torch.equal(ours.bbox_pred.weight, theirs.bbox_pred.weight[:8])
    assert taken.missing == ()


def test_weights_of_another_network_are_refused():
    other = Checkpoint({"model.0.conv.weight": torch.zeros(3)}, None, Path("other.pth"))
    with pytest.raises(ValueError, match=r"other.pth: expected weights .* fit 0 of its"):
        take_weights(Yolox(SMALL, 1), other, ("person",))
