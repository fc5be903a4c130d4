import json

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from faimtrack.detectors.files import SUFFIXES, DetectionFile, read_detections
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.motfile import read_mot
from faimtrack.provenance import Provenance, write_provenance
from faimtrack.structures import Detections, Frame, SourceInfo
from faimtrack.testing import check_detector

NAMES = ("person", "car", "traffic light")
INFO = SourceInfo(name="walk", frame_rate=25.0, width=640, height=480)
FORMATS = sorted(SUFFIXES)

coordinates = st.one_of(
    st.floats(-4000, 4000),
    st.floats(-4000, 4000, width=32),
    st.integers(-50, 4000).map(float),
    st.sampled_from([0.0, -0.0, 5e-324, 1e-300, 4e8, -5e8, 0.1, 1 / 3]),
)
boxes = st.tuples(coordinates, coordinates, coordinates, coordinates).map(
    lambda each: [*np.minimum(each[:2], each[2:]), *np.maximum(each[:2], each[2:])]
)
rows = st.tuples(boxes, st.floats(0, 1), st.integers(0, len(NAMES) - 1))
sequences = st.dictionaries(st.integers(1, 40), st.lists(rows, max_size=4), min_size=1)


def detections(rows, names=NAMES):
    return Detections(
        [box for box, _, _ in rows], [score for _, score, _ in rows],
        np.array([kind for _, _, kind in rows], np.int64), names,
    )  # fmt: skip


def write(path, kind, frames, names=NAMES, record=None):
    """A file of detections and its sidecar; `frames` by number."""
    with DetectionFile(path, kind, names, INFO, record=record) as file:
        for index, found in sorted(frames.items()):
            file.write(index, found)
    record = Provenance(kind="detections", contents=file.contents.to_tree())
    write_provenance(path, record)
    return file


@pytest.mark.parametrize("kind", FORMATS)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(sequence=sequences)
@example(sequence={3: []})
# No float64 leads from the one coordinate to the other.
@example(sequence={1: [([300.00000000000006, 0.0, 900.0000000000001, 1.0], 0.5, 0)]})
@example(sequence={1: [([-1000.3, -5e8, 1e-300, 5e-324], 0.5, 0)]})
# A detector may say a thing twice.
@example(sequence={1: [([1.0, 1.0, 2.0, 2.0], 0.5, 1), ([1.0, 1.0, 2.0, 2.0], 0.5, 1)]})
def test_no_bit_of_a_box_or_a_score_is_lost(tmp_path, kind, sequence):
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    frames = {index: detections(rows) for index, rows in sequence.items()}
    write(path, kind, frames)
    replay = RecordedDetections(read_detections(path))
    assert replay.class_names == NAMES
    for index, found in frames.items():
        assert replay.answer(index) == found


@pytest.mark.parametrize("kind", FORMATS)
def test_wide_boxes_at_random_come_back_bit_for_bit(tmp_path, kind):
    random = np.random.default_rng(5)
    corners = np.sort(random.uniform(0, 1920, (3000, 2, 2)), axis=1).reshape(-1, 4)
    found = Detections(corners, random.uniform(0, 1, 3000), class_names=NAMES)
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    write(path, kind, {1: found})
    assert RecordedDetections(read_detections(path)).answer(1) == found


@pytest.mark.parametrize("kind", FORMATS)
def test_many_row_groups_are_one_sequence(tmp_path, kind):
    random = np.random.default_rng(6)
    frames = {
        index: Detections(
            np.tile([[1.5, 2, 30, 40]], (600, 1)) + random.uniform(0, 1, (600, 1)),
            random.uniform(0, 1, 600),
        )
        for index in range(1, 31)
    }
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    write(path, kind, frames, ("person",))
    table = read_detections(path)
    assert len(table) == 18_000
    replay = RecordedDetections(table)
    assert all(replay.answer(index) == found for index, found in frames.items())


@pytest.mark.parametrize("kind", FORMATS)
def test_frames_without_detections_were_looked_at_and_others_were_not(tmp_path, kind):
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    empty = detections([])
    file = write(path, kind, {5: empty, 6: empty, 7: empty, 9: empty})
    assert (file.first_frame, file.last_frame) == (5, 9)
    table = read_detections(path)
    assert len(table) == 0
    assert table.contents.frames == ((5, 7), (9, 9))
    assert (table.contents.sequence, table.contents.width) == ("walk", 640)
    replay = RecordedDetections(table)
    session = replay.open(SourceInfo(name="any"))
    assert [len(found) for _, found in session.push([Frame(5), Frame(9)])] == [0, 0]
    with pytest.raises(ValueError, match="expected detections of frame 8, got those of 5 to 7, 9"):
        session.push([Frame(8)])
    with pytest.raises(ValueError, match="expected detections of frames 7 to 8, got"):
        replay.open(SourceInfo(name="any", first_index=7, frame_count=2))


@pytest.mark.parametrize("kind", FORMATS)
def test_the_one_class_of_a_file_has_its_name_whatever_its_number_was(tmp_path, kind):
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    write(path, kind, {1: detections([([1.0, 1.0, 5.0, 5.0], 0.5, 1)])}, ("car",))
    ((_, found),) = RecordedDetections(read_detections(path)).open(INFO).push([Frame(1)])
    assert found.class_names == ("car",)
    assert found.class_ids.tolist() == [0]


@pytest.mark.parametrize("kind", FORMATS)
def test_some_classes_may_be_kept_and_the_names_of_all_stay(tmp_path, kind):
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    rows = [([1.0 + each, 1.0, 5.0 + each, 5.0], 0.5, each) for each in (2, 0, 1, 2)]
    write(path, kind, {1: detections(rows)})
    table = read_detections(path)
    replay = RecordedDetections(table, classes=["traffic light", "person"])
    found = replay.answer(1)
    assert found.class_names == replay.class_names == NAMES
    assert found.class_ids.tolist() == [2, 0, 2]
    with pytest.raises(ValueError, match=r"expected a class of .*, got 'cat'; did you mean 'car'"):
        RecordedDetections(table, classes=["cat"])


@pytest.mark.parametrize("kind", FORMATS)
def test_a_replay_keeps_the_promises_of_all_detectors(tmp_path, kind):
    path = tmp_path / f"walk{SUFFIXES[kind]}"
    rows = [([1.0, 1.0, 5.0, 5.0], 0.5, 1)]
    write(path, kind, {index: detections(rows[: index % 2]) for index in range(1, 30)})
    check_detector(lambda: RecordedDetections(read_detections(path)))


def test_text_is_plain_where_numbers_are(tmp_path):
    found = detections([([10.0, 20.5, 30.0, 40.25], 0.7, 1)])
    write(tmp_path / "a.txt", "mot", {3: found})
    assert (tmp_path / "a.txt").read_text() == "3,-1,10,20.5,20,19.75,0.7,2,-1,-1\n"
    write(tmp_path / "b.txt", "mot", {3: found}, ("car",))
    assert (tmp_path / "b.txt").read_text() == "3,-1,10,20.5,20,19.75,0.7,-1,-1,-1\n"


def test_a_mot_file_is_one_to_every_other_reader(tmp_path):
    random = np.random.default_rng(7)
    corners = np.sort(random.uniform(0, 1920, (500, 2, 2)), axis=1).reshape(-1, 4)
    write(tmp_path / "a.txt", "mot", {1: Detections(corners, np.full(500, 0.5))}, ("person",))
    values = np.loadtxt(tmp_path / "a.txt", delimiter=",")
    assert np.abs(values[:, 2:4] + values[:, 4:6] - corners[:, 2:]).max() < 1e-12
    # Without its sidecar no class is known, and no number is lost.
    (tmp_path / "a.txt.json").unlink()
    table = read_detections(tmp_path / "a.txt")
    assert np.array_equal(table.boxes, corners)
    assert table.class_names is table.contents is None
    assert np.array_equal(read_mot(tmp_path / "a.txt").boxes, corners)


def test_coco_is_json_that_pycocotools_takes(tmp_path):
    from pycocotools.coco import COCO

    frames = {1: detections([([10.0, 20.5, 30.0, 40.25], 0.7, 1)]), 2: detections([])}
    write(tmp_path / "a.json", "coco", frames)
    tree = json.loads((tmp_path / "a.json").read_text())
    assert tree["annotations"] == [
        {"id": 1, "image_id": 1, "category_id": 2, "bbox": [10, 20.5, 20, 19.75], "area": 395,
         "iscrowd": 0, "score": 0.7}
    ]  # fmt: skip
    assert [image["id"] for image in tree["images"]] == [1, 2]
    assert [each["name"] for each in tree["categories"]] == list(NAMES)
    coco = COCO(str(tmp_path / "a.json"))
    assert coco.getAnnIds(imgIds=[1], catIds=[2]) == [1]


def test_parquet_carries_how_it_was_made(tmp_path):
    record = Provenance(kind="detections", weights={"detector": "ab" * 32})
    write(tmp_path / "a.parquet", "parquet", {1: detections([])}, record=record)
    (tmp_path / "a.parquet.json").unlink()
    assert read_detections(tmp_path / "a.parquet").record == record
