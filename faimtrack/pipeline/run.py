"""Source → detector → tracker → sinks, stages overlapped where pixels are at work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector, Session
from faimtrack.pipeline.channels import Channel, Stopped
from faimtrack.pipeline.enriching import Enricher
from faimtrack.pipeline.look_ahead import FirstPass, SecondPass, is_offline_session, refusal
from faimtrack.structures import Detections, Frame, SourceInfo, Tracks
from faimtrack.trackers.base import Tracker

Item = TypeVar("Item")
Detected = tuple[Frame, Detections]
Tracked = tuple[Frame, Detections, Tracks]

_STAGES = ("decode", "detect", "track", "write")
_JOIN_S = 5.0


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


def run_pipeline(
    source: Source,
    detector: Detector,
    tracker: Tracker | None,
    sinks: Sequence[Sink] = (),
    *,
    enrichers: Sequence[Enricher] = (),
    overlap: bool | None = None,
    queue_frames: int = 4,
    report_ahead: Callable[[int], None] | None = None,
) -> PipelineSummary:
    """Track all frames of a source.

    A detector whose session answers when it has seen all (`is_offline`) is given the source first
    and alone; then its answers go through the other stages. See `look_ahead`.

    If a stage fails, what the frames before gave still goes through the later stages; then the
    error is raised as it was. An interrupt (Ctrl-C) ends all stages after the frame in hand; to a
    live source (one whose `is_live` is true), which has no other end, it is a good one.

    Args:
        source: Frames in order.
        detector: Its session may answer late, but in order and each frame once.
        tracker: A fresh one; it is given every frame, also those without detections. None: nobody
            is followed, and the sinks get detections without tracks.
        sinks: Each gets every frame, in order, from one thread.
        enrichers: What is added to frames and detections before the tracker and the sinks get
            them, in the tracker's thread; fresh ones too.
        overlap: Whether decoding, tracking and writing have a thread each beside the detector's.
            None: if anything looks at pixels; text alone is faster in a plain loop.
        queue_frames: How many frames may wait between two stages; at most three times as many,
            one a stage and those that the detector holds are in memory at once.
        report_ahead: Called after each frame of a first pass with how many it has seen.

    Raises:
        ValueError: The detector gave an answer out of order or none at all, or the source cannot
            be gone through twice and must be.
    """
    if queue_frames < 1:
        raise ValueError(f"queue_frames: expected 1 or more, got {queue_frames}")
    detector_looks = getattr(
        detector, "needs_images", not isinstance(detector, RecordedDetections)
    )
    others_look = (
        getattr(tracker, "needs_images", False)
        or any(enricher.needs_images for enricher in enrichers)
        or any(sink.needs_images for sink in sinks)
    )

    def go(run: _Run, frames: Source) -> None:
        if run.needs_images if overlap is None else overlap:
            _overlapped(run, frames, queue_frames)
        else:
            _one_after_the_other(run, frames)

    session = detector.open(source.info)
    started, busy = time.perf_counter(), time.process_time()
    frames: Source = source
    earlier: list[_Run] = []
    run: _Run | None = None
    try:
        if is_offline_session(session):
            ahead = FirstPass(session, report_ahead)
            earlier.append(_Run(ahead, None, [ahead], (), detector_looks))
            _look_ahead(earlier[0], ahead, source, go)
            detector_looks = False
            session = frames = SecondPass(source, ahead.answers, with_images=others_look)
        run = _Run(session, tracker, sinks, enrichers, detector_looks or others_look)
        go(run, frames)
    except KeyboardInterrupt:
        if run is None or not getattr(source, "is_live", False):
            raise
    errors = [error for each in (*earlier, run) for error in each.errors]
    if errors:
        raise errors[0]
    return run.summary(time.perf_counter() - started, time.process_time() - busy, earlier)


def _look_ahead(
    run: _Run, ahead: FirstPass, source: Source, go: Callable[[_Run, Source], None]
) -> None:
    """Take a whole source through the detector; what fails is noted in the run.

    Raises:
        ValueError: The source has no end.
    """
    if getattr(source, "is_live", False):
        raise refusal(source.info.name)
    go(run, source)
    if run.errors:
        with contextlib.suppress(Exception):  # the first error is told
            ahead.salvage()


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


class _Run:
    """The stages as generators, with what they count."""

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
        frames = iter(source)
        while (frame := self._timed("decode", next, frames, None)) is not None:
            if self.needs_images:
                self._timed("decode", lambda frame: frame.image, frame)
            yield frame

    def detect(self, frames: Iterable[Frame]) -> Iterator[Detected]:
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
        for frame, detections in answers:
            for enricher in self._enrichers:
                detections = self._timed(enricher.stage, enricher.enrich, frame, detections)
            tracks = self._timed("track", self._update, detections, frame)
            frame.features = None  # far bigger than its pixels, and nobody asks for them later
            yield frame, detections, tracks

    def write(self, results: Iterable[Tracked]) -> None:
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
        self, seconds: float, cpu_seconds: float, earlier: Sequence[_Run]
    ) -> PipelineSummary:
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


def _one_after_the_other(run: _Run, source: Source) -> None:
    """Take each frame through all stages before the next one."""
    detected = run.guarded(run.detect(run.guarded(run.decode(source))))
    run.write(run.guarded(run.track(detected)))


def _overlapped(run: _Run, source: Source, queue_frames: int) -> None:
    """Run decoding, tracking and writing in a thread each, the detector in the caller's.

    The caller's thread is the one that Ctrl-C reaches. Under GNU's OpenMP it is also the only one
    in which torch can use all cores well: the helpers of another thread are one too many for the
    cores, so they sleep at every turn, and a small network takes twice as long.
    """
    condition = threading.Condition()
    decoded: Channel[Frame] = Channel(condition, queue_frames)
    detected: Channel[Detected] = Channel(condition, queue_frames)
    tracked: Channel[Tracked] = Channel(condition, queue_frames)

    def write() -> None:
        try:
            run.write(tracked)
        except Stopped:
            pass
        except BaseException as error:
            run.errors.append(error)
        finally:
            tracked.stop()

    threads = [
        threading.Thread(target=target, args=arguments, name=f"faimtrack {name}", daemon=True)
        for name, target, arguments in (
            ("decode", _pump, (run.guarded(run.decode(source)), None, decoded)),
            ("track", _pump, (run.guarded(run.track(detected)), detected, tracked)),
            ("write", write, ()),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        _pump(run.guarded(run.detect(decoded)), decoded, detected)
    finally:
        for thread in threads[1:]:
            while thread.is_alive():
                thread.join(_JOIN_S)
        # A decoder may hang on a dead stream: it is left behind rather than waited for.
        threads[0].join(_JOIN_S)


def _pump(stage: Iterator[Item], before: Channel[Any] | None, after: Channel[Item]) -> None:
    """Move what a stage gives into the next channel; end its neighbours when it ends."""
    try:
        for item in stage:
            after.put(item)
    except Stopped:
        pass
    finally:
        after.close()
        if before is not None:
            before.stop()
