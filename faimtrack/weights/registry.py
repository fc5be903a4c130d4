"""Published weights that faimtrack knows by name: what they are and where they come from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Literal

_YOLOX = "https://github.com/Megvii-BaseDetection/YOLOX/releases/download/0.1.1rc0/"
_YOLOX_LEGACY = "https://github.com/Megvii-BaseDetection/storage/releases/download/0.0.1/"
_TORCHVISION = "https://download.pytorch.org/models/"
_SAM = "https://dl.fbaipublicfiles.com/segment_anything/"
_MOBILE_SAM = "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/"

_SHA256_DIGITS = 64


@dataclass(frozen=True, kw_only=True)
class WeightsEntry:
    """A published file of weights.

    Attributes:
        name: What faimtrack calls it.
        title: What it is, in a few words.
        url: Where its publisher offers it; None: it comes with faimtrack.
        file_name: What it is called there.
        sha256: All 64 hexadecimal digits, or the first that the publisher puts into the file
            name; None if nobody says: it is then pinned at the first download.
        licence: Under which it may be used.
        data: What it was trained on.
        architecture: The network that it fits.
        kind: `detector`, `segmenter`, or `backbone`: what only training begins with.
        size_bytes: None if not known.
        input_convention: What pixels it was trained with: `current` is BGR 0 to 255, `legacy`
            RGB normalised as ImageNet; None where the network takes only one.
        input_size: Height and width in pixels that it was made for; None: any.
        classes: `coco` for 80 classes in COCO's order, `coco-91` for COCO's category numbers
            with their gaps and 0 as background; None if it knows no classes.
    """

    name: str
    title: str
    url: str | None
    file_name: str
    sha256: str | None
    licence: str
    data: str
    architecture: str
    kind: Literal["detector", "segmenter", "backbone"]
    size_bytes: int | None = None
    input_convention: Literal["current", "legacy"] | None = None
    input_size: tuple[int, int] | None = None
    classes: Literal["coco", "coco-91"] | None = None

    @property
    def is_bundled(self) -> bool:
        """Whether it comes with faimtrack, so that nothing is fetched."""
        return self.url is None

    @property
    def is_hash_whole(self) -> bool:
        """Whether all of the hash is known, not only its beginning."""
        return self.sha256 is not None and len(self.sha256) == _SHA256_DIGITS


def weights_entries() -> tuple[WeightsEntry, ...]:
    """All that is known by name, in the order of a list for people."""
    return _ENTRIES


def weights_entry(name: str) -> WeightsEntry:
    """The entry of a name.

    Raises:
        ValueError: There is none.
    """
    by_name = {entry.name: entry for entry in _ENTRIES}
    if name not in by_name:
        closest = difflib.get_close_matches(name, by_name, n=1)
        hint = f"; did you mean {closest[0]}?" if closest else ""
        raise ValueError(
            f"weights: expected a name of `faimtrack weights list`, got {name!r}{hint}"
        )
    return by_name[name]


def _yolox(size: str, side: int, sha256: str, size_bytes: int | None) -> WeightsEntry:
    return WeightsEntry(
        name=f"yolox-{size}",
        title="YOLOX detector",
        url=f"{_YOLOX}yolox_{size}.pth",
        file_name=f"yolox_{size}.pth",
        sha256=sha256,
        licence="Apache-2.0",
        data="COCO",
        architecture=f"yolox-{size}",
        kind="detector",
        size_bytes=size_bytes,
        input_convention="current",
        input_size=(side, side),
        classes="coco",
    )


def _yolox_legacy(size: str, side: int, file_name: str = "") -> WeightsEntry:
    file_name = file_name or f"yolox_{size}.pth"
    return WeightsEntry(
        name=f"yolox-{size}-legacy",
        title="YOLOX, legacy input",
        url=f"{_YOLOX_LEGACY}{file_name}",
        file_name=file_name,
        sha256=None,
        licence="Apache-2.0",
        data="COCO",
        architecture=f"yolox-{size}",
        kind="detector",
        input_convention="legacy",
        input_size=(side, side),
        classes="coco",
    )


def _faster_rcnn(backbone: str, file_name: str) -> WeightsEntry:
    return WeightsEntry(
        name=f"faster-rcnn-{backbone}",
        title="Faster R-CNN detector",
        url=f"{_TORCHVISION}{file_name}",
        file_name=file_name,
        sha256=file_name.removesuffix(".pth").rpartition("-")[2],
        licence="BSD-3-Clause",
        data="COCO",
        architecture=f"faster-rcnn-{backbone}",
        kind="detector",
        classes="coco-91",
    )


def _resnet(depth: int, file_name: str) -> WeightsEntry:
    return WeightsEntry(
        name=f"resnet{depth}-imagenet",
        title="ResNet classifier",
        url=f"{_TORCHVISION}{file_name}",
        file_name=file_name,
        sha256=file_name.removesuffix(".pth").rpartition("-")[2],
        licence="BSD-3-Clause",
        data="ImageNet",
        architecture=f"resnet{depth}",
        kind="backbone",
    )


def _sam(size: str, file_name: str, sha256: str, size_bytes: int) -> WeightsEntry:
    return WeightsEntry(
        name=f"sam-vit-{size}",
        title="SAM segmenter",
        url=f"{_SAM}{file_name}",
        file_name=file_name,
        sha256=sha256,
        licence="Apache-2.0",
        data="SA-1B",
        architecture=f"sam-vit-{size}",
        kind="segmenter",
        size_bytes=size_bytes,
        input_size=(1024, 1024),
    )


def _bundled_nano(
    name: str, file_name: str, data: str, sha256: str, size_bytes: int
) -> WeightsEntry:
    return WeightsEntry(
        name=name,
        title="YOLOX detector",
        url=None,
        file_name=file_name,
        sha256=sha256,
        licence="Apache-2.0",
        data=data,
        architecture="yolox-nano",
        kind="detector",
        size_bytes=size_bytes,
    )


# Megvii, Meta (its file names carry the beginning of an MD5) and MobileSAM publish no SHA-256:
# theirs are what several projects that do not know of each other measured.
_ENTRIES = (
    _yolox(
        "nano", 416, "cd28f55fbbc1829f99d9ac9b38a16d259a22889739c8728ea877610201feff7b", 7_694_953
    ),
    _yolox(
        "tiny", 416, "9de513de589ac98bb92d3bca53b5af7b9acfa9b0bacb831f7999d0f7afaee8f0", 40_755_013
    ),
    _yolox(
        "s", 640, "f55ded7181e1b0c13285c56e7790b8f0e8f8db590fe4edb37f0b7f345c913a30", 72_089_125
    ),
    _yolox(
        "m", 640, "60076992b32da82951c90cfa7bd6ab70eba9eda243e08b940a396f60ac2d19b6", 203_114_461
    ),
    _yolox("l", 640, "1e6b7fa6240375370b2a8a8eab9066b3cdd43fd1d0bfa8d2027fd3a51def2917", None),
    _yolox(
        "x", 640, "5652330b6ae860043f091b8f550a60c10e1129f416edfdb65c259be6caf355cf", 793_463_373
    ),
    _yolox_legacy("nano", 416),
    _yolox_legacy("tiny", 416, "yolox_tiny_32dot8.pth"),
    _yolox_legacy("s", 640),
    _yolox_legacy("m", 640),
    _yolox_legacy("l", 640),
    _yolox_legacy("x", 640),
    _faster_rcnn(
        "resnet50-fpn", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth"
    ),
    _faster_rcnn(
        "resnet50-fpn-v2", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth",
    ),
    _faster_rcnn(
        "mobilenet-v3-large-fpn", "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth",
    ),
    _faster_rcnn(
        "mobilenet-v3-large-320-fpn", "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
    ),
    _bundled_nano(
        "crowd-nano", "crowd-nano.onnx", "drawn people",
        "673bd47231651c1eabd9c95af8790339565ec24353a9547b187be4489493f57e", 3_678_420,
    ),
    _bundled_nano(
        "crowd-nano-torch", "crowd-nano.safetensors", "drawn people",
        "45d31b491e453dde0fc7f5fe12ce5e614005b481905e7cc236a589f025820de3", 3_718_000,
    ),
    _bundled_nano(
        "crowd-objects-nano", "crowd-objects-nano.safetensors", "drawn objects",
        "d970ed1d69fbb3be3083ff5144f51f58b829d208cded59839521a925ca11752d", 3_723_548,
    ),
    _resnet(50, "resnet50-0676ba61.pth"),
    _sam(
        "b", "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912", 375_042_383,
    ),
    _sam(
        "l", "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622", 1_249_524_607,
    ),
    _sam(
        "h", "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e", 2_564_550_879,
    ),
    WeightsEntry(
        name="mobile-sam",
        title="MobileSAM segmenter",
        url=f"{_MOBILE_SAM}mobile_sam.pt",
        file_name="mobile_sam.pt",
        sha256="6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        licence="Apache-2.0",
        data="SA-1B, 1 %",
        architecture="mobile-sam",
        kind="segmenter",
        size_bytes=40_728_226,
        input_size=(1024, 1024),
    ),
)  # fmt: skip
