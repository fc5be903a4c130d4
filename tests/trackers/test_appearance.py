import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.structures import Detections, Frame
from faimtrack.testing import crossing_sequence
from faimtrack.trackers.appearance import AppearanceMemory, unit_vectors
from faimtrack.trackers.botsort import BotSort
from faimtrack.trackers.bytetrack import ByteTrack
from faimtrack.trackers.candidates import Candidates
from faimtrack.trackers.deepocsort import DeepOcSort
from faimtrack.trackers.ocsort import OcSort
from faimtrack.trackers.sort import Sort

TRACKERS = [BotSort, ByteTrack, OcSort, Sort]


def memory_of(vectors, ids=None, keep=0.9):
    memory = AppearanceMemory()
    memory.expect("drawn", len(vectors[0]))
    memory.remember(np.arange(1, len(vectors) + 1) if ids is None else ids, vectors, keep)
    return memory


def test_similarity_is_the_cosine_whatever_the_lengths():
    memory = memory_of([[3.0, 0.0], [1.0, 1.0]])
    similarity = memory.similarity(np.array([2, 1]), [[0.0, 5.0], [2.0, 0.0]])
    np.testing.assert_allclose(similarity, [[0.5**0.5, 0.5**0.5], [0.0, 1.0]], atol=1e-15)


def test_who_is_unknown_is_like_nobody():
    memory = memory_of([[1.0, 0.0]])
    similarity = memory.similarity(np.array([7, 1]), [[1.0, 0.0], [0.0, 0.0]])
    np.testing.assert_array_equal(similarity, [[0.0, 0.0], [1.0, 0.0]])


def test_similarity_of_pairs_is_that_of_the_matrix_and_nan_where_somebody_is_unknown():
    rng = np.random.default_rng(0)
    memory = memory_of(rng.normal(size=(4, 6)), ids=np.array([9, 2, 5, 7]))
    ids, embeddings = np.array([5, 3, 9, 2, 7]), rng.normal(size=(3, 6))
    embeddings[1] = 0.0
    rows, columns = np.divmod(np.arange(15), 3)
    pairs = memory.pair_similarity(ids, embeddings, rows, columns).reshape(5, 3)
    assert np.isnan(pairs[1]).all()
    assert np.isnan(pairs[:, 1]).all()
    known = ~np.isnan(pairs)
    assert known.sum() == 8
    np.testing.assert_allclose(pairs[known], memory.similarity(ids, embeddings)[known])


def test_remembering_blends_and_keeps_length_one():
    memory = memory_of([[1.0, 0.0]])
    memory.remember(np.array([1]), [[0.0, 2.0]], 0.9)
    expected = np.array([0.9, 0.1]) / np.hypot(0.9, 0.1)
    np.testing.assert_allclose(memory.state()["appearance.vectors"], [expected])


def test_each_track_may_keep_its_own_part():
    memory = memory_of([[1.0, 0.0], [1.0, 0.0]])
    memory.remember(np.array([1, 2]), [[0.0, 1.0]] * 2, np.array([1.0, 0.0]))
    np.testing.assert_allclose(memory.state()["appearance.vectors"], np.eye(2))


def test_a_row_of_zeros_changes_nothing():
    memory = memory_of([[1.0, 0.0]])
    memory.remember(np.array([1, 2]), np.zeros((2, 2)), 0.9)
    assert len(memory) == 1
    np.testing.assert_array_equal(memory.state()["appearance.vectors"], [[1.0, 0.0]])


def test_only_those_alive_are_kept():
    memory = memory_of(np.eye(3), ids=np.array([4, 8, 6]))
    memory.keep_only(np.array([6, 99]))
    assert memory.state()["appearance.ids"].tolist() == [6]
    np.testing.assert_array_equal(memory.similarity(np.array([6]), np.eye(3)), [[0, 0, 1]])


@pytest.mark.parametrize(("name", "dimension"), [("other", 2), ("drawn", 3)])
def test_vectors_of_another_kind_are_refused(name, dimension):
    with pytest.raises(ValueError, match=f"drawn with 2 numbers.*got {name} with {dimension}"):
        memory_of([[1.0, 0.0]]).expect(name, dimension)


def check_another_model_may_come(memory):
    assert memory.name is None
    memory.expect("other", 3)
    memory.remember(np.array([9]), [[0.0, 0.0, 2.0]], 0.9)
    assert memory.name == "other"
    np.testing.assert_array_equal(memory.similarity(np.array([9]), [[0.0, 0.0, 1.0]]), [[1.0]])
    with pytest.raises(ValueError, match="expected other with 3 numbers"):
        memory.expect("drawn", 2)


@pytest.mark.parametrize("restored", [False, True])
def test_whoever_has_forgotten_everybody_holds_no_name_and_takes_another_model(restored):
    memory = memory_of(np.eye(2))
    memory.keep_only(np.array([2]))
    with pytest.raises(ValueError, match="expected drawn with 2 numbers"):
        memory.expect("other", 3)
    memory.keep_only(np.array([7]))
    if restored:
        state = memory.state()
        assert state["appearance.name"] is None
        memory = AppearanceMemory()
        memory.restore(state)
    check_another_model_may_come(memory)


def test_a_model_of_which_nothing_was_remembered_is_not_held_to():
    memory = AppearanceMemory()
    memory.expect("drawn", 2)
    memory.remember(np.array([1]), [[0.0, 0.0]], 0.9)
    check_another_model_may_come(memory)


def test_a_memory_goes_on_from_its_state():
    memory = memory_of(np.eye(3))
    state = memory.state()
    restored = AppearanceMemory()
    restored.restore(state)
    state["appearance.vectors"][:] = 7.0
    np.testing.assert_array_equal(restored.similarity(np.arange(1, 4), np.eye(3)), np.eye(3))


@given(st.lists(st.lists(st.integers(-9, 9), min_size=3, max_size=3), max_size=6))
def test_unit_vectors_have_length_one_or_are_zero(vectors):
    units = unit_vectors(np.reshape(vectors, (-1, 3)))
    lengths = np.linalg.norm(units, axis=1)
    expected = np.reshape(vectors, (-1, 3)).any(axis=1).astype(float)
    np.testing.assert_allclose(lengths, expected, atol=1e-12)


def embedded(sequence, *, name="drawn", dimension=8):
    """A sequence whose detections look like somebody drawn by chance."""
    rng = np.random.default_rng(0)
    return [
        (
            dataclasses.replace(
                detections,
                embeddings=rng.normal(size=(len(detections), dimension)),
                embedding_name=name,
            ),
            frame,
        )
        for detections, frame in sequence
    ]


def huddle(frame_count=40):
    """Six people who step on each other's toes, strong and weak, seen and not."""
    rng = np.random.default_rng(1)
    looks = rng.normal(size=(6, 8))
    sequence = []
    for index in range(1, frame_count + 1):
        left = 100.0 + 12.0 * np.arange(6) + rng.normal(0, 8, 6)
        top = 50.0 + rng.normal(0, 4, 6)
        boxes = np.column_stack([left, top, left + 40, top + 100])
        seen = rng.random(6) < 0.9
        detections = Detections(
            boxes[seen],
            rng.uniform(0.3, 1.0, 6)[seen],
            class_names=("person", "bicycle"),
            embeddings=(looks + rng.normal(0, 0.2, (6, 8)))[seen],
            embedding_name="drawn",
        )
        sequence.append((detections, Frame(index)))
    return sequence


def without_looks(sequence):
    return [
        (dataclasses.replace(detections, embeddings=None, embedding_name=None), frame)
        for detections, frame in sequence
    ]


def run(tracker, sequence):
    return [tracker.update(detections, frame) for detections, frame in sequence]


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_looks_make_a_difference_unless_they_are_switched_off(tracker_class):
    sequence = huddle()
    plain = run(tracker_class(), without_looks(sequence))
    assert run(tracker_class(), sequence) != plain
    blind = tracker_class(tracker_class.config_class(use_appearance=False))
    assert blind.appearance_threshold is None
    assert run(blind, sequence) == plain


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_looks_of_which_nothing_is_known_change_no_bit(tracker_class):
    sequence = huddle()
    unknown = [
        (dataclasses.replace(detections, embeddings=np.zeros((len(detections), 4))), frame)
        for detections, frame in sequence
    ]
    assert run(tracker_class(), unknown) == run(tracker_class(), without_looks(sequence))


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_no_look_below_the_threshold_that_is_told_is_asked_for(tracker_class):
    sequence = huddle()
    threshold = tracker_class().appearance_threshold
    assert 0.0 < threshold < 1.0
    cheap = []
    for detections, frame in sequence:
        embeddings = detections.embeddings.copy()
        embeddings[detections.scores < threshold] = 0.0
        cheap.append((dataclasses.replace(detections, embeddings=embeddings), frame))
    assert run(tracker_class(), cheap) == run(tracker_class(), sequence)


@pytest.mark.parametrize("tracker_class", [ByteTrack, OcSort, Sort])
@pytest.mark.parametrize("preset", ["reference", "reference-mot20"])
def test_reference_presets_of_trackers_without_looks_do_not_look(tracker_class, preset):
    tracker = tracker_class(tracker_class.config_class.preset(preset))
    assert tracker.appearance_threshold is None
    expected = run(tracker_class(tracker.config), without_looks(huddle()))
    assert run(tracker, huddle()) == expected


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_embeddings_of_two_models_are_refused_and_the_tracker_goes_on(tracker_class):
    sequence = huddle()
    tracker = tracker_class()
    run(tracker, sequence[:10])
    before = tracker.state()
    detections, frame = sequence[10]
    with pytest.raises(ValueError, match="embeddings: expected drawn with 8 numbers"):
        tracker.update(dataclasses.replace(detections, embedding_name="other"), frame)
    longer = np.ones((len(detections), 9))
    with pytest.raises(ValueError, match="got drawn with 9"):
        tracker.update(dataclasses.replace(detections, embeddings=longer), frame)
    after = tracker.state()
    for key, value in before.items():
        np.testing.assert_array_equal(after[key], value)
    tracker.update(detections, frame)


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_after_a_reset_another_model_may_come(tracker_class):
    tracker = tracker_class()
    run(tracker, huddle(5))
    tracker.reset()
    other = embedded(crossing_sequence(frame_count=5), name="other", dimension=3)
    assert run(tracker, other) == run(tracker_class(), other)


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("tracker_class", [*TRACKERS, DeepOcSort])
def test_after_an_empty_scene_another_model_may_come(tracker_class, restored):
    tracker = tracker_class(tracker_class.config_class(lost_buffer_frames=3))
    run(tracker, huddle(5))
    nothing = Detections.empty(("person", "bicycle"))
    for _ in range(5):
        tracker.update(nothing)
    state = tracker.state()
    assert state["last_id"] > 0
    assert state["appearance.name"] is None
    if restored:
        tracker = tracker_class.from_state(state)
    for detections, _ in embedded(huddle(5), name="other", dimension=3):
        tracker.update(detections)
    assert tracker.state()["appearance.name"] == "other"
    detections, _ = huddle(1)[0]
    with pytest.raises(ValueError, match="expected other with 3 numbers, as before"):
        tracker.update(detections)


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_looks_of_the_dead_are_forgotten(tracker_class):
    tracker = tracker_class()
    scene = embedded(crossing_sequence(frame_count=50))
    for number in range(200):
        tracker.update(scene[number % 50][0])
    state = tracker.state()
    alive = [value for key, value in state.items() if key.endswith(".id")]
    assert set(state["appearance.ids"]) <= set(np.concatenate(alive))
    assert tracker.state()["last_id"] > 2 * len(state["appearance.ids"])
    for _ in range(200):
        tracker.update(Detections.empty(("person", "bicycle")))
    assert len(tracker.state()["appearance.ids"]) == 0


@pytest.mark.parametrize("tracker_class", TRACKERS)
def test_a_state_from_before_there_were_looks_can_be_read(tracker_class):
    sequence = without_looks(huddle())
    tracker = tracker_class()
    run(tracker, sequence[:20])
    state = {
        key: value for key, value in tracker.state().items() if not key.startswith("appearance.")
    }
    restored = tracker_class.from_state(state)
    assert run(restored, sequence[20:]) == run(tracker, sequence[20:])


@pytest.mark.parametrize("tracker_class", [OcSort, Sort])
def test_a_look_decides_between_two_who_overlap_alike(scene, tracker_class):
    def last_ids(**parameters):
        tracker = tracker_class(tracker_class.config_class(min_hits=0, **parameters))
        for left, right in ((100.0, 112.0), (108.0, 104.0)):
            tracks = tracker.update(
                Detections(
                    [scene.box(left), scene.box(right)],
                    [0.9, 0.9],
                    embeddings=[[1.0, 0.0], [0.0, 1.0]],
                    embedding_name="by hand",
                )
            )
        return tracks.ids[np.argsort(tracks.detection_indices)].tolist()

    assert last_ids() == [1, 2]
    assert last_ids(use_appearance=False) == [2, 1]


@pytest.mark.parametrize("tracker_class", [OcSort, Sort])
def test_a_look_does_not_lure_a_track_to_where_it_may_not_go(scene, tracker_class):
    tracker = tracker_class(tracker_class.config_class(min_hits=0))

    def step(*rows):
        boxes, looks = zip(*rows, strict=True)
        return tracker.update(
            Detections(boxes, [0.9] * len(rows), embeddings=looks, embedding_name="by hand")
        )

    step((scene.box(100), [1.0, 0.0]))
    # Two near ones look like others; a third looks right, but is too far off to be taken.
    near, other, look_alike = scene.box(97), scene.box(108), scene.box(124)
    tracks = step((near, [0.0, 1.0]), (other, [0.0, 1.0]), (look_alike, [1.0, 0.0]))
    assert tracks.detection_indices[tracks.ids == 1].tolist() == [0]


def test_candidates_without_looks_have_none_and_selections_follow_the_rows():
    detections = Detections(
        [[0, 0, 9, 9], [5, 5, 5, 9], [9, 9, 20, 20]],
        [0.9, 0.8, 0.7],
        embeddings=[[1, 0], [2, 0], [3, 0]],
        embedding_name="by hand",
    )
    candidates = Candidates.of(detections, Frame(1), clip=False)
    assert candidates.embeddings[:, 0].tolist() == [1, 3]  # the second has no area
    assert candidates[np.array([1])].embeddings[:, 0].tolist() == [3]
    assert candidates[np.array([True, False])].embeddings[:, 0].tolist() == [1]
    assert candidates.unseen().embeddings is None
    assert candidates.unseen()[np.array([0])].embeddings is None
