"""BoT-SORT against its original's answers (golden/botsort/README.md), and rule by rule."""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from faimtrack.structures import Detections, Frame
from faimtrack.testing import check_tracker, crossing_sequence
from faimtrack.trackers.botsort import BotSort, BotSortConfig
from faimtrack.trackers.bytetrack import ByteTrack, ByteTrackConfig

GOLDEN = Path(__file__).parent / "golden"
INDEX = json.loads((GOLDEN / "botsort" / "index.json").read_text(encoding="utf-8"))


def run(name, inputs, config):
    """Answers by frame; the tracker sees what the authors' was given."""
    entry = INDEX["outputs"][name]
    rows, embeddings, motion = inputs[entry["input"]]
    tracker = BotSort(config)
    answers = {}
    for index in range(1, entry["frames"] + 1):
        here = rows[:, 0] == index
        if not here.any() and entry["empty_frames"] == "not called":
            continue
        boxes = rows[here, 2:6].copy()
        boxes[:, 2:] += boxes[:, :2]
        looks = {}
        if entry["embeddings"]:
            looks = {"embeddings": embeddings[here], "embedding_name": "seeded"}
        frame = Frame(index)
        if entry["camera_motion"]:
            frame.camera_motion = motion[len(answers)]  # the authors read one line a call
        answers[index] = tracker.update(Detections(boxes, rows[here, 6], **looks), frame)
    return answers


def check_rows(golden, answers, expected):
    places = golden.check_rows(answers, expected, sizes=True)
    for frame, rows in places.items():
        scores = expected[expected[:, 0] == frame, 6]
        np.testing.assert_array_equal(answers[frame].scores[rows], scores)


@pytest.mark.parametrize("name", INDEX["inputs"])
def test_input_is_the_one_that_the_originals_were_given(name):
    content = (GOLDEN / "appearance" / name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == INDEX["inputs"][name]


@pytest.mark.parametrize("name", INDEX["outputs"])
def test_reference_preset_repeats_every_row_of_the_original(name, inputs, golden):
    expected = golden.read_rows(GOLDEN / "botsort" / f"{name}.txt.gz")
    entry = INDEX["outputs"][name]
    kept = expected[:, 7] == 1
    assert (len(expected), kept.sum()) == (entry["rows"], entry["rows_kept"])
    config = BotSortConfig.preset(entry["preset"])
    check_rows(golden, run(name, inputs, config), expected[kept])
    unfiltered = dataclasses.replace(config, minimum_area=None, maximum_aspect=None)
    check_rows(golden, run(name, inputs, unfiltered), expected)


def test_single_precision_of_an_embedder_is_enough(inputs, golden):
    """Vectors of length 1 in float32, as networks give them: the oracle had float64."""
    name = "reid-motion-moving52"
    rows, embeddings, motion = inputs["moving52"]
    units = (embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32)
    expected = golden.read_rows(GOLDEN / "botsort" / f"{name}.txt.gz")
    config = BotSortConfig.preset("reference")
    rounded = {"moving52": (rows, units, motion)}
    check_rows(golden, run(name, rounded, config), expected[expected[:, 7] == 1])


@pytest.mark.parametrize("preset", ["default", "reference"])
@pytest.mark.parametrize("with_looks", [False, True], ids=["plain", "looks and motion"])
def test_the_contract_is_kept_with_and_without_looks_and_a_moving_camera(preset, with_looks):
    rng = np.random.default_rng(0)
    looks = rng.normal(size=(4, 8))
    sequence = crossing_sequence(frame_count=34)
    if with_looks:
        for row, (detections, frame) in enumerate(sequence):
            count = len(detections)
            embeddings = looks[rng.integers(0, 4, count)] + rng.normal(0, 0.1, (count, 8))
            embeddings[rng.random(count) < 0.1] = 0.0  # nothing is known of some
            frame.camera_motion = np.eye(2, 3) + rng.normal(0, 0.01, (2, 3))
            detections = dataclasses.replace(
                detections, embeddings=embeddings, embedding_name="drawn"
            )
            sequence[row] = detections, frame
    config = BotSortConfig.preset(preset)
    check_tracker(lambda: BotSort(config, frame_rate=25), sequence)


def test_a_newborn_is_shown_when_it_is_seen_again(scene):
    walker = [[(scene.box(300), 0.9)], [(scene.box(100), 0.9)], [(scene.box(100), 0.9)]]
    answers = scene.follow(BotSort(), walker)
    assert [tracks.ids.tolist() for tracks in answers[1:]] == [[], [2]]


def test_the_published_code_shows_a_newborn_at_once_and_forgets_it_if_it_was_none(scene):
    frames = [[(scene.box(300), 0.9)], [(scene.box(100), 0.9)], []]
    answers = scene.follow(BotSort(BotSortConfig.preset("reference")), frames)
    assert [tracks.ids.tolist() for tracks in answers] == [[1], [2], []]


def test_a_score_at_the_threshold_is_strong_but_lost_in_the_published_code(scene):
    frames = [[(scene.box(100), 0.9)], [(scene.box(100), 0.6)]]
    ours = scene.follow(BotSort(), frames)
    theirs = scene.follow(BotSort(BotSortConfig.preset("reference")), frames)
    assert [len(tracks) for tracks in ours] == [1, 1]
    assert [len(tracks) for tracks in theirs] == [1, 0]


@pytest.mark.parametrize(
    ("width", "height", "shown"),
    [(3, 3, False), (4, 3, True), (80, 50, True), (81, 50, False), (20, 100, True)],
)
def test_reference_preset_shows_what_the_authors_script_writes(scene, width, height, shown):
    frames = [[(scene.box(100, width=width, height=height), 0.9)]]
    (tracks,) = scene.follow(BotSort(BotSortConfig.preset("reference")), frames)
    assert len(tracks) == shown


def test_lost_tracks_neither_grow_wider_nor_higher(scene):
    def growing(size):
        return [([300 - size, 300 - size, 300 + size, 300 + size], 0.9)]

    tracker = BotSort()
    scene.follow(tracker, [growing(40 + 2 * step) for step in range(10)] + [[]] * 5)
    (lost,) = tracker.state()["lost.mean"]
    assert lost[2] == pytest.approx(lost[3])
    assert lost[2] < 2 * 64, "it has grown while nobody saw it"
    assert (lost[6:] == 0.0).all()


def seen_with_looks(*rows):
    """Detections of rows `box, score, look`."""
    boxes, scores, looks = zip(*rows, strict=True)
    return Detections(boxes, scores, embeddings=looks, embedding_name="by hand")


RED, BLUE = [1.0, 0.0], [0.0, 1.0]


def two_who_change_places(scene, make):
    """One frame of two near people, then their boxes are nearer to the other one's place."""
    tracker = make()
    for place in ((100.0, 112.0), (100.0, 112.0), (108.0, 104.0)):
        rows = [(scene.box(place[0]), 0.9, RED), (scene.box(place[1]), 0.9, BLUE)]
        tracks = tracker.update(seen_with_looks(*rows))
    return tracks.ids[np.argsort(tracks.detection_indices)].tolist()


@pytest.mark.parametrize("tracker_class", [BotSort, ByteTrack])
def test_looks_tell_apart_who_is_near(scene, tracker_class):
    config_class = tracker_class.config_class
    assert two_who_change_places(scene, tracker_class) == [1, 2]
    blind = config_class(use_appearance=False)
    assert two_who_change_places(scene, lambda: tracker_class(blind)) == [2, 1]


def test_a_look_does_not_reach_farther_than_the_proximity(scene):
    """A good look saves a match that the places alone forbid, but only where these are near."""

    def follow(second, **parameters):
        tracker = BotSort(BotSortConfig(match_threshold=0.3, **parameters))
        tracker.update(seen_with_looks((scene.box(100), 0.9, RED)))
        return tracker.update(seen_with_looks((scene.box(second), 0.9, RED))).ids.tolist()

    assert follow(112.0) == [1]  # IoU 28 / 52 = 0.54
    assert follow(112.0, use_appearance=False) == []
    assert follow(116.0) == []  # IoU 24 / 56 = 0.43
    assert follow(116.0, proximity_threshold=0.6) == [1]


def test_looks_that_differ_much_count_as_unknown(scene):
    """Half the cosine distance above the threshold leaves the match to the places."""

    def follow(angle, **parameters):
        tracker = BotSort(BotSortConfig(match_threshold=0.3, **parameters))
        tracker.update(seen_with_looks((scene.box(100), 0.9, RED)))
        look = [np.cos(angle), np.sin(angle)]
        return tracker.update(seen_with_looks((scene.box(112), 0.9, look))).ids.tolist()

    assert follow(np.deg2rad(59)) == [1]  # cosine 0.515, distance 0.2425
    assert follow(np.deg2rad(61)) == []  # cosine 0.485, distance 0.2575
    assert follow(np.deg2rad(61), appearance_match_threshold=0.26) == [1]


def test_defaults_that_differ_from_bytetracks_are_the_papers():
    ours, bytetracks = BotSortConfig(), ByteTrackConfig()
    different = {
        field.name
        for field in dataclasses.fields(ByteTrackConfig)
        if getattr(ours, field.name) != getattr(bytetracks, field.name)
    }
    assert different == {"match_threshold"}
    assert BotSortConfig.preset("mot20").match_threshold == 0.7
