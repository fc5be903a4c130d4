import av
import numpy as np
import pytest

from faimtrack.pipeline import MaskFile, TrackFile, TrackVideo
from faimtrack.structures import Detections, Frame, Tracks


def tracks(left=1.0):
    return Tracks([1], [[left, 2, left + 3, 6]], [0.5], [0], [0])


def frame(index, *, time_s=None):
    return Frame(index, time_s=time_s, image=np.full((32, 48, 3), 9 * index, np.uint8))


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_has_its_name_only_when_it_is_whole(tmp_path):
    path = tmp_path / "deep" / "a.txt"
    with TrackFile(path) as sink:
        sink.write(frame(3), Detections.empty(), tracks())
        # On the disk already: a kill now would lose nothing.
        assert (
            path.parent / "a.txt.partial"
        ).read_text() == "3,1,1.00,2.00,3.00,4.00,0.5,-1,-1,-1\n"
        assert not path.exists()
    assert names_in(path.parent) == ["a.txt"]
    assert (sink.first_frame, sink.last_frame) == (3, 3)


def test_after_an_error_the_frames_stay_under_the_partial_name(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), TrackFile(path) as sink:  # noqa: PT012
        sink.write(frame(1), Detections.empty(), tracks())
        sink.write(frame(2), Detections.empty(), tracks())
        raise RuntimeError
    assert path.read_text() == "old"
    assert len((tmp_path / "a.txt.partial").read_text().splitlines()) == 2


def test_an_error_before_the_first_frame_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), TrackFile(tmp_path / "a.txt"):
        raise RuntimeError
    assert names_in(tmp_path) == []


def test_two_runs_at_once_do_not_mix_their_lines_in_one_file(tmp_path):
    path = tmp_path / "a.txt"
    with TrackFile(path) as first:
        first.write(frame(1), Detections.empty(), tracks(left=1.0))
        with pytest.raises(BlockingIOError, match=r"a\.txt\.partial: expected to write it alone"):
            TrackFile(path).__enter__()
        first.write(frame(2), Detections.empty(), tracks(left=2.0))
    assert [row.split(",")[2] for row in path.read_text().splitlines()] == ["1.00", "2.00"]
    with TrackFile(path) as later:  # nobody is at it any more
        later.write(frame(1), Detections.empty(), tracks(left=3.0))
    assert path.read_text().startswith("1,1,3.00")
    assert names_in(tmp_path) == ["a.txt"]


def test_what_a_killed_run_left_is_begun_again(tmp_path):
    (tmp_path / "a.txt.partial").write_text("9,9,9.00\n" * 50)
    with TrackFile(tmp_path / "a.txt") as sink:
        sink.write(frame(1), Detections.empty(), tracks())
    assert (tmp_path / "a.txt").read_text().count("\n") == 1


def test_frames_may_be_shifted(tmp_path):
    with TrackFile(tmp_path / "a.txt", frame_shift=10) as sink:
        sink.write(frame(11), Detections.empty(), tracks())
    assert (tmp_path / "a.txt").read_text().startswith("1,1,")
    assert sink.last_frame == 11


def draw(image, tracks):
    return image


def times_in(path):
    with av.open(str(path)) as container:
        return [float(picture.time) for picture in container.decode(video=0)]


def test_a_video_keeps_the_times_of_its_frames_from_its_own_start(tmp_path):
    with TrackVideo(tmp_path / "a.mp4", 25.0, draw) as sink:
        for index, time_s in ((5, 2.0), (6, 2.1), (7, 2.5)):
            sink.write(frame(index, time_s=time_s), Detections.empty(), tracks())
        assert not (tmp_path / "a.mp4").exists()
    assert times_in(tmp_path / "a.mp4") == pytest.approx([0, 0.1, 0.5], abs=1e-3)
    assert names_in(tmp_path) == ["a.mp4"]


def test_a_video_of_frames_without_times_has_its_frame_rate_or_25(tmp_path):
    for name, rate, step in (("a.mp4", 10.0, 0.1), ("b.mp4", None, 0.04)):
        with TrackVideo(tmp_path / name, rate, draw) as sink:
            for index in (1, 2, 3):
                sink.write(frame(index), Detections.empty(), tracks())
        assert times_in(tmp_path / name) == pytest.approx([0, step, 2 * step], abs=1e-3)


def test_after_an_error_elsewhere_the_partial_video_plays(tmp_path):
    with pytest.raises(RuntimeError), TrackVideo(tmp_path / "a.mp4", 25.0, draw) as sink:  # noqa: PT012
        for index in (1, 2, 3):
            sink.write(frame(index), Detections.empty(), tracks())
        raise RuntimeError
    assert names_in(tmp_path) == ["a.partial.mp4"]
    assert len(times_in(tmp_path / "a.partial.mp4")) == 3


def test_an_error_before_the_first_picture_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), TrackVideo(tmp_path / "a.mp4", 25.0, draw):
        raise RuntimeError
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("name", ["a", "a[1]"])
def test_what_a_killed_run_left_is_cleared_away_but_nothing_else(tmp_path, name):
    (tmp_path / f".{name}.partial.x1y2z3.partial.mp4").write_bytes(b"left over")
    (tmp_path / ".b.partial.x1y2z3.partial.mp4").write_bytes(b"of another")
    with TrackVideo(tmp_path / f"{name}.mp4", 25.0, draw) as sink:
        sink.write(frame(1), Detections.empty(), tracks())
    assert names_in(tmp_path) == [".b.partial.x1y2z3.partial.mp4", f"{name}.mp4"]


RUNS = {"size": [2, 2], "counts": b"13"}


def masked():
    return Detections([[0, 0, 2, 2]], [0.5], masks=[RUNS])


def test_masks_are_on_their_way_to_the_disk_frame_by_frame(tmp_path):
    path = tmp_path / "a.mots.txt"
    with MaskFile(path, ["person"], frame_shift=2) as sink:
        sink.write(frame(3), masked(), tracks())
        assert (tmp_path / "a.mots.txt.partial").read_text() == "1 2001 2 2 2 13\n"
        sink.write(frame(4), Detections.empty(), Tracks.empty())
    assert names_in(tmp_path) == ["a.mots.txt"]


def test_after_an_error_masks_stay_under_the_partial_name(tmp_path):
    bare = Detections([[0, 0, 2, 2]], [0.5])
    sink = MaskFile(tmp_path / "a.mots.txt", ["person"])
    with pytest.raises(ValueError, match="expected detections with masks"), sink:  # noqa: PT012
        sink.write(frame(1), masked(), tracks())
        sink.write(frame(2), bare, tracks())
    assert names_in(tmp_path) == ["a.mots.txt.partial"]


def test_a_video_is_given_one_mask_a_track_where_masks_are_wanted(tmp_path):
    given = []

    def draw(image, tracks, masks=None):
        given.append(masks)
        return image

    for with_masks in (True, False):
        path = tmp_path / f"{with_masks}.mp4"
        with TrackVideo(path, 25.0, draw, with_masks=with_masks) as sink:
            sink.write(frame(1), masked(), tracks())
    assert given == [[RUNS], None]
