"""The stages between a source and its sinks, as generators, with what they count."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from faimtrack.detectors.session import Session
from faimtrack.pipeline.channels import Stopped
from faimtrack.pipeline.enriching import Enricher
from faimtrack.structures import Detections, Frame, SourceInfo, Tracks
from faimtrack.trackers.base import Tracker

Item = TypeVar("Item")
Detected = tuple[Frame, Detections]
Tracked = tuple[Frame, Detections, Tracks]

_STAGES = ("decode", "detect", "track", "write")


class Source(Protocol):
    """What frames come from; `faimtrack.video.open_source` gives one."""

    @property
    def info(self) -> SourceInfo:
        """What is known before the first frame."""
        ...

    def __iter__(self) -> Iterator[Frame]: ...


class Sink(Protocol):
    """What results go into, one frame after the other.

    Attributes:
        needs_images: Whether it looks at the pixels.
    """

    needs_images: bool

    def write(self, frame: Frame, detections: Detections, tracks: Tracks) -> None:
        """Take one frame; its pixels are let go of afterwards."""
        ...


@dataclass(frozen=True, kw_only=True)
class PipelineSummary:
    """What a run did.

    Attributes:
        frames: Frames that went through all stages.
        detections: Detections that reached the tracker.
        rows: Boxes of tracks, over all frames.
        tracks: Distinct ids.
        first_frame: Index of the first frame; 0 without frames.
        last_frame: Index of the last frame; 0 without frames.
        seconds: From start to end.
        stage_seconds: How long each stage was at work itself: decode, detect, track, write and,
            where somebody does that, motion and embed. Where stages overlap their sum is more than
            `seconds`.
        cpu_seconds: Processor time of the whole process meanwhile, over all of its threads.
        stage_cpu_seconds: Processor time of each stage's own thread. What libraries do for it in
            threads of theirs (decoders, networks) is in `cpu_seconds` only.
    """

    frames: int
    detections: int
    rows: int
    tracks: int
    first_frame: int
    last_frame: int
    seconds: float
    stage_seconds: Mapping[str, float]
    cpu_seconds: float
    stage_cpu_seconds: Mapping[str, float]


class _DistinctIds:
    """Counts distinct ids at a bit each: a camera that runs for months shows millions."""

    _BITS = 4096

    def __init__(self) -> None:
        self.count = 0
        self._blocks: dict[int, int] = {}

    def add(self, ids: Iterable[int]) -> None:
        for block, place in (divmod(each, self._BITS) for each in ids):
            seen, bit = self._blocks.get(block, 0), 1 << place
            if not seen & bit:
                self._blocks[block] = seen | bit
                self.count += 1


def _follow_nobody(detections: Detections, frame: Frame) -> Tracks:
    return Tracks.empty()


class Run:
    """One pass through all stages."""

    def __init__(
        self,
        session: Session,
        tracker: Tracker | None,
        sinks: Sequence[Sink],
        enrichers: Sequence[Enricher],
        needs_images: bool,
    ) -> None:
        self.errors: list[BaseException] = []
        self._session = session
        self._update = _follow_nobody if tracker is None else tracker.update
        self._sinks = sinks
        self._enrichers = enrichers
        self.needs_images = needs_images
        stages = (*_STAGES, *(enricher.stage for enricher in enrichers))
        self._seconds = dict.fromkeys(stages, 0.0)
        self._cpu_seconds = dict.fromkeys(stages, 0.0)
        self._ids = _DistinctIds()
        self._frames = self._detections = self._rows = self._first = self._last = 0

    def guarded(self, stage: Iterator[Item]) -> Iterator[Item]:
        """A stage whose error is noted and ends it, so that later stages finish their work."""
        try:
            yield from stage
        except (GeneratorExit, KeyboardInterrupt, Stopped):
            raise
        except BaseException as error:
            self.errors.append(error)

    def _timed(self, stage: str, work: Callable[..., Any], *arguments: Any) -> Any:
        started, busy = time.perf_counter(), time.thread_time()
        try:
            return work(*arguments)
        finally:
            self._seconds[stage] += time.perf_counter() - started
            self._cpu_seconds[stage] += time.thread_time() - busy

    def decode(self, source: Source) -> Iterator[Frame]:
        """Frames, with their pixels if anybody looks at them."""
        frames = iter(source)
        while (frame := self._timed("decode", next, frames, None)) is not None:
            if self.needs_images:
                self._timed("decode", lambda frame: frame.image, frame)
            yield frame

    def detect(self, frames: Iterable[Frame]) -> Iterator[Detected]:
        """Frames with their detections.

        Raises:
            ValueError: The session gives an answer out of order, or none at all.
        """
        owed: deque[int] = deque()
        for frame in frames:
            owed.append(frame.index)
            yield from self._in_order(owed, self._timed("detect", self._session.push, [frame]))
        yield from self._in_order(owed, self._timed("detect", self._session.finish))
        if owed:
            raise ValueError(
                f"detector: expected an answer for each frame, got none for frame {owed[0]} "
                f"and {len(owed) - 1} after it"
            )

    @staticmethod
    def _in_order(owed: deque[int], answers: Iterable[Detected]) -> Iterator[Detected]:
        for frame, detections in answers:
            expected = owed.popleft() if owed else None
            if frame.index != expected:
                raise ValueError(
                    f"detector: expected the answer for frame {expected}, got it for frame "
                    f"{frame.index}"
                )
            yield frame, detections

    def track(self, answers: Iterable[Detected]) -> Iterator[Tracked]:
        """The same, enriched and with tracks."""
        for frame, detections in answers:
            for enricher in self._enrichers:
                detections = self._timed(enricher.stage, enricher.enrich, frame, detections)
            tracks = self._timed("track", self._update, detections, frame)
            frame.features = None  # far bigger than its pixels, and nobody asks for them later
            yield frame, detections, tracks

    def write(self, results: Iterable[Tracked]) -> None:
        """Give everything to the sinks."""
        for frame, detections, tracks in results:
            for sink in self._sinks:
                self._timed("write", sink.write, frame, detections, tracks)
            frame.release()
            self._first = self._first or frame.index
            self._last = frame.index
            self._frames += 1
            self._detections += len(detections)
            self._rows += len(tracks)
            self._ids.add(tracks.ids.tolist())

    def summary(
        self, seconds: float, cpu_seconds: float, earlier: Sequence[Run]
    ) -> PipelineSummary:
        """What came of it, with the time that passes before it took too."""
        for run in earlier:
            for stage in _STAGES:
                self._seconds[stage] += run._seconds[stage]
                self._cpu_seconds[stage] += run._cpu_seconds[stage]
        return PipelineSummary(
            frames=self._frames,
            detections=self._detections,
            rows=self._rows,
            tracks=self._ids.count,
            first_frame=self._first,
            last_frame=self._last,
            seconds=seconds,
            stage_seconds=dict(self._seconds),
            cpu_seconds=cpu_seconds,
            stage_cpu_seconds=dict(self._cpu_seconds),
        )
