"""What is kept of a frame until all frames of its group are there: small, and spilled to disk."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from types import TracebackType
from typing import IO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from faimtrack.boxes import Boxes
from faimtrack.detectors.video.network import Proposals
from faimtrack.structures import Detections


@dataclass(frozen=True, kw_only=True)
class FrameEncoding:
    """The proposals of one frame, for itself.

    Attributes:
        proposals: On the CPU, features in the precision of the network.
        ratio: Pixels of the network's input to a pixel of the frame.
        frame_size: Height and width of the frame in pixels.
        base: What the base detector finds; None if nobody will ask for it.
    """

    proposals: Proposals
    ratio: float
    frame_size: tuple[int, int]
    base: Detections | None = None

    def __len__(self) -> int:
        """Number of proposals."""
        return len(self.proposals.anchors)

    @property
    def boxes(self) -> Boxes:
        """`(P, 4)` corners ``x1 y1 x2 y2`` in pixels of the frame; some may reach out of it."""
        boxes: Boxes = self.proposals.boxes.numpy().astype(np.float64) / self.ratio
        return boxes

    @property
    def size_bytes(self) -> int:
        """Of its proposals."""
        return sum(each.numel() * each.element_size() for each in self.proposals)


class _Place(NamedTuple):
    """Where in the file proposals begin, and what of the encoding is in memory."""

    offset: int
    layout: tuple[tuple[np.dtype[np.generic], tuple[int, ...]], ...]
    encoding: FrameEncoding


class EncodingStore:
    """Encodings by their places from 0; what is beyond some bytes lies in a temporary file.

    The file has no name where the system allows that, and is gone when the store is closed.
    """

    def __init__(self, memory_bytes: int) -> None:
        """Keep up to `memory_bytes` of proposals in memory."""
        self._left = memory_bytes
        self._kept: list[FrameEncoding | _Place] = []
        self._file: IO[bytes] | None = None

    def __enter__(self) -> EncodingStore:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __len__(self) -> int:
        """Number of encodings."""
        return len(self._kept)

    @property
    def is_spilling(self) -> bool:
        """Whether there is a file."""
        return self._file is not None

    def append(self, encoding: FrameEncoding) -> None:
        """Keep one more.

        Raises:
            OSError: The temporary file cannot be written.
        """
        self._left -= encoding.size_bytes
        self._kept.append(encoding if self._left >= 0 else self._spill(encoding))

    def __getitem__(self, place: int) -> FrameEncoding:
        """The encoding of a place.

        Raises:
            OSError: The temporary file cannot be read.
        """
        kept = self._kept[place]
        return self._load(kept) if isinstance(kept, _Place) else kept

    def close(self) -> None:
        """Let go of everything; may be called twice."""
        self._kept.clear()
        if self._file is not None:
            self._file.close()
            self._file = None

    def _spill(self, encoding: FrameEncoding) -> _Place:
        arrays: list[NDArray[np.generic]] = [each.numpy() for each in encoding.proposals]
        nothing = Proposals(*(torch.empty(0) for _ in arrays))
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="faimtrack-")  # noqa: SIM115
            offset = self._file.seek(0, 2)
            for array in arrays:
                self._file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise OSError(
                f"{tempfile.gettempdir()}: expected room for proposals of frames, which go to a "
                f"temporary file beyond spill_mib, got: {error}"
            ) from error
        layout = tuple((array.dtype, array.shape) for array in arrays)
        return _Place(offset, layout, replace(encoding, proposals=nothing))

    def _load(self, place: _Place) -> FrameEncoding:
        assert self._file is not None
        self._file.seek(place.offset)
        tensors = []
        for dtype, shape in place.layout:
            array = np.empty(shape, dtype)
            if self._file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:  # type: ignore[attr-defined]
                raise OSError("expected the whole temporary file of proposals, got less")
            tensors.append(torch.from_numpy(array))
        return replace(place.encoding, proposals=Proposals(*tensors))
