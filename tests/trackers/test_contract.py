"""Every tracker passes the public conformance suite, and the suite catches what is broken."""

import dataclasses
import tracemalloc

import numpy as np
import pytest

from faimtrack.boxes import box_iou
from faimtrack.config import PresetConfig
from faimtrack.structures import Detections, Frame, Tracks
from faimtrack.testing import check_tracker, crossing_sequence
from faimtrack.trackers import (
    ByteTrack,
    create_tracker,
    restore_tracker,
    tracker_entry,
    tracker_names,
)

EVERY_PRESET = [
    (name, preset)
    for name in tracker_names()
    for preset in tracker_entry(name).config_class.preset_names()
]


class NearestDetection:
    """A regressor that knows the detections which a frame's features are, and an embedder.

    A box goes to the detection of its class that it overlaps most; without any it scores 0.1.
    Where a frame has no features nobody moves. All look like their class.
    """

    class_names = ("person", "bicycle")
    name, dimension = "class", 2

    def regress(self, frame, boxes, class_ids=None):
        if frame.features is None:
            return boxes, np.full(len(boxes), 0.9)
        moved, scores = boxes.copy(), np.full(len(boxes), 0.1)
        for row, class_id in enumerate(class_ids):
            known = frame.features[frame.features.class_ids == class_id]
            overlaps = box_iou(boxes[row : row + 1], known.boxes)[0]
            if overlaps.any():
                moved[row] = known.boxes[overlaps.argmax()]
                scores[row] = known.scores[overlaps.argmax()]
        return moved, scores

    def embed(self, frame, boxes):
        return np.tile(np.float32([1, 0]), (len(boxes), 1))


def networks(name):
    """What a tracker cannot be made without."""
    if not tracker_entry(name).needs_regressor:
        return {}
    return {"regressor": NearestDetection(), "embedder": NearestDetection()}


def make(name, config=None, frame_rate=None):
    return create_tracker(name, config, frame_rate=frame_rate, **networks(name))


def known_sequence(**arguments):
    """The suite's own sequence, with features for a regressor."""
    sequence = crossing_sequence(**arguments)
    for detections, frame in sequence:
        frame.features = detections
    return sequence


def check(name, config, frame_rate=None):
    check_tracker(
        lambda: make(name, config, frame_rate),
        known_sequence(),
        restore=lambda state: restore_tracker(state, **networks(name)),
    )


@pytest.mark.parametrize(("name", "preset"), EVERY_PRESET)
def test_every_preset_of_every_tracker_keeps_the_contract(name, preset):
    check(name, tracker_entry(name).config_class.preset(preset), frame_rate=25)


@pytest.mark.parametrize("name", tracker_names())
def test_every_tracker_has_the_presets_by_which_all_are_compared(name):
    assert {"default", "mot20", "reference"} <= set(
        tracker_entry(name).config_class.preset_names()
    )


def test_public_detections_and_motion_keep_the_contract():
    entry = tracker_entry("tracktor")
    check("tracktor", entry.config_class(public_detections=True, linear_motion=True))


@pytest.mark.parametrize("name", tracker_names())
def test_agnostic_matching_keeps_the_contract(name):
    config = dataclasses.replace(
        tracker_entry(name).config_class(), class_matching="agnostic", lost_buffer_frames=5
    )
    check(name, config)


class Broken(ByteTrack):
    """A ByteTrack that is about to be broken in one place."""


class ModifiesInput(Broken):
    def update(self, detections, frame=None):
        detections.boxes[:] += 0.5
        return super().update(detections, frame)


class SharesIds(Broken):
    next_id = 0

    def update(self, detections, frame=None):
        self._last_id = max(self._last_id, SharesIds.next_id)
        tracks = super().update(detections, frame)
        SharesIds.next_id = self._last_id
        return tracks


class KeepsIdsOverReset(Broken):
    def reset(self):
        last_id = getattr(self, "_last_id", 0)
        super().reset()
        self._last_id = last_id


class ForgetsItsClock(Broken):
    def state(self):
        return super().state() | {"clock.now": 0.0}


class ForgetsTheLost(Broken):
    def state(self):
        state = super().state()
        return {
            key: value[:0] if key.startswith("lost.") else value for key, value in state.items()
        }


class NamesAnotherDetection(Broken):
    def update(self, detections, frame=None):
        tracks = super().update(detections, frame)
        return dataclasses.replace(tracks, detection_indices=tracks.detection_indices[::-1])


class NamesTheSameTwice(Broken):
    def update(self, detections, frame=None):
        tracks = super().update(detections, frame)
        return dataclasses.replace(tracks, detection_indices=np.zeros(len(tracks), int))


class TakesFramesInAnyOrder(Broken):
    def update(self, detections, frame=None):
        return super().update(detections, None)


class SeesGhosts(Broken):
    def update(self, detections, frame=None):
        tracks = super().update(detections, frame)
        if len(tracks):
            return tracks
        return Tracks([1], [[0, 0, 9, 9]], [0.5], [0], [-1])


class IsRandom(Broken):
    def update(self, detections, frame=None):
        tracks = super().update(detections, frame)
        return dataclasses.replace(
            tracks, boxes=tracks.boxes + np.random.default_rng().uniform(0, 1)
        )


@pytest.mark.parametrize("broken", Broken.__subclasses__(), ids=lambda each: each.__name__)
def test_a_broken_tracker_is_caught(broken):
    with pytest.raises(AssertionError):
        check_tracker(broken)


def test_a_tracker_that_never_answers_is_caught():
    nothing = [(Detections.empty(), Frame(index)) for index in range(1, 9)]
    with pytest.raises(AssertionError, match="got none at all"):
        check_tracker(ByteTrack, nothing)


@pytest.mark.parametrize(
    "frame_count", [1_500, pytest.param(10_000, marks=pytest.mark.slow)], ids="{}".format
)
@pytest.mark.parametrize("name", tracker_names())
def test_memory_stays_flat(name, frame_count):
    tracker = make(name)
    scene = known_sequence(frame_count=50)
    tracemalloc.start()
    try:
        sizes = []
        for number in range(frame_count):
            detections, _ = scene[number % 50]
            frame = Frame(number + 1)
            frame.features = detections
            tracker.update(detections, frame)
            if number in (499, frame_count - 1):
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert abs(sizes[1] - sizes[0]) < 100 * frame_count, "a hundred bytes a frame is a leak"
    assert abs(sizes[1] - sizes[0]) < 1_000_000


def test_detections_with_embeddings_and_masks_can_be_checked_with():
    mask = {"size": [9, 9], "counts": b"1"}
    sequence = [
        (
            Detections(
                [[0, 0, 9, 9]], [0.9], embeddings=[[1.0, 0.5]], embedding_name="e", masks=[mask]
            ),
            Frame(index),
        )
        for index in (1, 2, 3)
    ]
    check_tracker(ByteTrack, sequence)


@pytest.mark.parametrize("name", tracker_names())
@pytest.mark.parametrize("config", [{"track_threshold": 0.5}, PresetConfig()], ids=repr)
def test_a_configuration_of_another_kind_is_refused(name, config):
    expected = tracker_entry(name).config_class.__name__
    with pytest.raises(
        TypeError, match=f"config: expected {expected}, got {type(config).__name__}"
    ):
        make(name, config)
