"""COCO's compressed run lengths to pixels and back, only where the mask is.

Written here because pycocotools works on whole frames (2 ms a mask at 1080p; a tenth of it here)
and trusts its input: runs that do not fit make it write outside its memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import RunLengthMask

_MOST_GROUPS = 7  # of five bits: enough for any frame, and what `decode_counts` takes


def decode_counts(counts: bytes | str) -> NDArray[np.int64]:
    """The lengths of the runs, of zeros and ones in turn.

    Each number is written in groups of five bits, the lowest first, as characters from ``0``; a
    sixth bit says that more follow, and the last group's highest bit is the sign. From the fourth
    on, numbers are differences to the last but one.

    Raises:
        ValueError: The text breaks off or has other characters.
    """
    text = counts.encode("ascii") if isinstance(counts, str) else counts
    groups = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not len(groups):
        return groups
    ends = np.flatnonzero(groups & 32 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    breaks_off = not len(ends) or ends[-1] != len(groups) - 1
    if breaks_off or groups.min() < 0 or groups.max() > 63 or lengths.max() > 7:
        raise ValueError(f"masks: expected COCO run lengths, got {text[:20]!r}")
    places = np.arange(len(groups)) - np.repeat(starts, lengths)
    values = np.add.reduceat((groups & 31) << (5 * places), starts)
    is_negative = groups[ends] & 16 != 0
    values[is_negative] -= np.int64(1) << (5 * lengths[is_negative])
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values


def encode_counts(lengths: NDArray[np.int64]) -> bytes:
    """The compressed form of runs, the very bytes that pycocotools writes.

    >>> encode_counts(np.array([6, 3, 40])), decode_counts(b"63X1").tolist()
    (b'63X1', [6, 3, 40])
    """
    values = np.array(lengths, np.int64)
    values[3:] -= values[1:-2].copy()
    places = 5 * np.arange(_MOST_GROUPS)
    # A number is written whole when what is left of it is nothing but its sign.
    is_more = ((values[:, None] >> (places + 4)) != 0) & ((values[:, None] >> (places + 4)) != -1)
    groups = (values[:, None] >> places & 31) + np.where(is_more, 80, 48)
    is_written = np.concatenate([np.ones((len(values), 1), bool), is_more[:, :-1]], axis=1)
    text: bytes = groups[is_written].astype(np.uint8).tobytes()
    return text


def runs_of(mask: RunLengthMask) -> NDArray[np.int64]:
    """`(R, 2)` where the mask's runs start and end, as places in the frame column by column.

    Raises:
        ValueError: The runs do not fill the mask's size.
    """
    height, width = mask["size"]
    lengths = decode_counts(mask["counts"])
    if (lengths < 0).any() or lengths.sum() != height * width:
        raise ValueError(
            f"masks: expected runs that fill {height} x {width} pixels, got {lengths.sum()}"
        )
    edges = np.cumsum(lengths)
    count = len(edges) // 2
    runs = np.stack([edges[: 2 * count : 2], edges[1 : 2 * count : 2]], axis=1)
    return runs[runs[:, 1] > runs[:, 0]]


def decode_window(
    mask: RunLengthMask,
) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The window of the frame that a mask touches, and what it covers there.

    Raises:
        ValueError: The runs do not fill the mask's size.
    """
    height = mask["size"][0]
    runs = runs_of(mask)
    if not len(runs):
        return np.s_[0:0, 0:0], np.zeros((0, 0), dtype=bool)
    first, last = int(runs[0, 0]) // height, int(runs[-1, 1] - 1) // height
    edges = np.concatenate([[first * height], runs.ravel(), [(last + 1) * height]])
    is_covered = np.arange(len(edges) - 1) % 2 == 1
    covered = np.repeat(is_covered, np.diff(edges)).reshape(-1, height).T
    rows = np.flatnonzero(covered.any(axis=1))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    return np.s_[top:bottom, first : last + 1], covered[top:bottom]


def encode_window(
    size: Sequence[int], window: tuple[slice, slice], covered: NDArray[np.bool_]
) -> RunLengthMask:
    """The mask of a whole frame that covers something only in a window.

    Args:
        size: Height and width of the frame in pixels.
        window: Rows and columns, inside the frame.
        covered: What the mask covers there.
    """
    height, width = size
    columns = np.zeros((covered.shape[1], covered.shape[0] + 2), np.int8)
    columns[:, 1:-1] = covered.T
    column, row = np.nonzero(np.diff(columns, axis=1))
    places = (window[1].start + column) * height + window[0].start + row
    # A run to the end of a column goes on in the next one: it neither ends nor starts there.
    seams = np.flatnonzero(places[1:] == places[:-1])
    places = np.delete(places, np.concatenate([seams, seams + 1]))
    edges = np.concatenate([[0], places, [height * width]])
    lengths = np.diff(edges)
    if len(lengths) > 1 and not lengths[-1]:
        lengths = lengths[:-1]
    return {"size": [height, width], "counts": encode_counts(lengths)}


def separate_masks(
    masks: Sequence[RunLengthMask], order: Sequence[int] | NDArray[np.int64]
) -> list[RunLengthMask]:
    """The masks of one frame without what they share: a pixel stays with the first that has it.

    Args:
        masks: All of one size.
        order: Numbers of all masks, who keeps all of its pixels first.

    Raises:
        ValueError: Sizes differ, or runs do not fill them.
    """
    apart = list(masks)
    sizes = {tuple(mask["size"]) for mask in masks}
    if len(sizes) > 1:
        raise ValueError(f"masks: expected one size in a frame, got {sorted(sizes)}")
    taken = np.zeros(sizes.pop() if sizes else (0, 0), bool)
    for row in order:
        window, covered = decode_window(masks[row])
        there = taken[window]
        if (covered & there).any():
            apart[row] = encode_window(masks[row]["size"], window, covered & ~there)
        there |= covered
    return apart


def do_overlap(masks: Sequence[RunLengthMask]) -> bool:
    """Whether two masks of one frame share a pixel.

    Raises:
        ValueError: Runs do not fill a mask's size.
    """
    runs = np.concatenate([np.zeros((0, 2), np.int64), *map(runs_of, masks)])
    runs = runs[np.argsort(runs[:, 0], kind="stable")]
    return bool((runs[1:, 0] < runs[:-1, 1]).any())
