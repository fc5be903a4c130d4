import cv2
import numpy as np
import pytest

from faimtrack.video import open_source
from faimtrack.video.images import read_image


@pytest.fixture
def picture():
    """A `(48, 64, 3)` picture that no JPEG quality turns into another frame's."""
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    return np.stack([np.tile(ramp, (48, 1)), np.full((48, 64), 90, np.uint8),
                     np.tile(ramp[::-1], (48, 1))], axis=2)  # fmt: skip


def write_image(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image)
    return path


def write_sequence(folder, length=6, extra="", width=64, height=48):
    folder.mkdir(parents=True, exist_ok=True)
    size = f"imWidth={width}\nimHeight={height}\n" if width else ""
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname=walk\nseqLength={length}\nframeRate=25\n{size}{extra}"
    )
    return folder


def test_stills_equal_opencv_s_bit_for_bit_after_the_swap(shared_data):
    folder = shared_data / "frames" / "MOT17-04-FRCNN"
    with open_source(folder) as source:
        for frame in source:
            if frame.index > 3:
                break
            expected = cv2.imread(str(folder / "img1" / f"{frame.index:06d}.jpg"))
            assert np.array_equal(frame.image, expected[:, :, ::-1])
            assert frame.image.flags.c_contiguous


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".jpg", ".webp", ".tiff", ".ppm"])
def test_every_kind_of_still_is_read_as_opencv_reads_it(tmp_path, picture, suffix):
    path = write_image(tmp_path / f"a{suffix}", picture)
    assert np.array_equal(read_image(path), cv2.imread(str(path))[:, :, ::-1])


def test_a_sequence_has_the_length_of_its_seqinfo_and_needs_no_images(shared_data):
    with open_source(shared_data / "mot17" / "MOT17-05-FRCNN") as source:
        frames = list(source)
        assert source.info.frame_count == 837
    assert [frames[0].index, frames[-1].index] == [1, 837]
    assert frames[14].time_s == 1.0
    assert frames[0].size == (640, 480)
    with pytest.raises(FileNotFoundError, match=r"img1: expected a folder of images"):
        _ = frames[0].image


def test_the_second_half_of_a_sequence_keeps_its_numbers(shared_data):
    with open_source(shared_data / "mot20" / "MOT20-01", split="val-half") as source:
        frames = list(source)
        assert source.info.first_index == 216
    assert [frame.index for frame in frames] == list(range(216, 430))
    assert frames[0].time_s == pytest.approx(215 / 25)


def test_an_image_that_is_missing_is_an_error_only_when_it_is_asked_for(tmp_path, picture):
    folder = write_sequence(tmp_path / "walk")
    write_image(folder / "img1" / "000001.jpg", picture)
    frames = list(open_source(folder))
    assert len(frames) == 6
    assert frames[0].image.shape == (48, 64, 3)
    with pytest.raises(FileNotFoundError, match=r"000004\.jpg: expected the image of frame 4"):
        _ = frames[3].image


def test_images_numbered_with_eight_digits_are_found(tmp_path, picture):
    folder = write_sequence(tmp_path / "dance", length=1)
    path = write_image(folder / "img1" / "00000001.jpg", picture)
    assert np.array_equal(next(iter(open_source(folder))).image, read_image(path))


def test_images_numbered_from_zero_are_refused(tmp_path, picture):
    folder = write_sequence(tmp_path / "zero", length=1)
    write_image(folder / "img1" / "000000.jpg", picture)
    with pytest.raises(ValueError, match=r"000000\.jpg: expected images numbered from 1"):
        _ = next(iter(open_source(folder))).image


@pytest.mark.parametrize(("width", "against"), [(64, "seqinfo.ini"), (None, "frame 1")])
def test_an_image_of_another_size_names_the_frame_and_both_sizes(
    tmp_path, picture, width, against
):
    folder = write_sequence(tmp_path / "walk", width=width)
    write_image(folder / "img1" / "000001.jpg", picture)
    write_image(folder / "img1" / "000002.jpg", picture[:40])
    frames = list(open_source(folder))
    assert frames[0].image.shape == (48, 64, 3)
    with pytest.raises(ValueError, match=r"000002\.jpg: .*64 x 48.*64 x 40 in frame 2") as caught:
        _ = frames[1].image
    assert against in str(caught.value)


def test_an_image_of_another_size_in_a_folder_names_the_first(tmp_path, picture):
    write_image(tmp_path / "shots" / "1.png", picture)
    write_image(tmp_path / "shots" / "2.png", picture[:, :32])
    frames = list(open_source(tmp_path / "shots"))
    expected = r"2\.png: expected 64 x 48 pixels as 1\.png has, got 32 x 48 in frame 2"
    with pytest.raises(ValueError, match=expected):
        _ = frames[1].image


@pytest.mark.parametrize("share", [0.03, 0.3, 0.6, 0.98])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp"])
def test_a_truncated_image_is_named(tmp_path, cut, suffix, share):
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    path = cut(write_image(tmp_path / f"a{suffix}", noise), share)
    is_noticed = suffix in (".jpg", ".png")  # of the others OpenCV itself gives nothing
    expected = "expected a whole image, got one that is cut off" if is_noticed else "an image"
    with pytest.raises(ValueError, match=rf"a\{suffix}: .*{expected}"):
        read_image(path)


def test_a_truncated_jpeg_in_mid_sequence_is_named(shared_data, tmp_path, cut):
    folder = write_sequence(tmp_path / "walk", width=1920, height=1080)
    (folder / "img1").mkdir()
    for number in (1, 2, 3):
        original = shared_data / "frames" / "MOT17-04-FRCNN" / "img1" / f"{number:06d}.jpg"
        (folder / "img1" / original.name).write_bytes(original.read_bytes())
    cut(folder / "img1" / "000002.jpg", 0.6)
    frames = list(open_source(folder))
    assert frames[0].image.shape == frames[2].image.shape == (1080, 1920, 3)
    with pytest.raises(ValueError, match=r"000002\.jpg: expected a whole image.*cut off"):
        _ = frames[1].image


def test_a_thumbnail_s_end_is_not_taken_for_the_picture_s(tmp_path, picture):
    path = write_image(tmp_path / "a.jpg", picture)
    data = path.read_bytes()
    exif = b"Exif\0\0" + b"\xff\xd8 a thumbnail \xff\xd9"
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    whole = data[:2] + segment + data[2:]
    path.write_bytes(whole + b"what a camera adds")
    assert read_image(path).shape == (48, 64, 3)
    path.write_bytes(whole[: len(whole) * 8 // 10])
    with pytest.raises(ValueError, match="cut off"):
        read_image(path)


def test_every_real_image_counts_as_whole(shared_data):
    paths = sorted(shared_data.glob("frames/*/img1/*.jpg"))
    assert len(paths) == 12
    for path in [*paths, *sorted(shared_data.glob("vid/*/*.JPEG"))[:5]]:
        assert read_image(path).shape[2] == 3


def test_a_folder_is_read_in_natural_order(tmp_path, picture):
    for number in (1, 2, 10, 9):
        write_image(tmp_path / "shots" / f"frame{number}.png", np.full_like(picture, number))
    (tmp_path / "shots" / "notes.txt").write_text("not an image")
    with open_source(tmp_path / "shots") as source:
        assert [int(frame.image[0, 0, 0]) for frame in source] == [1, 2, 9, 10]
        assert (source.info.name, source.info.frame_count) == ("shots", 4)
        assert (source.info.width, source.info.height) == (64, 48)


@pytest.mark.parametrize("pattern", ["", "*.png"])
def test_images_of_a_sequence_without_seqinfo_are_called_like_the_sequence(
    tmp_path, picture, pattern
):
    write_image(tmp_path / "walk" / "img1" / "000001.png", picture)
    with open_source(str(tmp_path / "walk" / "img1" / pattern)) as source:
        assert source.info.name == "walk"


def test_a_pattern_takes_what_it_matches(tmp_path, picture):
    for name in ("a1.png", "a2.png", "b1.png"):
        write_image(tmp_path / "shots" / name, picture)
    with open_source(str(tmp_path / "shots" / "a*.png")) as source:
        assert [frame.index for frame in source] == [1, 2]
    with open_source(tmp_path / "shots" / "b1.png") as source:
        assert source.info.frame_count == 1


def test_images_of_a_real_folder_are_given_in_order(shared_data):
    folder = shared_data / "vid" / "ILSVRC2015_val_00007010"
    with open_source(folder, split="val-half") as source:
        frames = list(source)
    assert [frames[0].index, frames[-1].index] == [28, 53]
    expected = cv2.imread(str(folder / "000027.JPEG"))[:, :, ::-1]
    assert np.array_equal(frames[0].image, expected)


def test_a_pattern_without_matches_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"\*\.png: expected images, the pattern matches none"):
        open_source(str(tmp_path / "*.png"))


def test_a_folder_without_images_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected images or a seqinfo\.ini, got neither"):
        open_source(tmp_path)


def test_a_path_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.mp4: expected a sequence folder"):
        open_source(tmp_path / "nowhere.mp4")


def test_a_folder_that_cannot_be_read_is_an_os_error(tmp_path, monkeypatch):
    from pathlib import Path

    def refuse(self):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)  # root, as in containers, may read everything
    with pytest.raises(PermissionError, match="Permission denied"):
        open_source(tmp_path)


def test_a_half_without_frames_is_refused(tmp_path, picture):
    write_image(tmp_path / "one.png", picture)
    with pytest.raises(ValueError, match="expected frames in val-half, got none of 1"):
        open_source(tmp_path / "one.png", split="val-half")


def test_a_split_of_another_name_is_refused(tmp_path):
    with pytest.raises(ValueError, match="split: expected full, train-half, val-half"):
        open_source(tmp_path, split="half")
