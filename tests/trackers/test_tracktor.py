import functools
import itertools
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faimtrack.structures import Detections, Frame
from faimtrack.trackers import (
    ByteTrack,
    Tracker,
    Tracktor,
    TracktorConfig,
    create_tracker,
    load_state,
    restore_tracker,
    save_state,
    tracker_names,
)


class Still:
    """A regressor to which nobody moves; remembers what it was asked."""

    class_names = ("person", "car")

    def __init__(self, score=0.9):
        self.score, self.asked = score, []

    def regress(self, frame, boxes, class_ids=None):
        self.asked.append((boxes.copy(), class_ids.copy()))
        return boxes, np.full(len(boxes), self.score)


class Blind:
    """An embedder to which all look alike."""

    name, dimension = "blind", 2

    def embed(self, frame, boxes):
        return np.tile(np.float32([1, 0]), (len(boxes), 1))


@pytest.fixture
def still():
    return Still()


def moved_camera(frame, matrix):
    frame.camera_motion = np.array(matrix, float)
    return frame


# --- an independent re-computation, in slow obvious loops ---


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def best_of_heaps(things, threshold, strict):
    kept = []
    for thing in sorted(things, key=lambda each: -each["score"]):  # stable
        rivals = [each for each in kept if not strict or each["class"] == thing["class"]]
        if all(iou(each["box"], thing["box"]) <= threshold for each in rivals):
            kept.append(thing)
    return kept


def cheapest_pairs(costs, limit, gated):
    """All assignments are tried. Gated: a pair unmade costs the limit; else all are made."""
    rows, columns = len(costs), len(costs[0])

    @functools.cache  # by the columns that are taken: permutations would be too many
    def best(row, taken):
        """Cost and pairs of the rows from one on; None if there is no way."""
        if row == rows:
            is_whole = gated or taken.bit_count() == min(rows, columns)
            return (0.0, ()) if is_whole else None
        answers = []
        for column in range(columns):
            is_free = not taken >> column & 1
            if is_free and not (gated and costs[row][column] > limit):
                rest = best(row + 1, taken | 1 << column)
                if rest is not None:
                    pairs = ((row, column), *rest[1])
                    answers.append((costs[row][column] + rest[0], pairs))
        rest = best(row + 1, taken)
        if rest is not None:
            answers.append((rest[0] + (limit if gated else 0.0), rest[1]))
        return min(answers, key=lambda answer: answer[0], default=None)

    _, pairs = best(0, 0)
    return {column: row for row, column in pairs if costs[row][column] <= limit}


class PlainTracktor:
    """Tracktor, told in dictionaries."""

    def __init__(self, config, regress, embed):
        self.config, self.regress, self.embed = config, regress, embed
        self.tracks, self.lost, self.next_id = [], [], 1

    def enough(self, score, threshold):
        return score > threshold if self.config.published_quirks else score >= threshold

    def move(self, track, shift):
        a, x, y = shift
        box = track["box"]
        box = [a * box[0] + x, a * box[1] + y, a * box[2] + x, a * box[3] + y]
        speed = track["speed"] = [a * each for each in track["speed"]]
        if self.config.linear_motion:
            box = [box[k] + speed[k % 2] for k in range(4)]
        track["box"] = box

    def update(self, number, detections, shift):
        config, strict = self.config, self.config.class_matching == "strict"
        for track in self.tracks + self.lost:
            self.move(track, shift)
        if config.public_detections:
            asked = []
            for each in detections:
                box, score = self.regress(number, each["box"], each["class"])
                asked.append({"box": box, "score": score, "class": each["class"]})
            detections = [each for each in asked if self.enough(each["score"], 0.5)]
            detections = best_of_heaps(detections, config.public_nms_threshold, strict)
            detections = detections[: config.public_limit]
        else:
            detections = [each for each in detections if self.enough(each["score"], 0.5)]
        candidates = []
        for track in self.tracks:
            box, score = self.regress(number, track["box"], track["class"])
            candidates.append({**track, "old": track, "box": box, "score": score})
        good = [each for each in candidates if self.enough(each["score"], 0.5)]
        good = best_of_heaps(good, config.nms_threshold, strict)
        alive = {each["id"] for each in good}
        followed = [each for each in candidates if each["id"] in alive]
        for each in followed:
            old = each.pop("old")
            each["speed"] = [
                (each["box"][k] + each["box"][k + 2]) / 2
                - (old["box"][k] + old["box"][k + 2]) / 2
                + (old["speed"][k] if config.linear_motion else 0.0)
                for k in range(2)
            ]
            each["last"] = number
        self.lost += [each for each in self.tracks if each["id"] not in alive]
        self.lost.sort(key=lambda each: each["id"])
        self.lost = [
            each for each in self.lost if number - each["last"] <= config.lost_buffer_frames
        ]
        free = [
            each
            for each in detections
            if not any(
                iou(each["box"], track["box"]) >= config.cover_threshold
                and not (strict and each["class"] != track["class"])
                for track in followed
            )
        ]
        found = self.recognise(free, number, strict)
        back, new = [], []
        for place, each in enumerate(free):
            if place in found:
                track = self.lost[found[place]]
            else:
                track = {"id": self.next_id, "looks": []}
                self.next_id += 1
            (back if place in found else new).append(
                {**track, **each, "speed": [0.0, 0.0], "last": number, "index": each.get("index")}
            )
        self.lost = [each for k, each in enumerate(self.lost) if k not in found.values()]
        self.tracks = sorted(followed + back + new, key=lambda each: each["id"])
        if self.embed is not None:
            for track in self.tracks:
                track["looks"] = track["looks"] + [self.embed(number, track["box"])]
                track["looks"] = track["looks"][-config.reid_samples :]
        return {each["id"]: (each["box"], each["score"], each["class"]) for each in self.tracks}

    def recognise(self, free, number, strict):
        if self.embed is None or not self.lost or not free:
            return {}
        costs = []
        for track in self.lost:
            mean = [sum(each) / len(track["looks"]) for each in zip(*track["looks"], strict=True)]
            row = []
            for each in free:
                look = self.embed(number, each["box"])
                distance = sum((a - b) ** 2 for a, b in zip(mean, look, strict=True)) ** 0.5
                near = iou(track["box"], each["box"]) >= self.config.reid_iou_threshold
                near = near and not (strict and track["class"] != each["class"])
                row.append(distance if near else 1e6)
            costs.append(row)
        return cheapest_pairs(
            costs, self.config.reid_threshold, gated=not self.config.published_quirks
        )


class MadeUp:
    """A world without sense: answers are drawn from frame and box, and are whole numbers."""

    class_names = ("person", "car")
    name, dimension = "made-up", 3

    def __init__(self, seed):
        self.seed = seed

    def draw(self, kind, number, box):
        whole = [round(4 * each) + 10_000_000 for each in box]
        return np.random.default_rng([self.seed, kind, number, *whole])

    def answer(self, number, box, class_id):
        random = self.draw(class_id, number, box)
        step = random.integers(-12, 13, 2)
        score = float(random.choice([0.3, 0.5, 0.6, 0.7, 0.8, 0.9]))
        return [float(box[k] + step[k % 2]) for k in range(4)], score

    def look(self, number, box):
        vector = self.draw(2, number, box).normal(0, 0.6, 3)
        return [float(each) for each in np.float32(vector)]

    def regress(self, frame, boxes, class_ids=None):
        answers = [
            self.answer(frame.index, box, int(kind))
            for box, kind in zip(boxes.tolist(), class_ids, strict=True)
        ]
        boxes, scores = zip(*answers, strict=True)
        return np.array(boxes), np.array(scores)

    def embed(self, frame, boxes):
        return np.float32([self.look(frame.index, box) for box in boxes.tolist()])


def crowded_frame(random):
    """Up to three detections near each other, in whole pixels."""
    found = []
    for index in range(random.integers(0, 4)):
        x, y = random.integers([0, 100], [70, 121])
        score = float(random.choice([0.4, 0.5, 0.6, 0.9]))
        box = [float(x), float(y), float(x + 40), float(y + 100)]
        found.append(
            {"box": box, "score": score, "class": int(random.integers(0, 2)), "index": index}
        )
    return found


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    preset=st.sampled_from(["default", "reference"]),
    public=st.booleans(),
    linear=st.booleans(),
    strict=st.booleans(),
    embeds=st.booleans(),
)
def test_it_equals_a_slow_telling_of_itself(seed, preset, public, linear, strict, embeds):
    config = replace(
        TracktorConfig.preset(preset),
        public_detections=public,
        linear_motion=linear,
        class_matching="strict" if strict else "agnostic",
        lost_buffer_frames=4,
        public_limit=2,
        reid_samples=3,
        reid_threshold=1.1,
    )
    world, random = MadeUp(seed), np.random.default_rng(seed)
    tracker = Tracktor(config, regressor=world, embedder=world if embeds else None)
    plain = PlainTracktor(config, world.answer, world.look if embeds else None)
    for number in range(1, 13):
        found = crowded_frame(random)
        shift = (float(random.choice([1, 1, 1, 2, 0.5])), *map(float, random.integers(-9, 10, 2)))
        if len(plain.tracks) + len(plain.lost) > 4:  # all assignments are tried
            shift = (1.0, 900.0, 900.0)
        a, x, y = shift
        frame = moved_camera(Frame(number), [[a, 0, x], [0, a, y]])
        detections = Detections(
            [each["box"] for each in found],
            [each["score"] for each in found],
            [each["class"] for each in found],
            class_names=world.class_names,
        )
        tracks = tracker.update(detections, frame)
        expected = plain.update(number, found, shift)
        assert tracks.ids.tolist() == list(expected)
        for row, (box, score, class_id) in enumerate(expected.values()):
            assert tracks.boxes[row].tolist() == box
            assert tracks.scores[row] == score
            assert tracks.class_ids[row] == class_id
        assert tracker.state()["lost.id"].tolist() == [each["id"] for each in plain.lost]


# --- single rules ---


def test_the_regressor_is_asked_once_a_frame_and_about_nothing_else(scene, still):
    tracker = Tracktor(regressor=still)
    scene.follow(tracker, [[], [(scene.box(0), 0.9, 1), (scene.box(200), 0.9)], [], []])
    assert [len(boxes) for boxes, _ in still.asked] == [2, 2]
    assert still.asked[0][1].tolist() == [1, 0]


def test_a_track_of_the_regressor_names_no_detection(scene, still):
    first, second = scene.follow(Tracktor(regressor=still), [[(scene.box(0), 0.7)]] * 2)
    assert (first.detection_indices.tolist(), first.scores.tolist()) == ([0], [0.7])
    assert (second.detection_indices.tolist(), second.scores.tolist()) == ([-1], [0.9])


def test_a_track_that_was_regressed_out_of_the_picture_is_lost(scene):
    class Leaving(Still):
        def regress(self, frame, boxes, class_ids=None):
            return boxes * [0, 1, 0, 1], np.full(len(boxes), 0.99)

    answers = scene.follow(Tracktor(regressor=Leaving()), [[(scene.box(5), 0.9)], [], []])
    assert [len(each) for each in answers] == [1, 0, 0]


@pytest.mark.parametrize(("preset", "count"), [("default", 1), ("reference", 0)])
def test_a_score_equal_to_the_threshold_is_enough_but_not_for_mmtracking(scene, preset, count):
    tracker = Tracktor(TracktorConfig.preset(preset), regressor=Still(0.5))
    first, _ = scene.follow(tracker, [[(scene.box(0), 0.5)], []])
    assert len(first) == count
    _, second = scene.follow(
        Tracktor(TracktorConfig.preset(preset), regressor=Still(0.5)), [[(scene.box(0), 0.6)], []]
    )
    assert len(second) == count


def test_without_an_embedder_nobody_is_found_again(scene):
    class Blinking(Still):
        def regress(self, frame, boxes, class_ids=None):
            return boxes, np.full(len(boxes), 0.1 if frame.index == 2 else 0.9)

    rows = [(scene.box(0), 0.9)]
    for embedder, ids in ((None, [2]), (Blind(), [1])):
        tracker = Tracktor(regressor=Blinking(), embedder=embedder)
        assert scene.follow(tracker, [rows, [], rows])[-1].ids.tolist() == ids


def test_where_looks_do_not_count_no_embedder_is_asked_and_nobody_is_found_again(scene):
    class NeverAsked(Blind):
        def embed(self, frame, boxes):
            raise AssertionError("it was asked")

    rows = [(scene.box(0), 0.9)]
    networks = {"regressor": Still(0.1), "embedder": NeverAsked()}
    tracker = Tracktor(TracktorConfig(use_appearance=False), **networks)
    assert [each.ids.tolist() for each in scene.follow(tracker, [rows, rows])] == [[1], [2]]
    state = tracker.state()
    assert len(state["history.ids"]) == 0
    for restored in (
        Tracktor.from_state(state, **networks),
        Tracktor.from_state(state, regressor=Still(0.1)),
    ):
        assert restored.update(scene.seen(*rows), Frame(3)).ids.tolist() == [3]


def test_what_only_trackers_over_embeddings_use_is_no_part_of_it(still):
    names = {field.name for field in fields(TracktorConfig)}
    assert "use_appearance" in names
    assert "appearance_keep" not in names
    tracker = Tracktor(regressor=still)
    assert not [key for key in tracker.state() if key.startswith("appearance.")]


def test_detections_of_mot20_are_cut_to_the_image(scene, still):
    tracker = Tracktor(TracktorConfig.preset("mot20"), regressor=still)
    (tracks,) = scene.follow(tracker, [[(scene.box(-10.0), 0.9)]], size=(640, 480))
    assert tracks.boxes.tolist() == [[0.0, 100.0, 30.0, 200.0]]


def test_a_lost_track_is_found_for_ten_frames_in_the_reference_and_for_no_eleventh(scene):
    class Once(Still):
        def regress(self, frame, boxes, class_ids=None):
            return boxes, np.full(len(boxes), 0.0)

    rows = [(scene.box(0), 0.9)]
    for gap, expected in ((9, 1), (10, 2)):
        tracker = Tracktor(TracktorConfig.preset("reference"), regressor=Once(), embedder=Blind())
        answers = scene.follow(tracker, [rows, *[[]] * gap, rows])
        assert answers[-1].ids.tolist() == [expected]


def test_the_buffer_is_time_and_not_frames_by_default(scene):
    tracker = Tracktor(regressor=Still(0.0), embedder=Blind(), frame_rate=25)
    seen = scene.seen((scene.box(0), 0.9))
    nothing = Detections.empty(seen.class_names)
    for index, (detections, time_s) in enumerate(
        [(seen, 0.0), (nothing, 0.04), (seen, 0.4), (nothing, 0.44), (seen, 0.85)], 1
    ):
        tracks = tracker.update(detections, Frame(index, time_s=time_s))
        if len(detections):
            assert tracks.ids.tolist() == [1 if time_s < 0.8 else 2]


def test_somebody_of_whom_nothing_is_seen_is_not_found_again(scene):
    class Nothing(Blind):
        def embed(self, frame, boxes):
            return np.zeros((len(boxes), 2), np.float32)

    rows = [(scene.box(0), 0.9)]
    tracker = Tracktor(regressor=Still(0.1), embedder=Nothing())
    assert scene.follow(tracker, [rows, rows])[-1].ids.tolist() == [2]


def test_the_look_by_which_somebody_was_found_is_remembered(scene):
    tracker = Tracktor(regressor=Still(0.1), embedder=Blind())
    scene.follow(tracker, [[(scene.box(0), 0.9)]] * 3)
    assert tracker.state()["history.ids"].tolist() == [1, 1, 1]


def test_a_turning_camera_keeps_the_size_of_people_but_not_mmtrackings(still):
    angle = np.radians(2)
    turn = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0]]
    start = Detections([[300, 100, 360, 300]], [0.9])
    widths = []
    for preset in ("default", "reference"):
        tracker = Tracktor(TracktorConfig.preset(preset), regressor=still)
        tracker.update(start, Frame(1))
        box = tracker.update(Detections.empty(), moved_camera(Frame(2), turn)).boxes[0]
        widths.append(box[2] - box[0])
        centre = np.array(turn)[:, :2] @ [330, 200]
        np.testing.assert_allclose((box[:2] + box[2:]) / 2, centre)
    np.testing.assert_allclose(widths, [60, 60 * np.cos(angle) - 200 * np.sin(angle)])


def test_a_zooming_camera_scales_people(still):
    tracker = Tracktor(regressor=still)
    tracker.update(Detections([[10, 20, 30, 60]], [0.9]), Frame(1))
    zoom = [[2, 0, 1], [0, 3, 0]]
    tracks = tracker.update(Detections.empty(), moved_camera(Frame(2), zoom))
    np.testing.assert_allclose(tracks.boxes, [[21, 60, 61, 180]])


def test_public_detections_without_scores_and_their_limit(scene, still):
    config = TracktorConfig(public_detections=True, public_limit=2)
    rows = [(scene.box(x), -1.0) for x in (0, 100, 200)]
    (tracks,) = scene.follow(Tracktor(config, regressor=still), [rows])
    assert tracks.ids.tolist() == [1, 2]
    assert tracks.scores.tolist() == [0.9, 0.9]
    assert tracks.detection_indices.tolist() == [-1, -1]


def test_two_classes_in_one_place_are_two_or_one(scene, still):
    rows = [(scene.box(0), 0.9, 0), (scene.box(2), 0.8, 1)]
    for matching, count in (("strict", 2), ("agnostic", 1)):
        tracker = Tracktor(TracktorConfig(class_matching=matching), regressor=still)
        assert len(scene.follow(tracker, [rows, rows])[1]) == count


@pytest.mark.parametrize(
    ("names", "known", "asked"),
    [
        (("car", "person"), ("person", "car"), [1, 0]),
        (("a", "person", "car"), ("car", "person", "bus"), None),
        (("pedestrian",), ("person",), [0]),
    ],
)
def test_classes_are_the_same_where_their_names_are(still, names, known, asked):
    still.class_names = known
    tracker = Tracktor(regressor=still)
    class_ids = list(range(len(asked or names)))
    boxes = [[100 * k, 0, 100 * k + 40, 90] for k in class_ids]
    detections = Detections(boxes, [0.9] * len(boxes), class_ids, class_names=names)
    if asked is None:
        with pytest.raises(ValueError, match=r"regressor knows \(car, person, bus\), got a"):
            tracker.update(detections, Frame(1))
        return
    tracker.update(detections, Frame(1))
    tracks = tracker.update(Detections.empty(), Frame(2))  # whatever its names are
    assert tracks.class_ids.tolist() == class_ids
    assert still.asked[0][1].tolist() == asked


# --- hostile input ---


@pytest.mark.parametrize("regressor", [None, Blind(), 7], ids=repr)
def test_what_cannot_regress_is_refused(regressor):
    came = "none" if regressor is None else type(regressor).__name__
    with pytest.raises(ValueError, match=rf"tracktor: expected a detector that .* got {came}"):
        create_tracker("tracktor", regressor=regressor)


@pytest.mark.parametrize("name", tracker_names(needs_regressor=False))
@pytest.mark.parametrize("network", ["regressor", "embedder"])
def test_a_network_for_which_a_tracker_has_no_use_is_refused(name, network):
    with pytest.raises(ValueError, match=f"{network}: expected none for {name}"):
        create_tracker(name, **{network: Still() if network == "regressor" else Blind()})


@pytest.mark.parametrize(
    "answer",
    [
        lambda boxes: (boxes[:1], np.ones(1)),
        lambda boxes: (boxes, np.ones(len(boxes) + 1)),
        lambda boxes: (boxes * np.nan, np.ones(len(boxes))),
        lambda boxes: (boxes[:, ::-1], np.ones(len(boxes))),
        lambda boxes: (boxes, np.full(len(boxes), np.inf)),
    ],
)
def test_a_regressor_with_a_nonsensical_answer_is_named(scene, answer):
    class Odd(Still):
        def regress(self, frame, boxes, class_ids=None):
            return answer(boxes)

    with pytest.raises(ValueError, match="Odd, frame 2: expected"):
        scene.follow(Tracktor(regressor=Odd()), [[(scene.box(0), 0.9), (scene.box(90), 0.9)], []])


@pytest.mark.parametrize("shape", [(1, 3), (2, 2), (1,)])
def test_an_embedder_with_a_nonsensical_answer_is_named(scene, still, shape):
    class Odd(Blind):
        def embed(self, frame, boxes):
            return np.ones(shape)

    with pytest.raises(ValueError, match=r"blind, frame 1: expected \(1, 2\) finite numbers"):
        scene.follow(Tracktor(regressor=still, embedder=Odd()), [[(scene.box(0), 0.9)]])


def test_an_embedder_that_gives_no_number_is_named(scene, still):
    class Odd(Blind):
        def embed(self, frame, boxes):
            return np.full((len(boxes), 2), np.nan)

    with pytest.raises(ValueError, match="not all finite"):
        scene.follow(Tracktor(regressor=still, embedder=Odd()), [[(scene.box(0), 0.9)]])


def test_a_camera_motion_that_is_none_is_refused(still):
    with pytest.raises(ValueError, match="frame 1"):
        Tracktor(regressor=still).update(
            Detections.empty(), moved_camera(Frame(1), [[1, 0, np.nan], [0, 1, 0]])
        )


def test_without_a_frame_there_is_nothing_to_look_at(scene, still):
    tracker = Tracktor(regressor=still)
    assert len(tracker.update(Detections.empty())) == 0
    with pytest.raises(ValueError, match="frame: expected one"):
        tracker.update(scene.seen((scene.box(0), 0.9)))
    tracker.update(scene.seen((scene.box(0), 0.9)), Frame(2))
    with pytest.raises(ValueError, match="frame: expected one"):
        tracker.update(Detections.empty())


def test_the_networks_cannot_change_the_tracker(scene):
    class Rude(Still):
        def regress(self, frame, boxes, class_ids=None):
            answer = boxes.copy()
            boxes[:], class_ids[:] = 0, 1
            return answer, np.full(len(answer), 0.9)

    class RudeToo(Blind):
        def embed(self, frame, boxes):
            boxes[:] = 0
            return np.ones((len(boxes), 2), np.float32)

    rows = [(scene.box(10), 0.9)]
    answers = scene.follow(Tracktor(regressor=Rude(), embedder=RudeToo()), [rows, rows, rows])
    assert all(each.boxes.tolist() == [scene.box(10)] for each in answers)
    assert all(each.class_ids.tolist() == [0] for each in answers)


# --- states ---


def some_frames(count=20):
    random = np.random.default_rng(5)
    for number in range(1, count + 1):
        found = crowded_frame(random)
        yield (
            Detections(
                [each["box"] for each in found],
                [each["score"] for each in found],
                [each["class"] for each in found],
                class_names=MadeUp.class_names,
            ),
            moved_camera(Frame(number), [[1, 0, 2], [0, 1, 1]]),
        )


def test_a_state_holds_looks_and_speeds_and_goes_on_exactly(tmp_path):
    world = MadeUp(3)
    config = TracktorConfig(linear_motion=True, reid_threshold=2.0)
    tracker = Tracktor(config, regressor=world, embedder=world, frame_rate=25)
    frames = list(some_frames())
    answers = [tracker.update(*each) for each in frames[:10]]
    save_state(tmp_path / "state.npz", tracker.state())
    state = load_state(tmp_path / "state.npz")
    assert len(state["history.embeddings"]) > 5
    restored = restore_tracker(state, regressor=world, embedder=world)
    assert isinstance(restored, Tracktor)
    assert isinstance(restored, Tracker)
    assert (restored.frame_rate, restored.config) == (25, config)
    for each in frames[10:]:
        answers.append(tracker.update(*each))
        assert restored.update(*each) == answers[-1]
    tracker.reset()
    assert [tracker.update(*each) for each in frames] == answers


@pytest.mark.parametrize(
    ("networks", "says"),
    [
        ({"embedder": MadeUp(1)}, "expected a detector that can regress boxes .* got none"),
        ({"regressor": MadeUp(1)}, "embedder.name made-up, as before, got None"),
        ({"regressor": MadeUp(1), "embedder": Blind()}, "made-up, as before, got blind"),
        ({"regressor": Still(), "embedder": MadeUp(1)}, None),
    ],
)
def test_a_state_is_gone_on_from_with_its_own_networks_only(networks, says):
    tracker = Tracktor(regressor=MadeUp(1), embedder=MadeUp(1))
    if says is None:
        restore_tracker(tracker.state(), **networks)
        return
    with pytest.raises(ValueError, match=says):
        restore_tracker(tracker.state(), **networks)


def test_a_state_of_a_regressor_of_other_classes_is_refused(still):
    state = Tracktor(regressor=MadeUp(1)).state()
    still.class_names = ("car", "person")
    with pytest.raises(ValueError, match="class_names"):
        Tracktor.from_state(state, regressor=still)


@pytest.mark.parametrize("entry", ["history.ids", "embedder.name", "tracks.velocity"])
def test_a_state_with_a_gap_is_refused(still, entry):
    state = Tracktor(regressor=still).state()
    del state[entry]
    with pytest.raises(ValueError, match=f"expected an entry '{entry}'"):
        Tracktor.from_state(state, regressor=still)


def test_the_state_of_another_tracker_is_refused(still):
    with pytest.raises(ValueError, match="expected tracktor, format 1, got bytetrack"):
        Tracktor.from_state(ByteTrack().state(), regressor=still)
    with pytest.raises(ValueError, match="regressor: expected none for bytetrack"):
        restore_tracker(ByteTrack().state(), regressor=still)
    assert isinstance(restore_tracker(ByteTrack().state()), ByteTrack)


# --- with a real network ---


@pytest.fixture(scope="module")
def street():
    """Frames of a small crowd, drawn."""
    from faimtrack.datasets.crowd import CrowdConfig, Renderer, simulate_crowd

    crowd = simulate_crowd(
        CrowdConfig(name="street", seed=5, frames=4, people=6, width=320, height=180)
    )
    renderer = Renderer(crowd)
    return [renderer.render(number).image for number in range(1, 5)]


@pytest.fixture(scope="module")
def network(street):
    """A Faster R-CNN of random weights whose scores and offsets on the street are spread out."""
    torch = pytest.importorskip("torch")
    from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
    from faimtrack.detectors.faster_rcnn.network import build_faster_rcnn

    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(2)
        network = build_faster_rcnn("resnet18-fpn").eval()
        encoding = network.encode([torch.from_numpy(street[0]).permute(2, 0, 1)], (96, 160))
        predictor = network.roi_heads.box_predictor
        for layer, wanted in ((predictor.cls_score, 3.0), (predictor.bbox_pred, 0.5)):
            seen = []
            hook = layer.register_forward_hook(
                lambda module, inputs, output, seen=seen: seen.append(output)
            )
            network.judge(encoding, network.propose(encoding, FasterRcnnConfig()))
            hook.remove()
            outputs = torch.cat(seen)
            layer.weight *= wanted / outputs.std(dim=0).mean()
            layer.bias -= outputs.mean(dim=0) * (wanted / outputs.std(dim=0).mean())
    return network


@pytest.mark.parametrize("public", [False, True])
@pytest.mark.parametrize("shared", [True, False], ids=["one network", "two networks"])
def test_a_real_detector_is_its_own_regressor(street, network, shared, public):
    from faimtrack.detectors.faster_rcnn.detector import FasterRcnnDetector
    from faimtrack.pipeline import run_pipeline
    from faimtrack.structures import SourceInfo

    def detector():
        return FasterRcnnDetector(
            network, short_side=96, long_side=160, proposals_before_nms=60, keep_features=True
        )

    def count(detector):
        calls = []
        detector.network.backbone.register_forward_hook(
            lambda module, inputs, output: calls.append(len(inputs[0]))
        )
        return calls

    class Street:
        info = SourceInfo(name="street", frame_rate=25)

        def __iter__(self):
            return (Frame(number, image=image) for number, image in enumerate(street, 1))

    class Kept:
        needs_images = False

        def __init__(self):
            self.tracks = []

        def write(self, frame, detections, tracks):
            self.tracks.append(tracks)

    source_network, kept = detector(), Kept()
    regressor = source_network if shared else detector()
    calls = count(source_network)
    other_calls = [] if shared else count(regressor)
    tracker = Tracktor(TracktorConfig(public_detections=public), regressor=regressor)
    run_pipeline(Street(), source_network, tracker, [kept])
    assert calls == [1] * 4
    # Its own backbone runs where there is something to ask: in frame 1 nobody is followed yet.
    assert other_calls == ([] if shared else [1] * (4 if public else 3))
    assert len(kept.tracks[0]) > 3
    assert set(kept.tracks[0].ids.tolist()) & set(kept.tracks[3].ids.tolist())
    for before, after in itertools.pairwise(kept.tracks):
        # Who goes on is where the network, asked by hand, says.
        went_on = after[after.detection_indices == -1]
        asked = [
            before.ids.tolist().index(each) for each in went_on.ids.tolist() if each in before.ids
        ]
        frame = Frame(1, image=street[kept.tracks.index(after)])
        boxes, scores = regressor.regress(frame, before.boxes[asked])
        rows = np.isin(went_on.ids, before.ids)
        np.testing.assert_allclose(went_on.boxes[rows], boxes, atol=1e-3)
        np.testing.assert_allclose(went_on.scores[rows], scores, atol=1e-5)
