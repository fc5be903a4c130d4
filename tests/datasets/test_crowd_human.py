import json

import cv2
import numpy as np
import pytest

from faimtrack.datasets.crowd_human import CrowdHuman


def person(box, *, tag="person", **extra):
    return {
        "tag": tag, "fbox": box, "vbox": [1, 1, 2, 2], "hbox": [1, 1, 1, 1], "extra": extra,
        "head_attr": {},
    }  # fmt: skip


FIRST = {
    "ID": "273271,1a0d6000b9e1f5b7",
    "gtboxes": [
        person([-3, 5, 20, 30], box_id=0, occ=0),
        person([1, 2, 3, 4], ignore=1),
        person([1, 2, 3, 4], tag="mask", ignore=1),
        person([5, 6, 0, 4]),
        person([10, 5, 20.5, 30], ignore=0),
    ],
}
SECOND = {"ID": "second", "gtboxes": []}


@pytest.fixture
def make(tmp_path):
    def write(lines, *, name="annotation_train.odgt", images="Images", skip=()):
        text = "".join(
            (line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines
        )
        (tmp_path / name).write_text(text)
        (tmp_path / images).mkdir(parents=True, exist_ok=True)
        for line in lines:
            if isinstance(line, dict) and line.get("ID") not in skip:
                pixels = np.full((40, 60, 3), (255, 0, 0), np.uint8)
                cv2.imwrite(str(tmp_path / images / f"{line.get('ID')}.jpg"), pixels)
        return tmp_path

    return write


def test_people_have_the_boxes_of_their_whole_bodies(make):
    images = CrowdHuman.open(make([FIRST, "", SECOND]))
    assert len(images) == 2
    assert images.class_names == ("person",)
    assert not images.has_masks
    first = images[0]
    assert first.boxes.tolist() == [[-3, 5, 17, 35], [10, 5, 30.5, 35]]
    assert first.class_ids.tolist() == [0, 0]
    assert first.track_ids.tolist() == [-1, -1]
    assert first.masks() == (None, None)
    assert first.image()[0, 0, 2] > 200
    assert images[1].boxes.shape == (0, 4)
    assert images.left_out == {"to be ignored": 2, "boxes of no area": 1}


def test_both_files_and_folders_as_archives_unpack_are_read(make):
    make([FIRST], images="CrowdHuman_train01/Images")
    second = SECOND | {"gtboxes": [person([0, 0, 5, 5])]}
    folder = make([second], name="annotation_val.odgt", images="CrowdHuman_val/Images")
    images = CrowdHuman.open(folder)
    assert [images[k].name.split("/")[1] for k in range(2)] == [FIRST["ID"], "second"]
    assert len(CrowdHuman.open(folder, files=["annotation_val.odgt"])) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"ID": "a", ', "line 2: expected a JSON object, got"),
        ("[1]", 'expected a JSON object with an "ID", got'),
        ({"gtboxes": []}, 'expected a JSON object with an "ID"'),
        ({"ID": "../a", "gtboxes": []}, "expected an ID that can be a file's name"),
        ({"ID": "a"}, 'expected a list "gtboxes", got None'),
        ({"ID": "a", "gtboxes": [3]}, "expected a box as a JSON object, got 3"),
        ({"ID": "a", "gtboxes": [person([1, 2, 3])]}, 'four finite numbers as "fbox", got'),
        ({"ID": "a", "gtboxes": [person([1, 2, 3, "x"])]}, 'four finite numbers as "fbox"'),
        ('{"ID": "a", "gtboxes": [{"tag": "person", "fbox": [1, 2, NaN, 4]}]}', "four finite"),
    ],
)
def test_a_broken_line_is_named_with_its_file(make, line, message):
    text = line if isinstance(line, str) else json.dumps(line)
    with pytest.raises(ValueError, match=message) as caught:
        CrowdHuman.open(make([SECOND, text]))
    assert "annotation_train.odgt, line 2" in str(caught.value)


def test_missing_images_are_counted(make):
    with pytest.raises(FileNotFoundError, match=r"second\.jpg: expected the image, got no such"):
        CrowdHuman.open(make([FIRST, SECOND], skip=["second"]))


def test_a_folder_without_annotations_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"expected annotation_train\.odgt or"):
        CrowdHuman.open(tmp_path)


def test_annotations_without_people_are_refused(make):
    with pytest.raises(ValueError, match="expected people, got none"):
        CrowdHuman.open(make([SECOND]))


def test_annotations_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "annotation_train.odgt").write_bytes(b"\xff\xfe\x00\n")
    with pytest.raises(ValueError, match="not text"):
        CrowdHuman.open(tmp_path)
