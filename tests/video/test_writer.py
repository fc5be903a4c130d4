import resource
from fractions import Fraction

import av
import numpy as np
import pytest

from faimtrack.video import VideoWriter, open_source


def gradient(height, width, index=0):
    rows, columns = np.mgrid[:height, :width]
    return np.stack(
        [rows * 255 // height, columns * 255 // width, np.full_like(rows, 40 + 5 * index)], axis=2
    ).astype(np.uint8)


def write_all(path, images, times=None, **options):
    """Write images, with the error of whatever goes wrong."""
    with VideoWriter(path, 25, **options) as writer:
        for image, time_s in zip(images, times or [None] * len(images), strict=True):
            writer.write(image, time_s=time_s)


def test_a_written_video_is_what_browsers_play(tmp_path):
    path = tmp_path / "deep" / "out.mp4"
    with VideoWriter(path, 25) as writer:
        for index in range(30):
            writer.write(gradient(64, 96, index))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height, stream.frames) == (96, 64, 30)
        assert stream.average_rate == 25
        assert container.format.name.startswith("mov,mp4")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "the index is not at the front"
    assert [p.name for p in path.parent.iterdir()] == ["out.mp4"]


def test_colours_survive_writing_and_reading(tmp_path):
    image = np.empty((64, 96, 3), np.uint8)
    image[:32], image[32:] = (200, 30, 60), (20, 180, 90)
    with VideoWriter(tmp_path / "out.mp4", 25, quality=10) as writer:
        writer.write(image)
    back = next(iter(open_source(tmp_path / "out.mp4"))).image
    assert np.abs(back[8].astype(int) - image[8]).max() <= 6
    assert np.abs(back[56].astype(int) - image[56]).max() <= 6


@pytest.mark.parametrize(("height", "width"), [(63, 95), (63, 96), (64, 95), (1, 1)])
def test_odd_sides_are_padded_by_repeating_the_last_pixel(tmp_path, height, width):
    image = gradient(height, width)
    before = image.copy()
    with VideoWriter(tmp_path / "out.mp4", 25, quality=5) as writer:
        for _ in range(3):
            writer.write(image)
    assert np.array_equal(image, before)
    back = next(iter(open_source(tmp_path / "out.mp4"))).image
    assert back.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(back[:height, :width].astype(int) - image).mean() < 8
    assert np.abs(back[-1, -1].astype(int) - image[-1, -1]).max() < 25


@pytest.mark.parametrize("rate", [29.97, Fraction(30000, 1001), 14, 3, 59.94, 12.345, 1000])
def test_fractional_rates_are_kept(tmp_path, rate):
    with VideoWriter(tmp_path / "out.mp4", rate) as writer:
        for index in range(40):
            writer.write(gradient(32, 32, index % 30))
    with open_source(tmp_path / "out.mp4") as source:
        assert source.info.frame_count == 40
        assert source.info.frame_rate == pytest.approx(float(rate), rel=1e-3)
        times = [frame.time_s for frame in source]
    assert times == pytest.approx([i / float(rate) for i in range(40)], abs=1e-3)


def test_times_of_a_variable_frame_rate_are_kept(tmp_path):
    times = [0.0, 0.04, 0.05, 0.3, 0.31, 1.0]
    with VideoWriter(tmp_path / "out.mp4", 25) as writer:
        for time_s in times:
            writer.write(gradient(32, 32), time_s=time_s)
    with open_source(tmp_path / "out.mp4") as source:
        assert [frame.time_s for frame in source] == pytest.approx(times, abs=1e-4)


def test_a_time_that_is_not_later_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"expected a time after 0\.5000 s in frame 2"):
        write_all(tmp_path / "out.mp4", [gradient(32, 32)] * 2, [0.5, 0.5])


def test_an_error_in_the_block_leaves_what_was_there_before(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"the old video")

    def track():
        with VideoWriter(path, 25) as writer:
            writer.write(gradient(32, 32))
            raise RuntimeError("the tracker failed")

    with pytest.raises(RuntimeError, match="the tracker failed"):
        track()
    assert path.read_bytes() == b"the old video"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_seen_under_the_final_name_before_the_end(tmp_path):
    path = tmp_path / "out.mp4"
    with VideoWriter(path, 25) as writer:
        writer.write(gradient(32, 32))
        assert not path.exists()
    assert path.exists()


@pytest.mark.parametrize("limit", [0, 300, 20_000])
def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, limit):
    noise = np.random.default_rng(0).integers(0, 255, (30, 64, 96, 3), dtype=np.uint8)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, old[1]))
    try:
        with pytest.raises(OSError, match=r"out\.mp4: cannot write") as caught:
            write_all(tmp_path / "out.mp4", list(noise))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_lacks_a_frame_at_the_end_is_not_given_its_name(tmp_path):
    writer = VideoWriter(tmp_path / "out.mp4", 25)
    writer.write(gradient(32, 32))
    writer._count += 1  # as if the disk had swallowed one
    with pytest.raises(OSError, match="expected 2 frames in the file, got 1"):
        writer.close()
    assert list(tmp_path.iterdir()) == []


def test_an_image_of_another_size_names_the_frame(tmp_path):
    expected = r"out\.mp4: expected 96 x 64 pixels, got 96 x 60 in frame 2"
    with pytest.raises(ValueError, match=expected):
        write_all(tmp_path / "out.mp4", [gradient(64, 96), gradient(60, 96)])
    assert list(tmp_path.iterdir()) == []


def test_a_size_given_at_the_start_is_held_to(tmp_path):
    with (
        pytest.raises(ValueError, match="expected 64 x 48 pixels, got 96 x 64 in frame 1"),
        VideoWriter(tmp_path / "out.mp4", 25, (64, 48)) as writer,
    ):
        writer.write(gradient(64, 96))


@pytest.mark.parametrize("image", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3))])
def test_what_is_no_rgb_image_is_refused(tmp_path, image):
    with (
        pytest.raises(ValueError, match=r"expected \(height, width, 3\) uint8 RGB in frame 1"),
        VideoWriter(tmp_path / "out.mp4", 25) as writer,
    ):
        writer.write(image)


def test_a_video_without_images_is_an_error_and_no_file(tmp_path):
    with (
        pytest.raises(ValueError, match="at least one image"),
        VideoWriter(tmp_path / "o.mp4", 25),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [0, -1, float("inf"), float("nan")])
def test_a_rate_that_is_none_is_refused(tmp_path, rate):
    with pytest.raises(ValueError, match="frame_rate: expected above 0"):
        VideoWriter(tmp_path / "out.mp4", rate)


def test_a_name_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"out\.avi: expected a name that ends in \.mp4"):
        VideoWriter(tmp_path / "out.avi", 25)
