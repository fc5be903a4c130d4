"""One video in the hands of a video object detector, answered at its end or frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from faimtrack.detectors.video.sampling import CausalSampling, ReferenceSampling
from faimtrack.structures import Detections, Frame

if TYPE_CHECKING:  # it names torch, which nothing here needs
    from faimtrack.detectors.video.encoding import EncodingStore, FrameEncoding


class FrameCoder(Protocol):
    """The two halves of a video object detector."""

    def encode(self, frames: Sequence[Frame], *, keep_base: bool = True) -> list[FrameEncoding]:
        """What is to be kept of each frame."""
        ...

    def decode(
        self, keys: Sequence[FrameEncoding], references: Sequence[FrameEncoding] = ()
    ) -> list[Detections]:
        """Detections of each key."""
        ...


class OfflineSession:
    """Encodes frames as they come and answers when all are there.

    Neither pixels nor the frames themselves are kept: the frames of its answers have their
    number, time and size, and no image. Batches are counted from the first frame, as those of an
    `ImageSession`. If a batch fails, those before it are still answered.

    Attributes:
        is_offline: True: whoever needs pixels beside the answers goes over the source again.
    """

    is_offline = True

    def __init__(
        self,
        coder: FrameCoder,
        sampling: ReferenceSampling,
        store: EncodingStore,
        *,
        batch_size: int,
    ) -> None:
        """Ask `coder` about `batch_size` frames at a time.

        Args:
            coder: The detector.
            sampling: Which frames are looked at together.
            store: A new one; it is closed when all is answered.
            batch_size: Frames that are encoded together.
        """
        self._coder = coder
        self._sampling = sampling
        self._store = store
        self._batch_size = batch_size
        self._waiting: list[Frame] = []
        self._frames: list[Frame] = []

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Take frames; nothing is ready by now."""
        for frame in frames:
            self._waiting.append(frame)
            if len(self._waiting) == self._batch_size:
                self._encode()
        return []

    def finish(self) -> list[tuple[Frame, Detections]]:
        """All frames with their detections."""
        self._encode()
        answers: dict[int, Detections] = {}
        with self._store as store:
            for keys, references in self._sampling.groups(len(store)):
                found = self._coder.decode(
                    [store[key] for key in keys], [store[place] for place in references]
                )
                answers.update(zip(keys, found, strict=True))
        frames, self._frames = self._frames, []
        return [(frame, answers[place]) for place, frame in enumerate(frames)]

    def _encode(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        # What the base detector finds is the answer where there is no second frame.
        found = self._coder.encode(batch, keep_base=not self._frames)
        for frame, encoding in zip(batch, found, strict=True):
            self._store.append(encoding)
            height, width = encoding.frame_size
            light = Frame(frame.index, time_s=frame.time_s, size=(width, height))
            light.camera_motion = frame.camera_motion
            self._frames.append(light)


class CausalSession:
    """Answers each frame at once, with what it remembers of earlier ones.

    Attributes:
        is_offline: False.
    """

    is_offline = False

    def __init__(self, coder: FrameCoder, sampling: CausalSampling) -> None:
        """Ask `coder` about one frame at a time.

        Args:
            coder: The detector.
            sampling: Which earlier frames are remembered.
        """
        self._coder = coder
        self._sampling = sampling
        self._memory: dict[int, FrameEncoding] = {}
        self._count = 0

    def push(self, frames: Sequence[Frame]) -> list[tuple[Frame, Detections]]:
        """Each frame with its detections."""
        return [(frame, self._answer(frame)) for frame in frames]

    def finish(self) -> list[tuple[Frame, Detections]]:
        """Nothing is owed."""
        self._memory.clear()
        return []

    def _answer(self, frame: Frame) -> Detections:
        place = self._count
        (key,) = self._coder.encode([frame], keep_base=place == 0)
        # In the order of time: sums in another one differ in their last bits.
        self._memory = {each: self._memory[each] for each in self._sampling.references(place)}
        (found,) = self._coder.decode([key], list(self._memory.values()))
        self._memory[place] = key
        self._count += 1
        return found
