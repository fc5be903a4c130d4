"""The conformance suite of trackers: what holds for every one, checked on whichever you bring."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from faimtrack.structures import Detections, Frame, Tracks
from faimtrack.testing.requirement import require
from faimtrack.trackers.base import State, Tracker
from faimtrack.trackers.state import load_state, save_state

_WIDTH, _HEIGHT, _RATE = 640, 480, 25.0
_CLASS_NAMES = ("person", "bicycle")
Sequence = list[tuple[Detections, Frame]]


def check_tracker(
    make_tracker: Callable[[], Tracker],
    sequence: Sequence | None = None,
    *,
    restore: Callable[[State], Tracker] | None = None,
) -> None:
    """Check that a tracker keeps what `Tracker` promises.

    Ids are positive, unique in a frame and start again from 1 after `reset`; every row that names
    a detection names one of this frame, each at most once, with its class and score; boxes are
    finite; inputs are not modified; the same input gives the same tracks; trackers share nothing;
    frames must come in order; one person in plain sight is one track, however uneven the time
    stamps; and a tracker that is stopped after any frame, written to disk and read again, answers
    as one that was never stopped.

    Args:
        make_tracker: Makes a fresh tracker.
        sequence: Detections and frames to check with; None makes 60 frames of two classes that
            walk, vanish, come back and leave the picture, with empty frames and false alarms.
        restore: Makes a tracker from a state; None takes the tracker's own `from_state`, which is
            right for all that need nothing but the state (no networks).

    Raises:
        AssertionError: Something does not hold; the message says what.
    """
    sequence = crossing_sequence() if sequence is None else sequence
    before = [copy.deepcopy(detections) for detections, _ in sequence]
    tracker = make_tracker()
    answers = _run(tracker, sequence)
    for (detections, frame), tracks in zip(sequence, answers, strict=True):
        _check_answer(detections, frame, tracks)
    require(any(len(tracks) for tracks in answers), "expected tracks, got none at all")
    for (detections, frame), kept in zip(sequence, before, strict=True):
        require(detections == kept, f"frame {frame.index}: the detections were modified")
    _check_order(tracker, sequence)
    _check_same(answers, _run(make_tracker(), sequence), "a second tracker")
    tracker.reset()
    _check_same(answers, _run(tracker, sequence), "the same tracker after reset")
    _check_interleaved(make_tracker, sequence, answers)
    _check_empty(make_tracker())
    _check_uneven_times(make_tracker())
    _check_states(make_tracker, restore, sequence, answers)


def crossing_sequence(seed: int = 0, frame_count: int = 60) -> Sequence:
    """A short hard sequence: detections of both classes that meet, miss, jitter and mislead."""
    rng = np.random.default_rng(seed)
    position = rng.uniform([40, 80], [_WIDTH - 40, _HEIGHT - 80], (12, 2))
    speed = rng.uniform(-6, 6, (12, 2))
    speed[:3] = 0.0
    height = rng.uniform(50, 110, 12)
    sequence = []
    for index in range(1, frame_count + 1):
        position = position + speed
        size = np.stack([0.4 * height, height], axis=1) + rng.normal(0, 1.5, (12, 2))
        centre = position + rng.normal(0, 1.5, (12, 2))
        boxes = np.concatenate([centre - size / 2, centre + size / 2], axis=1)
        scores: NDArray[np.float64] = rng.normal(0.75, 0.2, 12).clip(0.05, 0.99).round(2)
        seen = rng.random(12) < (0.0 if 20 <= index < 23 else 0.9)
        if 14 <= index < 46:
            seen[:3] = False  # longer than a second: who is back then is somebody new
        alarms = rng.uniform([0, 0], [_WIDTH - 60, _HEIGHT - 90], (rng.integers(0, 3), 2))
        boxes = np.concatenate([boxes[seen], np.hstack([alarms, alarms + np.array([30, 80])])])
        scores = np.concatenate([scores[seen], np.full(len(alarms), 0.65)])
        class_ids = np.concatenate([np.arange(12)[seen] % 2, np.zeros(len(alarms), np.int64)])
        if 30 <= index < 33:
            boxes, scores, class_ids = boxes[:0], scores[:0], class_ids[:0]
        detections = Detections(boxes, scores, class_ids, _CLASS_NAMES)
        frame = Frame(index, time_s=(index - 1) / _RATE, size=(_WIDTH, _HEIGHT))
        sequence.append((detections, frame))
    return sequence


def _run(tracker: Tracker, sequence: Iterable[tuple[Detections, Frame]]) -> list[Tracks]:
    return [tracker.update(detections, frame) for detections, frame in sequence]


def _check_answer(detections: Detections, frame: Frame, tracks: Tracks) -> None:
    where = f"frame {frame.index}"
    require(isinstance(tracks, Tracks), f"{where}: expected Tracks, got {type(tracks).__name__}")
    try:
        Tracks(tracks.ids, tracks.boxes, tracks.scores, tracks.class_ids, tracks.detection_indices)
    except ValueError as error:
        raise AssertionError(f"{where}: {error}") from None
    require(bool((tracks.ids >= 1).all()), f"{where}: expected ids from 1")
    taken = tracks.detection_indices[tracks.detection_indices != -1]
    inside = (taken >= 0) & (taken < len(detections))
    require(bool(inside.all()), f"{where}: expected rows of its {len(detections)} detections")
    require(len(np.unique(taken)) == len(taken), f"{where}: two tracks took the same detection")
    named = tracks[tracks.detection_indices != -1]
    require(
        np.array_equal(named.class_ids, detections.class_ids[taken]),
        f"{where}: expected the classes of the detections taken",
    )
    require(
        np.array_equal(named.scores, detections.scores[taken]),
        f"{where}: expected the scores of the detections taken",
    )


def _check_same(expected: list[Tracks], came: list[Tracks], who: str) -> None:
    for number, (first, second) in enumerate(zip(expected, came, strict=True), 1):
        require(first == second, f"{who}: answer {number} differs")


def _check_order(tracker: Tracker, sequence: Sequence) -> None:
    for detections, frame in (sequence[-1], sequence[0]):
        try:
            tracker.update(detections, frame)
        except ValueError:
            continue
        raise AssertionError(f"expected frame {frame.index} to be refused when it is over")


def _check_interleaved(
    make_tracker: Callable[[], Tracker], sequence: Sequence, expected: list[Tracks]
) -> None:
    one, other = make_tracker(), make_tracker()
    answers = []
    for detections, frame in sequence:
        answers.append(one.update(detections, frame))
        other.update(detections[::-1], frame)
    _check_same(expected, answers, "a tracker beside another one")


def _check_empty(tracker: Tracker) -> None:
    for _ in range(3):
        tracks = tracker.update(Detections.empty(_CLASS_NAMES))
        require(len(tracks) == 0, "expected no tracks where nothing was ever detected")


def _check_uneven_times(tracker: Tracker) -> None:
    """One person in plain sight, in frames that come when they like, is one track."""
    rng = np.random.default_rng(0)
    box = np.array([[100.0, 100.0, 140.0, 200.0]])
    person = Detections(box, np.array([0.9]), class_names=_CLASS_NAMES)
    time_s, ids = 0.0, set()
    for index in range(1, 101):
        frame = Frame(index, time_s=time_s, size=(_WIDTH, _HEIGHT))
        ids.update(tracker.update(person, frame).ids.tolist())
        time_s += rng.uniform(0.6, 1.6) / _RATE
    require(len(ids) == 1, f"expected one id for one person in plain sight, got {len(ids)}")


def _check_states(
    make_tracker: Callable[[], Tracker],
    restore: Callable[[State], Tracker] | None,
    sequence: Sequence,
    expected: list[Tracks],
) -> None:
    running = make_tracker()
    restore = restore or type(running).from_state
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.npz"
        for stop, (detections, frame) in enumerate(sequence):
            save_state(path, running.state())
            restored = restore(load_state(path))
            rest = _run(restored, sequence[stop:])
            _check_same(expected[stop:], rest, f"a tracker restored after {stop} frames")
            running.update(detections, frame)
