"""OVIS's true masks of one video."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from faimtrack.errors import shown
from faimtrack.masks.mask import Mask
from faimtrack.run_lengths import encode_counts


class OvisMasks:
    """Masks as the file has them, each checked when it is asked for.

    Run lengths are kept as one array of bytes, which forked processes share.
    """

    def __init__(
        self,
        *,
        where: str,
        size: tuple[int, int],
        ends: NDArray[np.int64],
        class_ids: NDArray[np.int64],
        segments: Sequence[object],
    ) -> None:
        """Take over a video's masks.

        Args:
            where: File and video, for messages.
            size: Height and width of its frames in pixels.
            ends: `(F,)` how many objects there are up to and with each frame.
            class_ids: `(N,)` of the objects, frame by frame.
            segments: `(N,)` COCO's run lengths, or None where there is no mask.

        Raises:
            ValueError: A mask is given in another form.
        """
        self._where, self._size, self._ends, self._class_ids = where, size, ends, class_ids
        texts = [_counts(where, size, segment) for segment in segments]
        self._is_there = np.array([text is not None for text in texts], bool)
        self._text_ends = np.cumsum([len(text or b"") for text in texts])
        self._text = np.frombuffer(b"".join(text or b"" for text in texts), np.uint8)

    def __call__(self, place: int) -> list[Mask | None]:
        """The masks of a frame's objects, by the frame's place from 0.

        Raises:
            ValueError: Run lengths do not fill the frame.
        """
        start = int(self._ends[place - 1]) if place else 0
        return [self._mask(row) for row in range(start, int(self._ends[place]))]

    def _mask(self, row: int) -> Mask | None:
        if not self._is_there[row]:
            return None
        start = int(self._text_ends[row - 1]) if row else 0
        height, width = self._size
        try:
            return Mask(
                height=height,
                width=width,
                counts=self._text[start : int(self._text_ends[row])].tobytes(),
                class_id=int(self._class_ids[row]),
                method="truth",
            )
        except ValueError as error:
            raise ValueError(f"{self._where}: {error}") from None


def _counts(where: str, size: tuple[int, int], segment: object) -> bytes | None:
    if segment is None:
        return None
    if not isinstance(segment, dict) or segment.get("size") != list(size):
        raise ValueError(
            f"{where}: expected run lengths of {size[1]} x {size[0]} pixels, got {shown(segment)}"
        )
    counts = segment.get("counts")
    if isinstance(counts, str) and counts.isascii():
        return counts.encode("ascii")
    if isinstance(counts, list) and all(
        type(each) is int and 0 <= each <= size[0] * size[1] for each in counts
    ):
        return encode_counts(np.array(counts, np.int64))
    raise ValueError(f"{where}: expected run lengths, got {shown(counts)}")
