"""Deep OC-SORT against its original's answers (golden/deepocsort/README.md), and part by part."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from faimtrack.structures import Detections, Frame
from faimtrack.testing import check_tracker, crossing_sequence
from faimtrack.trackers.adaptive_weights import adaptive_weights
from faimtrack.trackers.area_filter import AreaFilter
from faimtrack.trackers.deepocsort import DeepOcSort, DeepOcSortConfig
from faimtrack.trackers.size_filter import PublishedSizeFilter, SizeFilter

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "deepocsort" / "index.json").read_text(encoding="utf-8"))
MODELS = pytest.mark.parametrize("model", ["area", "size"])


def sequence_of(name, inputs):
    """Frames and detections as the authors' tracker was given them."""
    entry = INDEX["outputs"][name]
    rows, looks, motion = inputs[entry["input"]]
    for index in range(1, entry["frames"] + 1):
        here = rows[:, 0] == index
        if not here.any() and entry["empty_frames"] == "not called":
            continue
        boxes = rows[here, 2:6].copy()
        boxes[:, 2:] += boxes[:, :2]
        frame = Frame(index)
        if entry["camera_motion"]:
            frame.camera_motion = motion[index - 1]
        yield (
            frame,
            Detections(boxes, rows[here, 6], embeddings=looks[here], embedding_name="seeded"),
        )


@pytest.mark.parametrize("name", INDEX["outputs"])
def test_reference_preset_repeats_every_row_of_the_original(name, inputs, golden):
    entry = INDEX["outputs"][name]
    expected = golden.read_rows(GOLDEN / "deepocsort" / f"{name}.txt.gz")
    kept = expected[:, 6] == 1
    assert (len(expected), kept.sum()) == (entry["rows"], entry["rows_kept"])
    preset = dataclasses.replace(DeepOcSortConfig.preset(entry["preset"]), **entry["changes"])
    unfiltered = dataclasses.replace(preset, minimum_area=None, maximum_aspect=None)
    for config, rows in ((preset, expected[kept]), (unfiltered, expected)):
        tracker = DeepOcSort(config)
        answers = {
            frame.index: tracker.update(detections, frame)
            for frame, detections in sequence_of(name, inputs)
        }
        golden.check_rows(answers, rows, sizes=False)


# ---------------------------------------------------------------- what every tracker keeps


def seen_from_a_moving_camera():
    """Half of the suite's own sequence, with looks (unknown ones too) and a camera that moves."""
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(4, 8))
    sequence = []
    for detections, frame in crossing_sequence(frame_count=30):
        count = len(detections)
        embeddings = looks[rng.integers(0, 4, count)] + rng.normal(0, 0.1, (count, 8))
        embeddings[rng.random(count) < 0.1] = 0.0
        frame.camera_motion = np.eye(2, 3) + rng.normal(0, 0.01, (2, 3))
        changed = dataclasses.replace(detections, embeddings=embeddings, embedding_name="drawn")
        sequence.append((changed, frame))
    return sequence


@pytest.mark.parametrize("preset", ["default", "reference"])
@MODELS
def test_the_contract_is_kept_with_looks_and_a_moving_camera(preset, model):
    config = dataclasses.replace(DeepOcSortConfig.preset(preset), motion_model=model)
    check_tracker(lambda: DeepOcSort(config, frame_rate=25), seen_from_a_moving_camera())


def test_uses_weak_detections_when_told_and_learns_no_look_from_them(scene):
    tracker = DeepOcSort(DeepOcSortConfig(use_weak=True))
    for index in range(4):
        tracker.update(looking([scene.box(0), 0.9, [1.0, 0.0]]), Frame(index + 1))
    tracks = tracker.update(looking([scene.box(2), 0.3, [0.0, 1.0]]), Frame(5))
    assert tracks.ids.tolist() == [1]
    assert tracker._appearance.similarity(np.array([1]), [[1.0, 0.0]])[0, 0] == 1.0


# ---------------------------------------------------------------- camera motion


def pan(x, y=0.0):
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y]])


def turn(radians, scale=1.0, x=0.0, y=0.0):
    c, s = scale * np.cos(radians), scale * np.sin(radians)
    return np.array([[c, -s, x], [s, c, y]])


def follow(tracker, scene, frames):
    """Run over pairs of rows and camera motion."""
    answers = []
    for rows, motion in frames:
        frame = Frame(len(answers) + 1)
        frame.camera_motion = motion
        answers.append(tracker.update(scene.seen(*rows), frame))
    return answers


def make(preset="default", **changes):
    return DeepOcSort(dataclasses.replace(DeepOcSortConfig.preset(preset), **changes))


@MODELS
@pytest.mark.parametrize("preset", ["default", "reference"])
def test_a_track_goes_where_the_camera_takes_it(scene, model, preset):
    # The picture jumps back and forth by more than a box is wide: nothing else could follow.
    jumps = [60.0 * (index % 2) for index in range(12)]
    moves = np.diff(jumps, prepend=0.0)
    told = [([(scene.box(100 + x), 0.9)], pan(dx)) for x, dx in zip(jumps, moves, strict=True)]
    untold = [(rows, None) for rows, _ in told]
    answers = follow(make(preset, motion_model=model), scene, told)
    assert [tracks.ids.tolist() for tracks in answers] == [[1]] * 12
    answers = follow(make(preset, motion_model=model), scene, untold)
    assert any(tracks.ids.tolist() != [1] for tracks in answers)


@MODELS
def test_a_track_is_found_again_where_the_camera_has_taken_its_last_place(scene, model):
    # It ran, stopped unseen, and meanwhile the camera went on: only the last place tells (OCR).
    running = [([(scene.box(15.0 * index), 0.9)], None) for index in range(8)]
    gap = [([], pan(50.0))] * 5
    back = [([(scene.box(15.0 * 7 + 4 + 250), 0.9)], None)] * 4
    answers = follow(make(motion_model=model), scene, running + gap + back)
    assert answers[-1].ids.tolist() == [1]


@MODELS
def test_a_track_found_again_has_the_filter_of_one_that_was_never_lost(scene, model):
    # On a straight line through the world, while the camera pans, also in frames unseen.
    moves = [pan(3.0 + index % 4, -2.0) for index in range(14)]
    shift = np.cumsum([move[:, 2] for move in moves], axis=0)
    path = [
        scene.box(10.0 * index + shift[index, 0], 200.0 + 2 * index + shift[index, 1])
        for index in range(14)
    ]
    hidden = [
        ([(each, 0.9)] if not 6 <= index < 10 else [], move)
        for index, (each, move) in enumerate(zip(path, moves, strict=True))
    ]
    whole = [([(each, 0.9)], move) for each, move in zip(path, moves, strict=True)]
    repaired, never_lost = make(motion_model=model), make(motion_model=model)
    follow(repaired, scene, hidden)
    follow(never_lost, scene, whole)
    assert repaired._tracks["id"].tolist() == never_lost._tracks["id"].tolist() == [1]
    # The virtual path is the true one, seen from where the camera stands now, and every box of it
    # counts once.
    np.testing.assert_allclose(
        repaired._tracks["covariance"], never_lost._tracks["covariance"], rtol=1e-6, atol=1e-9
    )
    boxes = [each._filter.boxes(each._tracks) for each in (repaired, never_lost)]
    np.testing.assert_allclose(*boxes, atol=0.5)
    velocity = repaired._tracks["mean"][0, 4:6]
    np.testing.assert_allclose(velocity, [10.0, 2.0], atol=0.5)


@MODELS
def test_what_is_remembered_moves_once_and_in_the_published_code_twice(scene, model):
    walking = [([(scene.box(100.0 + 5 * index), 0.9)], None) for index in range(4)]
    for preset, times in (("default", 1), ("reference", 2)):
        tracker = make(preset, motion_model=model)
        follow(tracker, scene, walking)
        tracker._clock.advance(None)
        tracker._warp(pan(30.0, 7.0))
        moved = tracker._tracks["observation"][0] - scene.box(115.0)
        np.testing.assert_allclose(moved, np.array([30.0, 7.0, 30.0, 7.0]) * times)
        # Of the earlier ones, only the entry of the last moves along.
        for age, x in ((1, 105.0), (2, 110.0), (3, 115.0)):
            slot = tracker._tracks["recent_age"][0].tolist().index(age)
            shift = tracker._tracks["recent"][0, slot, 0] - x
            assert shift == pytest.approx(30.0 * (times if age == 3 else 1))


@MODELS
def test_a_turn_turns_the_direction_and_keeps_the_sides(scene, model):
    walking = [([(scene.box(100.0 + 5 * index), 0.9)], None) for index in range(6)]
    for preset, turned in (("default", True), ("reference", False)):
        tracker = make(preset, motion_model=model)
        follow(tracker, scene, walking)
        assert tracker._tracks["direction"][0].tolist() == pytest.approx([0.0, 1.0], abs=1e-6)
        tracker._clock.advance(None)
        tracker._warp(turn(np.pi / 2, x=300.0))  # to the right becomes down
        expected = [1.0, 0.0] if turned else [0.0, 1.0]
        assert tracker._tracks["direction"][0].tolist() == pytest.approx(expected, abs=1e-6)
        if turned:
            left, top, right, bottom = tracker._tracks["observation"][0]
            assert (right - left, bottom - top) == pytest.approx((40.0, 100.0))


def test_stale_observations_are_left_where_they_are(scene):
    # Seen in every third frame only: two of three places are never written again.
    tracker = make()
    frames = [([(scene.box(100), 0.9)] if index < 4 or index % 3 == 0 else [], None)
              for index in range(12)]  # fmt: skip
    follow(tracker, scene, frames)
    stale = tracker._tracks["recent_age"][0] < tracker._tracks["age"][0] - 2
    assert stale.any()
    before = tracker._tracks["recent"][0, stale]
    tracker._clock.advance(None)
    tracker._warp(pan(9.0))
    np.testing.assert_array_equal(tracker._tracks["recent"][0, stale], before)


def test_a_camera_motion_that_is_none_is_refused_before_anything_changes(scene):
    tracker = make()
    follow(tracker, scene, [([(scene.box(0), 0.9)], None)] * 3)
    before = tracker.state()
    frame = Frame(4)
    frame.camera_motion = np.full((2, 3), np.nan)
    with pytest.raises(ValueError, match="camera_motion of frame 4"):
        tracker.update(scene.seen((scene.box(0), 0.9)), frame)
    np.testing.assert_equal(tracker.state(), before)


# ---------------------------------------------------------------- the two filters

# The published one of area and aspect turns parts of its covariance only, which then is none.
FILTERS = [SizeFilter, AreaFilter, PublishedSizeFilter]


def rows_of(motion, boxes):
    row_type = np.dtype(
        [("mean", "f8", (motion.size,)), ("covariance", "f8", (motion.size, motion.size))]
    )
    tracks = np.zeros(len(boxes), row_type)
    motion.start(tracks, np.asarray(boxes, float))
    return tracks


@pytest.mark.parametrize("kind", FILTERS)
@given(seed=st.integers(0, 2**32 - 1))
def test_covariances_stay_covariances_whatever_comes(kind, seed):
    rng, motion = np.random.default_rng(seed), kind()
    corner, size = rng.uniform(0, 500, (5, 2)), rng.uniform(10, 200, (5, 2))
    tracks = rows_of(motion, np.hstack([corner, corner + size]))
    for _ in range(20):
        camera = turn(rng.normal(0, 0.05), rng.uniform(0.9, 1.1), *rng.normal(0, 10, 2))
        motion.warp(tracks, camera)
        steps = rng.uniform(0.2, 3.0)
        motion.keep_possible(tracks, steps)
        motion.predict(tracks, steps)
        seen = np.flatnonzero(rng.random(5) < 0.7)
        size = rng.uniform(10, 200, (len(seen), 2))
        corner = rng.uniform(0, 500, (len(seen), 2))
        motion.update(tracks, seen, motion.measure(np.hstack([corner, corner + size])))
        covariance = tracks["covariance"]
        scale = np.abs(covariance).max(axis=(1, 2), keepdims=True)
        assert (np.abs(covariance - covariance.transpose(0, 2, 1)) <= 1e-9 * scale).all()
        assert (np.linalg.eigvalsh(covariance / scale) > -1e-9).all()


@pytest.mark.parametrize("kind", [SizeFilter, AreaFilter])
def test_a_box_that_shrinks_does_not_pass_zero(kind):
    motion = kind()
    tracks = rows_of(motion, [[0.0, 0.0, 40.0, 100.0]])
    for factor in (1.0, 0.6, 0.3):
        motion.predict(tracks)
        box = np.array([[0.0, 0.0, 40.0 * factor, 100.0 * factor]])
        motion.update(tracks, np.array([0]), motion.measure(box))
    for _ in range(30):
        motion.keep_possible(tracks, 2.0)
        motion.predict(tracks, 2.0)
        left, top, right, bottom = motion.boxes(tracks)[0]
        assert right > left
        assert bottom > top


def test_nobody_grows_unseen_in_the_filter_of_width_and_height():
    motion = SizeFilter()
    tracks = rows_of(motion, [[0.0, 0.0, 40.0, 100.0]] * 2)
    tracks["mean"][:, 6:] = 3.0
    motion.keep_size(tracks, np.array([True, False]))
    motion.predict(tracks)
    assert tracks["mean"][:, 2:4].tolist() == [[40.0, 100.0], [43.0, 103.0]]


# ---------------------------------------------------------------- looks


def looking(*rows, name="drawn"):
    """Detections of rows `box, score, embedding`."""
    boxes, scores, looks = zip(*rows, strict=True)
    return Detections(boxes, scores, embeddings=np.array(looks, float), embedding_name=name)


RED, BLUE, UNKNOWN = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]


def two_people(scene, looks, distance=12.0):
    """Two people side by side, and how they are called."""
    tracker = make()
    for index in range(1, 6):
        rows = [
            (scene.box(100), 0.9, looks[0]), (scene.box(100 + distance), 0.9, looks[1]),
        ]  # fmt: skip
        answer = tracker.update(looking(*rows), Frame(index))
    assert sorted(answer.ids.tolist()) == [1, 2]
    return tracker


def taken(tracks):
    return dict(zip(tracks.ids.tolist(), tracks.detection_indices.tolist(), strict=True))


def test_looks_tell_two_people_who_change_places(scene):
    swapped = [(scene.box(100), 0.9, BLUE), (scene.box(112), 0.9, RED)]
    tracker = two_people(scene, (RED, BLUE))
    first = taken(two_people(scene, (RED, BLUE)).update(looking(
        (scene.box(100), 0.9, RED), (scene.box(112), 0.9, BLUE)), Frame(6)))  # fmt: skip
    assert taken(tracker.update(looking(*swapped), Frame(6))) == {
        key: 1 - value for key, value in first.items()
    }


def test_looks_that_are_unknown_or_not_looked_at_add_nothing(scene):
    swapped = looking((scene.box(100), 0.9, BLUE), (scene.box(112), 0.9, RED))
    stayed = {1: 0, 2: 1}
    assert taken(two_people(scene, (UNKNOWN, UNKNOWN)).update(swapped, Frame(6))) == stayed
    unknown = looking((scene.box(100), 0.9, UNKNOWN), (scene.box(112), 0.9, UNKNOWN))
    assert taken(two_people(scene, (RED, BLUE)).update(unknown, Frame(6))) == stayed
    tracker = two_people(scene, (RED, BLUE))
    tracker.config = dataclasses.replace(tracker.config, use_appearance=False)
    assert taken(tracker.update(swapped, Frame(6))) == stayed


@pytest.mark.parametrize("preset", DeepOcSortConfig.preset_names())
def test_detections_of_unknown_looks_are_tracked_as_those_without_embeddings(preset):
    config = DeepOcSortConfig.preset(preset)
    with_zeros, without = DeepOcSort(config), DeepOcSort(config)
    for detections, frame in crossing_sequence():
        zeros = dataclasses.replace(
            detections, embeddings=np.zeros((len(detections), 4)), embedding_name="none"
        )
        assert with_zeros.update(zeros, frame) == without.update(detections, frame)


def test_a_frame_without_embeddings_in_between_is_tracked_by_boxes(scene):
    tracker = two_people(scene, (RED, BLUE))
    plain = scene.seen((scene.box(100), 0.9), (scene.box(112), 0.9))
    assert taken(tracker.update(plain, Frame(6))) == {1: 0, 2: 1}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"name": "another"}, "expected drawn with 3 numbers, as before, got another with 3"),
        ({"width": 5}, "expected drawn with 3 numbers, as before, got drawn with 5"),
    ],
)
def test_embeddings_of_two_models_are_refused_before_anything_changes(scene, other, message):
    tracker = two_people(scene, (RED, BLUE))
    before = tracker.state()
    look = np.ones(other.get("width", 3))
    mixed = looking((scene.box(100), 0.9, look), name=other.get("name", "drawn"))
    with pytest.raises(ValueError, match=message):
        tracker.update(mixed, Frame(6))
    np.testing.assert_equal(tracker.state(), before)
    tracker.reset()
    assert len(tracker.update(mixed, Frame(1))) == 1


def test_a_sure_detection_teaches_more_than_a_doubtful_one(scene):
    kept = {}
    for score in (0.6, 0.8, 1.0):
        tracker = make()
        tracker.update(looking([scene.box(100), 0.9, RED]), Frame(1))
        tracker.update(looking([scene.box(100), score, BLUE]), Frame(2))
        cosine = tracker._appearance.similarity(np.array([1]), [RED, BLUE])[0]
        kept[score] = cosine[0] / cosine.sum()
    # From 1 at the threshold to 0.95 where it is certain.
    assert kept == pytest.approx({0.6: 1.0, 0.8: 0.975, 1.0: 0.95})


def test_a_threshold_of_one_leaves_no_room_for_doubt(scene):
    tracker = make(detection_threshold=1.0)
    tracker.update(looking([scene.box(100), 1.0, RED]), Frame(1))
    tracker.update(looking([scene.box(100), 1.0, BLUE]), Frame(2))
    cosine = tracker._appearance.similarity(np.array([1]), [RED, BLUE])[0]
    assert cosine[0] / cosine.sum() == pytest.approx(0.95)


def test_a_look_does_not_outweigh_another_class(scene):
    tracker = make()
    boxes = [scene.box(100), scene.box(112)]
    for index, looks in enumerate([[RED, BLUE]] * 4 + [[BLUE, RED]], 1):
        classes = Detections(
            boxes, [0.9, 0.9], [0, 1], ("person", "car"), embeddings=looks, embedding_name="drawn"
        )
        tracks = tracker.update(classes, Frame(index))
    assert taken(tracks) == {1: 0, 2: 1}


def test_nobody_stands_out_less_for_somebody_of_another_class(scene):
    tracker = two_people(scene, (RED, [0.001, 1.0, 0.0]))  # 0 would be unknown
    candidates = tracker._candidates(
        looking((scene.box(100), 0.9, RED), (scene.box(112), 0.9, RED)), None
    )
    same_class, other_class = np.array([[0.5, 0.4], [0.4, 0.5]]), np.array([[0.5, -1], [-1, 0.5]])
    assert tracker._likeness(same_class, candidates)[0, 0] == pytest.approx(0.75 + 0.25, abs=0.01)
    assert tracker._likeness(other_class, candidates)[0, 0] == pytest.approx(0.75 + 0.5, abs=0.01)
    assert tracker._likeness(other_class, candidates)[0, 1] == 0.0


def test_the_looks_of_the_dead_are_forgotten(scene):
    tracker = make(lost_buffer_frames=3)
    for index in range(1, 40):
        row = (scene.box(100.0 + 200 * index), 0.9, RED)
        tracker.update(looking(row), Frame(index))
        assert len(tracker._appearance) <= 4


# ---------------------------------------------------------------- adaptive weights


def test_a_look_that_stands_out_gains_weight_by_its_row_and_by_its_column():
    similarity = np.array([[0.9, 0.2, 0.1], [0.5, 0.6, 0.3]])
    # Rows: 0.7, cut off at 0.5, and 0.1; columns: 0.4, 0.4 and 0.2.
    expected = np.array([[0.9, 0.9, 0.7], [0.5, 0.5, 0.3]]) / 2
    np.testing.assert_allclose(adaptive_weights(similarity, 0.5), expected)


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_nobody_stands_out_alone(shape):
    assert not adaptive_weights(np.full(shape, 0.8), 0.5).any()


SIMILARITIES = st.tuples(st.integers(1, 5), st.integers(1, 5)).flatmap(
    lambda shape: arrays(np.float64, shape, elements=st.floats(-1, 1, width=32))
)


@given(SIMILARITIES, st.floats(0, 2))
def test_a_weight_gains_between_nothing_and_the_limit(similarity, limit):
    gain = adaptive_weights(similarity, limit)
    assert (gain >= 0.0).all()
    assert (gain <= limit).all()
    np.testing.assert_array_equal(gain, adaptive_weights(similarity.T, limit).T)


@given(SIMILARITIES)
def test_somebody_unknown_changes_no_weight(similarity):
    rows, columns = similarity.shape
    wider = np.zeros((rows + 1, columns + 1))
    wider[:-1, :-1] = similarity
    gain = adaptive_weights(wider, 0.5)
    np.testing.assert_array_equal(gain[:-1, :-1], adaptive_weights(similarity, 0.5))
    assert not gain[-1].any()
    assert not gain[:, -1].any()
