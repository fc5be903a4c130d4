"""Detectors that answer at the end: two passes, the second only over what somebody looks at."""

import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from faimtrack.detectors.config import DetectorConfig
from faimtrack.detectors.video.detector_config import VideoDetectorConfig
from faimtrack.pipeline import run_pipeline
from faimtrack.pipeline.look_ahead import knows_later_frames, require_two_passes
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.trackers import create_tracker

FRAMES = 9


class Pictures:
    """A source that can be gone through again, or breaks."""

    def __init__(self, *, breaks_at=None, second=None, is_live=False):
        self.info = SourceInfo(name="fake", frame_rate=25.0, frame_count=FRAMES, first_index=3)
        self.breaks_at, self.second, self.is_live = breaks_at, second, is_live
        self.passes = 0
        self.decoded = []

    def __iter__(self):
        self.passes += 1
        indices = range(3, 3 + FRAMES)
        if self.passes == 2 and self.second is not None:
            indices = self.second
        for index in indices:
            if index == self.breaks_at:
                raise OSError(f"frame {index} is broken")
            yield Frame(index, load=lambda index=index: self._decode(index))

    def _decode(self, index):
        self.decoded.append(index)
        return np.full((40, 60, 3), index, np.uint8)


class Offline:
    """Finds one box, which tells how many frames there were in all."""

    class_names = ("person",)

    def __init__(self, *, breaks_at=None, finishes=True):
        self.breaks_at, self.finishes = breaks_at, finishes

    def open(self, info):
        return OfflineSession(self)


class OfflineSession:
    is_offline = True

    def __init__(self, detector):
        self.detector = detector
        self.frames = []

    def push(self, frames):
        for frame in frames:
            assert frame.image[0, 0, 0] == frame.index
            if frame.index == self.detector.breaks_at:
                raise ValueError(f"the network fails at frame {frame.index}")
            self.frames.append(Frame(frame.index, size=(60, 40)))
        return []

    def finish(self):
        if not self.detector.finishes:
            raise ValueError("the network fails at the end")
        box = [[2.0, 2.0, 20.0, 2.0 + len(self.frames)]]
        return [(frame, Detections(box, [0.9], [0])) for frame in self.frames]


class Sink:
    def __init__(self, needs_images=False):
        self.needs_images = needs_images
        self.rows = []

    def write(self, frame, detections, tracks):
        if self.needs_images:
            assert frame.image[0, 0, 0] == frame.index
        self.rows.append((frame.index, detections.boxes[0, 3], len(tracks)))


ALL = [(index, 2.0 + FRAMES, 1) for index in range(3, 3 + FRAMES)]


@pytest.mark.parametrize("overlap", [None, False, True])
def test_answers_reach_tracker_and_sinks_after_the_whole_source(overlap):
    source, sink, ahead = Pictures(), Sink(), []
    tracker = create_tracker("bytetrack")
    summary = run_pipeline(
        source, Offline(), tracker, [sink], overlap=overlap, report_ahead=ahead.append
    )
    assert sink.rows == ALL
    assert ahead == list(range(1, FRAMES + 1))
    assert (summary.frames, summary.detections, summary.tracks) == (FRAMES, FRAMES, 1)
    assert (summary.first_frame, summary.last_frame) == (3, 2 + FRAMES)
    assert summary.stage_seconds["decode"] > 0
    assert summary.stage_seconds["detect"] > 0


def test_nobody_who_looks_means_that_the_source_is_read_once():
    source = Pictures()
    run_pipeline(source, Offline(), None, [Sink()])
    assert source.passes == 1
    assert source.decoded == list(range(3, 3 + FRAMES))


@pytest.mark.parametrize("overlap", [False, True])
def test_who_looks_at_pixels_gets_them_from_a_second_pass(overlap):
    source, sink = Pictures(), Sink(needs_images=True)
    run_pipeline(source, Offline(), create_tracker("bytetrack"), [sink], overlap=overlap)
    assert sink.rows == ALL
    assert source.passes == 2
    assert source.decoded == 2 * list(range(3, 3 + FRAMES))


@pytest.mark.parametrize("needs_images", [False, True])
@pytest.mark.parametrize("overlap", [False, True])
def test_frames_before_a_broken_one_are_answered_among_themselves(needs_images, overlap):
    source, sink = Pictures(breaks_at=7), Sink(needs_images)
    with pytest.raises(OSError, match="frame 7 is broken"):
        run_pipeline(source, Offline(), None, [sink], overlap=overlap)
    assert sink.rows == [(index, 6.0, 0) for index in (3, 4, 5, 6)]


@pytest.mark.parametrize("overlap", [False, True])
def test_frames_before_one_that_the_detector_fails_at_are_answered_too(overlap):
    source, sink = Pictures(), Sink(needs_images=True)
    with pytest.raises(ValueError, match="the network fails at frame 6"):
        run_pipeline(source, Offline(breaks_at=6), None, [sink], overlap=overlap)
    assert sink.rows == [(index, 5.0, 0) for index in (3, 4, 5)]


def test_a_detector_that_fails_at_the_end_leaves_nothing():
    sink = Sink()
    with pytest.raises(ValueError, match="the network fails at the end"):
        run_pipeline(Pictures(), Offline(finishes=False), None, [sink])
    assert sink.rows == []


def test_the_first_error_is_told_if_there_are_two():
    with pytest.raises(OSError, match="frame 7 is broken"):
        run_pipeline(Pictures(breaks_at=7), Offline(finishes=False), None, [Sink()])


def test_an_interrupted_first_pass_leaves_nothing():
    source, sink = Pictures(), Sink()

    def interrupt(frames):
        if frames == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_pipeline(source, Offline(), None, [sink], report_ahead=interrupt)
    assert sink.rows == []


@pytest.mark.parametrize(("second", "came"), [([3, 4, 6], "frame 6"), ([3, 4], "none")])
def test_a_source_that_gives_other_frames_the_second_time_is_refused(second, came):
    sink = Sink(needs_images=True)
    complaint = f"fake: expected frame 5 in the second pass as in the first, got {came}"
    with pytest.raises(ValueError, match=complaint):
        run_pipeline(Pictures(second=second), Offline(), None, [sink])
    assert [row[0] for row in sink.rows] == [3, 4]


def test_a_live_source_is_refused_in_one_line():
    source = Pictures(is_live=True)
    with pytest.raises(
        ValueError, match=r"got a live one: --set detector.sampling=causal answers"
    ):
        run_pipeline(source, Offline(), None, [Sink()])
    assert source.passes == 0


def test_tasks_of_video_detectors_know_later_frames_unless_they_are_causal():
    file, camera = SourceInfo(name="file", frame_count=4), SourceInfo(name="camera")

    def task(config, weights="faim.safetensors"):
        return SimpleNamespace(
            name="one", source="0", weights=weights, recipe=SimpleNamespace(detector=config)
        )

    assert knows_later_frames(task(VideoDetectorConfig()), file)
    assert not knows_later_frames(task(VideoDetectorConfig()), camera)
    assert not knows_later_frames(task(VideoDetectorConfig(sampling="causal")), file)
    assert not knows_later_frames(task(VideoDetectorConfig(), weights=None), file)
    assert not knows_later_frames(task(DetectorConfig()), file)
    live = SimpleNamespace(info=camera, is_live=True)
    require_two_passes(task(VideoDetectorConfig()), live)
    with pytest.raises(ValueError, match=r"one: expected a source that ends .*sampling=causal"):
        require_two_passes(task(VideoDetectorConfig(sampling="global")), live)


def test_a_long_first_pass_holds_no_pictures():
    class Long(Pictures):
        def __iter__(self):
            for index in range(3, 3 + 200):
                image = np.full((200, 200, 3), index, np.uint8)
                yield Frame(index, image=image)

    tracemalloc.start()
    try:
        run_pipeline(Long(), Offline(), None, [Sink()], overlap=True)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * 200 * 200 * 3
