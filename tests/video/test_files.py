import functools
import http.server
import itertools
import threading

import numpy as np
import pytest

from faimtrack.video import VideoWriter, files, open_source


def read_all(source):
    """The frames up to the end or the first error, and the error."""
    frames = []
    try:
        for frame in source:
            frames.append(frame)
    except (ValueError, OSError) as error:
        return frames, error
    return frames, None


@pytest.mark.parametrize(
    ("name", "codec"),
    [("clip.mp4", "libx264"), ("clip.mkv", "libx264"), ("clip.ts", "libx264"),
     ("clip.avi", "mpeg4"), ("clip.mov", "mpeg4"), ("clip.webm", "libvpx")],
)  # fmt: skip
def test_every_container_gives_its_frames_in_order_and_their_number(
    make_video, colour_of, name, codec
):
    with open_source(make_video(name, codec=codec)) as source:
        frames = list(source)
        assert source.info.frame_count == 20
        assert source.info.frame_rate == pytest.approx(25)
        assert (source.info.width, source.info.height, source.info.name) == (96, 64, "clip")
    assert [frame.index for frame in frames] == list(range(1, 21))
    assert [frame.time_s for frame in frames] == pytest.approx(
        [i / 25 for i in range(20)], abs=2e-3
    )
    for frame in frames:
        assert frame.image.dtype == np.uint8
        assert np.abs(frame.image.mean((0, 1)) - colour_of(frame.index)).max() < 8


def test_a_source_can_be_iterated_again(make_video):
    with open_source(make_video()) as source:
        first = [frame.image for frame in source]
        second = [frame.image for frame in source]
    assert len(first) == 20
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("name", ["snakeboard", "juggle", "mot17-04-8frames"])
def test_pixels_equal_those_of_opencv(shared_data, name):
    import cv2

    path = shared_data / "video" / f"{name}.mp4"
    capture = cv2.VideoCapture(str(path))
    with open_source(path) as source:
        for frame in source:
            is_there, bgr = capture.read()
            assert is_there
            assert np.array_equal(frame.image, bgr[:, :, ::-1]), frame
            if frame.index == 8:
                break


def test_frames_hidden_by_an_edit_list_are_not_counted(shared_data):
    # The container's table says 188, its edit list shows 109.
    with open_source(shared_data / "video" / "snakeboard.mp4") as source:
        assert source.info.frame_count == 109
        assert sum(1 for _ in source) == 109


def test_times_of_a_variable_frame_rate_are_the_video_s_own(make_video):
    ticks = [0, 40, 50, 300, 310, 1000]
    with open_source(make_video(count=6, ticks=ticks)) as source:
        assert [frame.time_s for frame in source] == pytest.approx([t / 1000 for t in ticks])


def test_times_start_at_zero_where_the_video_s_do_not(make_video):
    ticks = [500 + 40 * i for i in range(6)]
    with open_source(make_video("late.mkv", count=6, ticks=ticks)) as source:
        times = [frame.time_s for frame in source]
    assert times == pytest.approx([0.04 * i for i in range(6)])


def test_times_that_a_damaged_video_repeats_still_grow(make_video, monkeypatch):
    from faimtrack.video.files import VideoFile

    path = make_video(count=6)
    monkeypatch.setattr(VideoFile, "_time_s", lambda *_: 0.0)
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
    assert times == pytest.approx([0, 1e-4, 2e-4, 3e-4, 4e-4, 5e-4])


def test_a_video_that_is_refused_is_closed(make_video, monkeypatch):
    path, closed = make_video(count=1), []
    monkeypatch.setattr(files._Run, "close", lambda run: closed.append(run.container.close()))
    with pytest.raises(ValueError, match="expected frames in val-half, got none of 1"):
        open_source(path, split="val-half")
    assert len(closed) == 1


def test_halves_of_a_video_keep_full_numbers_and_cover_it(make_video, colour_of):
    path = make_video()
    with open_source(path, split="train-half") as source:
        train = list(source)
        assert (source.info.frame_count, source.info.first_index) == (11, 1)
    with open_source(path, split="val-half") as source:
        val = list(source)
        assert (source.info.frame_count, source.info.first_index) == (9, 12)
    assert [frame.index for frame in train + val] == list(range(1, 21))
    assert val[0].time_s == pytest.approx(11 / 25)
    assert np.abs(val[0].image.mean((0, 1)) - colour_of(12)).max() < 8


TURNS = {
    0: (1, 0, 0, 1),
    90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    270: (0, -1, 1, 0),
    "mirror": (-1, 0, 0, 1),
}


@pytest.mark.parametrize("turn", TURNS)
def test_rotation_metadata_is_applied(make_video, turn):
    path = make_video(count=1, size=(96, 64))
    image = _corner_video(path)
    a, b, c, d = TURNS[turn]
    _write_matrix(path, a, b, c, d)
    # Where the matrix sends the white corner (x, y) = (0, 0) of a 96 × 64 picture.
    height, width = (64, 96) if a else (96, 64)
    column = 0 if (a if a else c) > 0 else width - 8
    row = 0 if (d if a else b) > 0 else height - 8
    with open_source(path) as source:
        assert (source.info.width, source.info.height) == (width, height)
        frame = next(iter(source))
        assert frame.size == (width, height)
        shown = frame.image
    assert shown.shape == (height, width, 3)
    assert image.mean() < 60
    assert shown[row : row + 8, column : column + 8].mean() > 200
    shown[row : row + 16, column : column + 16] = 0
    assert shown.mean() < 20


def test_rotation_agrees_with_pyav_s_own_angle(make_video):
    import av

    if not hasattr(av.VideoFrame, "rotation"):
        pytest.skip("this PyAV is older than 15 and tells no angle")
    path = make_video(count=1, size=(96, 64))
    _corner_video(path)
    _write_matrix(path, 0, 1, -1, 0)
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
        stored = picture.to_ndarray(format="rgb24")
        counterclockwise = picture.rotation
    with open_source(path) as source:
        shown = next(iter(source)).image
    assert np.array_equal(shown, np.rot90(stored, counterclockwise // 90))


def _corner_video(path):
    """A dark video with a white top left corner."""
    image = np.zeros((64, 96, 3), np.uint8)
    image[:12, :12] = 255
    with VideoWriter(path, 25) as writer:
        for _ in range(3):
            writer.write(image)
    return image


def _write_matrix(path, a, b, c, d):
    """Put a display matrix into the track header of an mp4."""
    data = bytearray(path.read_bytes())
    start = data.index(b"tkhd") + 4 + 40
    rows = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    data[start : start + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in rows)
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("clip.mp4", "libx264", {"movflags": "faststart"}), ("clip.mkv", "libx264", {}),
     ("clip.avi", "mpeg4", {}), ("clip.webm", "libvpx", {})],
)  # fmt: skip
def test_a_truncated_video_gives_its_whole_frames_and_then_one_error(
    make_video, cut, name, codec, options
):
    path = make_video(name, count=60, codec=codec, **options)
    whole = [frame.image for frame in open_source(path)]
    cut(path, 0.7)
    with open_source(path) as source:
        assert source.info.frame_count == 60
        frames, error = read_all(source)
    last = frames[-1].index
    assert 5 < last < 60
    assert str(error) == f"{path}: expected 60 frames, the video ends after {last}"
    assert isinstance(error, ValueError)
    for frame in frames:
        assert np.array_equal(frame.image, whole[frame.index - 1]), frame


def test_a_real_truncated_video_never_gives_a_half_grey_frame(shared_data, tmp_path, cut):
    path = tmp_path / "skate.mp4"
    with (
        open_source(shared_data / "video" / "snakeboard.mp4") as source,
        VideoWriter(path, 25) as writer,
    ):
        for frame in itertools.islice(source, 40):
            writer.write(frame.image)
    whole = [frame.image for frame in open_source(path)]
    frames, error = read_all(open_source(cut(path, 0.8)))
    assert 5 < len(frames) < 40
    assert f"expected 40 frames, the video ends after {len(frames)}" in str(error)
    assert all(np.array_equal(f.image, w) for f, w in zip(frames, whole, strict=False))


def test_a_video_whose_last_frame_alone_is_cut_ends_before_it(make_video):
    path = make_video(count=30, movflags="faststart")
    path.write_bytes(path.read_bytes()[:-3])
    frames, error = read_all(open_source(path))
    assert 25 < len(frames) < 30
    assert str(error).endswith(f"expected 30 frames, the video ends after {len(frames)}")


def test_the_first_half_of_a_truncated_video_is_no_error_where_it_is_whole(make_video, cut):
    path = cut(make_video(count=60, movflags="faststart"), 0.9)
    frames, error = read_all(open_source(path, split="train-half"))
    assert len(frames) == 31
    assert error is None


def test_a_video_of_another_size_in_the_middle_names_the_frame(make_video, tmp_path):
    joined = tmp_path / "joined.ts"
    data = make_video("a.ts", count=5, size=(96, 64)).read_bytes()
    joined.write_bytes(data + make_video("b.ts", count=5, size=(128, 64)).read_bytes())
    frames, error = read_all(open_source(joined))
    assert [frame.index for frame in frames] == [1, 2, 3, 4, 5]
    assert str(error) == (
        f"{joined}: expected 96 x 64 pixels as frame 1 has, got 128 x 64 in frame 6"
    )


def test_a_video_without_frames_is_an_error_at_opening(make_video, cut, tmp_path):
    path = make_video("clip.mkv", count=2)
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # the header without a cluster
    with pytest.raises(ValueError, match=r"clip\.mkv: expected a video"):
        open_source(path)


def test_a_file_without_pictures_is_an_error_at_opening(tmp_path):
    import wave

    path = tmp_path / "sound.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    with pytest.raises(ValueError, match=r"sound\.wav: .* without pictures"):
        open_source(path)


@pytest.mark.parametrize("content", [b"", b"1,2,3,4\n" * 200, bytes(range(256)) * 40])
def test_a_file_that_is_no_video_is_named(tmp_path, content):
    path = tmp_path / "notes.mp4"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"notes\.mp4: expected a video") as caught:
        open_source(path)
    assert "\n" not in str(caught.value)


def test_pixels_are_converted_only_when_asked_for(make_video, monkeypatch):
    from faimtrack.video import files

    asked = []
    convert = files._Picture.__call__
    monkeypatch.setattr(files._Picture, "__call__", lambda self: asked.append(1) or convert(self))
    frames = list(open_source(make_video()))
    assert not asked
    first = frames[0].image
    assert frames[0].image is first
    frames[0].release()
    assert np.array_equal(frames[0].image, first)
    assert len(asked) == 2


@pytest.fixture
def served(tmp_path):
    """The URL of `tmp_path` on a server of this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_http_url_is_read_like_a_file(make_video, served):
    make_video(movflags="faststart")
    with open_source(f"{served}/clip.mp4?token=secret") as source:
        assert source.info.name == "clip"
        assert source.info.frame_count == 20
        assert not source.is_live
        assert [frame.index for frame in source] == list(range(1, 21))


def test_an_http_url_that_is_not_there_is_an_os_error_without_the_query(served):
    with pytest.raises(OSError, match="expected a video") as caught:
        open_source(f"{served}/nothing.mp4?token=secret")
    assert "secret" not in str(caught.value)


def test_an_rtsp_server_that_is_not_there_is_an_os_error_without_the_password():
    with pytest.raises(OSError, match=r"rtsp://127\.0\.0\.1:9/live: expected a video") as caught:
        open_source("rtsp://user:password@127.0.0.1:9/live")
    assert "password" not in str(caught.value)
