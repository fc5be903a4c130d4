"""MOTS text against its own rules, pycocotools and TrackEval."""

import contextlib
import io
import re

import numpy as np
import pytest
from pycocotools import mask as coco

from faimtrack.motfile import (
    format_mots,
    masks_of_tracks,
    mots_classes,
    mots_id,
    read_mots,
    track_number,
)
from faimtrack.structures import Detections, Tracks

SIZE = (20, 30)


def disc(left, top, right, bottom):
    pixels = np.zeros(SIZE, np.uint8)
    pixels[top:bottom, left:right] = 1
    return coco.encode(np.asfortranarray(pixels))


def tracks(count=2, scores=None, bottoms=None):
    bottoms = [9.0] * count if bottoms is None else bottoms
    boxes = [[0, 0, 9, bottom] for bottom in bottoms]
    return Tracks(
        np.arange(1, count + 1), boxes, [0.5] * count if scores is None else scores,
        [0] * count, np.arange(count),
    )  # fmt: skip


def rows_of(text, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(text)
    return read_mots(path, allow_empty=True)


def area(mask):
    return int(coco.area(mask))


def test_rows_are_as_the_format_has_them(tmp_path):
    masks = [disc(2, 3, 5, 9), None]
    text = format_mots(7, tracks(), masks, mots_classes(["person"]))
    assert text == f"7 2001 2 20 30 {masks[0]['counts'].decode()}\n"
    table = rows_of(text, tmp_path)
    assert table.frames.tolist() == [7]
    assert table.masks == (masks[0],)


def test_no_two_tracks_share_an_id_however_many_there_are():
    numbers = [1, 999, 1000, 1001, 12_345, 10**9]
    for kind in (1, 2, 11, 90):
        written = [mots_id(number, kind) for number in numbers]
        assert len(set(written)) == len(numbers)
        assert [track_number(each) for each in written] == numbers
        assert [each % 1_000_000 // 1000 for each in written] == [kind] * len(numbers)


def test_classes_of_benchmarks_have_their_numbers_and_others_meet_none_of_them():
    names = ("person", "car", "dog", "pedestrian")
    assert mots_classes(names) == (2, 1, 13, 2)
    assert 10 not in mots_classes([f"class {number}" for number in range(80)])


@pytest.mark.parametrize(
    ("scores", "bottoms", "areas"),
    [
        ([0.5, 0.9], [9.0, 5.0], [24, 36]),  # the higher score keeps what both have
        ([0.5, 0.5], [9.0, 5.0], [36, 24]),  # of equal ones the nearer
        ([0.5, 0.5], [9.0, 9.0], [36, 24]),  # of equally near ones the first
    ],
)
def test_a_shared_pixel_goes_to_one_track(tmp_path, scores, bottoms, areas):
    masks = [disc(0, 0, 6, 6), disc(4, 0, 10, 6)]
    text = format_mots(1, tracks(2, scores, bottoms), masks, (2,))
    assert [area(mask) for mask in rows_of(text, tmp_path).masks] == areas


def test_a_mask_of_which_nothing_is_left_has_no_row(tmp_path):
    masks = [disc(0, 0, 6, 6), disc(1, 1, 5, 5), disc(3, 3, 3, 3)]
    text = format_mots(1, tracks(3, [0.9, 0.5, 0.5]), masks, (2,))
    assert rows_of(text, tmp_path).ids.tolist() == [2001]


def test_a_track_has_the_mask_of_the_detection_that_it_took():
    masks = [disc(0, 0, 6, 6), disc(1, 1, 5, 5)]
    found = Detections([[0, 0, 6, 6], [1, 1, 5, 5]], [0.5, 0.5], masks=masks)
    given = Tracks([1, 2, 3], [[0, 0, 6, 6]] * 3, [0.5] * 3, [0] * 3, [1, -1, 0])
    assert masks_of_tracks(given, found) == [masks[1], None, masks[0]]
    with pytest.raises(ValueError, match="masks: expected detections with masks"):
        masks_of_tracks(given, Detections(found.boxes, found.scores))
    lost = Tracks([1], [[0, 0, 6, 6]], [0.5], [0], [-1])
    assert masks_of_tracks(lost, Detections.empty()) == [None]


GOOD = f"1 2001 2 20 30 {disc(0, 0, 6, 6)['counts'].decode()}"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["1 2001 2 20 30"], "line 1: expected 6 columns between blanks, got 5"),
        ([GOOD, "x 2001 2 20 30 a"], "line 2: expected a whole number for frame, got 'x'"),
        (["1 -1 2 20 30 a"], "line 1: expected a whole number for id, got '-1'"),
        (["1 2001 2.0 20 30 a"], "line 1: expected a whole number for class, got '2.0'"),
        (["1 2001 2 0 30 a"], "line 1: expected a size from 1 to 32768 pixels, got 30 x 0"),
        (["1 2001 2 99999 30 a"], "expected a size from 1 to 32768 pixels, got 30 x 99999"),
        (["1 2001 2 20 30 abc"], "line 1: expected run lengths that fill 30 x 20 pixels"),
        ([GOOD.replace("20 30", "20 31")], "expected run lengths that fill 31 x 20 pixels"),
        ([GOOD, "", GOOD], "line 3: expected id 2001 once in frame 1, got it in line 1 already"),
        ([GOOD, GOOD.replace("2001", "2002")], "expected masks of frame 1 that share no pixel"),
        ([GOOD, "1 2002 2 1 4 4"], "expected one size of frame 1, got several"),
        (["9" + GOOD[1:]], "line 1: expected frames up to 8, the sequence's length, got 9"),
        ([], "expected rows of masks, got an empty file"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, lines, expected):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=re.escape(expected)) as caught:
        read_mots(path, frame_count=8)
    assert str(caught.value).startswith(str(path))


def test_a_binary_file_is_no_text(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xff\x00")
    with pytest.raises(ValueError, match="expected MOTS text, got a file that is not text"):
        read_mots(path)


def test_regions_that_are_not_evaluated_may_overlap_and_come_twice(tmp_path):
    region = GOOD.replace("2001 2", "10000 10")
    table = rows_of("\n".join([GOOD, region, region]), tmp_path)
    assert table.classes.tolist() == [2, 10, 10]


def test_trackeval_reads_what_is_written_and_scores_it_as_perfect(tmp_path):
    from trackeval.datasets import MOTSChallenge
    from trackeval.metrics import HOTA

    random = np.random.default_rng(0)
    text = ""
    for frame in range(1, 6):
        masks = [disc(x, y, x + 6, y + 7) for x, y in random.integers(0, 12, (4, 2))]
        given = tracks(4, random.permutation([0.2, 0.4, 0.6, 0.8]))
        text += format_mots(frame, given, masks, mots_classes(["person"]))
    truth = tmp_path / "gt" / "walk"
    results = tmp_path / "results" / "ours" / "data"
    for folder, name in ((truth / "gt", "gt.txt"), (results, "walk.txt")):
        folder.mkdir(parents=True)
        (folder / name).write_text(text)
    settings = {
        "GT_FOLDER": str(tmp_path / "gt"), "TRACKERS_FOLDER": str(tmp_path / "results"),
        "SEQ_INFO": {"walk": 5}, "PRINT_CONFIG": False, "SKIP_SPLIT_FOL": True,
    }  # fmt: skip
    with contextlib.redirect_stdout(io.StringIO()):
        data = MOTSChallenge(settings)
        raw = data.get_raw_seq_data("ours", "walk")
        scores = HOTA().eval_sequence(data.get_preprocessed_seq_data(raw, "pedestrian"))
    assert raw["num_timesteps"] == 5
    assert scores["HOTA"].min() == 1.0
