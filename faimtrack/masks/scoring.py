"""How near pseudo masks come to a crowd's exact ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco

from faimtrack.masks.objects import SequenceObjects, classes_named, read_objects
from faimtrack.masks.places import EXACT_MASKS
from faimtrack.masks.table import MaskTable
from faimtrack.motfile import SplitName, read_sequence_info

BANDS: tuple[tuple[float, float], ...] = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))
"""Visibilities from, and below; the last band holds its end too."""


@dataclass(frozen=True, kw_only=True)
class MaskScores:
    """Intersection over union of pseudo masks with the visible pixels of their objects.

    Attributes:
        visibilities: `(N,)` of the objects that show at least one pixel, 0 to 1.
        ious: `(N,)`; 0 where an object has no pseudo mask.
        has_mask: `(N,)` bool.
        hidden: How many objects show no pixel.
        hidden_with_mask: How many of these have a pseudo mask all the same.
    """

    visibilities: NDArray[np.float64]
    ious: NDArray[np.float64]
    has_mask: NDArray[np.bool_]
    hidden: int
    hidden_with_mask: int

    @property
    def coverage(self) -> float:
        """The share of the objects that have a mask; not a number without objects."""
        return _mean(self.has_mask)

    @property
    def mean_iou(self) -> float:
        """Over all objects: who has no mask counts 0."""
        return _mean(self.ious)

    @property
    def mean_iou_of_masks(self) -> float:
        """Over the objects that have a mask."""
        return _mean(self.ious[self.has_mask])

    def band(self, low: float, high: float) -> NDArray[np.float64]:
        """The IoU of the objects of some visibilities; see `BANDS`."""
        is_in = (self.visibilities >= low) & (self.visibilities < high)
        if high == BANDS[-1][1]:
            is_in |= self.visibilities >= high
        return self.ious[is_in]

    def to_tree(self) -> dict[str, object]:
        """The numbers as plain JSON values; None where there is nothing to take a mean of."""
        return {
            "objects": len(self.ious),
            "masks": int(self.has_mask.sum()),
            "coverage": _plain(self.coverage),
            "mean_iou": _plain(self.mean_iou),
            "mean_iou_of_masks": _plain(self.mean_iou_of_masks),
            "bands": [
                {
                    "visibility": [low, high],
                    "objects": len(self.band(low, high)),
                    "mean_iou": _plain(_mean(self.band(low, high))),
                }
                for low, high in BANDS
            ],
            "hidden": self.hidden,
            "hidden_with_mask": self.hidden_with_mask,
        }


def joined_scores(scores: list[MaskScores]) -> MaskScores:
    """The scores of several sequences as one: every object counts the same."""
    return MaskScores(
        visibilities=np.concatenate([each.visibilities for each in scores]),
        ious=np.concatenate([each.ious for each in scores]),
        has_mask=np.concatenate([each.has_mask for each in scores]),
        hidden=sum(each.hidden for each in scores),
        hidden_with_mask=sum(each.hidden_with_mask for each in scores),
    )


def score_masks(sequence: Path, path: Path) -> MaskScores:
    """Compare a store with a crowd's exact masks, over the frames that the store is for.

    Args:
        sequence: The crowd's folder.
        path: The store.

    Raises:
        ValueError: A store is damaged, or was made for other boxes or another image size.
        OSError: A file cannot be read, or the sequence has no exact masks.
    """
    info = read_sequence_info(sequence)
    exact_path = sequence / EXACT_MASKS
    if not exact_path.is_file():
        raise FileNotFoundError(
            f"{exact_path}: expected a crowd's exact masks to compare with, got no such file"
        )
    exact = MaskTable.open(exact_path)
    made = MaskTable.open(path, info.ground_truth_path, size=exact.size)
    split = made.metadata.get("split", "full")
    if split not in get_args(SplitName) or exact.size is None:
        raise ValueError(f"{path}: expected masks of a split of a crowd, got {split!r}")
    objects = read_objects(
        info, exact.size, classes=classes_named(made.metadata), split=cast("SplitName", split)
    )
    return _score(objects, exact, made)


def _score(objects: SequenceObjects, exact: MaskTable, made: MaskTable) -> MaskScores:
    ious = np.zeros(len(objects))
    has_mask = np.zeros(len(objects), dtype=bool)
    is_seen = np.zeros(len(objects), dtype=bool)
    for frame in objects.frame_numbers:
        truth, found = exact.frame(frame), made.frame(frame)
        for row in range(*objects.rows_of(frame).indices(len(objects))):
            track = int(objects.track_ids[row])
            has_mask[row] = track in found
            is_seen[row] = track in truth
            if has_mask[row] and is_seen[row]:
                ious[row] = coco.iou([found[track].rle], [truth[track].rle], [0])[0, 0]
    return MaskScores(
        visibilities=objects.visibilities[is_seen],
        ious=ious[is_seen],
        has_mask=has_mask[is_seen],
        hidden=int((~is_seen).sum()),
        hidden_with_mask=int((~is_seen & has_mask).sum()),
    )


def _mean(values: NDArray[np.float64] | NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 6)
