"""Embeddings in files of detections."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faimtrack.detectors.files import DetectionFile, read_detections
from faimtrack.detectors.recorded import RecordedDetections
from faimtrack.structures import Detections, Frame, SourceInfo

INFO = SourceInfo(name="walk", width=40, height=30)
CLASSES = ("person", "car")


def found(random, count, *, name="weights-kind", dimension=5):
    corners = np.sort(random.uniform(0, 30, (count, 2, 2)), axis=1).reshape(-1, 4)
    vectors = random.normal(size=(count, dimension)).astype(np.float32)
    if count:
        vectors[0] = 0
    class_ids = random.integers(0, 2, count)
    return Detections(corners, random.uniform(0, 1, count), class_ids, CLASSES, vectors, name)


def without(found):
    return Detections(found.boxes, found.scores, found.class_ids, CLASSES)


def write(path, frames, kind="parquet", **keywords):
    with DetectionFile(path, kind, CLASSES, INFO, **{"with_embeddings": True, **keywords}) as file:
        for index, each in sorted(frames.items()):
            file.write(index, each)
    return path


def test_embeddings_come_back_bit_for_bit_with_their_name(tmp_path):
    random = np.random.default_rng(1)
    frames = {index: found(random, count) for index, count in ((1, 3), (4, 0), (5, 2))}
    path = write(tmp_path / "a.parquet", frames)
    table = read_detections(path)
    assert table.embeddings.dtype == np.float32
    replay = RecordedDetections(table)
    for index, expected in frames.items():
        assert replay.answer(index) == expected
        assert replay.answer(index).embedding_name == "weights-kind"
    session = replay.open(SourceInfo(name="walk", first_index=4, frame_count=2))
    assert [each for _, each in session.push([Frame(4), Frame(5)])] == [frames[4], frames[5]]


def test_classes_that_are_left_out_take_their_embeddings_along(tmp_path):
    one = found(np.random.default_rng(2), 8)
    path = write(tmp_path / "a.parquet", {1: one})
    kept = RecordedDetections(read_detections(path), classes=["car"]).answer(1)
    assert np.array_equal(kept.embeddings, one.embeddings[one.class_ids == 1])


@pytest.mark.parametrize("is_empty_first", [True, False])
def test_frames_in_which_nothing_is_found_need_no_embeddings(tmp_path, is_empty_first):
    one = found(np.random.default_rng(1), 3)
    empty = Detections.empty(CLASSES)
    frames = {1: empty, 2: one} if is_empty_first else {1: one, 2: empty}
    replay = RecordedDetections(read_detections(write(tmp_path / "a.parquet", frames)))
    assert replay.answer(2 if is_empty_first else 1) == one
    assert len(replay.answer(1 if is_empty_first else 2)) == 0


def test_a_file_without_a_detection_has_no_embeddings_either(tmp_path):
    path = write(tmp_path / "a.parquet", {1: Detections.empty(CLASSES)})
    table = read_detections(path)
    assert (table.embeddings, table.embedding_name, len(table)) == (None, None, 0)
    assert len(RecordedDetections(table).answer(1)) == 0


def test_more_rows_than_a_row_group_holds(tmp_path, monkeypatch):
    monkeypatch.setattr("faimtrack.detectors.files.parquet._ROWS_A_GROUP", 4)
    random = np.random.default_rng(3)
    frames = {index: found(random, index % 4) for index in range(1, 12)}
    path = write(tmp_path / "a.parquet", frames)
    assert pq.ParquetFile(path).num_row_groups > 2
    replay = RecordedDetections(read_detections(path))
    assert all(replay.answer(index) == each for index, each in frames.items())


def test_masks_and_embeddings_share_a_file(tmp_path):
    from pycocotools import mask as coco

    random = np.random.default_rng(4)
    one = found(random, 2)
    pixels = np.asfortranarray(random.random((30, 40, 2)) < 0.3, np.uint8)
    both = Detections(
        one.boxes, one.scores, one.class_ids, CLASSES, one.embeddings, one.embedding_name,
        coco.encode(pixels),
    )  # fmt: skip
    path = write(tmp_path / "a.parquet", {1: both}, with_masks=True)
    assert RecordedDetections(read_detections(path)).answer(1) == both


def test_embeddings_are_left_out_unless_they_are_wanted(tmp_path):
    one = found(np.random.default_rng(1), 3)
    path = write(tmp_path / "a.parquet", {1: one}, with_embeddings=False)
    bare = write(tmp_path / "b.parquet", {1: without(one)}, with_embeddings=False)
    assert path.read_bytes() == bare.read_bytes()
    assert read_detections(path).embeddings is None


def test_detections_without_embeddings_are_refused_where_they_are_wanted(tmp_path):
    bare = without(found(np.random.default_rng(1), 3))
    with pytest.raises(
        ValueError, match=r"a\.parquet: expected embeddings with frame 2, got none"
    ):
        write(tmp_path / "a.parquet", {2: bare})


@pytest.mark.parametrize(
    ("other", "told"),
    [({"name": "another"}, "got another of 5 in frame 7"),
     ({"dimension": 6}, "got weights-kind of 6 in frame 7")],
)  # fmt: skip
def test_embeddings_of_two_kinds_are_never_in_one_file(tmp_path, other, told):
    random = np.random.default_rng(1)
    frames = {1: found(random, 2), 7: found(random, 2, **other)}
    expected = "expected embeddings weights-kind of 5 numbers, as in the frames before, " + told
    with pytest.raises(ValueError, match=expected):
        write(tmp_path / "a.parquet", frames)
    (partial,) = tmp_path.iterdir()
    rows = read_detections(partial)
    assert len(rows) == 2
    assert np.array_equal(rows.embeddings, frames[1].embeddings)


@pytest.mark.parametrize("kind", ["mot", "coco"])
def test_text_has_no_place_for_embeddings(tmp_path, kind):
    with pytest.raises(ValueError, match=rf"expected parquet .* with embeddings, got {kind}"):
        DetectionFile(tmp_path / "a", kind, CLASSES, INFO, with_embeddings=True)


BOX = {"frame": [1], "x1": [0.0], "y1": [0.0], "x2": [1.0], "y2": [1.0], "score": [0.5]}
KEY = {b"faimtrack.detections.embedding": b"kind"}


def other_peoples_file(path, embedding, metadata, kind=None):
    table = pa.table(BOX)
    if embedding is not None:
        table = table.append_column("embedding", pa.array(embedding, kind))
    pq.write_table(table.replace_schema_metadata(metadata), path)
    return path


def test_a_column_of_that_name_without_a_model_is_another_thing(tmp_path):
    table = read_detections(other_peoples_file(tmp_path / "a.parquet", [[1.0, 2.0]], None))
    assert table.embeddings is None


@pytest.mark.parametrize(
    ("embedding", "kind", "told"),
    [
        (None, None, "expected a column embedding, for it is said to hold kind"),
        ([[1.0, 2.0]], pa.list_(pa.float32()), "expected as many float32 in each row of embed"),
        ([[1.0, 2.0]], pa.list_(pa.float64(), 2), "expected as many float32 in each row of embed"),
        ([None], pa.list_(pa.float32(), 2), "expected a value in each row of embedding, got null"),
        ([[1, None]], pa.list_(pa.float32(), 2), "expected a value in each row of embedding"),
        ([[1, np.nan]], pa.list_(pa.float32(), 2), "row 1: expected finite numbers in embedding"),
    ],
)
def test_columns_of_embeddings_that_cannot_be_are_one_line(tmp_path, embedding, kind, told):
    path = other_peoples_file(tmp_path / "a.parquet", embedding, KEY, kind)
    with pytest.raises(ValueError, match=told) as caught:
        read_detections(path)
    assert "\n" not in str(caught.value)


def test_a_whole_file_is_sealed_with_its_embeddings(tmp_path):
    path = write(tmp_path / "a.parquet", {1: found(np.random.default_rng(1), 40)})
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.parquet"):
        read_detections(path)
