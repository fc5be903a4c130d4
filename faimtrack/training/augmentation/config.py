"""How images are changed before a detector learns from them; without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from faimtrack.config import PresetConfig, parameter

_BYTETRACK = {
    "mosaic_probability": 1.0,
    "mixup_probability": 1.0,
    "rotation": 10.0,
    "shear": 2.0,
    "smallest_scale": 0.1,
    "largest_scale": 2.0,
    "smallest_input": 20,
    "largest_input": 36,
}

_VIDEO = {"smallest_input": 11, "largest_input": 21}


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(PresetConfig):
    """What may happen to an image on its way to a detector.

    Presets: `default` mirrors and shifts colours; `multi-scale` adds the sizes of MOT20's
    recipes: with it YOLOX was trained for the paper's rows; `bytetrack` is ByteTrack's own, with
    mosaic, affine and mixup; `faster-rcnn` is MMTracking's for Tracktor; `video` has the sizes
    of YOLOV's recipes, `video-strong` also YOLOX's mosaic, affine and mixup.

    Raises:
        ValueError: A value is out of its range, or a smallest one is above its largest.
    """

    _presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "multi-scale": {"smallest_input": 20, "largest_input": 36},
        "bytetrack": _BYTETRACK,
        "faster-rcnn": {"style": "faster-rcnn"},
        "video": _VIDEO,
        "video-strong": {**_BYTETRACK, **_VIDEO},
    }

    style: Literal["yolox", "faster-rcnn"] = parameter(
        "yolox",
        "yolox: mosaic, affine, mixup, HSV, flip, then scaled into a fixed input padded with "
        "grey; faster-rcnn: scaled, colours distorted, cut to the input, flipped.",
    )
    flip_probability: float = parameter(0.5, "Mirror so many images.", low=0, high=1)
    smallest_box: float = parameter(
        1.0, "Leave out objects that are not wider and higher than this after all changes.",
        unit="px of the input", low=0,
    )  # fmt: skip
    smallest_share: float = parameter(
        0.0, "Leave out objects of whose box less than this is left after cutting.",
        low=0, high=1,
    )  # fmt: skip
    clip_boxes: bool = parameter(
        True, "Cut boxes at the image's borders, as MOT20's ground truth is; else they reach out."
    )
    most_objects: int = parameter(
        1200, "Of more objects in an input the smallest are left out.", unit="objects", low=1
    )

    # Style yolox.
    hue_gain: int = parameter(5, "Largest shift of hue.", unit="half degrees", low=0, high=90)
    saturation_gain: int = parameter(
        30, "Largest shift of saturation.", unit="1/255", low=0, high=255
    )
    value_gain: int = parameter(30, "Largest shift of brightness.", unit="1/255", low=0, high=255)
    mosaic_probability: float = parameter(
        0.0, "Put so many images together with three others.", low=0, high=1
    )
    mixup_probability: float = parameter(
        0.0, "Blend so many mosaics with another image.", low=0, high=1
    )
    smallest_mixup_scale: float = parameter(
        0.5, "Of the image that is blended in.", low=0.01, high=10
    )
    largest_mixup_scale: float = parameter(
        1.5, "Of the image that is blended in.", low=0.01, high=10
    )
    rotation: float = parameter(0.0, "Turn mosaics so far at most.", unit="°", low=0, high=180)
    shear: float = parameter(0.0, "Shear mosaics so far at most.", unit="°", low=0, high=60)
    translation: float = parameter(
        0.1, "Move mosaics by so much of the input's sides at most.", low=0, high=1
    )
    smallest_scale: float = parameter(1.0, "Of mosaics.", low=0.01, high=10)
    largest_scale: float = parameter(1.0, "Of mosaics.", low=0.01, high=10)
    smallest_input: int | None = parameter(
        None, "Lowest height of inputs in multi-scale training; unset: none.",
        unit="32 px", low=1,
    )  # fmt: skip
    largest_input: int | None = parameter(
        None, "Greatest height of inputs in multi-scale training.", unit="32 px", low=1
    )
    input_interval: int = parameter(
        10, "Choose another size of inputs after so many steps.", unit="steps", low=1
    )

    # Style faster-rcnn.
    smallest_resize: float = parameter(
        0.8, "Of the side of the square into which images are scaled.", low=0.01, high=10
    )
    largest_resize: float = parameter(
        1.2, "Of the side of the square into which images are scaled.", low=0.01, high=10
    )
    colour_probability: float = parameter(
        0.5, "Of each distortion: brightness, contrast, saturation, hue, order of channels.",
        low=0, high=1,
    )  # fmt: skip
    brightness: float = parameter(
        0.125, "Largest change of brightness, as a share.", low=0, high=1
    )
    contrast: float = parameter(0.5, "Largest change of contrast, as a share.", low=0, high=1)
    saturation: float = parameter(0.5, "Largest change of saturation, as a share.", low=0, high=1)
    hue: float = parameter(0.05, "Largest shift of hue.", unit="turns", low=0, high=0.5)

    def __post_init__(self) -> None:
        super().__post_init__()
        for what in ("mixup_scale", "scale", "input", "resize"):
            low, high = getattr(self, f"smallest_{what}"), getattr(self, f"largest_{what}")
            if (low is None) != (high is None):
                raise ValueError(
                    f"smallest_{what} and largest_{what}: expected both or neither, got "
                    f"{low} and {high}"
                )
            if low is not None and low > high:
                raise ValueError(f"smallest_{what}: expected at most {high}, got {low}")
