"""Source → detector → tracker → sinks, stages overlapped where pixels are at work."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.detectors.session import Detector
from faimtrack.pipeline.channels import Channel, Stopped
from faimtrack.pipeline.enriching import Enricher
from faimtrack.pipeline.look_ahead import FirstPass, SecondPass, is_offline_session, refusal
from faimtrack.pipeline.stages import (
    Detected,
    Item,
    PipelineSummary,
    Run,
    Sink,
    Source,
    Tracked,
)
from faimtrack.structures import Frame
from faimtrack.trackers.base import Tracker

_JOIN_S = 5.0


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

    def go(run: Run, frames: Source) -> None:
        if run.needs_images if overlap is None else overlap:
            _overlapped(run, frames, queue_frames)
        else:
            _one_after_the_other(run, frames)

    session = detector.open(source.info)
    started, busy = time.perf_counter(), time.process_time()
    frames: Source = source
    earlier: list[Run] = []
    run: Run | None = None
    try:
        if is_offline_session(session):
            ahead = FirstPass(session, report_ahead)
            earlier.append(Run(ahead, None, [ahead], (), detector_looks))
            _look_ahead(earlier[0], ahead, source, go)
            detector_looks = False
            session = frames = SecondPass(source, ahead.answers, with_images=others_look)
        run = Run(session, tracker, sinks, enrichers, detector_looks or others_look)
        go(run, frames)
    except KeyboardInterrupt:
        if run is None or not getattr(source, "is_live", False):
            raise
    errors = [error for each in (*earlier, run) for error in each.errors]
    if errors:
        raise errors[0]
    return run.summary(time.perf_counter() - started, time.process_time() - busy, earlier)


def _look_ahead(
    run: Run, ahead: FirstPass, source: Source, go: Callable[[Run, Source], None]
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


def _one_after_the_other(run: Run, source: Source) -> None:
    """Take each frame through all stages before the next one."""
    detected = run.guarded(run.detect(run.guarded(run.decode(source))))
    run.write(run.guarded(run.track(detected)))


def _overlapped(run: Run, source: Source, queue_frames: int) -> None:
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
