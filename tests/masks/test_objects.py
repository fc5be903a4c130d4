import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.masks.objects import image_windows, read_objects
from faimtrack.motfile import read_sequence_info

SIZE = (50, 100)


@pytest.fixture
def sequence(tmp_path):
    def make(*rows, frames=10):
        (tmp_path / "gt").mkdir(exist_ok=True)
        (tmp_path / "gt" / "gt.txt").write_text("".join(f"{row}\n" for row in rows))
        (tmp_path / "seqinfo.ini").write_text(f"[Sequence]\nname=s\nseqLength={frames}\n")
        return read_sequence_info(tmp_path)

    return make


def test_objects_are_those_that_count_by_frame_and_track(sequence):
    info = sequence(
        "2,5,1,1,9,9,1,1,0.5",
        "1,9,1,1,9,9,1,1,1",
        "1,3,1.4,1.6,9,9,1,1,0.25",
        "1,4,1,1,9,9,0,1,1",  # not considered
        "1,6,1,1,9,9,1,7,1",  # a static person
    )
    objects = read_objects(info, SIZE, classes=(1,))
    assert objects.frames.tolist() == [1, 1, 2]
    assert objects.track_ids.tolist() == [3, 9, 5]
    assert objects.windows[0].tolist() == [1, 2, 10, 11]
    assert objects.visibilities.tolist() == [0.25, 1, 0.5]
    assert objects.class_names == ("person",)
    assert objects.frame_numbers == [1, 2]


def test_other_classes_can_be_asked_for(sequence):
    info = sequence("1,1,1,1,9,9,1,3,1", "1,2,1,1,9,9,1,1,1", "1,3,1,1,9,9,1,4,1")
    objects = read_objects(info, SIZE, classes=(3, 1))
    assert objects.track_ids.tolist() == [1, 2]
    assert objects.class_ids.tolist() == [0, 1]
    assert objects.class_names == ("class 3", "person")


def test_ground_truth_with_world_coordinates_has_one_class(sequence):
    info = sequence("1,1,1,1,9,9,1,-8.5,3.25,0", "1,2,1,1,9,9,1,4.1,-2.5,0")
    objects = read_objects(info, SIZE, classes=(1,))
    assert objects.track_ids.tolist() == [1, 2]
    assert (objects.visibilities == -1).all()


def test_split_keeps_its_frames(sequence):
    info = sequence(*(f"{frame},1,1,1,9,9,1,1,1" for frame in range(1, 11)))
    halves = [
        read_objects(info, SIZE, classes=(1,), split=split).frames.tolist()
        for split in ("train-half", "val-half")
    ]
    assert halves == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10]]


def test_missing_ground_truth_is_named(tmp_path):
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nname=s\nseqLength=5\n")
    with pytest.raises(FileNotFoundError, match=r"gt\.txt: expected the ground truth, got no"):
        read_objects(read_sequence_info(tmp_path), SIZE, classes=(1,))


def test_classes_that_do_not_match_are_told(sequence):
    info = sequence("1,1,1,1,9,9,1,30,1", "1,2,1,1,9,9,1,3,1", "1,3,1,1,9,9,0,4,1")
    message = r"gt\.txt: expected rows of class 1 that count .*; those of .* --classes 3,30$"
    with pytest.raises(ValueError, match=message):
        read_objects(info, SIZE, classes=(1,))
    info = sequence("1,3,1,1,9,9,0,4,1")
    with pytest.raises(ValueError, match=r"that count \(column 7 not 0\), got none of 1$"):
        read_objects(info, SIZE, classes=(1,))


@given(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4))
def test_windows_lie_in_the_image(corners):
    x1, y1, x2, y2 = corners
    box = [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]
    left, top, right, bottom = image_windows(np.array([box]), SIZE)[0].tolist()
    assert 0 <= left <= right <= SIZE[1]
    assert 0 <= top <= bottom <= SIZE[0]
    inside = np.clip(box, 0, [100, 50, 100, 50])
    assert np.abs(inside - [left, top, right, bottom]).max() <= 0.5


def test_id_that_no_store_holds_is_named(sequence):
    with pytest.raises(ValueError, match=r"expected ids up to 2147483647, got 3000000000 in fra"):
        read_objects(sequence("1,3000000000,5,5,10,10,1,1,1"), (50, 80), classes=(1,))
