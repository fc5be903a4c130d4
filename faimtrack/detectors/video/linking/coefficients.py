"""The logistic regression that tells how likely two boxes show the same object, and its file."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from faimtrack.atomic import atomic_file
from faimtrack.detectors.video.linking.pair_features import PAIR_FEATURES
from faimtrack.errors import shown

FORMAT_VERSION = 1
_KIND = "link-coefficients"
_LARGEST = 1e6
"""Of any number of the file: sums of such are finite."""


@dataclass(frozen=True, kw_only=True)
class LinkCoefficients:
    """A logistic regression on `pair_features`.

    The probability is ``1 / (1 + exp(-(intercept + w · (x - means) / deviations)))``.

    Attributes:
        means: One a feature.
        deviations: One a feature, above 0.
        weights: One a feature.
        intercept: The constant.
        positives: How many pairs of the same object it was learnt from.
        negatives: How many pairs of different ones.
        provenance: What it was learnt from, as JSON values.

    Raises:
        ValueError: A number is missing, not finite or too large.
    """

    means: tuple[float, ...]
    deviations: tuple[float, ...]
    weights: tuple[float, ...]
    intercept: float
    positives: int = 0
    negatives: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("means", "deviations", "weights"):
            values = getattr(self, name)
            if len(values) != len(PAIR_FEATURES):
                raise ValueError(
                    f"{name}: expected {len(PAIR_FEATURES)} numbers, got {shown(values)}"
                )
            _check_numbers(name, values)
        _check_numbers("intercept", [self.intercept])
        if min(self.deviations) < 1 / _LARGEST:
            raise ValueError(f"deviations: expected numbers above 0, got {self.deviations}")

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """How likely pairs show the same object.

        Args:
            features: `(..., 4)` as `pair_features` gives them.

        Returns:
            `(...)`, in [0, 1].
        """
        slopes = np.array(self.weights) / np.array(self.deviations)
        constant = self.intercept - float(np.dot(slopes, self.means))
        return np.asarray(expit(features @ slopes + constant))

    def to_json(self) -> str:
        """The same as text."""
        tree = {
            "kind": _KIND,
            "format_version": FORMAT_VERSION,
            "features": list(PAIR_FEATURES),
            "means": list(self.means),
            "deviations": list(self.deviations),
            "weights": list(self.weights),
            "intercept": self.intercept,
            "positives": self.positives,
            "negatives": self.negatives,
            "provenance": dict(self.provenance),
        }
        return json.dumps(tree, indent=2, allow_nan=False) + "\n"


def _check_numbers(name: str, values: Sequence[object]) -> None:
    for value in values:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # Whole numbers of JSON may be too large for a float.
        if not is_number or not abs(value) <= _LARGEST:  # type: ignore[arg-type]
            raise ValueError(f"{name}: expected finite numbers, got {shown(value)}")


def write_coefficients(path: str | os.PathLike[str], coefficients: LinkCoefficients) -> None:
    """Write coefficients as JSON; the file appears when it is whole.

    Raises:
        OSError: It cannot be written.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(coefficients.to_json(), encoding="utf-8", newline="\n")


def read_coefficients(path: str | os.PathLike[str]) -> LinkCoefficients:
    """Read what `write_coefficients` wrote.

    Raises:
        ValueError: It is none, or one of another version or other features.
        OSError: It cannot be read.
    """
    path = Path(path)
    if not path.is_file():
        came = "a folder" if path.is_dir() else "no such file"
        raise FileNotFoundError(
            f"{path}: expected coefficients of linking, a JSON file of `faimtrack link train`, "
            f"got {came}"
        )
    try:
        tree = json.loads(path.read_bytes())
    except (ValueError, RecursionError):  # both undecodable text and bad JSON
        raise ValueError(f"{path}: expected coefficients of linking, got no JSON") from None
    if not isinstance(tree, dict) or tree.get("kind") != _KIND:
        raise ValueError(f"{path}: expected coefficients of linking, got other JSON")
    for name, expected in (("format_version", FORMAT_VERSION), ("features", list(PAIR_FEATURES))):
        if tree.get(name) != expected:
            raise ValueError(f"{path}: expected {name} {expected}, got {shown(tree.get(name))}")
    for name in ("means", "deviations", "weights"):
        if not isinstance(tree.get(name), list):
            raise ValueError(f"{path}, {name}: expected numbers, got {shown(tree.get(name))}")
    for name in ("positives", "negatives"):
        if type(tree.get(name)) is not int or tree[name] < 0:
            raise ValueError(f"{path}, {name}: expected a count, got {shown(tree.get(name))}")
    if not isinstance(tree.get("provenance"), dict):
        came = shown(tree.get("provenance"))
        raise ValueError(f"{path}, provenance: expected a mapping, got {came}")
    try:
        return LinkCoefficients(
            means=tuple(tree["means"]),
            deviations=tuple(tree["deviations"]),
            weights=tuple(tree["weights"]),
            intercept=tree.get("intercept"),  # type: ignore[arg-type]
            positives=tree["positives"],
            negatives=tree["negatives"],
            provenance=tree["provenance"],
        )
    except ValueError as error:
        raise ValueError(f"{path}, {error}") from None


def bundled_path() -> Path:
    """The file that comes along."""
    return Path(__file__).with_name("crowd_coefficients.json")


@functools.cache
def bundled_coefficients() -> LinkCoefficients:
    """The coefficients that come along, learnt from synthetic crowds."""
    return read_coefficients(bundled_path())
