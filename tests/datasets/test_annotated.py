import logging
from pathlib import Path

import cv2
import numpy as np
import pytest

from faimtrack.datasets.annotated import AnnotatedImage, joined
from faimtrack.datasets.crowd import CrowdConfig, simulate_crowd, write_crowd
from faimtrack.datasets.half_split import HalfSplit, HalfSplitConfig
from faimtrack.masks.mask import Mask
from faimtrack.masks.places import mask_file
from faimtrack.masks.store import MaskStoreWriter
from faimtrack.provenance import file_sha256

FRAMES = 9
SIZE = 48, 64  # height, width
ROWS = "1,1,2,3,10,20,1,1,1\n1,2,30,3,10,20,1,1,0.25\n6,1,4,3,10,20,1,1,1\n"


@pytest.fixture
def make_sequence(tmp_path):
    """A sequence folder of small images, each of its own colour."""

    def make(name="MOT20-01", rows=ROWS, *, frames=FRAMES, folder="data", size=SIZE) -> Path:
        sequence = tmp_path / folder / name
        (sequence / "img1").mkdir(parents=True)
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nseqLength={frames}\nimWidth={size[1]}\nimHeight={size[0]}\n"
        )
        if rows is not None:
            (sequence / "gt").mkdir()
            (sequence / "gt" / "gt.txt").write_text(rows)
        for frame in range(1, frames + 1):
            picture = np.full((*size, 3), (200, 100, 20 * frame), np.uint8)  # BGR
            cv2.imwrite(str(sequence / "img1" / f"{frame:06d}.jpg"), picture)
        return sequence

    return make


def write_masks(sequence, masks, *, method="grabcut", ground_truth=None, **metadata):
    path = mask_file(sequence, method)
    path.parent.mkdir(exist_ok=True)
    sha256 = file_sha256(ground_truth or sequence / "gt" / "gt.txt")
    metadata["ground_truth_sha256"] = sha256
    with MaskStoreWriter(path, metadata=metadata) as writer:
        for frame, found in masks.items():
            writer.write(frame, found)


def rectangle(left, top, width, height, size=SIZE):
    pixels = np.zeros(size, bool)
    pixels[top : top + height, left : left + width] = True
    return Mask.encode(pixels)


def test_the_train_half_has_one_frame_more_than_half(make_sequence):
    sequence = make_sequence()
    images = HalfSplit.open(sequence.parent)
    assert len(images) == FRAMES // 2 + 1
    assert [images[k].name for k in (0, 4)] == ["MOT20-01/000001", "MOT20-01/000005"]
    validation = HalfSplit.open(sequence, split="val-half")
    assert [image.name for image in (validation[0], validation[3])] == [
        "MOT20-01/000006", "MOT20-01/000009",
    ]  # fmt: skip
    assert len(HalfSplit.open(sequence, split="full")) == FRAMES


def test_an_image_has_its_boxes_ids_and_pixels_in_rgb(make_sequence):
    image = HalfSplit.open(make_sequence())[0]
    assert image.boxes.tolist() == [[2, 3, 12, 23], [30, 3, 40, 23]]
    assert image.track_ids.tolist() == [1, 2]
    assert image.class_ids.tolist() == [0, 0]
    assert image.visibilities.tolist() == [1, 0.25]
    pixels = image.image()
    assert np.array_equal(pixels, cv2.imread(str(image.path))[..., ::-1])
    assert image.masks() == (None, None)


def test_frames_without_people_are_images_without_boxes(make_sequence):
    image = HalfSplit.open(make_sequence())[1]
    assert image.boxes.shape == (0, 4)
    assert image.masks() == ()


def test_nothing_is_decoded_until_pixels_are_asked_for(make_sequence):
    sequence = make_sequence()
    (sequence / "img1" / "000002.jpg").write_bytes(b"no image")
    image = HalfSplit.open(sequence)[1]
    with pytest.raises(ValueError, match=r"000002\.jpg: expected an image"):
        image.image()


@pytest.mark.parametrize("name", ["MOT16-02", "MOT17-02-FRCNN", "MOT20-01"])
def test_only_pedestrians_that_are_evaluated_are_learnt(make_sequence, name):
    rows = ROWS + "".join(f"2,{kind},1,1,9,9,1,{kind},1\n" for kind in range(2, 13))
    rows += "2,40,1,1,9,9,0,1,1\n"
    images = HalfSplit.open(make_sequence(name, rows))
    assert len(images[1]) == 0
    assert images.left_out["of other classes"] == 11
    assert images.left_out["not to be evaluated"] == 1


def test_mot15_has_no_classes(make_sequence):
    rows = "1,1,2,3,10,20,1,-1,-1,-1\n1,2,30,3,10,20,0,-1,-1,-1\n"
    image = HalfSplit.open(make_sequence("TUD-Campus", rows))[0]
    assert image.track_ids.tolist() == [1]
    images = HalfSplit.open(
        make_sequence("plain", rows, folder="other"),
        config=HalfSplitConfig(benchmark="mot15", minimum_visibility=0.5),
    )
    assert images[0].track_ids.tolist() == [1]


def test_people_of_whom_too_little_is_seen_can_be_left_out(make_sequence):
    images = HalfSplit.open(make_sequence(), config=HalfSplitConfig(minimum_visibility=0.3))
    assert images[0].track_ids.tolist() == [1]


def test_one_of_three_copies_of_a_sequence_is_taken(make_sequence):
    for detector in ("DPM", "FRCNN", "SDP"):
        sequence = make_sequence(f"MOT17-02-{detector}")
    make_sequence("MOT17-04-DPM")
    images = HalfSplit.open(sequence.parent)
    names = {images[k].name.split("/")[0] for k in range(len(images))}
    assert names == {"MOT17-02-FRCNN", "MOT17-04-DPM"}


def test_boxes_of_no_area_are_left_out_and_told(make_sequence, caplog):
    rows = ROWS + "1,3,5,5,0,9,1,1,1\n1,4,1000,5,1e-30,9,1,1,1\n"
    with caplog.at_level(logging.INFO, logger="faimtrack"):
        images = HalfSplit.open(make_sequence(rows=rows))
    assert images[0].track_ids.tolist() == [1, 2]
    assert "left out 2 boxes of no area" in caplog.text


def test_masks_come_by_frame_and_track(make_sequence):
    sequence = make_sequence()
    masks = {1: {2: rectangle(30, 3, 10, 20)}, 6: {1: rectangle(4, 3, 10, 20)}}
    write_masks(sequence, masks)
    images = HalfSplit.open(sequence, mask_source="grabcut")
    assert images.has_masks
    assert images[0].masks() == (None, masks[1][2])
    assert HalfSplit.open(sequence, split="val-half", mask_source="grabcut")[0].masks() == (
        masks[6][1],
    )


def test_masks_may_lie_elsewhere(make_sequence, tmp_path):
    sequence = make_sequence()
    mask = rectangle(30, 3, 10, 20)
    write_masks(sequence, {1: {2: mask}})
    (sequence / "masks").rename(tmp_path / "MOT20-01")
    images = HalfSplit.open(sequence, mask_source="grabcut", masks_root=tmp_path)
    assert images[0].masks() == (None, mask)


def test_masks_of_another_image_size_are_refused(make_sequence):
    sequence = make_sequence()
    write_masks(sequence, {3: {1: rectangle(1, 1, 4, 4, size=(24, 32))}})
    with pytest.raises(
        ValueError, match=r"grabcut\.parquet: expected masks of 64 x 48 .*got 32 x 24 in frame 3"
    ):
        HalfSplit.open(sequence, mask_source="grabcut")


def test_masks_for_another_ground_truth_are_refused(make_sequence):
    sequence, other = make_sequence(), make_sequence("MOT20-02", ROWS.splitlines()[0] + "\n")
    write_masks(sequence, {1: {1: rectangle(1, 1, 4, 4)}}, ground_truth=other / "gt" / "gt.txt")
    with pytest.raises(ValueError, match="masks make"):
        HalfSplit.open(sequence, mask_source="grabcut")


def test_masks_of_the_other_half_are_refused(make_sequence):
    sequence = make_sequence()
    write_masks(sequence, {6: {1: rectangle(4, 3, 10, 20)}}, split="val-half")
    with pytest.raises(
        ValueError, match=r"grabcut\.parquet: expected masks of the split train-half, got .* val-"
    ):
        HalfSplit.open(sequence, mask_source="grabcut")
    whole = HalfSplit.open(sequence, split="full", mask_source="grabcut")
    assert whole[5].masks()[0] is not None


def test_absent_masks_are_named_with_what_makes_them(make_sequence):
    with pytest.raises(FileNotFoundError, match=r"grabcut\.parquet.*masks make --method grabcut"):
        HalfSplit.open(make_sequence(), mask_source="grabcut")


def test_absent_ground_truth_is_one_clear_line(make_sequence):
    with pytest.raises(FileNotFoundError, match=r"gt\.txt: expected the ground truth of MOT20-01"):
        HalfSplit.open(make_sequence(rows=None))


def test_absent_images_are_counted_before_anything_is_learnt(make_sequence):
    sequence = make_sequence()
    for frame in (2, 4):
        (sequence / "img1" / f"00000{frame}.jpg").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"000002\.jpg: expected the image of frame 2, .*1 other"
    ):
        HalfSplit.open(sequence)


def test_a_split_without_people_is_refused(make_sequence):
    with pytest.raises(ValueError, match="expected people in the val-half split, got none"):
        HalfSplit.open(make_sequence(rows=ROWS.splitlines()[0] + "\n"), split="val-half")


def test_classes_that_nothing_explains_are_refused(make_sequence):
    with pytest.raises(ValueError, match="expected the data's benchmark"):
        HalfSplit.open(make_sequence("own", "1,1,1,1,9,9,1,40,1\n1,2,1,1,9,9,1,41,1\n"))


def test_an_image_of_another_size_than_its_sequence_is_refused(make_sequence):
    sequence = make_sequence()
    cv2.imwrite(str(sequence / "img1" / "000001.jpg"), np.zeros((10, 20, 3), np.uint8))
    with pytest.raises(ValueError, match=r"000001\.jpg: expected 64 x 48 .* got 20 x 10"):
        HalfSplit.open(sequence)[0].image()


def test_a_crowd_has_its_exact_masks_and_people_only(tmp_path):
    crowd = simulate_crowd(
        CrowdConfig(name="crowd", frames=4, seed=3, people=40, width=320, height=180)
    )
    folder = write_crowd(crowd, tmp_path / "crowd", workers=1)
    images = HalfSplit.open(folder, mask_source="truth")
    image = images[0]
    assert len(images) == 3
    assert images.left_out["not to be evaluated"] > 0
    seen = [mask for mask in image.masks() if mask is not None]
    assert len(seen) > len(image) / 2
    for mask, box in zip(image.masks(), image.boxes, strict=True):
        if mask is not None:
            left, top, width, height = mask.box_xywh
            assert box[0] <= left
            assert box[1] <= top
            assert left + width <= box[2]
            assert top + height <= box[3]


def test_sets_follow_each_other_when_they_are_joined(make_sequence):
    first, second = HalfSplit.open(make_sequence()), HalfSplit.open(make_sequence("MOT20-02"))
    both = joined([first, second])
    assert len(both) == 10
    assert both[4].name == "MOT20-01/000005"
    assert both[5].name == "MOT20-02/000001"
    assert both[9].name == "MOT20-02/000005"
    with pytest.raises(IndexError, match="0 to 9, got 10"):
        both[10]
    with pytest.raises(IndexError):
        both[-1]


def test_sets_of_different_classes_are_not_joined(make_sequence):
    first, second = HalfSplit.open(make_sequence()), HalfSplit.open(make_sequence("MOT20-02"))
    second.class_names = ("dog",)
    with pytest.raises(ValueError, match="expected the classes person in all of them, got dog"):
        joined([first, second])


def test_real_frames_are_found(shared_data):
    folder = shared_data / "frames" / "MOT17-04-FRCNN"
    with pytest.raises(FileNotFoundError, match="expected the image of frame 9"):
        HalfSplit.open(folder)


def test_real_ground_truth_gives_the_boxes_of_the_half_split(shared_data, tmp_path):
    # The images are not here: empty files stand for them.
    source = shared_data / "mot20" / "MOT20-01"
    folder = tmp_path / "MOT20-01"
    (folder / "img1").mkdir(parents=True)
    for name in ("seqinfo.ini", "gt"):
        (folder / name).symlink_to(source / name)
    for frame in range(1, 430):
        (folder / "img1" / f"{frame:06d}.jpg").touch()
    train, validation = HalfSplit.open(folder), HalfSplit.open(folder, split="val-half")
    assert (len(train), len(validation)) == (215, 214)
    rows = np.loadtxt(source / "gt" / "gt.txt", delimiter=",")
    kept = rows[(rows[:, 6] == 1) & (rows[:, 7] == 1)]
    counts = [(kept[:, 0] == frame).sum() for frame in range(1, 430)]
    assert [len(train[k]) for k in range(215)] == counts[:215]
    assert [len(validation[k]) for k in range(214)] == counts[215:]


def test_an_image_by_itself_has_no_masks():
    image = AnnotatedImage(
        name="a",
        path=Path("a.jpg"),
        boxes=np.zeros((1, 4)),
        class_ids=np.zeros(1, np.int64),
        track_ids=np.full(1, -1),
        visibilities=np.full(1, -1.0),
    )
    assert image.masks() == (None,)
