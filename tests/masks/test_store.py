import contextlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from pycocotools import mask as coco

from faimtrack.masks.mask import Mask
from faimtrack.masks.store import MaskStore, MaskStoreWriter

PIXELS = arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=30))
MASKS = st.builds(
    Mask.encode,
    PIXELS,
    class_id=st.integers(0, 100),
    method=st.sampled_from(["simulator", "grabcut", "sam", "Kästchen"]),
    quality=st.floats(0, 1, width=32),
)


def write_example(path, frame_count=3):
    random = np.random.default_rng(0)
    with MaskStoreWriter(path, metadata={"source": "test"}) as writer:
        for frame in range(1, frame_count + 1):
            masks = {
                track: Mask.encode(random.random((20, 30)) > 0.5, method="noise")
                for track in range(1, 6)
            }
            writer.write(frame, masks)
    return path


@given(PIXELS)
def test_pixels_come_back(pixels):
    mask = Mask.encode(pixels)
    assert (mask.decode() == pixels).all()
    assert mask.area == np.count_nonzero(pixels)
    assert mask.rle["size"] == list(pixels.shape)


@given(PIXELS, st.data())
def test_part_of_a_frame_is_encoded_like_the_whole(part, data):
    height = data.draw(st.integers(part.shape[0], 40))
    width = data.draw(st.integers(part.shape[1], 40))
    top = data.draw(st.integers(0, height - part.shape[0]))
    left = data.draw(st.integers(0, width - part.shape[1]))
    whole = np.zeros((height, width), dtype=bool)
    whole[top : top + part.shape[0], left : left + part.shape[1]] = part
    assert Mask.encode_part(part, left, top, (height, width)) == Mask.encode(whole)


@pytest.mark.parametrize("corner", [(-1, 0), (0, -1), (3, 0), (0, 3)])
def test_part_outside_of_the_frame_is_refused(corner):
    with pytest.raises(ValueError, match="expected a part of a frame of 4x4 pixels, got 2x2 at"):
        Mask.encode_part(np.ones((2, 2), dtype=bool), *corner, (4, 4))


def test_box_is_the_tightest():
    pixels = np.zeros((20, 30), dtype=bool)
    pixels[4:9, 7:19] = True
    assert Mask.encode(pixels).box_xywh == (7, 4, 12, 5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.dictionaries(
        st.integers(1, 2**31 - 1),
        st.dictionaries(st.integers(1, 2**31 - 1), MASKS, max_size=4),
        max_size=5,
    )
)
def test_stored_masks_come_back(tmp_path, content):
    path = tmp_path / "masks.parquet"
    metadata = {"source": "somewhere", "class_names": ["person"]}
    with MaskStoreWriter(path, metadata=metadata) as writer:
        for frame in sorted(content):
            writer.write(frame, content[frame])
    with MaskStore.open(path) as store:
        assert store.metadata == metadata
        assert len(store) == sum(map(len, content.values()))
        kept = {frame: masks for frame, masks in content.items() if masks}
        assert dict(store) == kept
        assert store.frames == sorted(kept)
        for frame, masks in content.items():
            assert store.frame(frame) == masks
        assert store.frame(0) == {}


def test_many_row_groups_are_read_in_any_order(tmp_path):
    one = Mask.encode(np.ones((2, 2), dtype=bool))
    path = tmp_path / "masks.parquet"
    with MaskStoreWriter(path) as writer:
        for frame in range(1, 101):
            writer.write(frame, dict.fromkeys(range(1, 101), one))
    store = MaskStore.open(path)
    assert pq.ParquetFile(path).metadata.num_row_groups > 1
    for frame in (100, 1, 41, 40, 42):
        assert len(store.frame(frame)) == 100
    assert store.frames == list(range(1, 101))


def test_frame_that_spans_row_groups_is_whole(tmp_path):
    path = write_example(tmp_path / "masks.parquet")
    expected = dict(MaskStore.open(path))
    pq.write_table(pq.read_table(path), path, row_group_size=3)
    assert dict(MaskStore.open(path)) == expected


@pytest.mark.parametrize("second", [1, 2])
def test_frames_must_rise(tmp_path, second):
    with MaskStoreWriter(tmp_path / "m.parquet") as writer:
        writer.write(2, {})
        with pytest.raises(ValueError, match=f"expected a frame after 2, got {second}"):
            writer.write(second, {})


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_killed_write_leaves_no_half_result(tmp_path, failure):
    path = write_example(tmp_path / "masks.parquet")
    before = path.read_bytes()
    with contextlib.suppress(failure), MaskStoreWriter(path) as writer:
        writer.write(1, {1: Mask.encode(np.ones((5, 5), dtype=bool))})
        raise failure
    assert [each.name for each in tmp_path.iterdir()] == ["masks.parquet"]
    assert path.read_bytes() == before


def test_value_that_does_not_fit_leaves_no_half_result(tmp_path):
    with (
        pytest.raises((OverflowError, pa.ArrowInvalid)),
        MaskStoreWriter(tmp_path / "m.parquet") as writer,
    ):
        writer.write(1, {2**40: Mask.encode(np.ones((5, 5), dtype=bool))})
    assert list(tmp_path.iterdir()) == []


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.parquet: expected a mask store"):
        MaskStore.open(tmp_path / "gone.parquet")


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet at all" * 20])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "other.parquet"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"other\.parquet: expected a whole Parquet") as caught:
        MaskStore.open(path)
    assert "\n" not in str(caught.value)


def test_truncated_file_is_refused(tmp_path):
    path = write_example(tmp_path / "masks.parquet")
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 10):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"masks\.parquet: expected a whole Parquet file"):
            MaskStore.open(path)


def test_sealed_file_is_plain_parquet_to_others(tmp_path):
    path = write_example(tmp_path / "masks.parquet")
    assert b"FAIMSEAL" in path.read_bytes()
    assert pq.read_table(path)["track_id"].to_pylist() == [1, 2, 3, 4, 5] * 3


def test_store_rewritten_by_others_can_be_read(tmp_path):
    path = write_example(tmp_path / "masks.parquet")
    expected = dict(MaskStore.open(path))
    rewrite(path, pq.read_table(path))
    assert b"FAIMSEAL" not in path.read_bytes()
    assert dict(MaskStore.open(path)) == expected


def test_other_parquet_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"frame": [1]}), path)
    with pytest.raises(ValueError, match=r"table\.parquet: expected a mask store, got another"):
        MaskStore.open(path)


def rewrite(path, table):
    pq.write_table(table, path)
    return path


def test_newer_version_is_refused(tmp_path):
    table = pq.read_table(write_example(tmp_path / "masks.parquet"))
    metadata = dict(table.schema.metadata) | {b"faimtrack.mask_store.version": b"99"}
    path = rewrite(tmp_path / "masks.parquet", table.replace_schema_metadata(metadata))
    with pytest.raises(ValueError, match=r"masks\.parquet: expected mask store version 1, got 99"):
        MaskStore.open(path)


def test_missing_column_is_named(tmp_path):
    table = pq.read_table(write_example(tmp_path / "masks.parquet"))
    path = rewrite(tmp_path / "masks.parquet", table.drop_columns(["counts"]))
    with pytest.raises(ValueError, match=r"masks\.parquet: expected a column counts of binary"):
        MaskStore.open(path)


@pytest.mark.parametrize(
    "counts", [b"", b"\xff", b"0", b"12", b"Z" * 8, b"oooooooooooooooo1", b"n" * 40]
)
def test_run_lengths_that_do_not_fit_are_refused_before_they_are_decoded(tmp_path, counts):
    table = pq.read_table(write_example(tmp_path / "masks.parquet", 1))
    column = table.schema.get_field_index("counts")
    wrong = pa.array([counts] * len(table), pa.binary())
    field = table.schema.field(column)
    path = rewrite(tmp_path / "masks.parquet", table.set_column(column, field, wrong))
    with pytest.raises(
        ValueError, match=r"masks\.parquet: frame 1, track 1: masks?: expected .*run"
    ):
        MaskStore.open(path).frame(1)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_damaged_file_gives_one_clear_line_or_the_right_masks(tmp_path, data):
    path = tmp_path / "masks.parquet"
    if not path.exists():
        write_example(path)
    content = bytearray(path.read_bytes())
    expected = dict(MaskStore.open(path))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(content)
    found, complaint = None, "damaged.parquet"
    try:
        with MaskStore.open(damaged) as store:
            found = dict(store)
    except ValueError as error:
        complaint = str(error)
    assert "damaged.parquet" in complaint
    assert "\n" not in complaint
    # A damage to the seal's own letters leaves the masks whole.
    assert found is None or found == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quality": 1.5}, "expected a quality from 0 to 1, got 1.5"),
        ({"quality": float("nan")}, "expected a quality from 0 to 1, got nan"),
        ({"height": 0}, "expected a size above 0, got 3x0"),
        ({"width": 4}, "expected run lengths of 4x2 pixels"),
    ],
)
def test_wrong_masks_are_refused(change, message):
    encoded = coco.encode(np.asfortranarray(np.eye(2, 3, dtype=np.uint8)))
    values = {"height": 2, "width": 3, "counts": encoded["counts"]}
    assert Mask(**values).area == 2
    with pytest.raises(ValueError, match=message):
        Mask(**(values | change))


def test_masks_go_to_pycocotools_as_they_are():
    first, second = np.zeros((2, 9, 9), dtype=bool)
    first[2:6, 2:6] = second[4:8, 4:8] = True
    rles = [Mask.encode(pixels).rle for pixels in (first, second)]
    assert coco.iou([rles[0]], [rles[1]], [0])[0, 0] == pytest.approx(4 / 28)
