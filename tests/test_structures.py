import numpy as np
import pytest

from faimtrack.structures import Detections, Frame, Tracks

BOXES = [[0, 0, 10, 20], [5, 5, 15, 25], [100, 50, 130, 90]]
SCORES = [0.9, 0.7, 0.1]


def all_fields(count=3):
    rows = slice(0, count)
    masks = [{"size": [4, 4], "counts": bytes([i])} for i in range(3)]
    return Detections(
        BOXES[rows],
        SCORES[rows],
        [0, 1, 0][rows],
        ("person", "car"),
        embeddings=np.arange(6, dtype=np.float32).reshape(3, 2)[rows],
        embedding_name="net",
        masks=tuple(masks[rows]),
    )


def tracks(**changes):
    values = {
        "ids": [4, 2, 9],
        "boxes": BOXES,
        "scores": SCORES,
        "class_ids": [0, 0, 0],
        "detection_indices": [2, -1, 0],
    }
    return Tracks(**(values | changes))


def test_detections_hold_float64_corners_and_scores_exactly_as_given():
    found = Detections(BOXES, [0.7, 0.70, 0.1])
    assert found.boxes.dtype == found.scores.dtype == np.float64
    assert found.scores[0] == 0.7
    assert found.class_ids.tolist() == [0, 0, 0]
    assert found.class_names == ("person",)
    assert len(found) == 3


def test_detections_own_their_arrays():
    boxes = np.array(BOXES, float)
    found = Detections(boxes, SCORES)
    boxes[:] = 0
    assert found.boxes.tolist() == BOXES


@pytest.mark.parametrize("empty", [[], np.zeros((0, 4)), np.zeros(0)])
def test_nothing_found_has_the_shapes_of_nothing(empty):
    for found in (Detections(empty, []), Detections.empty(("car",))):
        assert found.boxes.shape == (0, 4)
        assert found.scores.shape == found.class_ids.shape == (0,)
        assert len(found) == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0, 0, 1]], [1]), r"boxes: expected shape \(N, 4\), got \(1, 3\)"),
        (([0, 0, 1, 1], [1]), r"boxes: expected shape \(N, 4\), got \(4,\)"),
        ((BOXES, [1, 1]), r"scores: expected shape \(3\), got \(2,\)"),
        ((BOXES, []), r"scores: expected shape \(3\), got \(0,\)"),
        ((BOXES, SCORES, [0, 0]), r"class_ids: expected shape \(3\)"),
        ((BOXES, SCORES, [0, 0, 0.5]), "class_ids: expected whole numbers, got float64"),
        ((BOXES, SCORES, [0, 0, 1]), r"expected 0 to 0 \(person\), got 0 to 1"),
        ((BOXES, SCORES, [0, 0, -1]), "got -1 to 0"),
        (([[0, 0, np.nan, 1]], [1]), "boxes: expected finite corners, got .*nan.* in row 0"),
        (([[0, 0, 1, 1], [0, 0, np.inf, 1]], [1, 1]), "in row 1"),
        (([[5, 0, 4, 1]], [1]), "expected x1 <= x2 and y1 <= y2, got .* in row 0"),
        (([[0, 5, 4, 4]], [1]), "expected x1 <= x2 and y1 <= y2"),
        (([[0, 0, 1, 1]], [np.nan]), "scores: expected finite"),
    ],
)
def test_detections_that_cannot_be_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Detections(*arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"embeddings": np.zeros((2, 8)), "embedding_name": "a"}, "embeddings: expected shape"),
        ({"embeddings": np.zeros(3), "embedding_name": "a"}, "embeddings: expected shape"),
        ({"embeddings": np.zeros((3, 8))}, "expected both or neither"),
        ({"embedding_name": "a"}, "expected both or neither"),
        ({"embeddings": np.full((3, 8), np.nan), "embedding_name": "a"}, "embeddings: .* finite"),
        ({"masks": ()}, "masks: expected 3, one a box, got 0"),
        ({"class_names": "person"}, "class_names: expected a tuple of names, got 'person'"),
    ],
)
def test_what_comes_with_detections_must_fit_them(keywords, message):
    with pytest.raises(ValueError, match=message):
        Detections(BOXES, SCORES, **keywords)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (slice(1, None), [1, 2]),
        (np.array([True, False, True]), [0, 2]),
        ([True, False, True], [0, 2]),
        (np.array([2, 0]), [2, 0]),
        ([2, 0], [2, 0]),
        ([], []),
        (1, [1]),
        (np.int64(2), [2]),
        (-1, [2]),
        (slice(None, None, -1), [2, 1, 0]),
    ],
)
def test_indexing_selects_the_same_rows_of_every_field(rows, expected):
    whole = all_fields()
    part = whole[rows]
    assert isinstance(part, Detections)
    assert len(part) == len(expected)
    for name in ("boxes", "scores", "class_ids", "embeddings"):
        np.testing.assert_array_equal(getattr(part, name), getattr(whole, name)[expected])
    assert part.masks == tuple(whole.masks[row] for row in expected)
    assert (part.class_names, part.embedding_name) == (whole.class_names, whole.embedding_name)
    some = tracks()[rows]
    assert some.ids.tolist() == [[4, 2, 9][row] for row in expected]
    assert some.detection_indices.tolist() == [[2, -1, 0][row] for row in expected]


def test_a_row_that_is_not_there_is_an_index_error():
    with pytest.raises(IndexError):
        all_fields()[3]


def test_equality_compares_every_field_and_only_the_same_kind():
    assert all_fields() == all_fields()
    assert all_fields() != all_fields(2)
    assert all_fields() != Detections(BOXES, SCORES, [0, 1, 0], ("person", "car"))
    assert Detections(BOXES, SCORES) != Detections(BOXES, SCORES, class_names=("car",))
    assert tracks() == tracks()
    assert tracks() != tracks(ids=[4, 2, 8])
    assert Detections.empty() != Tracks.empty()


def test_rows_are_frozen():
    with pytest.raises(AttributeError):
        all_fields().boxes = np.zeros((3, 4))
    with pytest.raises(AttributeError):
        tracks().ids = np.zeros(3)


def test_supervision_there_and_back_keeps_boxes_scores_and_classes():
    pytest.importorskip("supervision")
    whole = all_fields()
    back = Detections.from_supervision(whole.to_supervision(), whole.class_names)
    np.testing.assert_array_equal(back.boxes, whole.boxes)
    np.testing.assert_allclose(back.scores, whole.scores, rtol=1e-7)
    np.testing.assert_array_equal(back.class_ids, whole.class_ids)


def test_supervision_without_scores_or_classes_counts_as_sure_and_first():
    supervision = pytest.importorskip("supervision")
    bare = supervision.Detections(xyxy=np.array([[0.0, 0.0, 2.0, 2.0]], np.float32))
    found = Detections.from_supervision(bare, ("person",))
    assert (found.scores.tolist(), found.class_ids.tolist()) == ([1.0], [0])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": [4, 4, 9]}, "ids: expected each id once in a frame"),
        ({"ids": [4.5, 2, 9]}, "ids: expected whole numbers"),
        ({"ids": [4, 2]}, r"ids: expected shape \(3\), got \(2,\)"),
        ({"scores": [1]}, "scores: expected shape"),
        ({"scores": [1, np.nan, 1]}, "scores: expected finite numbers"),
        ({"class_ids": [0]}, "class_ids: expected shape"),
        ({"detection_indices": [0]}, "detection_indices: expected shape"),
        ({"boxes": [[0, 0, np.inf, 1]] * 3}, "boxes: expected finite"),
    ],
)
def test_tracks_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tracks(**changes)


def test_no_tracks_have_the_shapes_of_nothing():
    assert Tracks.empty().boxes.shape == (0, 4)
    assert len(Tracks.empty()) == 0


def test_pixels_are_loaded_once_when_they_are_first_asked_for():
    loads = []

    def load():
        loads.append(1)
        return np.zeros((4, 6, 3), np.uint8)

    frame = Frame(7, load=load, size=(6, 4))
    assert (frame.size, frame.has_image, loads) == ((6, 4), True, [])
    assert frame.image is frame.image
    assert loads == [1]
    frame.features = object()
    frame.release()
    assert frame.features is None
    assert frame.size == (6, 4)
    assert frame.image.shape == (4, 6, 3)
    assert loads == [1, 1]


def test_pixels_that_cannot_be_loaded_again_survive_a_release():
    image = np.ones((4, 6, 3), np.uint8)
    frame = Frame(1, image=image)
    frame.release()
    assert frame.image is image
    assert frame.size == (6, 4)


def test_a_frame_without_images_says_so_only_when_asked_for_pixels():
    frame = Frame(3)
    assert not frame.has_image
    assert frame.size is None
    with pytest.raises(ValueError, match="frame 3: there are no images"):
        _ = frame.image


@pytest.mark.parametrize("index", [0, -1])
def test_frame_numbers_start_at_one(index):
    with pytest.raises(ValueError, match=f"frame index: expected 1 or more, got {index}"):
        Frame(index)


@pytest.mark.parametrize("time_s", [float("nan"), float("inf")])
def test_a_frame_without_a_real_time_is_refused(time_s):
    with pytest.raises(ValueError, match="frame 2: expected a time in finite seconds, got"):
        Frame(2, time_s=time_s)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 4), np.uint8),
        np.zeros((4, 6, 3), np.float32),
        np.zeros((4, 0, 3), np.uint8),
    ],
)
def test_an_image_that_is_not_rgb_bytes_is_refused(image):
    with pytest.raises(ValueError, match=r"image: expected .* uint8 RGB"):
        Frame(1, image=image)
    with pytest.raises(ValueError, match=r"image: expected .* uint8 RGB"):
        _ = Frame(1, load=lambda: image).image
