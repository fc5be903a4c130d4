import itertools
import threading

import numpy as np
import pytest

from faimtrack.structures import Frame, SourceInfo
from faimtrack.video import FrameSource, open_source
from faimtrack.video.live import Camera, LatestFrames


class FakeCapture:
    """A camera of two frames."""

    def __init__(self, number, is_open=True):
        self.number, self.is_open, self.is_released, self.count = number, is_open, False, 0

    def isOpened(self):
        return self.is_open

    def read(self):
        self.count += 1
        bgr = np.full((48, 64, 3), (10, 20, 30), np.uint8)
        return (True, bgr) if self.count <= 2 else (False, None)

    def get(self, property_id):
        return {3: 64.0, 4: 48.0, 5: 30.0}[property_id]

    def release(self):
        self.is_released = True


def test_a_camera_gives_rgb_frames_timed_by_the_clock_and_says_when_it_stops():
    times = iter([100.0, 100.04, 100.2])
    camera = Camera(0, open_capture=FakeCapture, clock_s=lambda: next(times))
    assert camera.info == SourceInfo(name="camera-0", frame_rate=30.0, width=64, height=48)
    with camera, pytest.raises(OSError, match="camera 0: gave no more frames after frame 2"):
        list(camera)
    assert camera._capture.is_released


def test_a_camera_s_frames_come_before_its_error():
    camera = Camera(0, open_capture=FakeCapture, clock_s=iter([5.0, 5.5, 6.0]).__next__)
    frames = iter(camera)
    first, second = next(frames), next(frames)
    assert first.image[0, 0].tolist() == [30, 20, 10]
    assert [(f.index, f.time_s) for f in (first, second)] == [(1, 0.0), (2, 0.5)]
    with pytest.raises(OSError, match="after frame 2"):
        next(frames)


def test_a_camera_that_is_not_there_is_an_os_error():
    with pytest.raises(OSError, match="camera 3: expected a camera"):
        Camera(3, open_capture=lambda number: FakeCapture(number, is_open=False))


@pytest.mark.parametrize("source", [0, "0"])
def test_a_number_is_a_camera(monkeypatch, source):
    from faimtrack.video import live

    made = []
    monkeypatch.setattr(live, "Camera", lambda number: made.append(number))
    open_source(source)
    assert made == [0]


def test_a_live_source_has_no_halves():
    with pytest.raises(ValueError, match="expected split 'full' for a live source"):
        open_source("0", split="val-half")


class Stepped(FrameSource):
    """A live source that gives a frame whenever the test lets it."""

    is_live = True

    def __init__(self, error=None):
        self.info = SourceInfo(name="stepped")
        self.given = threading.Semaphore(0)
        self.taken = threading.Semaphore(0)
        self.error = error
        self.is_closed = False

    def __iter__(self):
        for index in range(1, 6):
            self.given.acquire()
            yield Frame(index, image=np.zeros((4, 4, 3), np.uint8))
            self.taken.release()
        if self.error is not None:
            raise self.error

    def close(self):
        self.is_closed = True

    def step(self, count):
        for _ in range(count):
            self.given.release()
            assert self.taken.acquire(timeout=5)


def test_the_newest_frame_is_given_and_late_ones_are_dropped_with_their_numbers():
    source = Stepped()
    with LatestFrames(source) as latest:
        frames = iter(latest)
        source.given.release()
        assert next(frames).index == 1
        assert source.taken.acquire(timeout=5)
        source.step(3)
        assert next(frames).index == 4
        source.step(1)
        assert [frame.index for frame in itertools.islice(frames, 3)] == [5]
    assert source.is_closed


def test_an_error_of_the_source_reaches_whoever_asks_for_frames():
    source = Stepped(OSError("camera 0: unplugged"))
    latest = LatestFrames(source)
    frames = iter(latest)
    for _ in range(5):
        source.given.release()
    with pytest.raises(OSError, match="unplugged"):
        list(itertools.islice(frames, 9))
    latest.close()


def test_dropping_late_frames_of_a_file_is_refused(make_video):
    with pytest.raises(ValueError, match="expected a live source"):
        open_source(make_video(), drop_late=True)
