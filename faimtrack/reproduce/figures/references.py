"""Figure I: from which proposals of other frames a proposal takes most, as crops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.videos import AnnotatedVideo
from faimtrack.drawing import contact_sheet
from faimtrack.reproduce.figures.crops import crop_of
from faimtrack.reproduce.figures.proposals import (
    NOTHING,
    ClipProposals,
    clip_proposals,
    tokens_of,
)
from faimtrack.structures import Image

if TYPE_CHECKING:
    from faimtrack.detectors.video.detector import VideoDetector

TOP = 6
KINDS = ("same object", "same class", "another class", "loose box", "background")
"""What a reference is; a loose box overlaps an object by less than one half."""
_LOOSE_IOU = 0.1
_FRAMES_OF_A_VIDEO = 16
_TILE = 112
_COLOURS = {
    "key": (40, 90, 240), "same object": (30, 160, 60), "same class": (150, 200, 60),
    "another class": (240, 150, 0), "loose box": (235, 225, 60), "background": (220, 30, 30),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class Ranked:
    """The proposals that each object's best proposal takes most from.

    Attributes:
        clip: All proposals.
        keys: `(K,)` rows of the best proposals of objects.
        top: `(K, TOP)` rows of proposals of other frames, the greatest share first; −1 for none.
        shares: `(K, TOP)` of what it takes from all.
    """

    clip: ClipProposals
    keys: NDArray[np.int64]
    top: NDArray[np.int64]
    shares: NDArray[np.float64]

    def kind(self, key: int, place: int) -> str:
        """What one of the top references of a key is."""
        clip, row, other = self.clip, int(self.keys[key]), int(self.top[key, place])
        if clip.class_ids[other] == NOTHING:
            return "loose box" if clip.overlaps[other] >= _LOOSE_IOU else "background"
        if clip.class_ids[other] != clip.class_ids[row]:
            return "another class"
        is_same = clip.track_ids[other] == clip.track_ids[row]
        return "same object" if is_same else "same class"


def rank_references(detector: VideoDetector, video: AnnotatedVideo) -> Ranked:
    """Look at frames from all over a video.

    Raises:
        ValueError: An image is damaged.
        OSError: One cannot be read.
    """
    clip = clip_proposals(detector, video, _FRAMES_OF_A_VIDEO)
    keys = np.flatnonzero(clip.is_best)
    tokens = tokens_of(detector, clip)
    shares = np.zeros((0, len(clip.frames)))
    if len(keys):
        aggregation = detector.network.video.aggregation
        everything = aggregation.similarities(tokens)[0].detach().float().cpu().numpy()
        shares = everything[keys].astype(np.float64)
    shares[clip.frames[keys][:, None] == clip.frames[None]] = -1.0
    top = np.argsort(-shares, axis=1, kind="stable")[:, :TOP]
    taken = np.take_along_axis(shares, top, axis=1)
    return Ranked(clip=clip, keys=keys, top=np.where(taken < 0, NOTHING, top), shares=taken)


def count_kinds(ranked: Sequence[Ranked]) -> dict[str, float]:
    """Which share of all top references are of each of `KINDS`."""
    counts: Counter[str] = Counter()
    for each in ranked:
        for key in range(len(each.keys)):
            for place in np.flatnonzero(each.top[key] != NOTHING).tolist():
                counts[each.kind(key, place)] += 1
    total = max(counts.total(), 1)
    return {kind: counts[kind] / total for kind in KINDS}


def draw_references(
    ranked: Mapping[str, Sequence[Ranked]], class_names: Sequence[str], *, rows: int = 8
) -> Image:
    """A row a key and network: the key's crop, and those of its top references.

    Keys are chosen from all over the classes, the same for each network.

    Args:
        ranked: By the network's name, the same videos in each.
        class_names: What class ids mean.
        rows: How many keys.

    Raises:
        ValueError: There is no object that all networks have a proposal of.
    """
    chosen = _choose(ranked, rows)
    if not chosen:
        raise ValueError("figure-i: expected proposals that cover objects, got none")
    tiles, titles = [], []
    for video, frame, track in chosen:
        for name, of_network in ranked.items():
            each = of_network[video]
            key = _key_of(each, frame, track)
            assert key is not None
            row = int(each.keys[key])
            tiles.append(_tile(each.clip, row, "key"))
            titles.append(f"{name} {class_names[int(each.clip.class_ids[row])]}"[:18])
            for place in range(TOP):
                other = int(each.top[key, place]) if place < each.top.shape[1] else NOTHING
                if other == NOTHING:
                    tiles.append(np.full((_TILE, _TILE, 3), 245, np.uint8))
                    titles.append("")
                    continue
                tiles.append(_tile(each.clip, other, each.kind(key, place)))
                titles.append(f"{100 * each.shares[key, place]:.1f}%")
    return contact_sheet(tiles, titles, columns=1 + TOP, tile_height=_TILE)


def _choose(ranked: Mapping[str, Sequence[Ranked]], wanted: int) -> list[tuple[int, int, int]]:
    """Video, frame and track of keys that all networks have, one class after the other."""
    by_class: dict[int, list[tuple[int, int, int]]] = {}
    first = next(iter(ranked.values()))
    for video, each in enumerate(first):
        for row in each.keys.tolist():
            found = (video, int(each.clip.frames[row]), int(each.clip.track_ids[row]))
            others = [of_network[video] for of_network in ranked.values()]
            if all(_key_of(other, *found[1:]) is not None for other in others):
                by_class.setdefault(int(each.clip.class_ids[row]), []).append(found)
    chosen: list[tuple[int, int, int]] = []
    for part in range(wanted):
        for number in sorted(by_class):
            candidates = by_class[number]
            # Spread over a class's objects: the middle first.
            place = (2 * part + 1) * len(candidates) // (2 * wanted)
            if candidates[place] not in chosen and len(chosen) < wanted:
                chosen.append(candidates[place])
    return chosen


def _key_of(ranked: Ranked, frame: int, track: int) -> int | None:
    rows = ranked.keys
    is_it = (ranked.clip.frames[rows] == frame) & (ranked.clip.track_ids[rows] == track)
    found = np.flatnonzero(is_it)
    return int(found[0]) if len(found) else None


def _tile(clip: ClipProposals, row: int, kind: str) -> Image:
    image = clip.images[int(clip.frames[row])].image()
    return crop_of(image, clip.boxes[row], size=_TILE, colour=_COLOURS[kind])
