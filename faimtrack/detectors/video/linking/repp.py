"""Linking in the manner of REPP: pairs by a learnt likeness, tubelets, mean scores, smooth boxes.

Sabater, Montesano and Murillo, "Robust and efficient post-processing for video object detection",
IROS 2020 (arXiv 2009.11050), section III; written from the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from faimtrack.boxes import Boxes
from faimtrack.detectors.video.linking.coefficients import (
    LinkCoefficients,
    bundled_coefficients,
    read_coefficients,
)
from faimtrack.detectors.video.linking.config import ReppConfig
from faimtrack.detectors.video.linking.pair_features import pair_features
from faimtrack.detectors.video.linking.score_vectors import (
    ScoredBoxes,
    gather_classes,
    spread_classes,
)
from faimtrack.structures import Detections


def link_repp(
    frames: Sequence[Detections], config: ReppConfig, is_followed: NDArray[np.bool_]
) -> list[Detections]:
    """Link boxes to tubelets; give their boxes the mean scores, and smooth their paths.

    Two boxes of consecutive frames are as far apart as 1 − p · (s · t), with p the probability
    that they are the same object by place and shape, and s and t their score vectors. The nearest
    pair is linked first, of equally near ones that with the earlier row in the first frame, then
    in the second; a box has one link to either side at most. Pairs with p below `link_threshold`
    are not linked, nor are those without a class in common.

    Boxes with no link keep their scores.

    Args:
        frames: The detections of all frames.
        config: The parameters.
        is_followed: `(F − 1,)` whether each frame may be linked with the next.

    Raises:
        ValueError: The file of coefficients is none.
        OSError: It cannot be read.
    """
    coefficients = (
        bundled_coefficients()
        if config.coefficients is None
        else read_coefficients(config.coefficients)
    )
    names = next((frame.class_names for frame in frames if len(frame)), ("person",))
    gathered = [
        gather_classes(frame if len(frame) else Detections.empty(names), config.minimum_score)
        for frame in frames
    ]
    links = [
        match_boxes(first, second, coefficients, config.link_threshold) if may_link else _NO_LINKS
        for first, second, may_link in zip(gathered, gathered[1:], is_followed, strict=False)
    ]
    tubelets = _tubelets([len(each) for each in gathered], links)
    all_boxes = _Joined.of(gathered)
    linked = all_boxes.revised(tubelets, config.smoothing_std_frames)
    return [
        _answer(frame, each, config, is_linked)
        for frame, (each, is_linked) in zip(frames, linked, strict=True)
    ]


Links = tuple[NDArray[np.int64], NDArray[np.int64]]
_NO_LINKS: Links = (np.zeros(0, np.int64), np.zeros(0, np.int64))


def match_boxes(
    first: ScoredBoxes, second: ScoredBoxes, coefficients: LinkCoefficients, threshold: float
) -> Links:
    """Link the boxes of two frames, greedily by falling likeness.

    Args:
        first: The boxes of a frame.
        second: Those of the next.
        coefficients: Of the probability.
        threshold: Pairs below are not linked.

    Returns:
        Rows of `first` and of `second`, `(L,)` each.
    """
    if not len(first) or not len(second):
        return _NO_LINKS
    agreement = first.scores @ second.scores.T
    probabilities = coefficients.probabilities(pair_features(first.boxes, second.boxes))
    rows, columns = np.nonzero((probabilities >= threshold) & (agreement > 0))
    likeness = (probabilities * agreement)[rows, columns]
    free, free_next = [True] * len(first), [True] * len(second)
    chosen = []
    for pair in np.argsort(-likeness, kind="stable").tolist():
        row, column = int(rows[pair]), int(columns[pair])
        if free[row] and free_next[column]:
            free[row] = free_next[column] = False
            chosen.append(pair)
    return rows[chosen], columns[chosen]


def _tubelets(counts: Sequence[int], links: Sequence[Links]) -> list[list[int]]:
    """The chains of links, each as numbers of boxes counted through all frames, by frame."""
    starts = np.cumsum([0, *counts])
    chains: list[list[int]] = []
    open_chains: dict[int, list[int]] = {}  # by the box in which they end
    for place, (rows, columns) in enumerate(links):
        ends: dict[int, list[int]] = {}
        pairs = zip(rows + starts[place], columns + starts[place + 1], strict=True)
        for first, second in sorted((int(one), int(other)) for one, other in pairs):
            chain = open_chains.get(first)
            if chain is None:
                chain = [first]
                chains.append(chain)
            chain.append(second)
            ends[second] = chain
        open_chains = ends
    return chains


@dataclass(frozen=True, kw_only=True, eq=False)
class _Joined:
    """The boxes of all frames, one after the other."""

    gathered: Sequence[ScoredBoxes]
    boxes: Boxes
    scores: NDArray[np.float64]

    @classmethod
    def of(cls, gathered: Sequence[ScoredBoxes]) -> _Joined:
        kinds = gathered[0].scores.shape[1] if gathered else 1
        return cls(
            gathered=gathered,
            boxes=np.concatenate([np.zeros((0, 4)), *(each.boxes for each in gathered)]),
            scores=np.concatenate([np.zeros((0, kinds)), *(each.scores for each in gathered)]),
        )

    def revised(
        self, tubelets: Sequence[Sequence[int]], smoothing_std_frames: float
    ) -> list[tuple[ScoredBoxes, NDArray[np.bool_]]]:
        """Each frame's boxes with what their tubelets say, and whether they are in one."""
        boxes, scores = self.boxes.copy(), self.scores.copy()
        is_linked = np.zeros(len(boxes), bool)
        for tubelet in tubelets:
            is_linked[tubelet] = True
            scores[tubelet] = self.scores[tubelet].mean(axis=0)
            if smoothing_std_frames > 0:
                boxes[tubelet] = smooth_path(self.boxes[tubelet], smoothing_std_frames)
        ends = np.cumsum([len(each) for each in self.gathered])[:-1]
        if not self.gathered:
            return []
        parts = zip(
            self.gathered,
            np.split(boxes, ends),
            np.split(scores, ends),
            np.split(is_linked, ends),
            strict=True,
        )
        return [
            (replace(each, boxes=own_boxes, scores=own_scores), own_links)
            for each, own_boxes, own_scores, own_links in parts
        ]


def smooth_path(boxes: Boxes, std_frames: float) -> Boxes:
    """Smooth centres and sizes of a tubelet by a Gaussian, its ends repeated beyond them.

    Args:
        boxes: `(L, 4)` corners in consecutive frames.
        std_frames: Standard deviation of the Gaussian.
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    path = np.concatenate([boxes[:, :2] + sides / 2, sides], axis=1)
    smooth = gaussian_filter1d(path, std_frames, axis=0, mode="nearest")
    half = smooth[:, 2:] / 2
    return np.concatenate([smooth[:, :2] - half, smooth[:, :2] + half], axis=1)


def _answer(
    frame: Detections, scored: ScoredBoxes, config: ReppConfig, is_linked: NDArray[np.bool_]
) -> Detections:
    """The rows of a frame with the scores and boxes of their tubelets."""
    boxes, kinds, sources = spread_classes(scored, config.minimum_score)
    if not config.keep_unlinked:
        kept = is_linked[boxes]
        boxes, kinds, sources = boxes[kept], kinds[kept], sources[kept]
    chosen: Detections = frame[sources]
    return replace(
        chosen, boxes=scored.boxes[boxes], scores=scored.scores[boxes, kinds], class_ids=kinds
    )
