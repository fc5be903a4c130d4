"""`faimtrack compare-video` as it is typed."""

import cv2
import numpy as np
import pytest

from faimtrack.provenance import read_provenance

FRAMES = 6


def rows_of(track_id, frames=FRAMES):
    return "".join(f"{frame},{track_id},10,20,16,30,1,1,1\n" for frame in range(1, frames + 1))


@pytest.fixture
def folder(tmp_path):
    sequence = tmp_path / "data" / "MOT17-99"
    (sequence / "gt").mkdir(parents=True)
    (sequence / "img1").mkdir()
    (sequence / "seqinfo.ini").write_text(f"[Sequence]\nname=MOT17-99\nseqLength={FRAMES}\n")
    (sequence / "gt" / "gt.txt").write_text(rows_of(1))
    for index in range(1, FRAMES + 1):
        cv2.imwrite(str(sequence / "img1" / f"{index:06d}.jpg"), np.zeros((64, 96, 3), np.uint8))
    for name in ("sort", "byte"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "MOT17-99.txt").write_text(rows_of(7))
    return tmp_path


def test_a_sequence_folder_its_file_and_the_data_folder_give_the_same_video(faimtrack, folder):
    ways = [
        ("byte", "sort", "--gt", "data/MOT17-99"),
        ("byte/MOT17-99.txt", "sort", "--gt", "data/MOT17-99/gt/gt.txt"),
        ("byte", "sort", "--data", "data", "--sequence", "MOT17-99", "--images",
         "data/MOT17-99/img1", "--names", "byte,sort"),
    ]  # fmt: skip
    written = []
    for number, words in enumerate(ways):
        done = faimtrack("compare-video", *words, "--output", f"{number}.mp4")
        assert (done.status, done.out) == (0, f"video: {number}.mp4\n"), done.err
        written.append((folder / f"{number}.mp4").read_bytes())
        assert read_provenance(folder / f"{number}.mp4").configuration["names"][-1] == "sort"
    assert written[0] == written[2]
    assert read_provenance(folder / "1.mp4").configuration["names"] == ["MOT17-99", "sort"]


def test_results_of_the_same_file_name_are_called_after_their_folders(faimtrack, folder):
    done = faimtrack(
        "compare-video", "byte/MOT17-99.txt", "sort/MOT17-99.txt", "--gt", "data/MOT17-99",
        "--picture", 3, "p.png",
    )  # fmt: skip
    assert (done.status, done.out) == (0, "picture: p.png\n")
    assert read_provenance(folder / "p.png").configuration["names"] == ["byte", "sort"]
    assert not (folder / "compare.mp4").exists()
    assert cv2.imread(str(folder / "p.png")).shape[1] > 190


def test_frames_and_scale_are_taken(faimtrack, folder):
    done = faimtrack(
        "compare-video", "byte", "sort", "--gt", "data/MOT17-99", "--frames", "2-4",
        "--scale", 2, "--picture", 5, "p.png", "--output", "c.mp4",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert read_provenance(folder / "c.mp4").configuration["frames"] == [2, 4]
    assert cv2.imread(str(folder / "p.png")).shape[1] > 380


REFUSED = {
    "no ground truth": (["byte", "sort"], "expected one of --gt and --data, got none"),
    "no results": (
        ["byte", "none", "--gt", "data/MOT17-99"],
        "none: expected results of MOT17-99, got no such file",
    ),
    "frames": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--frames", "4-9"],
        "--frames: expected some of 1-6, got 4-9",
    ),
    "frames in words": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--frames", "all"],
        "--frames: expected FIRST-LAST such as 10-60, got 'all'",
    ),
    "split": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--split", "val-half"],
        "expected frames 5 to 6 (numbering kept), got frame 1",
    ),
    "images": (
        ["byte", "sort", "--gt", "gt.txt"],
        "gt.txt: expected it in a sequence's folder gt, or --images, got no images",
    ),
    "sequence": (
        ["byte", "sort", "--data", "data", "--sequence", "MOT17-01"],
        "--sequence: expected one of MOT17-99, got 'MOT17-01'",
    ),
    "names": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--names", "one"],
        "expected two names, got 1",
    ),
    "wrong kind of file": (
        ["byte", "data/MOT17-99/img1/000001.jpg", "--gt", "data/MOT17-99"],
        "expected MOTChallenge text, got a file that is not text",
    ),
    "an input as output": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--output", "byte/MOT17-99.txt"],
        "expected a file of its own, got the name of an input",
    ),
    "width": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--width", "999999"],
        "width: expected 1 to 16384 pixels, got 999999",
    ),
    "no width": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--width", "0"],
        "width: expected 1 to 16384 pixels, got 0",
    ),
    "suffix": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--output", "c.avi"],
        "c.avi: expected a name that ends in .mp4",
    ),
    "picture": (
        ["byte", "sort", "--gt", "data/MOT17-99", "--picture", "9", "p.png"],
        "frames: expected some of 1 to 6, got 9 to 9",
    ),
}


@pytest.mark.parametrize(("words", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_one_line(faimtrack, folder, complaint, words, message):
    (folder / "gt.txt").write_text(rows_of(1))
    before = sorted(folder.rglob("*"))
    done = faimtrack("compare-video", *words)
    assert done.status in {1, 2}
    assert message in complaint(done.err)
    assert sorted(folder.rglob("*")) == before


def test_what_is_there_stays_unless_it_may_go(faimtrack, folder, complaint):
    (folder / "compare.mp4").write_text("mine")
    words = ["compare-video", "byte", "sort", "--gt", "data/MOT17-99"]
    done = faimtrack(*words)
    assert "compare.mp4: already there; --overwrite replaces it" in complaint(done.err)
    assert (folder / "compare.mp4").read_text() == "mine"
    assert faimtrack(*words, "--overwrite").status == 0


def test_images_of_another_size_are_refused(faimtrack, folder, complaint):
    ini = folder / "data" / "MOT17-99" / "seqinfo.ini"
    ini.write_text(ini.read_text() + "imWidth=96\nimHeight=64\n")
    (folder / "small").mkdir()
    for index in range(1, FRAMES + 1):
        cv2.imwrite(str(folder / "small" / f"{index:06d}.jpg"), np.zeros((32, 48, 3), np.uint8))
    words = ("compare-video", "byte", "sort", "--gt", "data/MOT17-99", "--images", "small")
    done = faimtrack(*words)
    assert done.status == 1
    assert "small: expected images of 96 x 64 pixels as the sequence's seqinfo.ini" in complaint(
        done.err
    )
    assert not (folder / "compare.mp4").exists()
