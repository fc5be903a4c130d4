"""Average precision from hits and false alarms in the order of falling scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RECALLS = np.linspace(0.0, 1.0, 101)
"""Where COCO samples a curve, and where curves are drawn."""


def all_point_average_precision(
    is_hit: NDArray[np.bool_], false_alarms: NDArray[np.float64], truths: int
) -> tuple[float, NDArray[np.float64]]:
    """The area under the whole curve, precision made to fall, as the devkits of VOC and ILSVRC.

    Args:
        is_hit: `(N,)` whether a detection has found an object that counts.
        false_alarms: `(N,)` how much each counts as a false alarm, 0 to 1. Both may be 0.
        truths: Number of objects that count, at least 1.

    Returns:
        The area, and the precisions `(101,)` at `RECALLS`.

    >>> hits = np.array([True, False, True])
    >>> area, _ = all_point_average_precision(hits, np.array([0.0, 1.0, 0.0]), 2)
    >>> round(area, 4)  # (1 + 2/3) / 2
    0.8333
    """
    places = np.flatnonzero(is_hit)
    found = np.arange(1, len(places) + 1)
    precisions = _falling(found / (found + np.cumsum(false_alarms)[places]))
    return float(precisions.sum()) / truths, _at_recalls(precisions, truths)


def sampled_average_precision(is_hit: NDArray[np.bool_], truths: int) -> float:
    """COCO's: the mean of the falling precision at 101 recalls, as pycocotools computes it.

    Args:
        is_hit: `(N,)` whether each detection has found an object.
        truths: Number of objects, at least 1.
    """
    places = np.flatnonzero(is_hit)
    found = np.arange(1, len(places) + 1)
    precisions = _falling(found / (places + 1 + np.spacing(1.0)))
    return float(np.mean(_at_recalls(precisions, truths)))


def _falling(precisions: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best precision at a recall or a higher one; only hits raise it."""
    return np.maximum.accumulate(precisions[::-1])[::-1]


def _at_recalls(precisions: NDArray[np.float64], truths: int) -> NDArray[np.float64]:
    """Samples of a curve that has one precision a hit; 0 at recalls that it does not reach."""
    recalls = np.arange(1, len(precisions) + 1) / truths
    places = np.searchsorted(recalls, RECALLS, side="left")
    return np.append(precisions, 0.0)[np.minimum(places, len(precisions))]
