"""All masks of a sequence in memory, for whoever asks for frames in any order."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from faimtrack.masks.mask import Mask
from faimtrack.masks.store import MaskStore
from faimtrack.provenance import file_sha256

_COLUMNS = [
    "frame", "track_id", "class_id", "height", "width", "counts", "method", "quality",
]  # fmt: skip


class MaskTable:
    """The masks of one file as an Arrow table.

    It holds no Python object a mask: forked processes share its memory.

    Attributes:
        path: The file.
        metadata: What the file's writer says of the masks.
        size: Height and width in pixels of the frames; None if there is no mask at all.
    """

    def __init__(self, path: Path, table: pa.Table, metadata: dict[str, Any]) -> None:
        """Take over a table whose rows are in order of their frames."""
        self.path = path
        self.metadata = metadata
        columns = {name: table.column(name).combine_chunks() for name in table.schema.names}
        self._frames = columns["frame"].to_numpy()
        self._tracks = columns["track_id"].to_numpy()
        self._classes = columns["class_id"].to_numpy()
        self._qualities = columns["quality"].to_numpy()
        self._counts = columns["counts"]
        self._methods = columns["method"]
        self.size = _only_size(path, columns["height"].to_numpy(), columns["width"].to_numpy())

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        ground_truth: str | os.PathLike[str] | None = None,
        *,
        size: tuple[int, int] | None = None,
    ) -> MaskTable:
        """Read a file.

        Args:
            path: A mask store.
            ground_truth: The `gt.txt` to whose objects the masks are to belong; None: whatever
                they were made for. A crowd's exact masks know of no other file.
            size: Height and width in pixels that the frames are to have; None: any.

        Raises:
            ValueError: It is no mask store or not a whole one, it was made for another ground
                truth, or its frames have another size.
            OSError: A file cannot be read.
        """
        path = Path(path)
        with MaskStore.open(path) as store:
            metadata, is_sealed = store.metadata, store.is_sealed
        if ground_truth is not None:
            _check_ground_truth(path, metadata, Path(ground_truth))
        try:
            table = pq.read_table(path, page_checksum_verification=True)
        except (pa.ArrowException, OSError) as error:
            line = str(error).strip().partition("\n")[0]
            raise ValueError(f"{path}: expected readable masks: {line}") from error
        table = table.select(_COLUMNS)
        if not is_sealed:
            _check_rows(path, table)
        frames = table.column("frame").to_numpy()
        if (np.diff(frames) < 0).any():  # another program has written it again
            table = table.take(np.argsort(frames, kind="stable"))
        masks = cls(path, table, metadata)
        if size is not None and masks.size is not None and masks.size != tuple(size):
            raise ValueError(
                f"{path}: expected masks of {size[1]} x {size[0]} pixels, got "
                f"{masks.size[1]} x {masks.size[0]}: {_MAKE_AGAIN}"
            )
        return masks

    def __len__(self) -> int:
        """Number of masks."""
        return len(self._frames)

    @property
    def frames(self) -> list[int]:
        """The frames that have masks, rising."""
        found: list[int] = np.unique(self._frames).tolist()
        return found

    def track_ids(self, index: int) -> NDArray[np.int64]:
        """Whose masks a frame has, `(M,)`."""
        first, end = np.searchsorted(self._frames, [index, index + 1])
        ids: NDArray[np.int64] = self._tracks[first:end].astype(np.int64)
        return ids

    def frame(self, index: int) -> dict[int, Mask]:
        """The masks of one frame: track id → mask; empty if there are none."""
        first, end = map(int, np.searchsorted(self._frames, [index, index + 1]))
        if first == end or self.size is None:
            return {}
        height, width = self.size
        rows = slice(first, end)
        counts = self._counts[first:end].to_pylist()
        tracks = self._tracks[rows].tolist()
        return {
            track: Mask.unchecked(
                height=height, width=width, counts=text, class_id=kind, method=method,
                quality=quality,
            )
            for track, text, kind, method, quality in zip(
                tracks, counts, self._classes[rows].tolist(),
                self._methods[first:end].to_pylist(), self._qualities[rows].tolist(),
                strict=True,
            )
        }  # fmt: skip


_MAKE_AGAIN = "`faimtrack masks make` makes them again"


def _check_ground_truth(path: Path, metadata: dict[str, Any], ground_truth: Path) -> None:
    """Refuse masks that were made for other boxes."""
    made_for = metadata.get("ground_truth_sha256")
    if made_for is not None and made_for != file_sha256(ground_truth):
        raise ValueError(
            f"{path}: expected masks that were made for {ground_truth}, got masks for another "
            f"ground truth: {_MAKE_AGAIN}"
        )


def _only_size(
    path: Path, heights: NDArray[np.int32], widths: NDArray[np.int32]
) -> tuple[int, int] | None:
    """The size that all masks have."""
    if not len(heights):
        return None
    height, width = int(heights[0]), int(widths[0])
    if (heights != height).any() or (widths != width).any():
        raise ValueError(f"{path}: expected masks of one size, got several")
    if height < 1 or width < 1:
        raise ValueError(f"{path}: expected masks of a size above 0, got {width} x {height}")
    return height, width


def _check_rows(path: Path, table: pa.Table) -> None:
    """Refuse masks that do not fill their frames: what decodes them elsewhere trusts them.

    Only for files that another program has written: ours are checked before they are sealed.
    """
    for batch in table.to_batches():
        for row in batch.to_pylist():
            frame, track = row.pop("frame"), row.pop("track_id")
            try:
                Mask(**row)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{path}: frame {frame}, track {track}: {error}") from error
