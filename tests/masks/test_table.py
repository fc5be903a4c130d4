import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from faimtrack.masks.mask import Mask
from faimtrack.masks.store import MaskStore, MaskStoreWriter
from faimtrack.masks.table import MaskTable
from faimtrack.provenance import file_sha256


def write_example(path, frames=3, size=(20, 30), **metadata):
    random = np.random.default_rng(0)
    with MaskStoreWriter(path, metadata=metadata) as writer:
        for frame in range(1, 2 * frames, 2):  # each other frame has masks
            masks = {
                track: Mask.encode(
                    random.random(size) > 0.5, method="noise", quality=0.25, class_id=track
                )
                for track in range(1, 6)
            }
            writer.write(frame, masks)
    return path


def test_frames_are_those_of_the_store(tmp_path):
    path = write_example(tmp_path / "masks.parquet", source="test")
    table = MaskTable.open(path)
    store = MaskStore.open(path)
    assert (len(table), table.frames) == (len(store), store.frames)
    assert table.metadata == {"source": "test"}
    assert table.size == (20, 30)
    for frame in (5, 1, 2, 3, 0, 99):
        assert table.frame(frame) == store.frame(frame)
        assert table.track_ids(frame).tolist() == list(store.frame(frame))


def test_store_without_masks_is_an_answer(tmp_path):
    path = write_example(tmp_path / "masks.parquet", frames=0)
    table = MaskTable.open(path, size=(5, 5))
    assert (len(table), table.frames, table.size) == (0, [], None)
    assert table.frame(1) == {}


def test_masks_made_for_another_ground_truth_are_refused(tmp_path):
    truth = tmp_path / "gt.txt"
    truth.write_text("1,1,0,0,5,5,1,1,1\n")
    path = write_example(tmp_path / "m.parquet", ground_truth_sha256=file_sha256(truth))
    assert len(MaskTable.open(path, truth)) == 15
    truth.write_text("1,1,0,0,5,6,1,1,1\n")
    with pytest.raises(
        ValueError, match=r"m\.parquet: expected masks .*gt\.txt.*`faimtrack masks make`"
    ):
        MaskTable.open(path, truth)
    assert len(MaskTable.open(path)) == 15


def test_masks_of_another_image_size_are_refused(tmp_path):
    path = write_example(tmp_path / "m.parquet")
    assert len(MaskTable.open(path, size=(20, 30))) == 15
    with pytest.raises(ValueError, match=r"m\.parquet: expected masks of 60 x 40 .*got 30 x 20"):
        MaskTable.open(path, size=(40, 60))


def test_masks_of_several_sizes_are_refused(tmp_path):
    path = tmp_path / "m.parquet"
    with MaskStoreWriter(path) as writer:
        writer.write(1, {1: Mask.encode(np.ones((2, 3), dtype=bool))})
        writer.write(2, {1: Mask.encode(np.ones((3, 2), dtype=bool))})
    with pytest.raises(ValueError, match=r"m\.parquet: expected masks of one size"):
        MaskTable.open(path)


def test_store_cut_short_is_refused(tmp_path):
    path = write_example(tmp_path / "m.parquet")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"m\.parquet: expected a whole Parquet file"):
        MaskTable.open(path)


def test_store_that_others_wrote_again_is_sorted_and_checked(tmp_path):
    path = write_example(tmp_path / "m.parquet")
    expected = dict(MaskStore.open(path))
    content = pq.read_table(path)
    backwards = content.take(pa.array(range(len(content) - 1, -1, -1)))
    pq.write_table(backwards, path)
    table = MaskTable.open(path)
    assert {frame: table.frame(frame) for frame in table.frames} == expected
    column = content.schema.get_field_index("counts")
    wrong = pa.array([b"5" for _ in range(len(content))], pa.binary())
    pq.write_table(content.set_column(column, content.schema.field(column), wrong), path)
    with pytest.raises(ValueError, match=r"m\.parquet: frame 1, track 1: mask: expected run"):
        MaskTable.open(path)
