import numpy as np
import pytest

from faimtrack.structures import Detections, Frame
from faimtrack.testing import check_detector

NAMES = ("person", "dog")


class Honest:
    """A detector of one box, that answers `delay` frames late and knows the frame before."""

    class_names = NAMES

    def __init__(self, delay=0):
        self.delay = delay

    def open(self, info):
        return self.session_type(self)


class HonestSession:
    def __init__(self, detector):
        self.detector = detector
        self.waiting = []
        self.last = 0.0

    def find(self, frame):
        height, width = frame.image.shape[:2]
        score = (frame.image.mean() + self.last) / 512
        self.last = float(frame.image.mean())
        return Detections([[0, 0, width, height / 2]], [score], [1], NAMES)

    def answer(self, keep):
        ready = self.waiting[: max(0, len(self.waiting) - keep)]
        self.waiting = self.waiting[len(ready) :]
        return [(frame, self.find(frame)) for frame in ready]

    def push(self, frames):
        self.waiting += frames
        return self.answer(self.detector.delay)

    def finish(self):
        return self.answer(0)


Honest.session_type = HonestSession


@pytest.mark.parametrize("delay", [0, 1, 3, 100])
def test_a_detector_that_answers_late_passes(delay):
    check_detector(lambda: Honest(delay))


def test_own_frames_can_be_given():
    frames = [
        Frame(index, image=np.full((40, 60, 3), 9 * index, np.uint8)) for index in (3, 4, 5, 6)
    ]
    check_detector(Honest, frames)
    with pytest.raises(AssertionError, match="at least 4 frames"):
        check_detector(Honest, frames[:3])


def broken(**methods):
    """A detector whose session is honest but for `methods`."""
    session = type("BrokenSession", (HonestSession,), methods)
    return type("Broken", (Honest,), {"session_type": session})


def forget_the_rest(self):
    return []


def answer_twice(self, frames):
    return HonestSession.push(self, frames) * 2


def answer_backwards(self, frames):
    return HonestSession.push(self, frames)[::-1]


def answer_ahead(self, frames):
    return [(Frame(frames[-1].index + 1), Detections.empty(NAMES))] if frames else []


def paint(self, frame):
    frame.image[:5] = 0
    return HonestSession.find(self, frame)


def leave_the_frame(self, frame):
    return Detections([[-3, 0, 50, 50]], [0.5], [0], NAMES)


def other_names(self, frame):
    return Detections([[0, 0, 5, 5]], [0.5], [0], ("person",))


def numbers_not_names(self, frame):
    answer = HonestSession.find(self, frame)
    return Detections._unchecked(**{**vars(answer), "class_ids": np.array([7])})


def not_a_number(self, frame):
    answer = HonestSession.find(self, frame)
    return Detections._unchecked(**{**vars(answer), "boxes": np.full((1, 4), np.nan)})


def surer_than_sure(self, frame):
    return Detections([[0, 0, 5, 5]], [1.5], [0], NAMES)


def a_tuple(self, frame):
    return ([[0, 0, 5, 5]], [0.5])


class Shared:
    state = 0


def share(self, frame):
    Shared.state += 1
    return Detections([[0, 0, 5, 5]], [1 / Shared.state], [0], NAMES)


def remember_in_the_detector(self, frame):
    """Right as long as only one session is open."""
    if frame.index == 5:
        self.detector.last = 0.0
    score = (frame.image.mean() + self.detector.last) / 512
    self.detector.last = float(frame.image[0].mean())
    return Detections([[0, 0, 5, 5]], [score], [0], NAMES)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"finish": forget_the_rest, "answer": lambda s, k: HonestSession.answer(s, 1)},
         r"frames \[12\] were never answered"),
        ({"push": answer_twice}, "answered twice"),
        ({"push": answer_backwards}, "3 at a time: expected answers in order"),
        ({"push": answer_ahead}, "frame 6 was answered before it was pushed"),
        ({"find": paint}, "frame 5: its pixels were changed in place"),
        ({"find": leave_the_frame}, "expected boxes inside 128 x 96 pixels"),
        ({"find": other_names}, "expected the detector's class names"),
        ({"find": numbers_not_names}, r"expected class ids from 0 to 1, got \[7\]"),
        ({"find": not_a_number}, "expected finite boxes"),
        ({"find": surer_than_sure}, r"expected scores from 0 to 1, got \[1\.5\]"),
        ({"find": a_tuple}, "expected Detections, got tuple"),
        ({"find": share}, "second session: expected the same answer"),
        ({"find": remember_in_the_detector}, "two sessions side by side"),
    ],
)  # fmt: skip
def test_a_broken_promise_is_caught(methods, message):
    with pytest.raises(AssertionError, match=message):
        check_detector(broken(**methods))


@pytest.mark.parametrize("names", [(), ["person"], None])
def test_class_names_that_are_no_tuple_of_names_are_caught(names):
    kind = type("Nameless", (Honest,), {"class_names": names})
    with pytest.raises(AssertionError, match="class_names: expected a tuple of names"):
        check_detector(kind)


def test_a_new_detector_that_answers_otherwise_is_caught():
    made = []

    def make():
        made.append(1)
        gain = len(made)

        def find(self, frame):
            return Detections([[0, 0, 5, 5]], [1 / gain], [0], NAMES)

        return broken(find=find)()

    with pytest.raises(AssertionError, match="a new detector: expected the same answer"):
        check_detector(make)
