"""Detections of a whole sequence, as a file of any format gives them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from faimtrack.detectors.files.contents import FileContents
from faimtrack.provenance import Provenance
from faimtrack.run_lengths import runs_of
from faimtrack.structures import Detections, RunLengthMask


@dataclass(frozen=True, eq=False)
class MaskColumn:
    """Masks of many rows, in little memory.

    Attributes:
        sizes: `(R, 2)` height and width of the frame in pixels.
        counts: `(R,)` COCO's compressed run lengths, bytes.
    """

    sizes: NDArray[np.int64]
    counts: NDArray[np.object_]

    @classmethod
    def from_masks(cls, masks: Sequence[RunLengthMask]) -> MaskColumn:
        """Masks as a column."""
        counts = np.empty(len(masks), object)
        counts[:] = [_bytes(mask["counts"]) for mask in masks]
        return cls(np.array([mask["size"] for mask in masks], np.int64).reshape(-1, 2), counts)

    def select(self, rows: NDArray[np.int64]) -> MaskColumn:
        """Some of the rows, in the order of `rows`."""
        return MaskColumn(self.sizes[rows], self.counts[rows])

    def of(self, rows: slice) -> tuple[RunLengthMask, ...]:
        """The masks of some rows.

        Raises:
            ValueError: Run lengths do not fill the frame.
        """
        masks: tuple[RunLengthMask, ...] = tuple(
            {"size": size, "counts": counts}
            for size, counts in zip(self.sizes[rows].tolist(), self.counts[rows], strict=True)
        )
        for mask in masks:
            # Some readers of masks trust their input: such runs make them write anywhere.
            runs_of(mask)
        return masks


def _bytes(counts: bytes | str) -> bytes:
    return counts.encode("ascii") if isinstance(counts, str) else counts


@dataclass(frozen=True, eq=False, kw_only=True)
class DetectionTable:
    """The detections of a sequence, sorted by frame; those of a frame keep the file's order.

    Attributes:
        path: Where they came from, for messages.
        frames: `(R,)` int64, from 1; numbers of the full sequence.
        boxes: `(R, 4)` float64 corners ``x1 y1 x2 y2`` in pixels.
        scores: `(R,)` float64 as written.
        class_ids: `(R,)` int64, indices into `class_names`; zeros if that is None.
        class_names: What the class ids mean; None if the file says nothing of classes.
        contents: What the file says of itself; None if it says nothing.
        record: How the file was made; None if nobody knows.
        masks: One a row; None if the file has none. Each is checked when it is asked for.
        embeddings: `(R, D)` float32 as written; None if the file has none.
        embedding_name: Which model and kind made the embeddings; None without any.
    """

    path: Path
    frames: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    class_names: tuple[str, ...] | None = None
    contents: FileContents | None = None
    record: Provenance | None = None
    masks: MaskColumn | None = None
    embeddings: NDArray[np.float32] | None = None
    embedding_name: str | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def detections(self, frame: int, class_names: tuple[str, ...]) -> Detections:
        """The detections of one frame; none if it has no rows.

        Args:
            frame: Its number.
            class_names: What the class ids mean.

        Raises:
            ValueError: A mask's run lengths do not fill the frame.
        """
        first, last = np.searchsorted(self.frames, [frame, frame + 1])
        rows = slice(int(first), int(last))
        masks = None
        if self.masks is not None:
            try:
                masks = self.masks.of(rows)
            except ValueError as error:
                raise ValueError(f"{self.path}, frame {frame}: {error}") from None
        return Detections(
            self.boxes[rows],
            self.scores[rows],
            self.class_ids[rows],
            class_names,
            None if self.embeddings is None else self.embeddings[rows],
            self.embedding_name,
            masks,
        )


FARTHEST_PX = 1e9
"""The areas of larger boxes overflow."""
MOST_FRAMES = 2**53


def check_rows(
    path: Path,
    row_name: str,
    frames: NDArray[np.int64],
    boxes: NDArray[np.float64],
    scores: NDArray[np.float64],
) -> None:
    """Refuse the first row that cannot be true.

    Args:
        path: The file.
        row_name: What a row is called there; rows are counted from 1.
        frames: `(R,)`.
        boxes: `(R, 4)` corners.
        scores: `(R,)`.

    Raises:
        ValueError: There is one; the message says which, and what is wrong with it.
    """

    def refuse(wrong: NDArray[np.bool_], expected: str, values: NDArray[Any]) -> None:
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            came = values[row].tolist()
            raise ValueError(f"{path}, {row_name} {row + 1}: expected {expected}, got {came}")

    refuse((frames < 1) | (frames > MOST_FRAMES), "frame numbers from 1", frames)
    refuse(np.any(~np.isfinite(boxes), axis=1), "a finite box", boxes)
    refuse(
        np.any(np.abs(boxes) > FARTHEST_PX, axis=1), f"a box within {FARTHEST_PX:g} pixels", boxes
    )
    refuse(np.any(boxes[:, 2:] < boxes[:, :2], axis=1), "a width and a height of 0 or more", boxes)
    refuse(~np.isfinite(scores), "a finite score", scores)


def unnamed_classes(kinds: list[int], what: str) -> tuple[tuple[str, ...] | None, list[int]]:
    """Names for classes that a file numbers without naming them.

    Args:
        kinds: The number of each row's class.
        what: What the file calls a class.

    Returns:
        The names, one a number that occurs, in rising order (None if there are not several), and
        the class id of each row.

    >>> unnamed_classes([3, 1, 3], "category")
    (('category 1', 'category 3'), [1, 0, 1])
    """
    numbers = sorted(set(kinds))
    if len(numbers) < 2:
        return None, [0] * len(kinds)
    places = {number: place for place, number in enumerate(numbers)}
    return tuple(f"{what} {number}" for number in numbers), [places[kind] for kind in kinds]
