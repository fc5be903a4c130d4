import re

import pytest
import torchvision
from torchvision.models import detection

from faimtrack.weights import weights_entries, weights_entry

TORCHVISION = {
    "faster-rcnn-resnet50-fpn": detection.FasterRCNN_ResNet50_FPN_Weights,
    "faster-rcnn-resnet50-fpn-v2": detection.FasterRCNN_ResNet50_FPN_V2_Weights,
    "faster-rcnn-mobilenet-v3-large-fpn": detection.FasterRCNN_MobileNet_V3_Large_FPN_Weights,
    "faster-rcnn-mobilenet-v3-large-320-fpn": (
        detection.FasterRCNN_MobileNet_V3_Large_320_FPN_Weights
    ),
}


def test_names_are_there_once_and_say_all_that_is_shown_of_them():
    entries = weights_entries()
    names = [entry.name for entry in entries]
    assert len(set(names)) == len(names)
    assert {f"yolox-{size}" for size in ("nano", "tiny", "s", "m", "l", "x")} <= set(names)
    assert {"sam-vit-b", "sam-vit-l", "sam-vit-h", "mobile-sam", *TORCHVISION} <= set(names)
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+", entry.name)
        if entry.url is not None:
            assert entry.url == f"{entry.url.rpartition('/')[0]}/{entry.file_name}"
            assert entry.url.startswith("https://")
        assert entry.licence in {"Apache-2.0", "BSD-3-Clause"}
        assert entry.data
        assert entry.sha256 is None or re.fullmatch(r"[0-9a-f]{8}|[0-9a-f]{64}", entry.sha256)
        assert (entry.classes is None) == (entry.kind != "detector" or entry.is_bundled)


def test_no_two_entries_have_the_same_hash():
    hashes = [entry.sha256 for entry in weights_entries() if entry.sha256 is not None]
    assert len(set(hashes)) == len(hashes)


def test_torchvision_itself_names_the_same_backbone():
    published = torchvision.models.ResNet50_Weights.IMAGENET1K_V1
    assert weights_entry("resnet50-imagenet").url == published.url


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_itself_names_the_same_address_and_hash(name):
    (published,) = TORCHVISION[name]
    entry = weights_entry(name)
    assert entry.url == published.url
    # torch checks what follows the last hyphen in the name against the SHA-256.
    assert entry.sha256 == re.search(r"-([0-9a-f]*)\.", published.url.rpartition("/")[2])[1]


def test_legacy_weights_say_that_their_input_is_another():
    for entry in weights_entries():
        if entry.name.startswith("yolox-"):
            is_legacy = entry.name.endswith("-legacy")
            assert entry.input_convention == ("legacy" if is_legacy else "current")
            assert entry.architecture == entry.name.removesuffix("-legacy")


def test_a_name_that_is_none_is_answered_with_the_closest():
    with pytest.raises(ValueError, match=r"got 'yolo-s'; did you mean yolox-s\?"):
        weights_entry("yolo-s")
    with pytest.raises(ValueError, match=r"got '∞'$"):
        weights_entry("∞")
