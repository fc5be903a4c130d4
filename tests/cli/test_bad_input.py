"""Whatever is wrong: one clear line, a status that is not 0, and nothing lost."""

import resource
import signal
import textwrap
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from faimtrack.motfile import read_mot

GOOD = "1,-1,2,10,12,30,0.9\n2,-1,4,10,12,30,0.9\n3,-1,6,10,12,30,0.9\n"


BAD_DETECTIONS = {
    "empty": ("", "expected rows of detections, got an empty file"),
    "nan": (GOOD + "4,-1,nan,10,12,30,0.9\n", "line 4: expected a finite left, got nan"),
    "negative width": (GOOD + "4,-1,1,10,-12,30,0.9\n", "line 4: expected a width of 0 or more"),
    "text": (GOOD + "four,-1,1,10,12,30,0.9\n", "line 4: expected a number for frame, got 'four'"),
    "frame 0": ("0,-1,1,10,12,30,0.9\n" + GOOD, "line 1: expected frame numbers from 1, got 0"),
    "beyond the end": (GOOD + "21,-1,1,10,12,30,1\n", "line 4: expected frames up to 20"),
    "duplicate": (GOOD + "2,-1,4,10,12,30,0.9\n", "line 4: expected this detection once, got it"),
    "columns": (GOOD + "4,-1,1,10\n", "line 4: expected 7 to 10 columns, got 4"),
}


@pytest.mark.parametrize(("text", "message"), BAD_DETECTIONS.values(), ids=BAD_DETECTIONS)
def test_a_bad_detection_file_is_one_line_with_file_and_place(
    faimtrack, make_sequence, complaint, tmp_path, text, message
):
    sequence = make_sequence(detections=text)
    done = faimtrack("track", sequence, "--output", "out")
    assert done.status == 1
    assert message in complaint(done.err)
    assert str(sequence / "det" / "det.txt") in complaint(done.err)
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("out/*"))


def test_rows_beyond_the_end_are_told_whatever_the_split(faimtrack, make_sequence, complaint):
    sequence = make_sequence(detections=GOOD + "21,-1,1,10,12,30,1\n")
    done = faimtrack("track", sequence, "--split", "train-half")
    assert "expected frames up to 20" in complaint(done.err)


def test_a_bad_detection_file_keeps_the_result_of_an_earlier_run(
    faimtrack, make_sequence, tmp_path
):
    sequence = make_sequence()
    faimtrack("track", sequence, "--output", "out")
    before = (tmp_path / "out" / "walk.txt").read_bytes()
    (sequence / "det" / "det.txt").write_text(BAD_DETECTIONS["nan"][0])
    for option in ("--overwrite", "--resume"):
        assert faimtrack("track", sequence, "--output", "out", option).status == 1
        assert (tmp_path / "out" / "walk.txt").read_bytes() == before


def test_an_empty_detection_file_is_an_answer_if_the_user_says_so(
    faimtrack, make_sequence, tmp_path
):
    done = faimtrack("track", make_sequence(detections=""), "--output", "out", "--allow-empty")
    assert done.status == 0
    assert "faimtrack: warning: walk: not a single detection in any frame" in done.err
    assert (tmp_path / "out" / "walk.txt").read_bytes() == b""
    assert (tmp_path / "out" / "walk.txt.json").exists()


def test_no_detection_in_the_split_is_an_empty_result_with_a_warning(
    faimtrack, make_sequence, tmp_path
):
    done = faimtrack(
        "track", make_sequence(detections=GOOD), "--split", "val-half", "--output", "out"
    )
    assert done.status == 0
    assert "warning: walk: not a single detection in any frame; the result is empty" in done.err
    assert (tmp_path / "out" / "walk.txt").read_bytes() == b""


def test_detections_too_weak_for_a_track_are_an_empty_result_with_a_warning(
    faimtrack, make_sequence, tmp_path
):
    sequence = make_sequence(detections=GOOD.replace("0.9", "0.2"))
    done = faimtrack("track", sequence, "--output", "out")
    assert done.status == 0
    assert "warning: walk: the detections gave no track; the result is empty" in done.err


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_bad_sequence_among_many_is_reported_and_the_others_go_on(
    faimtrack, make_sequence, complaint, tmp_path, jobs
):
    make_sequence("a")
    make_sequence("b", detections=BAD_DETECTIONS["nan"][0])
    make_sequence("c")
    done = faimtrack("track", "data", "--output", "out", "--jobs", jobs)
    assert done.status == 1
    assert complaint(done.err).startswith("b: ")
    assert "line 4: expected a finite left, got nan" in complaint(done.err)
    assert "faimtrack: 1 of 3 sequences failed; the others are whole" in done.err
    assert done.out == "tracks: 2 files in out\n"
    assert sorted(path.name for path in tmp_path.glob("out/*.txt")) == ["a.txt", "c.txt"]
    # Once it is mended, the rest is done and nothing is done twice.
    good = (tmp_path / "data" / "a" / "det" / "det.txt").read_bytes()
    (tmp_path / "data" / "b" / "det" / "det.txt").write_bytes(good)
    done = faimtrack("track", "data", "--output", "out", "--resume")
    assert done.status == 0
    assert done.err.count("kept") == 2
    assert (tmp_path / "out/a.txt").read_bytes() == (tmp_path / "out/b.txt").read_bytes()


def test_a_broken_seqinfo_fails_its_own_sequence_only(faimtrack, make_sequence, complaint):
    make_sequence("a")
    (make_sequence("b") / "seqinfo.ini").write_text("[Sequence]\nseqLength=many\n")
    done = faimtrack("track", "data", "--output", "out")
    assert done.status == 1
    assert "expected seqLength to be a number, got 'many'" in complaint(done.err)
    assert done.out == "tracks: out/a.txt\n"


# Pixels


def test_a_truncated_image_in_mid_sequence_keeps_the_frames_before_it(
    faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence(images=True)
    image = sequence / "img1" / "000012.jpg"
    image.write_bytes(image.read_bytes()[:-100])
    done = faimtrack("track", sequence, "--output", "out", "--video")
    assert done.status == 1
    said = complaint(done.err)
    assert "000012.jpg: expected a whole image, got one that is cut off" in said
    assert "frames 1 to 11 are kept in out/walk.txt.partial" in said
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["walk.partial.mp4", "walk.txt.partial"]
    assert read_mot(tmp_path / "out" / "walk.txt.partial", "results").last_frame == 11
    # Who only wants tracks does not need the pixels.
    assert faimtrack("track", sequence, "--output", "out").status == 0


def test_after_the_image_is_mended_the_partial_files_are_gone(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(images=True)
    image = sequence / "img1" / "000012.jpg"
    whole = image.read_bytes()
    image.write_bytes(whole[:-100])
    faimtrack("track", sequence, "--output", "out", "--video")
    image.write_bytes(whole)
    assert faimtrack("track", sequence, "--output", "out", "--video").status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "walk.mp4",
        "walk.mp4.json",
        "walk.txt",
        "walk.txt.json",
    ]


def test_a_missing_image_is_an_error_only_if_somebody_looks(
    faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence(images=True)
    (sequence / "img1" / "000005.jpg").unlink()
    assert faimtrack("track", sequence, "--output", "out").status == 0
    done = faimtrack("track", sequence, "--output", "seen", "--video")
    assert done.status == 1
    assert "000005.jpg: expected the image of frame 5, got no such file" in complaint(done.err)


def test_frames_of_different_sizes_are_an_error_that_names_the_frame(
    faimtrack, make_sequence, complaint
):
    sequence = make_sequence(images=True)
    cv2.imwrite(str(sequence / "img1" / "000007.jpg"), np.zeros((32, 32, 3), np.uint8))
    done = faimtrack("track", sequence, "--output", "out", "--video")
    assert done.status == 1
    assert "000007.jpg: expected 128 x 64 pixels" in complaint(done.err)
    assert "got 32 x 32 in frame 7" in complaint(done.err)


@pytest.fixture
def clip(faimtrack, make_sequence, tmp_path):
    """A video and its detections."""
    sequence = make_sequence(images=True)
    assert faimtrack("track", sequence, "--output", "made", "--video", "clip.mp4").status == 0
    return tmp_path / "clip.mp4", ["--detections", sequence / "det" / "det.txt"]


def test_a_video_that_ends_early_is_an_error_that_keeps_its_frames(
    faimtrack, clip, complaint, tmp_path
):
    video, detections = clip
    data = video.read_bytes()
    # The index of frames is at the front, so only pictures are lost.
    video.write_bytes(data[: int(len(data) * 0.7)])
    done = faimtrack("track", video, *detections, "--output", "out")
    assert done.status == 1
    said = complaint(done.err)
    assert "clip.mp4: expected 20 frames, the video ends after" in said
    assert "are kept in out/clip.txt.partial" in said
    assert not (tmp_path / "out" / "clip.txt").exists()


@pytest.mark.parametrize("content", [b"", b"not a video at all", b"\x00" * 5000])
def test_a_video_without_frames_is_an_error(faimtrack, clip, complaint, content):
    video, detections = clip
    video.write_bytes(content)
    done = faimtrack("track", video, *detections, "--output", "out")
    assert done.status == 1
    assert "clip.mp4: expected a video" in complaint(done.err)


def test_more_detections_than_frames_are_an_error(faimtrack, clip, complaint, tmp_path):
    video, _ = clip
    (tmp_path / "dets.txt").write_text(GOOD + "25,-1,6,10,12,30,0.9\n")
    done = faimtrack("track", video, "--detections", "dets.txt", "--output", "out")
    assert done.status == 1
    assert "line 4: expected frames up to 20" in complaint(done.err)


def test_a_video_without_detections_says_how_to_get_some(faimtrack, clip, complaint):
    done = faimtrack("track", clip[0], "--output", "out")
    assert done.status == 1
    assert "clip: expected detections, got none: name a file" in complaint(done.err)
    assert "--detector NAME or FILE" in complaint(done.err)


def test_a_sequence_without_detections_says_so(faimtrack, make_sequence, complaint):
    done = faimtrack("track", make_sequence(detections=None), "--output", "out")
    assert done.status == 1
    assert "walk: expected det/det.txt, got none" in complaint(done.err)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x01" * 50])
def test_a_detector_that_is_no_model_is_one_line(
    faimtrack, make_sequence, complaint, tmp_path, content
):
    (tmp_path / "model.onnx").write_bytes(content)
    sequence = make_sequence(images=True)
    done = faimtrack("track", sequence, "--detector", "model.onnx", "--output", "out")
    assert done.status == 1
    assert "model.onnx" in complaint(done.err)
    assert "Traceback" not in done.err


# Folders and disks


def test_a_source_that_is_nowhere_is_one_line(faimtrack, complaint):
    done = faimtrack("track", "nowhere.mp4", "--output", "out")
    assert done.status == 1
    assert complaint(done.err).startswith("nowhere.mp4: expected a sequence folder, images, a vid")


def test_an_empty_folder_is_one_line(faimtrack, complaint, tmp_path):
    (tmp_path / "empty").mkdir()
    done = faimtrack("track", "empty", "--output", "out")
    assert done.status == 1
    assert complaint(done.err) == "empty: expected images or a seqinfo.ini, got neither"


@pytest.mark.parametrize("name", ["", "det/det.txt", "seqinfo.ini"])
def test_what_may_not_be_read_fails_its_own_sequence_only(
    faimtrack, make_sequence, complaint, monkeypatch, name
):
    make_sequence("a")
    locked = make_sequence("b") / name
    real_open, real_stat = Path.open, Path.stat

    # The tests may run as root, who reads everything: so the system's refusal is played.
    def refuse(path):
        if locked in (path.absolute(), *(path.absolute().parents if not name else ())):
            raise PermissionError(13, "Permission denied", str(path))

    def open_or_refuse(path, *arguments, **keywords):
        refuse(path)
        return real_open(path, *arguments, **keywords)

    def stat_or_refuse(path, **keywords):
        if not name and path.absolute() != locked:
            refuse(path)
        return real_stat(path, **keywords)

    monkeypatch.setattr(Path, "open", open_or_refuse)
    monkeypatch.setattr(Path, "stat", stat_or_refuse)
    done = faimtrack("track", "data/a", "data/b", "--output", "out")
    assert done.status == 1
    assert complaint(done.err).startswith("b: data/b")
    assert "Permission denied" in complaint(done.err)
    assert done.out == "tracks: out/a.txt\n"


def test_an_output_folder_that_is_a_file_is_one_line(
    faimtrack, make_sequence, complaint, tmp_path
):
    (tmp_path / "out").write_text("mine")
    done = faimtrack("track", make_sequence(), "--output", "out")
    assert done.status == 1
    assert "out" in complaint(done.err)
    assert (tmp_path / "out").read_text() == "mine"


def test_a_full_disk_is_one_line_and_keeps_what_there_was(start, make_sequence, tmp_path):
    sequence = make_sequence(frames=400, detections=None)
    rows = [f"{i},-1,{k * 30},10,20,40,0.9" for i in range(1, 401) for k in range(4)]
    (sequence / "det" / "det.txt").write_text("\n".join(rows) + "\n")

    def small_disk():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    out = tmp_path / "out"
    out.mkdir()
    (out / "walk.txt").write_text("old\n")
    process = start("track", sequence, "--output", out, "--overwrite", preexec_fn=small_disk)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    (line,) = [line for line in err.splitlines() if "error" in line]
    partial = out / "walk.txt.partial"
    assert f"error: {partial}: File too large; frames 1 to " in line
    assert "are kept in" in line
    assert (out / "walk.txt").read_text() == "old\n"
    kept = partial.read_text()
    assert kept.endswith("\n")
    assert kept.count("\n") > 300
    assert all(row.count(",") == 9 for row in kept.splitlines())
    last = kept.splitlines()[-1].split(",")[0]
    assert f"frames 1 to {last} are kept" in line


@pytest.mark.parametrize("video", [False, True])
def test_no_space_left_while_writing_is_one_line(
    faimtrack, make_sequence, complaint, monkeypatch, tmp_path, video
):
    from faimtrack.pipeline.sinks import TrackFile, TrackVideo

    def full(self, frame, detections, tracks):
        if frame.index == 9:
            raise OSError(28, "No space left on device", str(self.partial_path))
        written(self, frame, detections, tracks)

    kind = TrackVideo if video else TrackFile
    written = kind.write
    monkeypatch.setattr(kind, "write", full)
    done = faimtrack("track", make_sequence(images=True), "--output", "out", "--video")
    assert done.status == 1
    said = complaint(done.err)
    assert "No space left on device" in said
    assert "frames 1 to 8 are kept in out/walk.txt.partial" in said
    assert not (tmp_path / "out" / "walk.txt").exists()
    assert not (tmp_path / "out" / "walk.mp4").exists()


def test_a_video_that_cannot_be_finished_leaves_no_text_under_its_final_name(
    faimtrack, make_sequence, complaint, monkeypatch, tmp_path
):
    from faimtrack.video import VideoWriter

    def full(self):
        # As the real one does, it lets go of the file before it tells.
        raise self._abandon(OSError(28, "No space left on device", "out/walk.mp4"))

    monkeypatch.setattr(VideoWriter, "close", full)
    done = faimtrack("track", make_sequence(images=True), "--output", "out", "--video")
    assert done.status == 1
    assert "frames 1 to 20 are kept in out/walk.txt.partial" in complaint(done.err)
    assert (tmp_path / "out" / "walk.txt.partial").read_text()
    assert not (tmp_path / "out" / "walk.txt").exists()


def test_a_fault_of_ours_is_one_line_unless_asked_for_more(
    faimtrack, make_sequence, complaint, monkeypatch
):
    from faimtrack.trackers import ByteTrack

    def broken(self, *arguments):
        raise KeyError("x")

    monkeypatch.setattr(ByteTrack, "update", broken)
    done = faimtrack("track", make_sequence("a"), make_sequence("b"), "--output", "out")
    assert done.status == 1
    assert done.err.count("KeyError: 'x'") == 2
    assert "Traceback" not in done.err
    monkeypatch.setenv("FAIMTRACK_DEBUG", "1")
    assert "Traceback" in faimtrack("track", "data/a", "--output", "out").err


# Interrupted and killed

SLOW = """
    import signal, sys, time
    from faimtrack.trackers import ByteTrack

    # Tests that run in the background of a shell inherit a Ctrl-C that is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    update = ByteTrack.update

    def slow(self, detections, frame=None):
        if frame.index == 12:
            print("half way", flush=True)
            time.sleep(60)
        return update(self, detections, frame)

    {guard}
        ByteTrack.update = slow
    from faimtrack.cli.main import run
    run(sys.argv[1:])
"""


def slow_code(only=None):
    guard = "if True:" if only is None else f"if {only}:"
    return textwrap.dedent(SLOW).format(guard=guard)


def test_ctrl_c_is_one_line_with_status_130_and_keeps_frames(start, make_sequence, tmp_path):
    process = start("track", make_sequence(), "--output", "out", code=slow_code())
    assert process.stdout.readline() == "half way\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "faimtrack: error: interrupted; --resume does the rest\n"
    kept = read_mot(tmp_path / "out" / "walk.txt.partial", "results")
    assert kept.last_frame == 11
    assert not (tmp_path / "out" / "walk.txt").exists()


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_killed_run_resumed_gives_the_bytes_of_one_never_stopped(
    faimtrack, start, make_sequence, tmp_path, jobs
):
    for name in ("a", "b", "c"):
        make_sequence(name, images=True)
    faimtrack("track", "data", "--output", "whole", "--video")
    code = textwrap.dedent("""
        import sys, time
        from faimtrack.pipeline import sinks

        write = sinks.TrackFile.write

        def slow(self, frame, detections, tracks):
            write(self, frame, detections, tracks)
            if self.path.name == "b.txt" and frame.index == 12:
                print("half way", flush=True)
                time.sleep(60)

        sinks.TrackFile.write = slow
        from faimtrack.cli.main import run
        if __name__ == "__main__":
            run(sys.argv[1:])
    """)
    script = tmp_path / "slow.py"
    script.write_text(code)
    process = start(
        "track", "data", "--output", "out", "--video", "--jobs", jobs,
        code=f"import runpy, sys; sys.argv[0] = {str(script)!r}; "
        f"runpy.run_path({str(script)!r}, run_name='__main__')" if jobs == 1 else None,
    )  # fmt: skip
    if jobs == 1:
        assert process.stdout.readline() == "half way\n"
    else:
        wait_for(tmp_path / "out" / "a.txt.json")
    process.kill()
    process.communicate(timeout=20)
    if jobs == 1:
        assert (tmp_path / "out" / "a.txt").exists()
        assert not (tmp_path / "out" / "b.txt").exists()
        assert read_mot(tmp_path / "out" / "b.txt.partial", "results").last_frame == 12
    done = faimtrack("track", "data", "--output", "out", "--video", "--resume", "--jobs", jobs)
    assert done.status == 0, done.err
    assert "a  finished before; kept" in done.err
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    for name in names:
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def wait_for(path, seconds=30):
    end = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)
