import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from faimtrack.datasets import person_crops
from faimtrack.datasets.person_crops import PersonCrops, PersonCropsConfig

FRAMES = 12  # of which 7 train
SIZE = 64, 96  # height, width
TWICE = PersonCropsConfig(min_images=2)


def rows(track, frames, *, left=4, kind=1, visibility=1.0, width=20, height=40, evaluated=1):
    return "".join(
        f"{frame},{track},{left},10,{width},{height},{evaluated},{kind},{visibility}\n"
        for frame in frames
    )


@pytest.fixture
def make_sequence(tmp_path):
    """A sequence whose frames are told apart by their colour."""

    def make(truth, name="MOT20-01", *, folder="data", frames=FRAMES, images=None) -> Path:
        sequence = tmp_path / folder / name
        (sequence / "img1").mkdir(parents=True)
        (sequence / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nseqLength={frames}\nimWidth={SIZE[1]}\nimHeight={SIZE[0]}\n"
            "imExt=.png\n"
        )
        (sequence / "gt").mkdir()
        (sequence / "gt" / "gt.txt").write_text(truth)
        for frame in images or range(1, frames + 1):
            picture = np.zeros((*SIZE, 3), np.uint8)
            picture[..., 2] = frame  # BGR: red tells the frame
            picture[..., 1] = np.arange(SIZE[1])
            picture[..., 0] = np.arange(SIZE[0])[:, None]
            cv2.imwrite(str(sequence / "img1" / f"{frame:06d}.png"), picture)
        return sequence

    return make


@pytest.fixture
def decoded(monkeypatch):
    """The names of all images that are decoded."""
    names = []
    real = person_crops.AnnotatedImage.image

    def spy(image):
        names.append(image.path.name)
        return real(image)

    monkeypatch.setattr(person_crops.AnnotatedImage, "image", spy)
    return names


def test_views_are_cut_from_their_frames_in_rgb(make_sequence):
    truth = rows(3, [1, 2], left=4) + rows(8, [2, 5], left=50)
    crops = PersonCrops.open(make_sequence(truth), config=TWICE)
    assert crops.identities == ("MOT20-01/3", "MOT20-01/8")
    assert crops.frames.tolist() == [1, 2, 2, 5]
    assert crops.identity_indices.tolist() == [0, 0, 1, 1]
    assert crops.sequences == ("MOT20-01",)
    assert crops.sequence_indices.tolist() == [0, 0, 0, 0]
    assert crops.boxes[0].tolist() == [4, 10, 24, 50]
    view = crops.image(3)
    assert view.shape == (40, 20, 3)
    assert view.dtype == np.uint8
    assert view[0, 0].tolist() == [5, 50, 10]  # frame, column, row
    view[:] = 0
    assert crops.image(3)[0, 0].tolist() == [5, 50, 10]


def test_no_frame_of_the_other_half_is_ever_touched(make_sequence, decoded):
    # MMTracking's mot2reid takes people from all frames: what trains has seen the validation.
    half = range(1, FRAMES // 2 + 2)
    truth = rows(1, range(1, FRAMES + 1)) + rows(2, range(6, FRAMES + 1), left=60)
    crops = PersonCrops.open(make_sequence(truth, images=half), config=TWICE)
    assert crops.frames.max() == FRAMES // 2 + 1
    assert crops.identities == ("MOT20-01/1", "MOT20-01/2")
    assert np.bincount(crops.identity_indices).tolist() == [7, 2]
    for index in range(len(crops)):
        crops.image(index)
    assert set(decoded) == {f"{frame:06d}.png" for frame in half}
    # Whoever has enough views in the whole sequence only is not in the half.
    enough = PersonCropsConfig(min_images=3)
    only = PersonCrops.open(crops.ground_truths["MOT20-01"].parents[1], config=enough)
    assert only.identities == ("MOT20-01/1",)


def test_the_halves_share_no_view_and_make_the_whole(make_sequence):
    sequence = make_sequence(rows(1, range(1, FRAMES + 1)) + rows(2, range(3, 11), left=60))

    def views(split):
        crops = PersonCrops.open(sequence, split=split, config=TWICE)
        who = (crops.identities[k] for k in crops.identity_indices)
        return set(zip(who, crops.frames.tolist(), strict=True))

    assert not views("train-half") & views("val-half")
    assert views("train-half") | views("val-half") == views("full")


def test_only_people_who_are_evaluated_seen_and_large_enough_are_taken(make_sequence):
    truth = (
        rows(1, range(1, 8))
        + rows(2, range(1, 8), kind=7)
        + rows(3, range(1, 8), evaluated=0)
        + rows(4, range(1, 8), visibility=0.29)
        + rows(5, range(1, 8), left=-15)  # 5 pixels within the image
        + rows(6, range(1, 8), left=200)
        + rows(7, range(1, 8), height=15)
        + rows(8, range(1, 7))
        + rows(9, range(1, 8), visibility=0.3)
    )
    crops = PersonCrops.open(make_sequence(truth), config=PersonCropsConfig(min_images=7))
    assert crops.identities == ("MOT20-01/1", "MOT20-01/9")
    assert crops.left_out["too small"] == 21
    assert crops.left_out["of people with too few views"] == 6
    assert crops.left_out["hidden too much"] == 7


def test_of_many_views_an_even_choice_is_taken(make_sequence):
    config = PersonCropsConfig(min_images=2, max_images=3)
    crops = PersonCrops.open(
        make_sequence(rows(1, range(1, 13)) + rows(2, [4, 9], left=60)),
        split="full",
        config=config,
    )
    assert crops.frames[crops.identity_indices == 0].tolist() == [1, 7, 12]
    assert crops.frames[crops.identity_indices == 1].tolist() == [4, 9]


def test_people_of_two_sequences_with_one_id_are_two(make_sequence):
    make_sequence(rows(1, range(1, 8)), "MOT20-02")
    data = make_sequence(rows(1, range(1, 8)), "MOT20-01").parent
    crops = PersonCrops.open(data, config=TWICE)
    assert crops.identities == ("MOT20-01/1", "MOT20-02/1")
    assert np.array_equal(crops.sequence_indices, crops.identity_indices)
    assert set(crops.ground_truths) == {"MOT20-01", "MOT20-02"}


def test_of_mot17_s_three_copies_one_is_taken(make_sequence):
    for detector in ("DPM", "FRCNN", "SDP"):
        data = make_sequence(rows(1, range(1, 8)), f"MOT17-02-{detector}").parent
    assert PersonCrops.open(data, config=TWICE).identities == ("MOT17-02-FRCNN/1",)


def test_two_sequences_of_one_name_are_refused(make_sequence):
    data = make_sequence(rows(1, range(1, 8))).parent
    (data / "MOT20-01").rename(data / "copy")
    make_sequence(rows(1, range(1, 8)))
    with pytest.raises(ValueError, match="expected another name than MOT20-01, which"):
        PersonCrops.open(data, config=TWICE)


def test_in_order_each_frame_is_decoded_once(make_sequence, decoded):
    truth = "".join(rows(track, range(1, 8), left=4 + track) for track in range(1, 6))
    crops = PersonCrops.open(make_sequence(truth), config=TWICE)
    assert not decoded
    for index in range(len(crops)):
        crops.image(index)
    assert len(decoded) == 7
    crops.image(len(crops) - 1)
    assert len(decoded) == 7
    crops.image(0)
    assert len(decoded) == 8
    assert len(crops._cache) <= 4
    assert not pickle.loads(pickle.dumps(crops))._cache


def test_frames_come_with_the_rows_of_their_views(make_sequence):
    truth = rows(1, [1, 2, 5]) + rows(2, [2, 5], left=50)
    crops = PersonCrops.open(make_sequence(truth), config=TWICE)
    seen = []
    for frame, views in crops.by_frame():
        assert set(crops.frames[views]) == {frame.index}
        x1, y1, x2, y2 = crops.boxes[views[-1]].astype(int)
        assert np.array_equal(frame.image[y1:y2, x1:x2], crops.image(views[-1]))
        seen += views.tolist()
    assert seen == list(range(5))


def test_a_bad_image_is_named_with_its_sequence_and_frame(make_sequence):
    sequence = make_sequence(rows(1, range(1, 8)))
    (sequence / "img1" / "000003.png").write_bytes(b"no image")
    (sequence / "img1" / "000004.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"000004\.png: expected the image of frame 4"):
        PersonCrops.open(sequence, config=TWICE)
    cv2.imwrite(str(sequence / "img1" / "000004.png"), np.zeros((32, 96, 3), np.uint8))
    crops = PersonCrops.open(sequence, config=TWICE)
    with pytest.raises(ValueError, match=r"MOT20-01, frame 3: .*000003\.png: expected an image"):
        crops.image(2)
    with pytest.raises(ValueError, match=r"MOT20-01, frame 4: .*: expected 96 x 64 pixels"):
        crops.image(3)
    (sequence / "img1" / "000005.png").unlink()
    with pytest.raises(OSError, match=r"MOT20-01, frame 5: .*000005\.png"):
        crops.image(4)
    with pytest.raises(IndexError):
        crops.image(7)


def test_a_box_beyond_images_of_unknown_size_is_named(make_sequence):
    sequence = make_sequence(rows(1, range(1, 8), left=200))
    info = sequence / "seqinfo.ini"
    info.write_text("\n".join(x for x in info.read_text().splitlines() if "imW" not in x))
    crops = PersonCrops.open(sequence, config=TWICE)
    with pytest.raises(ValueError, match="MOT20-01/1, frame 1: expected a box within 96 x 64"):
        crops.image(0)


def test_nobody_left_is_said_with_the_reasons(make_sequence):
    sequence = make_sequence(rows(1, range(1, 8)))
    with pytest.raises(ValueError, match=r"people with 8 or more views in the train-half split, "):
        PersonCrops.open(sequence)
    with pytest.raises(ValueError, match="max_images: expected 8"):
        PersonCropsConfig(max_images=3)
