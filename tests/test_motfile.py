import gzip

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from faimtrack.motfile import (
    find_sequences,
    format_tracks,
    read_mot,
    read_sequence_info,
    renumber,
    split_frames,
    write_tracks,
)
from faimtrack.structures import Tracks

ROW = "1,-1,10,20,5.5,40,0.70"


@pytest.fixture
def write(tmp_path):
    def make(text, name="det.txt"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return make


# Reading


@pytest.mark.parametrize("columns", [7, 8, 9, 10])
def test_seven_to_ten_columns_are_read_and_missing_ones_are_minus_one(write, columns):
    row = ",".join(["3", "5", "10", "20.5", "30", "40", "0.75", "2", "0.5", "-1"][:columns])
    table = read_mot(write(row + "\n"))
    assert table.frames.tolist() == [3]
    assert table.ids.tolist() == [5]
    assert table.boxes_xywh.tolist() == [[10, 20.5, 30, 40]]
    assert table.boxes.tolist() == [[10, 20.5, 40, 60.5]]
    assert table.confidences.tolist() == [0.75]
    assert table.class_ids.tolist() == [2 if columns >= 8 else -1]
    assert table.visibilities.tolist() == [0.5 if columns >= 9 else -1]


@pytest.mark.parametrize(
    "text",
    [
        f"{ROW}\n2,-1,1,2,3,4,0.5\n",
        f"{ROW}\r\n2,-1,1,2,3,4,0.5\r\n",
        f"\n\n{ROW}\n   \n2,-1,1,2,3,4,0.5\n\n",
        f"{ROW}\n2,-1,1,2,3,4,0.5",
        f"\ufeff{ROW}\n2,-1,1,2,3,4,0.5\n",
        "1.0,-1.0,10.0,20.0,5.5,40.0,0.70\n2.0,-1.0,1.0,2.0,3.0,4.0,0.5\n",
        "1, -1, 10, 20, 5.5, 40, 0.70\n2, -1, 1, 2, 3, 4, 0.5\n",
        "1 -1 10 20 5.5 40 0.70\n2 -1 1 2 3 4 0.5\n",
        "1\t-1\t10\t20\t5.5\t40\t0.70\n2\t-1\t1\t2\t3\t4\t0.5\n",
        f"{ROW},\n2,-1,1,2,3,4,0.5,\n",
        "1e0,-1,1e1,20,5.5,40,7e-1\n2,-1,1,2,3,4,0.5\n",
        f"2,-1,1,2,3,4,0.5\n{ROW}\n",
        f"{ROW}\n2,-1,1,2,3,4,0.5,-1,-1,-1\n",
    ],
)
def test_all_ways_of_writing_the_same_rows_read_the_same(write, text):
    table = read_mot(write(text))
    assert table.frames.tolist() == [1, 2]
    assert table.boxes_xywh.tolist() == [[10, 20, 5.5, 40], [1, 2, 3, 4]]
    assert table.confidences.tolist() == [0.7, 0.5]


def test_a_gzipped_file_reads_as_its_content(write):
    path = write(gzip.compress(f"{ROW}\n".encode()), "det.txt.gz")
    assert read_mot(path).boxes_xywh.tolist() == [[10, 20, 5.5, 40]]


def test_a_file_that_only_pretends_to_be_gzipped_is_an_error_that_names_it(write):
    path = write(f"{ROW}\n", "det.txt.gz")
    with pytest.raises((ValueError, OSError), match=r"det\.txt\.gz"):
        read_mot(path)


def test_frames_may_be_missing_and_come_in_any_order_but_rows_of_a_frame_keep_theirs(write):
    rows = ["7,1,3,0,1,1,1", "2,1,1,0,1,1,1", "7,2,2,0,1,1,1", "7,3,1,0,1,1,1"]
    table = read_mot(write("\n".join(rows)))
    assert table.frames.tolist() == [2, 7, 7, 7]
    assert table.ids.tolist() == [1, 1, 2, 3]
    assert table.last_frame == 7
    assert table.rows_of(7) == slice(1, 4)
    assert len(table.detections(3)) == 0
    assert table.detections(7).boxes[:, 0].tolist() == [3, 2, 1]


def test_scores_are_the_numbers_as_written(write):
    table = read_mot(write("1,-1,0,0,1,1,0.70\n1,-1,0,0,2,1,0.7\n1,-1,0,0,3,1,7e-1\n"))
    assert (table.detections(1).scores == 0.7).all()


def test_selected_rows_stay_a_table_of_the_same_file(write):
    table = read_mot(write("1,1,0,0,1,1,0.9\n2,1,0,0,1,1,0.2\n"))
    part = table.select(table.confidences > 0.5)
    assert (part.frames.tolist(), part.path) == ([1], table.path)


BAD_ROWS = {
    "text": ("1,-1,abc,20,5,40,1", "expected a number for left, got 'abc'"),
    "nothing between commas": ("1,-1,,20,5,40,1", "expected a number for left, got ''"),
    "nan": ("1,-1,nan,20,5,40,1", "expected a finite left, got nan"),
    "infinite": ("1,-1,10,20,inf,40,1", "expected a finite width, got inf"),
    "nan score": ("1,-1,10,20,5,40,nan", "expected a finite confidence, got nan"),
    "nan frame": ("nan,-1,10,20,5,40,1", "expected a finite frame, got nan"),
    "frame 0": ("0,-1,10,20,5,40,1", "expected frame numbers from 1, got 0"),
    "negative frame": ("-3,-1,10,20,5,40,1", "expected frame numbers from 1, got -3"),
    "half a frame": ("1.5,-1,10,20,5,40,1", "expected a whole frame number, got 1.5"),
    "negative width": ("1,-1,10,20,-5,40,1", "expected a width of 0 or more, got -5"),
    "negative height": ("1,-1,10,20,5,-40,1", "expected a height of 0 or more, got -40"),
    "beyond the end": ("11,-1,10,20,5,40,1", "expected frames up to 10, the sequence's length, g"),
    "too few columns": ("1,-1,10,20,5,40", "expected 7 to 10 columns, got 6"),
    "too many columns": ("1,-1,10,20,5,40,1,1,1,1,1", "expected 7 to 10 columns, got 11"),
    "other separator": ("1;-1;10;20;5;40;1", "expected 7 to 10 columns, got 1"),
}


@pytest.mark.parametrize(("row", "message"), BAD_ROWS.values(), ids=BAD_ROWS)
@pytest.mark.parametrize("kind", ["detections", "ground truth", "results"])
def test_a_row_that_cannot_be_is_refused_with_file_line_and_what_came(write, kind, row, message):
    path = write(f"2,7,1,2,3,4,0.5\n\n{row}\n3,7,1,2,3,4,0.5\n")
    with pytest.raises(ValueError, match="expected") as caught:
        read_mot(path, kind, frame_count=10)
    assert f"{path}, line 3: {message}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("row", [row for row, _ in BAD_ROWS.values()], ids=BAD_ROWS)
def test_a_file_of_one_bad_row_is_refused_as_well(write, row):
    with pytest.raises(ValueError, match="line 1"):
        read_mot(write(f"{row}\n"), frame_count=10)


@pytest.mark.parametrize("content", ["", "\n\n", "   \r\n", "\ufeff"])
def test_an_empty_file_is_an_error_unless_that_is_an_answer(write, content):
    path = write(content)
    with pytest.raises(ValueError, match="expected rows of detections, got an empty file"):
        read_mot(path)
    table = read_mot(path, allow_empty=True)
    assert (len(table), table.last_frame, table.boxes.shape) == (0, 0, (0, 4))
    assert len(table.detections(1)) == 0


def test_a_file_that_is_not_text_is_refused(write):
    with pytest.raises(ValueError, match="expected MOTChallenge text, got a file that is not te"):
        read_mot(write(b"\xff\xd8\xff\xe0\x00\x10JFIF"))
    with pytest.raises(ValueError, match="expected"):
        read_mot(write(b"\x00\x01\x02\n"))


def test_the_same_detection_twice_is_refused_with_both_lines(write):
    path = write(f"{ROW}\n2,-1,1,2,3,4,0.5\n\n{ROW}\n")
    with pytest.raises(ValueError, match="line 4: expected this detection once, got it in line 1"):
        read_mot(path)


def test_detections_that_differ_in_anything_are_not_the_same(write):
    assert len(read_mot(write(f"{ROW}\n1,-1,10,20,5.5,40,0.71\n2,-1,10,20,5.5,40,0.70\n"))) == 3


@pytest.mark.parametrize("kind", ["ground truth", "results"])
def test_an_id_twice_in_a_frame_is_refused_with_both_lines(write, kind):
    text = "1,7,1,2,3,4,1\n2,7,1,2,3,4,1\n1,7,9,9,9,9,1\n"
    with pytest.raises(
        ValueError, match="line 3: expected id 7 once in frame 1, got it in line 1 already"
    ):
        read_mot(write(text), kind)
    assert len(read_mot(write(text))) == 3


def test_half_an_id_is_refused_where_ids_mean_something(write):
    path = write("1,1.5,1,2,3,4,1\n")
    with pytest.raises(ValueError, match=r"expected a whole id, got 1\.5"):
        read_mot(path, "results")


def test_a_missing_file_a_folder_and_a_locked_file_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_mot(tmp_path / "nothing.txt")
    with pytest.raises(OSError, match="directory"):
        read_mot(tmp_path)


# Writing


def test_a_row_has_ten_columns_with_boxes_to_a_hundredth_of_a_pixel():
    text = format_tracks(7, Tracks([3], [[10, 20, 15.504, 40]], [0.875], [0], [0]))
    assert text == "7,3,10.00,20.00,5.50,20.00,0.875,-1,-1,-1\n"
    assert format_tracks(7, Tracks.empty()) == ""


@pytest.mark.parametrize("width", ["1_0", "１０", "0x10", "1e", ""])
def test_only_plain_numbers_are_numbers(tmp_path, width):
    path = tmp_path / "det.txt"
    path.write_text(f"1,-1,10,10,{width},20,0.9\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"det\.txt, line 1: expected a number for width, got"):
        read_mot(path)


def test_column_eight_says_the_class_from_one_where_there_are_several():
    tracks = Tracks([3, 4], [[0, 0, 1, 1], [2, 2, 3, 3]], [0.5, 0.5], [0, 36], [0, 1])
    rows = format_tracks(7, tracks, with_classes=True).splitlines()
    assert [row.split(",")[7] for row in rows] == ["1", "37"]


@given(
    st.lists(
        st.tuples(
            st.integers(1, 50),
            st.integers(1, 20),
            *[st.floats(-2000, 2000).map(lambda x: round(x, 2))] * 2,
            *[st.floats(0, 900).map(lambda x: round(x, 2))] * 2,
            st.floats(0, 1).map(lambda x: round(x, 4)),
        ),
        unique_by=lambda row: row[:2],
    )
)
def test_tracks_read_back_as_they_were_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("written") / "out.txt"
    by_frame = {}
    for frame, track_id, left, top, width, height, score in sorted(rows):
        by_frame.setdefault(frame, []).append(
            (track_id, [left, top, left + width, top + height], score)
        )
    write_tracks(
        path,
        (
            (
                frame,
                Tracks(
                    [row[0] for row in found],
                    [row[1] for row in found],
                    [row[2] for row in found],
                    [0] * len(found),
                    [-1] * len(found),
                ),
            )
            for frame, found in sorted(by_frame.items())
        ),
    )
    table = read_mot(path, "results", allow_empty=True)
    expected = np.array(sorted(rows), dtype=float).reshape(-1, 7)
    np.testing.assert_array_equal(table.frames, expected[:, 0])
    np.testing.assert_array_equal(table.ids, expected[:, 1])
    np.testing.assert_allclose(table.boxes_xywh, expected[:, 2:6], atol=0.0101)
    np.testing.assert_allclose(table.confidences, expected[:, 6], atol=1e-6)


def test_a_failure_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")

    def frames():
        yield 1, Tracks.empty()
        raise RuntimeError("tracker broke")

    with pytest.raises(RuntimeError, match="tracker broke"):
        write_tracks(path, frames())
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["out.txt"]


# Splits


@pytest.mark.parametrize("count", range(1, 51))
def test_the_half_split_cuts_after_half_the_frames_plus_one(count):
    train, val = split_frames(count, "train-half"), split_frames(count, "val-half")
    assert [*train, *val] == [*split_frames(count, "full")] == [*range(1, count + 1)]
    assert len(train) == min(count // 2 + 1, count)


@pytest.mark.parametrize(("count", "val"), [(429, 214), (2782, 1390), (2405, 1202), (3315, 1657)])
def test_the_half_split_of_mot20_has_the_fields_numbers_of_frames(count, val):
    assert len(split_frames(count, "val-half")) == val
    assert split_frames(count, "val-half").start == count // 2 + 2


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="expected full, train-half, val-half, got 'half'"):
        split_frames(10, "half")


def test_results_numbered_from_one_move_to_their_place_in_the_sequence(write):
    frames = split_frames(10, "val-half")
    table = read_mot(write("1,1,0,0,1,1,1\n4,1,0,0,1,1,1\n"), "results")
    assert renumber(table, frames, "from-1").frames.tolist() == [7, 10]
    assert table.frames.tolist() == [1, 4]


@pytest.mark.parametrize(
    ("row", "numbering", "message"),
    [
        ("6,1,0,0,1,1,1", "kept", r"frames 7 to 10 \(numbering kept\), got frame 6"),
        ("11,1,0,0,1,1,1", "kept", r"frames 7 to 10 \(numbering kept\), got frame 11"),
        ("5,1,0,0,1,1,1", "from-1", r"frames 1 to 4 \(numbering from-1\), got frame 5"),
    ],
)
def test_results_outside_the_split_are_refused(write, row, numbering, message):
    table = read_mot(write(row), "results")
    with pytest.raises(ValueError, match=message):
        renumber(table, split_frames(10, "val-half"), numbering)


# Sequences

SEQINFO = """[Sequence]
name=MOT20-01
imDir=img1
frameRate=25
seqLength=429
imWidth=1920
imHeight=1080
imExt=.jpg
"""


@pytest.fixture
def sequence(tmp_path):
    def make(text=SEQINFO, name="MOT20-01"):
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (folder / "seqinfo.ini").write_bytes(text if isinstance(text, bytes) else text.encode())
        return folder

    return make


def test_a_sequence_is_what_its_seqinfo_says(sequence):
    folder = sequence()
    info = read_sequence_info(folder)
    assert (info.name, info.frame_count, info.frame_rate) == ("MOT20-01", 429, 25.0)
    assert (info.width, info.height, info.image_suffix) == (1920, 1080, ".jpg")
    assert info.image_folder == folder / "img1"
    assert info.ground_truth_path == folder / "gt" / "gt.txt"
    assert info.detections_path == folder / "det" / "det.txt"
    half = info.source_info("val-half")
    assert (half.first_index, half.frame_count) == (216, 214)


def test_only_the_length_is_needed(sequence):
    info = read_sequence_info(sequence("[Sequence]\nseqLength = 7\n", "walk"))
    assert (info.name, info.frame_count, info.frame_rate, info.width) == ("walk", 7, None, None)


def test_windows_line_ends_and_marks_are_read(sequence):
    text = ("\ufeff" + SEQINFO.replace("\n", "\r\n")).encode()
    assert read_sequence_info(sequence(text)).frame_count == 429


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a section \[Sequence\], got none"),
        ("[Other]\na=1\n", r"expected a section \[Sequence\], got none"),
        ("no section\n", "expected an INI file"),
        (b"\xff\xfe[\x00", "expected an INI file"),
        ("[Sequence]\nname=a\n", "expected seqLength to be given, got None"),
        ("[Sequence]\nseqLength=many\n", "expected seqLength to be a number, got 'many'"),
        ("[Sequence]\nseqLength=0\n", "expected seqLength to be above 0, got '0'"),
        ("[Sequence]\nseqLength=5\nframeRate=-1\n", "expected frameRate to be above 0"),
        ("[Sequence]\nseqLength=5\nframeRate=inf\n", "expected frameRate to be above 0"),
        ("[Sequence]\nseqLength=5\nframeRate=nan\n", "expected frameRate to be"),
        ("[Sequence]\nseqLength=5\nname=../up\n", "expected a name that can be a file's name"),
        ("[Sequence]\nseqLength=5\nname=..\n", "expected a name that can be a file's name"),
        ("[Sequence]\nseqLength=5\nname=\n", "expected a name that can be a file's name"),
        ("[Sequence]\nseqLength=5\nseqLength=6\n", "expected an INI file"),
    ],
)
def test_a_seqinfo_that_cannot_be_is_refused_in_one_line_that_names_it(sequence, text, message):
    folder = sequence(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_sequence_info(folder)
    assert str(folder / "seqinfo.ini") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_seqinfo_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a MOTChallenge sequence"):
        read_sequence_info(tmp_path)


def test_sequences_are_found_in_a_folder_or_as_the_folder_itself(sequence, tmp_path):
    first, second = sequence(name="data/b"), sequence(name="data/a")
    (tmp_path / "data" / "notes").mkdir()
    assert list(find_sequences(tmp_path / "data")) == [second, first]
    assert list(find_sequences(first)) == [first]


def test_a_folder_without_sequences_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"expected sequence folders with a seqinfo\.ini"):
        list(find_sequences(tmp_path))
    with pytest.raises(OSError, match="nothing"):
        list(find_sequences(tmp_path / "nothing"))
