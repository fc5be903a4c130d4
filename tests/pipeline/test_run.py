import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import weakref

import numpy as np
import pytest

from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.motfile import read_mot
from faimtrack.pipeline import run_pipeline
from faimtrack.structures import Detections, Frame, SourceInfo, Tracks
from faimtrack.trackers import create_tracker

FRAMES = 12


class Alive:
    """Counts the pictures that somebody still holds."""

    def __init__(self):
        self.count = self.most = 0

    def watch(self, image):
        self.count += 1
        self.most = max(self.most, self.count)
        weakref.finalize(image, self._gone)

    def _gone(self):
        self.count -= 1


class FakeSource:
    def __init__(self, count=FRAMES, *, first=1, delay_s=0.0, breaks_at=None, alive=None):
        self.info = SourceInfo(name="fake", frame_rate=25.0, frame_count=count, first_index=first)
        self.first, self.count, self.delay_s, self.breaks_at = first, count, delay_s, breaks_at
        self.alive = alive
        self.given = 0
        self.decoding_threads = set()

    def __iter__(self):
        for index in range(self.first, self.first + self.count):
            if index == self.breaks_at:
                raise OSError(f"frame {index} is broken")
            self.given += 1
            yield Frame(index, load=lambda index=index: self._decode(index))

    def _decode(self, index):
        time.sleep(self.delay_s)
        self.decoding_threads.add(threading.current_thread())
        image = np.full((4, 6, 3), index % 256, np.uint8)
        if self.alive is not None:
            self.alive.watch(image)
        return image


class FakeDetector:
    """One box a frame; answers `late` frames late, or all at the end (`late=None`)."""

    class_names = ("person",)

    def __init__(
        self, late=0, *, delay_s=0.0, breaks_at=None, error=None, answers=lambda answers: answers
    ):
        self.late, self.delay_s, self.breaks_at, self.answers = late, delay_s, breaks_at, answers
        self.error = error
        self.threads = set()

    def open(self, info):
        return FakeSession(self)


class FakeSession:
    def __init__(self, detector):
        self.detector = detector
        self.held = []

    def push(self, frames):
        for frame in frames:
            if frame.index == self.detector.breaks_at:
                raise self.detector.error or ValueError(f"cannot see frame {frame.index}")
            self.detector.threads.add(threading.current_thread())
            time.sleep(self.detector.delay_s)
            self.held.append(frame)
        late = len(self.held) if self.detector.late is None else self.detector.late
        ready, self.held = self.held[: len(self.held) - late], self.held[len(self.held) - late :]
        return self.detector.answers([self._answer(frame) for frame in ready])

    def finish(self):
        held, self.held = self.held, []
        return [self._answer(frame) for frame in held]

    def _answer(self, frame):
        left = float(frame.index)
        return frame, Detections([[left, 0, left + 10, 20]], [0.9])


class FakeTracker:
    """Gives the detections back as one track."""

    config = None

    def __init__(self, *, delay_s=0.0, breaks_at=None, error=None):
        self.delay_s, self.breaks_at, self.error = delay_s, breaks_at, error
        self.thread = None

    def update(self, detections, frame=None):
        self.thread = threading.current_thread()
        time.sleep(self.delay_s)
        if frame.index == self.breaks_at:
            raise self.error or RuntimeError(f"lost in frame {frame.index}")
        return Tracks([7], detections.boxes, detections.scores, detections.class_ids, [0])


class FakeSink:
    def __init__(self, *, needs_images=True, delay_s=0.0, breaks_at=None):
        self.needs_images, self.delay_s, self.breaks_at = needs_images, delay_s, breaks_at
        self.indices, self.pixels, self.threads = [], [], set()

    def write(self, frame, detections, tracks):
        time.sleep(self.delay_s)
        if frame.index == self.breaks_at:
            raise OSError(f"no room for frame {frame.index}")
        self.threads.add(threading.current_thread())
        self.indices.append(frame.index)
        if self.needs_images:
            self.pixels.append(int(frame.image[0, 0, 0]))
        assert tracks.boxes[0, 0] == frame.index, "results of another frame"


def no_thread_is_left():
    return not [thread for thread in threading.enumerate() if "faimtrack" in thread.name]


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("late", [0, 3, FRAMES, None])
def test_every_frame_reaches_the_sinks_once_and_in_order_however_late_the_detector(late, overlap):
    sink = FakeSink()
    summary = run_pipeline(
        FakeSource(), FakeDetector(late), FakeTracker(), [sink], overlap=overlap
    )
    assert sink.indices == list(range(1, FRAMES + 1))
    assert sink.pixels == sink.indices  # each with its own picture
    assert (summary.frames, summary.detections, summary.rows, summary.tracks) == (12, 12, 12, 1)
    assert (summary.first_frame, summary.last_frame) == (1, FRAMES)
    assert no_thread_is_left()


def test_a_long_run_counts_its_ids_at_a_bit_each():
    class AlwaysNew(FakeTracker):
        def update(self, detections, frame=None):
            ids = [frame.index, frame.index + 1]
            return Tracks(ids, np.zeros((2, 4)), [1, 1], [0, 0], [-1, -1])

    detector, count = FakeDetector(), 20_000
    detector.needs_images = False
    tracemalloc.start()
    try:
        summary = run_pipeline(FakeSource(count), detector, AlwaysNew())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert summary.tracks == count + 1
    assert peak < 200_000


def test_frame_numbers_of_a_split_are_kept():
    sink = FakeSink()
    summary = run_pipeline(FakeSource(first=301), FakeDetector(), FakeTracker(), [sink])
    assert sink.indices == list(range(301, 313))
    assert (summary.first_frame, summary.last_frame) == (301, 312)


def test_stages_overlap():
    # 15 frames × 4 stages × 20 ms are 1.2 s one after the other, 0.36 s if all overlap.
    delay_s = 0.02
    summary = run_pipeline(
        FakeSource(15, delay_s=delay_s),
        FakeDetector(delay_s=delay_s),
        FakeTracker(delay_s=delay_s),
        [FakeSink(delay_s=delay_s)],
    )
    assert set(summary.stage_seconds) == {"decode", "detect", "track", "write"}
    assert all(seconds >= 15 * delay_s for seconds in summary.stage_seconds.values())
    assert summary.seconds < 0.7 * sum(summary.stage_seconds.values())


def test_processor_time_is_told_apart_from_waiting():
    class BusyTracker(FakeTracker):
        def update(self, detections, frame=None):
            end = time.thread_time() + 0.01
            while time.thread_time() < end:
                pass
            return super().update(detections, frame)

    summary = run_pipeline(FakeSource(10, delay_s=0.02), FakeDetector(), BusyTracker())
    assert set(summary.stage_cpu_seconds) == set(summary.stage_seconds)
    assert summary.stage_seconds["decode"] >= 0.2
    assert summary.stage_cpu_seconds["decode"] < 0.1
    assert summary.stage_cpu_seconds["track"] >= 0.1
    assert sum(summary.stage_cpu_seconds.values()) <= summary.cpu_seconds


def test_the_detector_has_the_callers_thread_and_the_other_stages_one_of_their_own():
    source, detector, tracker, sink = FakeSource(), FakeDetector(), FakeTracker(), FakeSink()
    run_pipeline(source, detector, tracker, [sink])
    assert detector.threads == {threading.current_thread()}
    threads = source.decoding_threads | detector.threads | sink.threads | {tracker.thread}
    assert len(threads) == 4


def test_where_nobody_looks_at_pixels_nothing_is_decoded_and_no_thread_is_started(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{i},-1,{i},0,10,20,0.9\n" for i in range(1, FRAMES + 1)))
    source, tracker = FakeSource(), FakeTracker()
    sink = FakeSink(needs_images=False)
    run_pipeline(source, RecordedDetections(read_mot(path)), tracker, [sink])
    assert sink.indices == list(range(1, FRAMES + 1))
    assert not source.decoding_threads
    assert sink.threads == {threading.current_thread()}


def test_recorded_detections_with_a_sink_that_draws_get_their_pixels(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("".join(f"{i},-1,{i},0,10,20,0.9\n" for i in range(1, FRAMES + 1)))
    sink = FakeSink()
    run_pipeline(FakeSource(), RecordedDetections(read_mot(path)), FakeTracker(), [sink])
    assert sink.pixels == list(range(1, FRAMES + 1))


def test_a_tracker_that_looks_at_pixels_gets_them_decoded_ahead(tmp_path):
    path = tmp_path / "det.txt"
    path.write_text("1,-1,1,0,10,20,0.9\n")
    source, tracker = FakeSource(1), FakeTracker()
    tracker.needs_images = True
    run_pipeline(source, RecordedDetections(read_mot(path)), tracker)
    assert len(source.decoding_threads) == 1
    assert threading.current_thread() not in source.decoding_threads


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(
    ("parts", "error", "message", "written"),
    [
        ({"source": {"breaks_at": 9}}, OSError, "frame 9 is broken", 8),
        ({"detector": {"breaks_at": 9}}, ValueError, "cannot see frame 9", 8),
        ({"tracker": {"breaks_at": 9}}, RuntimeError, "lost in frame 9", 8),
        ({"sink": {"breaks_at": 9}}, OSError, "no room for frame 9", 8),
        ({"source": {"breaks_at": 1}}, OSError, "frame 1 is broken", 0),
        ({"sink": {"breaks_at": 12}}, OSError, "no room for frame 12", 11),
    ],
)
def test_an_error_in_any_stage_comes_out_and_the_frames_before_it_are_written(
    parts, error, message, written, overlap
):
    sink = FakeSink(**parts.get("sink", {}))
    with pytest.raises(error, match=message):
        run_pipeline(
            FakeSource(**parts.get("source", {})),
            FakeDetector(**parts.get("detector", {})),
            FakeTracker(**parts.get("tracker", {})),
            [sink],
            overlap=overlap,
        )
    assert sink.indices == list(range(1, written + 1))
    assert no_thread_is_left()


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize("late", [3, None])
def test_frames_that_a_late_detector_owes_survive_a_broken_source(late, overlap):
    sink = FakeSink()
    with pytest.raises(OSError, match="frame 9 is broken"):
        run_pipeline(
            FakeSource(breaks_at=9), FakeDetector(late), FakeTracker(), [sink], overlap=overlap
        )
    assert sink.indices == list(range(1, 9))


def test_a_failing_sink_stops_the_source_soon():
    source = FakeSource(10_000)
    with pytest.raises(OSError, match="no room"):
        run_pipeline(source, FakeDetector(), FakeTracker(), [FakeSink(breaks_at=5)])
    assert source.given < 40


def test_a_hundred_failures_leave_no_thread_behind():
    for breaks_at in range(1, 101):
        with pytest.raises(OSError, match="no room"):
            run_pipeline(
                FakeSource(100), FakeDetector(), FakeTracker(), [FakeSink(breaks_at=breaks_at)]
            )
    assert no_thread_is_left()


@pytest.mark.parametrize("overlap", [False, True])
@pytest.mark.parametrize(
    ("answers", "message"),
    [
        (lambda answers: answers + answers, "expected the answer for frame None, got it for fr"),
        (lambda answers: [], "got none for frame 1 and 11 after it"),
        (
            lambda answers: [(Frame(99), answers[0][1])],
            "expected the answer for frame 1, got it for frame 99",
        ),
    ],
)
def test_a_detector_that_loses_or_repeats_frames_is_an_error(answers, message, overlap):
    with pytest.raises(ValueError, match=message):
        run_pipeline(FakeSource(), FakeDetector(answers=answers), FakeTracker(), overlap=overlap)


def test_few_features_are_in_memory_and_none_behind_the_tracker():
    alive = Alive()

    class Keeping(FakeSession):
        def _answer(self, frame):
            frame.features = np.zeros(3)
            alive.watch(frame.features)
            return super()._answer(frame)

    class Detector(FakeDetector):
        def open(self, info):
            return Keeping(self)

    class Looking(FakeTracker):
        def update(self, detections, frame=None):
            assert frame.features is not None
            return super().update(detections, frame)

    class Sink(FakeSink):
        def write(self, frame, detections, tracks):
            assert frame.features is None
            super().write(frame, detections, tracks)

    tracker = Looking(delay_s=0.002)
    run_pipeline(FakeSource(100), Detector(), tracker, [Sink()], queue_frames=2)
    # What waits for the tracker, and one in the hands of the stages beside it.
    assert 2 <= alive.most <= 2 + 2


@pytest.mark.parametrize("late", [0, 3])
def test_few_pictures_are_in_memory_however_slow_the_end_is(late):
    alive = Alive()
    run_pipeline(
        FakeSource(150, alive=alive),
        FakeDetector(late),
        FakeTracker(),
        [FakeSink(delay_s=0.002)],
        queue_frames=2,
    )
    # Three channels of 2, one in the hands of each of four stages, what the detector holds.
    assert 6 <= alive.most <= 3 * 2 + 4 + late


def test_a_queue_of_no_frames_is_refused():
    with pytest.raises(ValueError, match="queue_frames: expected 1 or more, got 0"):
        run_pipeline(FakeSource(), FakeDetector(), FakeTracker(), queue_frames=0)


def test_an_empty_source_is_a_run_of_no_frames():
    summary = run_pipeline(FakeSource(0), FakeDetector(), FakeTracker(), [FakeSink()])
    assert (summary.frames, summary.first_frame, summary.last_frame) == (0, 0, 0)


def test_frames_are_released_after_the_last_sink():
    frames = []

    class Keeping(FakeSink):
        def write(self, frame, detections, tracks):
            frame.features = "heavy"
            frames.append(frame)

    run_pipeline(FakeSource(3), FakeDetector(), FakeTracker(), [Keeping(), Keeping()])
    assert all(frame.features is None for frame in frames)


def test_an_interrupt_in_the_callers_thread_ends_all_stages():
    sink = FakeSink()
    source = FakeSource(10_000)
    detector = FakeDetector(breaks_at=30, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        run_pipeline(source, detector, FakeTracker(), [sink])
    assert sink.indices == list(range(1, 30))
    assert source.given < 60
    assert no_thread_is_left()


@pytest.mark.parametrize("overlap", [False, True])
def test_an_interrupt_is_the_good_end_of_a_live_source(overlap):
    sink, source = FakeSink(), FakeSource(10_000)
    source.is_live = True
    detector = FakeDetector(breaks_at=30, error=KeyboardInterrupt())
    summary = run_pipeline(source, detector, FakeTracker(), [sink], overlap=overlap)
    assert summary.frames == 29
    assert sink.indices == list(range(1, 30))
    assert no_thread_is_left()


def test_ctrl_c_ends_a_running_pipeline_cleanly():
    code = """
        import signal, sys, time
        # Tests that run in the background of a shell inherit a Ctrl-C that is ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sys.path.insert(0, {folder!r})
        from test_run import FakeDetector, FakeSink, FakeSource, FakeTracker
        from faimtrack.pipeline import run_pipeline

        class Telling(FakeSink):
            def write(self, frame, detections, tracks):
                super().write(frame, detections, tracks)
                if frame.index == 20:
                    print("running", flush=True)

        try:
            run_pipeline(
                FakeSource(100_000, delay_s=0.002), FakeDetector(3), FakeTracker(), [Telling()]
            )
        except KeyboardInterrupt:
            print("clean", flush=True)
    """
    folder = __file__.rpartition("/")[0]
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code.format(folder=folder))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "running\n"
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (out, err, process.returncode) == ("clean\n", "", 0)


@pytest.mark.parametrize("name", ["bytetrack", "ocsort", "sort"])
def test_real_trackers_give_the_same_overlapped_or_not(name):
    answers = []
    for overlap in (False, True):
        seen = []

        class Collecting(FakeSink):
            def write(self, frame, detections, tracks, seen=seen):
                seen.append((frame.index, tracks))

        run_pipeline(
            FakeSource(40), FakeDetector(5), create_tracker(name), [Collecting()], overlap=overlap
        )
        answers.append(seen)
    assert answers[0] == answers[1]
    assert sum(len(tracks) for _, tracks in answers[0]) > 20
