"""Files of detections that are cut off, wrong or malicious: one line each."""

import json
import re
import resource
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faimtrack.detectors.files import SUFFIXES, DetectionFile, read_detections
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.provenance import Provenance, provenance_path, write_provenance
from faimtrack.structures import Detections, SourceInfo

INFO = SourceInfo(name="walk")
NAMES = ("person", "car")


def write(path, kind, rows=40):
    with DetectionFile(path, kind, NAMES, INFO) as file:
        for index in range(1, rows + 1):
            file.write(index, Detections([[1.5, 2, 30.25, 40]], [0.5], [index % 2], NAMES))
    write_provenance(path, Provenance(kind="detections", contents=file.contents.to_tree()))


def one_line(path, **keywords):
    """The complaint, which names the file."""
    with pytest.raises(ValueError, match=re.escape(path.name)) as caught:
        read_detections(path, **keywords)
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 400
    return text.replace(str(path), path.name)


# JSON


def result(**changes):
    record = {"image_id": 3, "category_id": 1, "bbox": [1, 2, 3, 4.5], "score": 0.5}
    return {key: value for key, value in {**record, **changes}.items() if value is not ...}


def whole(**changes):
    tree = {
        "images": [{"id": 3}, {"id": 4}],
        "categories": [{"id": 1, "name": "person"}, {"id": 7, "name": "car"}],
        "annotations": [result(), result(category_id=7)],
    }
    return {key: value for key, value in {**tree, **changes}.items() if value is not ...}


def test_a_list_of_results_of_anybody_is_read(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([result(image_id=9), result(bbox=[0.5, 1, 2, 0])]))
    table = read_detections(path)
    assert table.frames.tolist() == [3, 9]
    assert table.boxes.tolist() == [[0.5, 1, 2.5, 1], [1, 2, 4, 6.5]]
    assert table.class_names is table.contents is None
    assert RecordedDetections(table).class_names == ("person",)


def test_categories_without_names_are_called_by_their_numbers(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([result(category_id=18), result(category_id=3)]))
    table = read_detections(path)
    assert table.class_names == ("category 3", "category 18")
    assert table.class_ids.tolist() == [1, 0]
    kept = RecordedDetections(table, classes=["category 3"])
    assert kept.answer(3).class_ids.tolist() == [0]


def test_an_object_of_anybody_is_read_whatever_else_is_in_it(tmp_path):
    path = tmp_path / "a.json"
    # A byte order mark and CRLF.
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(whole(licenses=[]), indent=1).encode()
                     .replace(b"\n", b"\r\n"))  # fmt: skip
    table = read_detections(path)
    assert table.class_names == NAMES
    assert table.class_ids.tolist() == [0, 1]
    assert table.contents.frames == ((3, 4),)
    assert table.contents.sequence is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "a.json, line 1, column 1: expected whole JSON, got: Expecting value"),
        (b"[\n{", "line 2, column 2: expected whole JSON"),
        (b"\xff\xfe\x00", "expected JSON, got a file that is not text"),
        (b"{}", "expected COCO's object with annotations, or a list of results, got other JSON"),
        (b"3", "got other JSON"),
        (b"[" * 100_000, "got lists in lists in lists"),
        (b"[]", "expected detections, got none"),
        (b'[{"score": NaN}]', "expected finite numbers, got NaN"),
        (b'[{"score": ' + b"9" * 5000 + b"}]", "a.json: "),
    ],
)
def test_what_is_no_json_of_coco_is_one_line(tmp_path, content, expected):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    assert expected in one_line(path)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_id": 0}, "image_id to be a whole number from 1, got 0"),
        ({"image_id": "3"}, "image_id to be a whole number from 1, got '3'"),
        ({"image_id": True}, "image_id to be a whole number from 1, got True"),
        ({"image_id": 2.0}, "got 2.0"),
        ({"image_id": 10**30}, "image_id to be a whole number"),
        ({"image_id": ...}, "got None"),
        ({"category_id": -1}, "category_id to be a whole number from 0, got -1"),
        ({"category_id": None}, "category_id to be a whole number from 0, got None"),
        ({"bbox": [1, 2, -3, 4]}, "a width and a height of 0 or more, got [1, 2, -3, 4]"),
        ({"bbox": [1, 2, 3]}, "bbox to be left, top, width and height, got [1, 2, 3]"),
        ({"bbox": [1, 2, 3, "4"]}, "bbox to be left, top, width and height"),
        ({"bbox": {"a": 1}}, "bbox to be left, top, width and height"),
        ({"bbox": [1, 2, 1e300, 4]}, "a box within 1e+09 pixels"),
        ({"bbox": [1, 2, 10**400, 4]}, "a finite box"),
        ({"bbox": [[0] * 999] * 4}, "bbox to be"),
        ({"score": ...}, "a score, got None"),
        ({"score": "high"}, "a score, got 'high'"),
        ({"score": 10**400}, "a finite score, got inf"),
    ],
)
def test_a_result_that_cannot_be_is_named(tmp_path, changes, expected):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([result(), result(**changes)]))
    said = one_line(path)
    assert said.startswith("a.json, annotation 2: expected ")
    assert expected in said


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"images": ...}, "a.json: expected a list of images, got none"),
        ({"categories": {}}, "a.json: expected a list of categories, got dict"),
        ({"categories": []}, "a.json: expected categories, got none"),
        ({"annotations": 3}, "a.json: expected a list of annotations, got int"),
        ({"images": [{"id": 3}, {"id": 3}]}, "image 2: expected an id of its own, got 3"),
        ({"images": [3]}, "image 1: expected an object, got 3"),
        ({"images": [{"id": 4}]}, "annotation 1: expected image_id to be one of the images"),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": 1, "name": "b"}]},
            "category 2: expected an id of its own, got 1",
        ),
        (
            {"categories": [{"id": 1, "name": "a"}, {"id": 7, "name": "a"}]},
            "category 2: expected a name of its own, got 'a'",
        ),
        ({"categories": [{"id": 1}]}, "category 1: expected a name, got None"),
        (
            {"categories": [{"id": 1, "name": "a"}]},
            "annotation 2: expected category_id to be one of the categories, got 7",
        ),
    ],
)
def test_an_object_that_contradicts_itself_is_one_line(tmp_path, changes, expected):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(whole(**changes)))
    assert expected in one_line(path)


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_rows_after_the_end_of_the_sequence_are_refused(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    write(path, kind)
    assert len(read_detections(path, frame_count=40)) == 40
    assert "expected frames up to 39, the sequence's length, got 40" in one_line(
        path, frame_count=39
    )


# Parquet


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.999])
def test_a_parquet_file_that_is_cut_off_is_one_line(tmp_path, share):
    path = tmp_path / "a.parquet"
    write(path, "parquet")
    provenance_path(path).unlink()
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    assert "expected a whole Parquet file" in one_line(path)


def test_a_flipped_bit_anywhere_in_a_parquet_file_is_noticed(tmp_path):
    path = tmp_path / "a.parquet"
    write(path, "parquet")
    provenance_path(path).unlink()
    data = path.read_bytes()
    seal = data.index(b"FAIMSEAL")
    for place in range(4, len(data) - 8, max(1, len(data) // 60)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 16]) + data[place + 1 :])
        if seal <= place < seal + 8:  # the letters alone: all else is whole
            assert len(read_detections(path)) == 40
        else:
            one_line(path)


def columns(**changes):
    table = {"frame": [1, 2], "x1": [1.0, 2], "y1": [1.0, 2], "x2": [3, 4.5], "y2": [5.0, 6],
             "score": [0.5, 0.25], "class_id": [0, 0]}  # fmt: skip
    return {key: value for key, value in {**table, **changes}.items() if value is not ...}


def test_a_parquet_file_of_anybody_is_read(tmp_path):
    path = tmp_path / "a.parquet"
    changes = {
        "frame": pa.array([9, 2], pa.uint16()),
        "x1": pa.array([1, 2], pa.int8()),
        "y2": pa.array([5, 6.5], pa.float32()),
        "class_id": ...,
        "more": ["a", "b"],
    }
    pq.write_table(pa.table(columns(**changes)), path)
    table = read_detections(path)
    assert table.frames.tolist() == [2, 9]
    assert table.boxes.tolist() == [[2, 2, 4.5, 6.5], [1, 1, 3, 5]]
    assert table.class_names is None
    pq.write_table(pa.table(columns(class_id=[5, 3])), path)
    assert read_detections(path).class_names == ("class 3", "class 5")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"score": ...}, "expected a column score, got class_id, frame, x1"),
        ({"frame": [0, 1]}, "row 1: expected frame numbers from 1, got 0"),
        ({"frame": [1, -5]}, "row 2: expected frame numbers from 1, got -5"),
        ({"frame": [1.0, 2.5]}, "expected whole numbers in column frame, got double"),
        ({"frame": ["1", "2"]}, "expected whole numbers in column frame, got string"),
        ({"frame": [1, None]}, "expected a value in each row of frame, got null"),
        ({"x1": [1, float("nan")]}, "row 2: expected a finite box"),
        ({"x1": [1, 9.0]}, "row 2: expected a width and a height of 0 or more"),
        ({"y2": [1e12, 9.0]}, "row 1: expected a box within 1e+09 pixels"),
        ({"score": [0.5, float("inf")]}, "row 2: expected a finite score, got inf"),
        ({"x2": [[1.0], [2.0]]}, "expected numbers in column x2, got list"),
    ],
)
def test_a_parquet_file_that_cannot_be_is_one_line(tmp_path, changes, expected):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns(**changes)), path)
    assert expected in one_line(path)


def test_a_parquet_file_without_rows_is_refused_unless_it_says_what_was_looked_at(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table(columns()).slice(0, 0), path)
    assert "expected detections, got none" in one_line(path)
    assert len(read_detections(path, allow_empty=True)) == 0


# Text and sidecars


def test_a_mot_file_with_a_mark_at_its_start_and_crlf_is_read(tmp_path):
    path = tmp_path / "a.txt"
    write(path, "mot")
    text = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    provenance_path(path).unlink()
    assert len(read_detections(path)) == 40


@pytest.mark.parametrize("kind", ["0", "3", "nan", "-1", "1e300"])
def test_a_class_that_has_no_name_is_one_line(tmp_path, kind):
    path = tmp_path / "a.txt"
    path.write_text(f"1,-1,1,1,2,2,0.5,{kind},-1,-1\n")
    contents = {"class_names": ["person", "car"], "frames": [[1, 1]], "sequence": "walk"}
    write_provenance(path, Provenance(kind="detections", contents=contents))
    assert "expected classes from 1 to 2 in column 8, got" in one_line(path)


def test_a_file_that_was_changed_after_its_sidecar_is_refused(tmp_path):
    for kind, suffix in SUFFIXES.items():
        path = tmp_path / f"a{suffix}"
        write(path, kind)
        path.write_bytes(path.read_bytes() + b"\n")
        assert f"expected the file that its sidecar a{suffix}.json describes" in one_line(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"class_names": "person"},
        {"class_names": []},
        {"class_names": ["a", "a"]},
        {"class_names": [1]},
        {"class_names": ...},
        {"frames": [[0, 3]]},
        {"frames": [[3, 1]]},
        {"frames": [[1, 3], [3, 4]]},
        {"frames": [[1]]},
        {"frames": [1, 2]},
        {"frames": ...},
        {"frames": [[1, 10**40]]},
        {"sequence": 3},
        {"width": "wide"},
        {"height": -1},
    ],
)
def test_a_sidecar_that_cannot_be_is_one_line(tmp_path, changes):
    path = tmp_path / "a.txt"
    path.write_text("1,-1,1,1,2,2,0.5\n")
    contents = {"class_names": ["person"], "frames": [[1, 1]], "sequence": "walk"}
    contents = {key: value for key, value in {**contents, **changes}.items() if value is not ...}
    write_provenance(path, Provenance(kind="detections", contents=contents))
    assert "a.txt.json: expected" in one_line(path)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"kind": 3}', "[" * 100_000])
def test_a_sidecar_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "a.txt"
    path.write_text("1,-1,1,1,2,2,0.5\n")
    provenance_path(path).write_text(content)
    assert "expected a provenance sidecar" in one_line(path)


def test_a_file_without_a_suffix_is_known_by_its_beginning(tmp_path):
    for kind, suffix in SUFFIXES.items():
        write(tmp_path / f"a{suffix}", kind)
        path = (tmp_path / f"a{suffix}").rename(tmp_path / f"{kind}.partial")
        assert len(read_detections(path)) == 40


# Writing that fails


def detections():
    boxes = np.arange(50)[:, None] + [[1.0, 2, 3, 4]]
    return Detections(boxes, np.full(50, 0.5), class_names=NAMES)


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_after_an_error_the_frames_before_it_can_be_read(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with pytest.raises(RuntimeError), DetectionFile(path, kind, NAMES, INFO) as file:  # noqa: PT012
        for index in range(1, 601):
            file.write(index, detections())
        raise RuntimeError
    assert [each.name for each in tmp_path.iterdir()] == [f"{path.name}.partial"]
    assert (file.first_frame, file.last_frame) == (1, 600)
    assert len(read_detections(file.partial_path)) == 600 * 50


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_an_error_before_the_first_frame_leaves_nothing(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with pytest.raises(RuntimeError), DetectionFile(path, kind, NAMES, INFO):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_what_is_not_to_be_kept_is_gone_after_an_error(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with (  # noqa: PT012
        pytest.raises(RuntimeError),
        DetectionFile(path, kind, NAMES, INFO, keep_partial=False) as file,
    ):
        file.write(1, detections())
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
    assert file.last_frame == 0


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_frames_come_in_order(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with DetectionFile(path, kind, NAMES, INFO) as file:
        file.write(4, detections())
        with pytest.raises(ValueError, match="expected a frame after 4, got 4"):
            file.write(4, detections())


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
def test_two_writers_of_one_file_do_not_mix(tmp_path, kind):
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with DetectionFile(path, kind, NAMES, INFO) as first:
        first.write(1, detections())
        with pytest.raises(BlockingIOError, match="expected to write it alone"):
            DetectionFile(path, kind, NAMES, INFO).__enter__()
        first.write(2, detections())
    assert len(read_detections(path)) == 100


@pytest.fixture
def small_disk():
    """No file may become longer than 20 kB."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("kind", sorted(SUFFIXES))
@pytest.mark.usefixtures("small_disk")
def test_an_error_of_the_disk_names_the_file(tmp_path, kind):
    scores = np.random.default_rng(1).random((200, 50))
    path = tmp_path / f"a{SUFFIXES[kind]}"
    with pytest.raises(OSError, match=rf"too large.*{path.name}\.partial"):  # noqa: SIM117, PT012
        with DetectionFile(path, kind, NAMES, INFO) as file:
            for index, row in enumerate(scores, start=1):
                file.write(index, replace(detections(), scores=row))
    assert not path.exists()
