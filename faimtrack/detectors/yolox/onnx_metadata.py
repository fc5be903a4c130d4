"""What a YOLOX that faimtrack exported says of itself: all that running it needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faimtrack
from faimtrack.detectors.onnx_properties import told_list, told_pair, told_value
from faimtrack.detectors.yolox.letterbox import STRIDES
from faimtrack.weights.files import WeightsMetadata


@dataclass(frozen=True, kw_only=True)
class YoloxOnnxMetadata:
    """What stands in an ONNX file beside its graph, whose boxes are in pixels of the input.

    Attributes:
        architecture: Such as `yolox-nano`.
        class_names: What the class ids mean.
        input_convention: `current` is BGR 0 to 255, `legacy` RGB normalised as ImageNet.
        input_size: Height and width in pixels that it was made for.
        score_threshold: Which boxes the graph keeps; None if overlaps are left to the reader.
        nms_threshold: Which overlaps, as IoU, the graph allows; None together with the above.
        recipe: What the weights were trained with.
        data: What they were trained on.
        licence: Under which they may be used.
    """

    architecture: str
    class_names: tuple[str, ...]
    input_convention: Literal["current", "legacy"]
    input_size: tuple[int, int]
    score_threshold: float | None = None
    nms_threshold: float | None = None
    recipe: str = ""
    data: str = ""
    licence: str = ""

    def properties(self) -> dict[str, str]:
        """Its texts by the keys that the file has."""
        suppression = None
        if self.score_threshold is not None:
            suppression = {
                "score_threshold": self.score_threshold,
                "nms_threshold": self.nms_threshold,
            }
        return {
            "faimtrack_version": faimtrack.__version__,
            "architecture": self.architecture,
            "class_names": json.dumps(self.class_names),
            "input_convention": self.input_convention,
            "input_size": json.dumps(self.input_size),
            "strides": json.dumps(STRIDES),
            "decoded": "true",
            "nms": json.dumps(suppression),
            "recipe": self.recipe,
            "data": self.data,
            "licence": self.licence,
        }

    def weights_metadata(self, settings: Mapping[str, Any]) -> WeightsMetadata:
        """The same as files of weights say it, whose boxes are left to their reader.

        Args:
            settings: What else the network needs, as plain JSON values.
        """
        return WeightsMetadata(
            architecture=self.architecture,
            classes=self.class_names,
            recipe=self.recipe,
            data=self.data,
            licence=self.licence,
            settings={
                "input_size": list(self.input_size),
                "input_convention": self.input_convention,
                **settings,
            },
        )


def read_yolox_metadata(properties: Mapping[str, str], path: Path) -> YoloxOnnxMetadata | None:
    """What a file says of itself; None if faimtrack did not write it.

    Args:
        properties: The file's texts by key.
        path: The file, for messages.

    Raises:
        ValueError: It is another network, or what it says makes no sense.
    """
    if "faimtrack_version" not in properties:
        return None
    architecture = properties.get("architecture", "")
    if not architecture.startswith("yolox"):
        raise ValueError(f"{path}: expected a YOLOX, got a model of {architecture or 'no name'}")
    convention = properties.get("input_convention")
    if convention not in ("current", "legacy"):
        raise ValueError(
            f"{path}: input_convention: expected current or legacy, got {convention!r}"
        )
    return YoloxOnnxMetadata(
        architecture=architecture,
        class_names=tuple(told_list(properties, "class_names", str, path)),
        input_convention=convention,  # type: ignore[arg-type]
        input_size=told_pair(properties, "input_size", path),
        **_thresholds(properties, path),
        recipe=properties.get("recipe", ""),
        data=properties.get("data", ""),
        licence=properties.get("licence", ""),
    )


def _thresholds(properties: Mapping[str, str], path: Path) -> dict[str, Any]:
    suppression = told_value(properties, "nms", path)
    if suppression is None:
        return {}
    names = ("score_threshold", "nms_threshold")
    is_whole = isinstance(suppression, dict) and suppression.keys() == set(names)
    if not is_whole or not all(type(suppression[name]) in (int, float) for name in names):
        raise ValueError(f"{path}: nms: expected {' and '.join(names)}, got {suppression!r}")
    return {name: suppression[name] for name in names}
