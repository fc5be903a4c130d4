"""The conformance suite of detectors: what holds for every one, checked on whichever you bring."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from faimtrack.detectors.session import Detector, Session
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.testing.requirement import require

_FIRST_INDEX = 5
_Answers = list[tuple[Frame, Detections]]


def check_detector(
    make_detector: Callable[[], Detector], frames: Sequence[Frame] | None = None
) -> None:
    """Check that a detector keeps what the session protocol promises.

    Every frame is answered once and in order, at the latest by `finish`, and never before it was
    pushed; boxes lie inside the frame, scores in [0, 1], class ids among the names; frames are
    not modified; the same frames give the same answers; sessions share nothing.

    Args:
        make_detector: Makes a fresh detector.
        frames: At least four frames with pixels and a size, in order; None makes eight of noise,
            96 pixels high and 128 wide, numbered from 5.

    Raises:
        AssertionError: Something does not hold; the message says what.
    """
    frames = list(_noise_frames() if frames is None else frames)
    require(len(frames) >= 4, f"expected at least 4 frames to check with, got {len(frames)}")
    detector = make_detector()
    _check_class_names(detector)
    before = [(frame.index, frame.time_s, frame.image.copy()) for frame in frames]
    alone = _run(detector, frames, chunk=1)
    _check_answers(detector, frames, alone, "frames pushed one by one")
    _check_unmodified(frames, before)
    for chunk in (3, len(frames)):
        together = _run(detector, frames, chunk)
        _check_answers(detector, frames, together, f"frames pushed {chunk} at a time")
    _check_unmodified(frames, before)
    _check_same(alone, _run(detector, frames, chunk=1), "the same frames in a second session")
    _check_same(alone, _run(make_detector(), frames, chunk=1), "the same frames, a new detector")
    _check_interleaved(detector, frames, alone)
    _check_ends(detector, frames)


def _noise_frames() -> Iterator[Frame]:
    random = np.random.default_rng(0)
    for index in range(_FIRST_INDEX, _FIRST_INDEX + 8):
        image = random.integers(0, 256, (96, 128, 3), dtype=np.uint8)
        yield Frame(index, time_s=(index - 1) / 25, image=image)


def _open(detector: Detector, frames: Sequence[Frame]) -> Session:
    width, height = frames[0].size or (None, None)
    return detector.open(
        SourceInfo(
            name="conformance",
            frame_rate=25.0,
            frame_count=len(frames),
            width=width,
            height=height,
            first_index=frames[0].index,
        )
    )


def _run(detector: Detector, frames: Sequence[Frame], chunk: int) -> _Answers:
    """All answers of a fresh session; no frame may be answered before it came."""
    session = _open(detector, frames)
    answers: _Answers = []
    for start in range(0, len(frames), chunk):
        pushed = frames[start : start + chunk]
        came = session.push(pushed)
        for frame, _ in came:
            require(
                frame.index <= pushed[-1].index,
                f"frame {frame.index} was answered before it was pushed",
            )
        answers += came
    return answers + list(session.finish())


def _check_class_names(detector: Detector) -> None:
    names = detector.class_names
    is_right = isinstance(names, tuple) and all(isinstance(name, str) for name in names)
    require(is_right and len(names) > 0, f"class_names: expected a tuple of names, got {names!r}")


def _check_answers(
    detector: Detector, frames: Sequence[Frame], answers: _Answers, case: str
) -> None:
    expected = [frame.index for frame in frames]
    came = [frame.index for frame, _ in answers]
    missing = sorted(set(expected) - set(came))
    require(not missing, f"{case}: frames {missing} were never answered, not even by finish()")
    require(len(came) == len(set(came)), f"{case}: a frame was answered twice: {came}")
    require(came == expected, f"{case}: expected answers in order {expected}, got {came}")
    for frame, (_, detections) in zip(frames, answers, strict=True):
        _check_detections(detector, frame, detections, f"{case}, frame {frame.index}")


def _check_detections(detector: Detector, frame: Frame, detections: Detections, case: str) -> None:
    require(
        isinstance(detections, Detections),
        f"{case}: expected Detections, got {type(detections).__name__}",
    )
    names = detections.class_names
    require(
        names == detector.class_names,
        f"{case}: expected the detector's class names {detector.class_names}, got {names}",
    )
    boxes, ids, scores = detections.boxes, detections.class_ids, detections.scores
    in_range = (ids >= 0) & (ids < len(names))
    require(
        bool(in_range.all()),
        f"{case}: expected class ids from 0 to {len(names) - 1}, got {ids[~in_range].tolist()}",
    )
    require(bool(np.isfinite(boxes).all()), f"{case}: expected finite boxes, got {boxes}")
    width, height = frame.size or (np.inf, np.inf)
    limits = np.array([width, height, width, height]) + 1e-6
    is_inside = ((boxes >= -1e-6) & (boxes <= limits)).all(axis=1)
    require(
        bool(is_inside.all()),
        f"{case}: expected boxes inside {width} x {height} pixels, "
        f"got {boxes[~is_inside][:1].tolist()}",
    )
    is_score = (scores >= 0) & (scores <= 1)
    require(
        bool(is_score.all()),
        f"{case}: expected scores from 0 to 1, got {scores[~is_score].tolist()}",
    )


def _check_unmodified(
    frames: Sequence[Frame], before: Sequence[tuple[int, float | None, np.ndarray]]
) -> None:
    for frame, (index, time_s, image) in zip(frames, before, strict=True):
        require(
            frame.index == index and frame.time_s == time_s,
            f"frame {index}: its index or its time was changed",
        )
        require(
            np.array_equal(frame.image, image), f"frame {index}: its pixels were changed in place"
        )


def _check_same(first: _Answers, second: _Answers, case: str) -> None:
    require(len(first) == len(second), f"{case}: expected {len(first)} answers, got {len(second)}")
    for (frame, one), (_, other) in zip(first, second, strict=True):
        require(one == other, f"{case}: expected the same answer for frame {frame.index}")


def _check_interleaved(detector: Detector, frames: Sequence[Frame], alone: _Answers) -> None:
    """Two sessions at a time, the second on other frames, change nothing in the first."""
    others = [Frame(frame.index, time_s=frame.time_s, image=255 - frame.image) for frame in frames]
    first, second = _open(detector, frames), _open(detector, others)
    answers: _Answers = []
    for frame, other in zip(frames, others, strict=True):
        second.push([other])
        answers += first.push([frame])
    second.finish()
    answers += first.finish()
    _check_same(alone, answers, "two sessions side by side (do they share something?)")


def _check_ends(detector: Detector, frames: Sequence[Frame]) -> None:
    unused = _open(detector, frames)
    require(list(unused.push([])) == [], "push([]) of a new session: expected no answers")
    require(list(unused.finish()) == [], "finish() of an unused session: expected no answers")
