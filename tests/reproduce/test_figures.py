"""What figures show, on proposals and detections that are made up."""

import numpy as np
import pytest

from faimtrack.datasets.annotated import AnnotatedImage
from faimtrack.masks.mask import Mask
from faimtrack.reproduce.figures.crops import crop_of
from faimtrack.reproduce.figures.proposals import LEAST_IOU, ClipProposals, clip_proposals, evenly
from faimtrack.reproduce.figures.references import (
    KINDS,
    TOP,
    Ranked,
    count_kinds,
    draw_references,
)
from faimtrack.reproduce.figures.twins import (
    FALSE_ALARM,
    HIT,
    MISS,
    FrameFindings,
    count_errors,
    draw_twins,
)
from faimtrack.reproduce.figures.worst_masks import draw_worst, judge_masks

NAMES = ("snake", "lizard")
SIZE = (48, 64)


@pytest.fixture
def make_image(tmp_path):
    """An annotated grey image."""
    import cv2

    path = tmp_path / "grey.png"
    cv2.imwrite(str(path), np.full((*SIZE, 3), 90, np.uint8))

    def make(boxes, class_ids, track_ids=None, masks=None):
        boxes = np.asarray(boxes, float).reshape(-1, 4)
        return AnnotatedImage(
            name="grey",
            path=path,
            boxes=boxes,
            class_ids=np.asarray(class_ids, np.int64),
            track_ids=np.asarray(
                np.arange(1, len(boxes) + 1) if track_ids is None else track_ids, np.int64
            ),
            visibilities=np.full(len(boxes), -1.0),
            size=SIZE,
            read_masks=None if masks is None else lambda: masks,
        )

    return make


class Video:
    def __init__(self, *images):
        self.name, self.images = "video", images
        self.frame_numbers = np.arange(1, len(images) + 1)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, place):
        return self.images[place]


class Videos(list):
    class_names = NAMES


class Detector:
    """Proposes the same boxes in every frame."""

    def __init__(self, boxes):
        self.boxes = np.asarray(boxes, float)

    def encode(self, frames, *, keep_base):
        assert not keep_base
        assert all(frame.image.shape == (*SIZE, 3) for frame in frames)
        return [Encoding(self.boxes) for _ in frames]


class Encoding:
    def __init__(self, boxes):
        self.boxes = boxes

    def __len__(self):
        return len(self.boxes)


def test_proposals_are_of_the_object_that_they_overlap_most(make_image):
    image = make_image([[0, 0, 20, 20], [30, 10, 50, 30]], [0, 1], [7, 9])
    proposals = [[0, 0, 20, 19], [1, 1, 20, 20], [30, 10, 50, 29], [0, 30, 9, 40]]
    clip = clip_proposals(Detector(proposals), Video(image, image), 2)
    assert clip.class_ids.tolist() == [0, 0, 1, -1] * 2
    assert clip.track_ids.tolist() == [7, 7, 9, -1] * 2
    assert clip.is_best.tolist() == [True, False, True, False] * 2
    assert clip.overlaps[:4] == pytest.approx([0.95, 361 / 400, 0.95, 0])
    assert clip.frames.tolist() == [0] * 4 + [1] * 4
    assert LEAST_IOU == 0.5


def test_frames_without_objects_have_proposals_of_nothing(make_image):
    clip = clip_proposals(Detector([[0, 0, 9, 9]]), Video(make_image([], [])), 4)
    assert clip.class_ids.tolist() == [-1]
    assert not clip.is_best.any()


def test_numbers_that_are_spread_evenly():
    assert evenly(3, 5) == [0, 1, 2]
    assert evenly(9, 3) == [0, 4, 8]
    assert evenly(0, 3) == []


@pytest.fixture
def ranked(make_image):
    image = make_image([[0, 0, 20, 20]], [0], [7])
    count = 8
    clip = ClipProposals(
        video="video",
        images=(image,) * count,
        frames=np.arange(count),
        boxes=np.tile([0.0, 0, 20, 20], (count, 1)),
        class_ids=np.array([0, 0, 0, 1, -1, -1, 0, 0]),
        track_ids=np.array([7, 7, 8, 7, -1, -1, 7, 7]),
        overlaps=np.array([0.9, 0.9, 0.9, 0.9, 0.3, 0.05, 0.9, 0.9]),
        is_best=np.array([True] + [False] * 7),
        encodings=(),
    )
    top = np.array([[1, 2, 3, 4, 5, -1]])
    shares = np.array([[0.4, 0.2, 0.1, 0.1, 0.1, 0.0]])
    return Ranked(clip=clip, keys=np.array([0]), top=top, shares=shares)


def test_references_are_counted_by_what_they_are(ranked):
    kinds = [ranked.kind(0, place) for place in range(5)]
    assert kinds == list(KINDS)
    assert count_kinds([ranked]) == dict.fromkeys(KINDS, 0.2)
    assert sum(count_kinds([ranked, ranked]).values()) == pytest.approx(1)


def test_references_are_drawn_a_row_a_network(ranked):
    one = draw_references({"YOLOV": [ranked]}, NAMES)
    two = draw_references({"YOLOV": [ranked], "FAIM": [ranked]}, NAMES)
    assert two.shape[1] == one.shape[1] > TOP * 90
    assert two.shape[0] > 1.9 * one.shape[0]
    nothing = Ranked(clip=ranked.clip, keys=ranked.keys[:0], top=ranked.top[:0],
                     shares=ranked.shares[:0])  # fmt: skip
    with pytest.raises(ValueError, match="expected proposals that cover objects, got none"):
        draw_references({"YOLOV": [ranked], "FAIM": [nothing]}, NAMES)


@pytest.fixture
def findings():
    return FrameFindings(
        boxes=np.array([[0, 0, 20, 20], [1, 1, 20, 20], [40, 20, 50, 30], [22, 0, 34, 12.0]]),
        scores=np.array([0.9, 0.8, 0.7, 0.1]),
        class_ids=np.array([0, 0, 0, 1]),
        truth_boxes=np.array([[0, 0, 20, 20], [40, 20, 50, 30], [22, 0, 34, 12.0]]),
        truth_class_ids=np.array([0, 1, 1]),
    )


def test_each_object_is_hit_once_by_its_own_class(findings):
    is_hit, is_found = findings.marks(0.5)
    assert is_hit.tolist() == [True, False, False]
    assert is_found.tolist() == [True, False, False]
    is_hit, is_found = findings.marks(0.05)
    assert is_hit.tolist() == [True, False, False, True]
    assert is_found.tolist() == [True, False, True]


def test_errors_are_counted_where_f1_is_highest(findings):
    errors = count_errors([[findings]])
    assert (errors.hits, errors.false_alarms, errors.misses) == (2, 2, 1)
    assert errors.threshold <= 0.1
    assert errors.f1 == pytest.approx(4 / 7)


def test_twins_are_drawn_in_the_papers_colours(findings, make_image):
    video = Video(make_image(findings.truth_boxes, findings.truth_class_ids))
    both = {"YOLOV": [[findings]], "FAIM": [[findings]]}
    errors = {name: count_errors(each) for name, each in both.items()}
    picture = draw_twins([video], both, errors, NAMES)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    near = [
        min(sum(abs(a - b) for a, b in zip(wanted, colour, strict=True)) for colour in colours)
        for wanted in (HIT, FALSE_ALARM, MISS)
    ]
    assert max(near) < 90, "scaled down, lines are mixed with what is beside them"


def mask_of(rows, columns, quality=0.9):
    covered = np.zeros(SIZE, bool)
    covered[rows, columns] = True
    return Mask.encode(covered, class_id=0, method="grabcut", quality=quality)


def test_worst_masks_come_first_and_tiny_objects_are_left_out(make_image):
    true = [mask_of(slice(0, 20), slice(0, 20)), mask_of(slice(20, 40), slice(30, 50)),
            mask_of(slice(0, 2), slice(0, 2)), mask_of(slice(0, 20), slice(40, 60))]  # fmt: skip
    made = [mask_of(slice(0, 20), slice(0, 10)), mask_of(slice(20, 40), slice(30, 50)),
            mask_of(slice(0, 9), slice(0, 9)), None]  # fmt: skip
    boxes = [[0, 0, 20, 20], [30, 20, 50, 40], [0, 0, 3, 3], [40, 0, 60, 20]]
    first = Videos([Video(make_image(boxes, [0, 1, 0, 1], masks=made))])
    second = Videos([Video(make_image(boxes, [0, 1, 0, 1], masks=true))])
    judged = judge_masks(first, second)
    assert sorted(judged.scores.tolist()) == pytest.approx([0.5, 1.0])
    assert judged.without == 1
    sheet = draw_worst(judged, NAMES, columns=2)
    assert sheet.shape[1] > sheet.shape[0]
    by_word = judge_masks(first, None)
    assert by_word.scores.tolist() == pytest.approx([0.9] * 3)
    assert not by_word.by_truth
    with pytest.raises(ValueError, match="expected pseudo masks, got none"):
        draw_worst(judge_masks(Videos([]), None), NAMES)


def test_crops_reach_over_the_edge_and_leave_the_image_alone():
    image = np.full((*SIZE, 3), 90, np.uint8)
    before = image.copy()
    crop = crop_of(image, np.array([-10.0, -10, 6, 6]), size=40, colour=(1, 2, 3))
    assert crop.shape == (40, 40, 3)
    assert crop[0, 0].tolist() == [1, 2, 3]
    assert (image == before).all()


class TestFeatures:
    """Only where scikit-learn is there."""

    @pytest.fixture(autouse=True)
    def features(self):
        pytest.importorskip("sklearn")
        from faimtrack.reproduce.figures import features

        return features

    @pytest.fixture
    def make_set(self, features):
        def make(spread):
            random = np.random.default_rng(0)
            class_ids = np.tile([0, 1], 30)
            centres = np.array([[1.0, 0, 0, 0], [0, 1, 0, 0]])[class_ids]
            values = (centres + spread * random.normal(size=(60, 4))).astype(np.float32)
            return features.FeatureSet(
                features=dict.fromkeys(features.FEATURES, values),
                class_ids=class_ids,
                videos=np.repeat(np.arange(6), 10),
            )

        return make

    def test_classes_that_keep_apart_score_high(self, features, make_set):
        apart = features.separation(make_set(0.01), "partner")
        mixed = features.separation(make_set(10.0), "partner")
        assert apart["neighbours_of_same_class"] == 1.0
        assert apart["silhouette"] > 0.9
        assert mixed["neighbours_of_same_class"] < 0.7
        assert abs(mixed["silhouette"]) < 0.2
        assert features.chance(make_set(1.0)) == pytest.approx(0.5)

    def test_neighbours_of_the_own_video_do_not_count(self, features, make_set):
        found = make_set(0.01)
        alone = features.FeatureSet(
            features=found.features,
            class_ids=found.class_ids,
            videos=found.class_ids,  # a video a class: all others are of the other one
        )
        assert features.separation(alone, "partner")["neighbours_of_same_class"] == 0.0

    def test_one_class_or_one_video_has_no_number(self, features, make_set):
        found = make_set(0.1)
        one = features.FeatureSet(
            features=found.features,
            class_ids=np.zeros_like(found.class_ids),
            videos=np.zeros_like(found.videos),
        )
        assert features.separation(one, "partner") == {
            "neighbours_of_same_class": None, "silhouette": None,
        }  # fmt: skip

    def test_a_picture_has_a_column_a_network(self, features, make_set):
        one = features.draw_features({"YOLOV": make_set(0.1)}, NAMES)
        two = features.draw_features({"YOLOV": make_set(0.1), "FAIM": make_set(0.5)}, NAMES)
        assert two.shape[1] == pytest.approx(2 * one.shape[1], abs=4)
        assert two.std() > 5
