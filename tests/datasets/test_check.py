import cv2
import numpy as np
import pytest

from faimtrack.datasets.check import CheckSettings, check_crowd_human, check_sequences
from faimtrack.masks.mask import Mask
from faimtrack.masks.places import mask_file
from faimtrack.masks.store import MaskStoreWriter
from faimtrack.provenance import file_sha256
from faimtrack.video.image_headers import stored_size

GOOD = [f"{frame},{track},{10 * track},5,8,20,1,1,1" for frame in range(1, 7) for track in (1, 2)]


@pytest.fixture
def make(tmp_path):
    def write(rows=GOOD, *, frames=6, name="MOT20-01", length=6):
        folder = tmp_path / name
        (folder / "img1").mkdir(parents=True)
        (folder / "gt").mkdir()
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nseqLength={length}\nimWidth=64\nimHeight=48\n"
        )
        if rows is not None:
            (folder / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")
        for frame in range(1, frames + 1):
            picture = np.full((48, 64, 3), 9 * frame, np.uint8)
            cv2.imwrite(str(folder / "img1" / f"{frame:06d}.jpg"), picture)
        return folder

    return write


def findings(folder, **settings):
    (part,) = check_sequences(folder, CheckSettings(**settings)).parts
    return {kind: (found.count, found.first) for kind, found in part.findings.items()}


def test_nothing_is_found_in_good_data(make):
    report = check_sequences(make())
    assert (report.error_count, report.remark_count) == (0, 0)
    (part,) = report.parts
    assert (part.name, part.images, part.rows, part.objects) == ("MOT20-01", 6, 12, 12)


@pytest.mark.parametrize(
    ("rows", "kind", "count", "line"),
    [
        (["1,7,1,1,5"], "lines that cannot be read", 1, 13),
        (["1,7,1,1,5,x,1,1,1", "a"], "lines that cannot be read", 2, 13),
        (["1,7,1,nan,5,5,1,1,1", "1,8,inf,1,5,5,1,1,1"], "numbers that are not finite", 2, 13),
        (["7,7,1,1,5,5,1,1,1", "0,7,1,1,5,5,1,1,1"], "frames beyond the sequence", 2, 13),
        (["1.5,7,1,1,5,5,1,1,1"], "frames beyond the sequence", 1, 13),
        (["2,7.5,1,1,5,5,1,1,1"], "ids that are no whole numbers", 1, 13),
        (["2,1,9,9,9,9,1,1,1", "3,1,9,9,9,9,1,1,1"], "ids twice in a frame", 2, 13),
        (["2,7,9,9,-9,9,1,1,1"], "boxes of negative sides", 1, 13),
        (["2,7,9,9,0,9,1,1,1"], "boxes of no area", 1, 13),
        (["2,7,64,9,5,9,1,1,1", "2,8,9,-9,5,9,1,1,1"], "boxes wholly outside", 2, 13),
        (["2,7,63.5,9,5,9,1,1,1"], "boxes partly outside", 1, 13),
        (["2,7,9,9,5,9,1,1,1.5"], "visibilities outside 0 to 1", 1, 13),
        (["2,7,9,9,5,9,1,14,1"], "classes that the benchmark does not have", 1, 13),
    ],
)
def test_each_fault_of_a_row_is_counted_with_its_first_line(make, rows, kind, count, line):
    found = findings(make(GOOD + rows))
    assert list(found) == [kind]
    assert found[kind][0] == count
    assert f"gt.txt, line {line}: {rows[0][:3]}" in found[kind][1]


def test_rows_that_are_not_learnt_may_lie_anywhere(make):
    assert not findings(make([*GOOD, "2,7,90,9,5,9,0,1,1", "2,8,90,9,0,9,1,8,1"]))


def test_ground_truth_that_is_absent_empty_or_without_people_is_an_error(make):
    assert "no ground truth" in findings(make(None))
    assert "no ground truth" in findings(make([""], name="MOT20-02"))
    found = findings(make(["2,8,9,9,5,9,1,8,1"], name="MOT20-03"))
    assert "no rows that count in frames 1 to 6" in found["nothing to learn"][1]


def test_frames_without_people_are_a_remark(make):
    assert findings(make(GOOD[:-2]))["frames without objects"] == (1, "frame 6")


def test_images_are_counted_against_the_length(make):
    found = findings(make(frames=4))
    assert found["missing images"][0] == 2
    assert found["missing images"][1].endswith("000005.jpg")
    found = findings(make(frames=8, name="MOT20-02"))
    assert found["images beyond the sequence"][0] == 2
    assert found["images beyond the sequence"][1].endswith("000007.jpg")


def test_without_a_folder_all_images_are_missing(make):
    folder = make(frames=0)
    (folder / "img1").rmdir()
    assert findings(folder)["missing images"][0] == 6


def test_images_of_another_size_are_found_in_their_headers(make):
    folder = make()
    cv2.imwrite(str(folder / "img1" / "000002.jpg"), np.zeros((10, 20, 3), np.uint8))
    found = findings(folder)
    assert found["images of another size"][0] == 1
    assert "expected 64 x 48, got 20 x 10" in found["images of another size"][1]


def test_images_that_are_cut_off_are_found_when_they_are_decoded(make):
    folder = make()
    path = folder / "img1" / "000003.jpg"
    path.write_bytes(path.read_bytes()[:-20])
    (folder / "img1" / "000004.jpg").write_bytes(b"nothing")
    assert findings(folder)["images that cannot be decoded"][0] == 1
    found = findings(folder, decode=True)["images that cannot be decoded"]
    assert found[0] == 2
    assert "000003.jpg: expected a whole image" in found[1]


def test_only_the_frames_of_the_split_are_looked_at(make):
    folder = make([*GOOD, "6,7,64,9,5,9,1,1,1"], frames=4)
    assert not findings(folder, split="train-half")
    assert set(findings(folder, split="val-half")) == {"missing images", "boxes wholly outside"}


def test_a_damaged_seqinfo_does_not_stop_the_others(make):
    folder = make()
    make(name="MOT20-02")
    (folder / "seqinfo.ini").write_text("[Sequence]\n")
    report = check_sequences(folder.parent)
    assert [len(part.findings) for part in report.parts] == [1, 0]
    assert "seqLength" in report.parts[0].ordered[0].first


def test_masks_are_held_against_their_objects(make):
    folder = make()
    assert "masks make" in findings(folder, mask_source="sam")["masks that cannot be used"][1]

    def mask(left, top, width, height):
        pixels = np.zeros((48, 64), bool)
        pixels[top : top + height, left : left + width] = True
        return Mask.encode(pixels)

    path = mask_file(folder, "grabcut")
    path.parent.mkdir()
    metadata = {"ground_truth_sha256": file_sha256(folder / "gt" / "gt.txt")}
    with MaskStoreWriter(path, metadata=metadata) as writer:
        writer.write(1, {1: mask(10, 5, 8, 20), 2: mask(20, 5, 10, 20), 9: mask(1, 1, 2, 2)})
    found = findings(folder, mask_source="grabcut")
    assert found["masks beyond their boxes"] == (1, f"{path}: frame 1, track 2")
    assert found["masks without an object"] == (1, f"{path}: frame 1, track 9")
    assert found["objects without a mask"] == (10, f"{path}: frame 2, track 1")
    with (folder / "gt" / "gt.txt").open("a") as file:
        file.write("1,5,1,1,5,5,1,1,1\n")
    assert "masks that cannot be used" in findings(folder, mask_source="grabcut")


def test_crowd_human_is_looked_through(tmp_path):
    (tmp_path / "Images").mkdir()
    cv2.imwrite(str(tmp_path / "Images" / "a.jpg"), np.zeros((40, 60, 3), np.uint8))
    person = '{"tag": "person", "fbox": [%s], "extra": {}}'
    boxes = ", ".join(person % box for box in ("1,1,5,5", "-2,1,5,5", "60,1,5,5", "1,1,0,5"))
    lines = [f'{{"ID": "a", "gtboxes": [{boxes}]}}', "broken", '{"ID": "b", "gtboxes": []}'] * 2
    (tmp_path / "annotation_val.odgt").write_text("\n".join(lines))
    (part,) = check_crowd_human(tmp_path, decode=True).parts
    counts = {kind: found.count for kind, found in part.findings.items()}
    assert counts == {
        "lines that cannot be read": 2,
        "missing images": 2,
        "images twice": 2,
        "boxes of no area": 2,
        "boxes wholly outside": 2,
        "boxes partly outside": 2,
        "frames without objects": 2,
    }
    assert part.objects == 6


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp"])
def test_sizes_stand_in_headers(tmp_path, suffix):
    path = tmp_path / f"image{suffix}"
    cv2.imwrite(str(path), np.zeros((300, 517, 3), np.uint8))
    assert stored_size(path) == (None if suffix == ".bmp" else (300, 517))
    path.write_bytes(path.read_bytes()[:10])
    assert stored_size(path) is None


def test_real_images_say_their_size(shared_data):
    folder = shared_data / "frames" / "MOT17-04-FRCNN" / "img1"
    assert {stored_size(path) for path in folder.iterdir()} == {(1080, 1920)}
