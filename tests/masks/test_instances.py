import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco

from faimtrack.masks.config import InstancesConfig
from faimtrack.masks.instances import AlignedInstances, _best_pairs
from faimtrack.masks.mask import Mask
from faimtrack.masks.segmenter import FrameObjects

SIZE = (40, 60)


def bitmap(x1, y1, x2, y2):
    pixels = np.zeros(SIZE, dtype=bool)
    pixels[y1:y2, x1:x2] = True
    return pixels


def result(*corners, image=1, score=0.9, **more):
    counts = Mask.encode(bitmap(*corners)).counts.decode()
    segmentation = {"size": list(SIZE), "counts": counts}
    return {
        "image_id": image,
        "category_id": 3,
        "score": score,
        "segmentation": segmentation,
    } | more


@pytest.fixture
def open_instances(tmp_path):
    def write(content, **settings):
        path = tmp_path / "s.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return AlignedInstances(path, SIZE, InstancesConfig(**settings))

    return write


def frame(*windows, index=1):
    return FrameObjects(
        index=index,
        size=SIZE,
        track_ids=np.arange(1, len(windows) + 1),
        windows=np.array(windows, np.int64).reshape(-1, 4),
        load_image=lambda: pytest.fail("no pixels are needed"),
    )


def test_box_gets_its_best_instance_cut_to_it(open_instances):
    masks = open_instances([result(10, 10, 22, 30, score=0.5), result(11, 10, 20, 30, score=0.75)])
    (segment,) = masks.segments(frame([10, 10, 20, 28]))
    assert segment.quality == 0.75
    assert (segment.pixels == bitmap(11, 10, 20, 30)[10:28, 10:20]).all()


def test_instance_serves_one_object_only(open_instances):
    masks = open_instances([result(10, 10, 20, 30)])
    first, second = masks.segments(frame([10, 10, 21, 30], [10, 10, 20, 30]))
    assert first is None
    assert second is not None


def test_instances_that_fit_too_little_are_left(open_instances):
    overlap = 0.6  # of 10 columns, 6 are shared by 10 x 20 boxes: 6 / 14
    assert overlap / (2 - overlap) < 0.5
    masks = open_instances([result(14, 10, 24, 30)])
    assert masks.segments(frame([10, 10, 20, 30])) == [None]
    loose = open_instances([result(14, 10, 24, 30)], minimum_iou=0.4)
    assert loose.segments(frame([10, 10, 20, 30]))[0] is not None


def test_low_scores_can_be_left_out(open_instances):
    masks = open_instances([result(10, 10, 20, 30, score=0.2)], minimum_score=0.3)
    assert masks.segments(frame([10, 10, 20, 30])) == [None]


def test_frames_are_told_by_number_or_file_name(open_instances):
    other = result(10, 10, 20, 30)
    del other["image_id"]
    masks = open_instances(
        [result(10, 10, 20, 30, image=4), other | {"file_name": "img1/000007.jpg"}]
    )
    found = [
        index
        for index in range(1, 10)
        if masks.segments(frame([10, 10, 20, 30], index=index))[0] is not None
    ]
    assert found == [4, 7]


def test_data_set_says_which_image_is_which_frame(open_instances):
    masks = open_instances(
        {
            "images": [{"id": 901, "file_name": "MOT/img1/000003.jpg"}],
            "annotations": [result(10, 10, 20, 30, image=901)],
        }
    )
    assert masks.segments(frame([10, 10, 20, 30], index=3))[0] is not None


@pytest.mark.parametrize(
    "segmentation",
    [
        [[10, 10, 20, 10, 20, 30, 10, 30]],
        {"size": list(SIZE), "counts": [410, 20] + [20, 20] * 9 + [2400 - 410 - 20 - 360]},
    ],
)
def test_polygons_and_plain_counts_are_read(open_instances, segmentation):
    masks = open_instances([result(0, 0, 1, 1, segmentation=segmentation)])
    (segment,) = masks.segments(frame([10, 10, 20, 30]))
    assert segment.pixels.mean() > 0.9


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "expected instances in COCO's JSON, got no whole JSON"),
        ("3", "expected a list of COCO results"),
        ([result(1, 1, 5, 5, score=2)], "result 1: expected a result with a score from 0 to 1"),
        ([result(1, 1, 5, 5, image=0)], "result 1: expected image_id to be a frame from 1, got 0"),
        ([result(1, 1, 5, 5, segmentation=None)], "expected a segmentation, got NoneType"),
        ([result(1, 1, 5, 5, segmentation={"size": [9, 9]})], "expected masks of 40 x 60"),
        ([result(1, 1, 5, 5, segmentation=[[1, 2, 3]])], "expected polygons x1 y1"),
        (
            [result(1, 1, 5, 5, segmentation={"size": list(SIZE), "counts": "99"})],
            "result 1: mask: expected run lengths",
        ),
        (
            [result(1, 1, 5, 5, segmentation={"size": list(SIZE), "counts": [5, 5]})],
            "expected run lengths that fill 40 x 60",
        ),
        ([result(1, 1, 5, 5, file_name="img.jpg")], "expected a file name with the frame's"),
        ([result(1, 1, 5, 5, image=[1])], "expected image_id to be a frame from 1, got [1]"),
        ([result(1, 1, 5, 5, segmentation={"size": 5})], "expected masks of 40 x 60"),
        (
            [result(1, 1, 5, 5, segmentation=[[float("nan"), 1, 9, 1, 9, 9]])],
            "expected polygons of finite numbers",
        ),
        (
            [result(1, 1, 5, 5, segmentation=[[10**400, 1, 9, 1, 9, 9]])],
            "expected polygons of finite numbers",
        ),
        ({"images": None, "annotations": []}, "expected images as a list of objects"),
        ({"images": ["a"], "annotations": []}, "expected images as a list of objects"),
        (
            {"images": [{"id": [1], "file_name": "1.jpg"}], "annotations": []},
            "image 1: expected an id, a number or a text, got [1]",
        ),
    ],
)
def test_faulty_instances_are_refused_in_one_line(open_instances, content, message):
    with pytest.raises(ValueError, match=r"s\.json") as caught:
        open_instances(content)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


BOXES = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(1, 20), st.integers(1, 20)),
    min_size=1,
    max_size=6,
).map(lambda rows: np.array([[x, y, x + w, y + h] for x, y, w, h in rows], np.float64))


@given(BOXES, BOXES)
def test_pairs_are_taken_once_and_by_falling_overlap(boxes, others):
    pairs = _best_pairs(boxes, others, 0.3)
    assert len({row for row, _ in pairs}) == len({column for _, column in pairs}) == len(pairs)
    sizes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes]
    other_sizes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in others]
    ious = coco.iou(sizes, other_sizes, [0] * len(others))
    taken = [ious[row, column] for row, column in pairs]
    assert taken == sorted(taken, reverse=True)
    assert all(value >= 0.3 - 1e-9 for value in taken)
    # Nobody is left who could still have a partner.
    free_rows = set(range(len(boxes))) - {row for row, _ in pairs}
    free_columns = set(range(len(others))) - {column for _, column in pairs}
    assert not [
        1 for row in free_rows for column in free_columns if ious[row, column] > 0.3 + 1e-9
    ]
