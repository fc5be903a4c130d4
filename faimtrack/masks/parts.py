"""A store that is made over a long time: parts of it on disk, and the whole at the end."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from faimtrack.atomic import atomic_file, open_alone
from faimtrack.masks.mask import Mask
from faimtrack.masks.store import MaskStore, MaskStoreWriter
from faimtrack.provenance import Provenance, provenance_from_json

_PLAN, _CLAIM = "plan.json", "claim"


class MaskParts:
    """The folder `NAME.parquet.parts` beside a store, until the store is whole.

    Each part holds the masks of some frames in a row and has its name when it is whole: a run
    that is killed loses the frames of one part. The store that is made of them has the same bytes,
    however often it was broken off. A second run on the same store is refused.

    Attributes:
        last_frame: The last frame that is in a part; 0 if there is none.
        counts: How many objects came to what, over all parts.
    """

    def __init__(self, output: Path, record: Provenance, *, keep: bool = True) -> None:
        """Prepare.

        Args:
            output: The store.
            record: How it is made; parts that were made otherwise are thrown away.
            keep: Whether parts of an earlier run are of use.
        """
        self._output, self._record, self._keep = output, record, keep
        self._folder = output.with_name(f"{output.name}.parts")
        self.last_frame = 0
        self.counts: Counter[str] = Counter()
        self._pending: dict[int, Mapping[int, Mask]] = {}
        self._pending_counts: Counter[str] = Counter()
        self._paths: list[Path] = []

    def __enter__(self) -> MaskParts:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._claim = open_alone(self._folder / _CLAIM)
        try:
            if self._keep and self._is_same_plan():
                self._look_back()
            else:
                self._begin_again()
        except BaseException:
            self._claim.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                shutil.rmtree(self._folder)
            elif not self._paths:  # nothing was kept
                shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            self._claim.close()

    def add(self, frame: int, masks: Mapping[int, Mask], counts: Mapping[str, int]) -> None:
        """Take the masks of the next frame; `flush` puts them on disk."""
        self._pending[frame] = masks
        self._pending_counts.update(counts)

    @property
    def pending_frames(self) -> int:
        """How many frames are not yet on disk."""
        return len(self._pending)

    def flush(self) -> None:
        """Put what was added since the last time into a part.

        Raises:
            OSError: It cannot be written; the parts before it stay.
        """
        if not self._pending:
            return
        first, last = min(self._pending), max(self._pending)
        path = self._folder / f"{first:09d}-{last:09d}.parquet"
        metadata = {"first": first, "last": last, "counts": dict(self._pending_counts)}
        with MaskStoreWriter(path, metadata=metadata) as writer:
            for frame, masks in self._pending.items():
                writer.write(frame, masks)
        self._accept(path, last, self._pending_counts)
        self._pending, self._pending_counts = {}, Counter()

    def join(self, metadata: Mapping[str, object]) -> None:
        """Write the store.

        Args:
            metadata: What it says of its masks.

        Raises:
            OSError: It cannot be written; the parts stay.
        """
        self.flush()
        with MaskStoreWriter(self._output, metadata=metadata) as writer:
            for path in self._paths:
                with MaskStore.open(path) as part:
                    for frame, masks in part:
                        writer.write(frame, masks)

    def _accept(self, path: Path, last: int, counts: Mapping[str, int]) -> None:
        self._paths.append(path)
        self.last_frame = last
        self.counts.update(counts)

    def _is_same_plan(self) -> bool:
        path = self._folder / _PLAN
        try:
            return not provenance_from_json(path.read_bytes(), path).differences(self._record)
        except (OSError, ValueError):
            return False

    def _look_back(self) -> None:
        """Take the parts that are there, in order, up to the first that is not whole."""
        found = sorted(self._folder.glob("*.parquet"))
        while found:
            try:
                with MaskStore.open(found[0]) as part:
                    last, counts = part.metadata["last"], part.metadata["counts"]
                if not isinstance(last, int) or not isinstance(counts, dict):
                    break
            except (OSError, ValueError, KeyError):
                break
            self._accept(found.pop(0), last, counts)
        for path in found:
            path.unlink()

    def _begin_again(self) -> None:
        for path in self._folder.glob("*.parquet"):
            path.unlink()
        with atomic_file(self._folder / _PLAN) as temporary:
            temporary.write_text(self._record.to_json(), encoding="utf-8")
