import json
import os
import shutil
import signal
import textwrap

import cv2
import numpy as np
import pytest

from faimtrack.detectors.files import SUFFIXES, read_detections
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.video import open_source

FORMATS = sorted(SUFFIXES)
FORMAT_SUFFIXES = [(kind, SUFFIXES[kind]) for kind in FORMATS]


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def nano(shared_data):
    return ["--detector", shared_data / "models" / "yolox_nano.onnx"]


@pytest.fixture
def clip(shared_data, tmp_path):
    """The first frames of a real video, as a sequence folder and without a loss."""

    def make(name="clip", frames=6):
        folder = tmp_path / "data" / name
        (folder / "img1").mkdir(parents=True)
        (folder / "seqinfo.ini").write_text(
            f"[Sequence]\nname={name}\nframeRate=25\nseqLength={frames}\nimExt=.png\n"
            "imWidth=1280\nimHeight=720\n"
        )
        with open_source(shared_data / "video" / "snakeboard.mp4") as source:
            for frame, _ in zip(source, range(frames), strict=False):
                picture = cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
                path = folder / "img1" / f"{frame.index:06d}.png"
                cv2.imwrite(str(path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 0])
        return folder

    return make


# Without a network: detections in another format


@pytest.mark.parametrize(("kind", "suffix"), FORMAT_SUFFIXES)
def test_detections_are_written_with_a_sidecar(faimtrack, make_sequence, tmp_path, kind, suffix):
    sequence = make_sequence()
    done = faimtrack("detect", sequence, "--format", kind, "--output", "out")
    assert (done.status, done.out) == (0, f"detections: out/walk{suffix}\n")
    assert "[1/1] walk  20 frames, 40 detections," in done.err
    assert names_in(tmp_path / "out") == [f"walk{suffix}", f"walk{suffix}.json"]
    table = read_detections(tmp_path / "out" / f"walk{suffix}")
    assert len(table) == 40
    assert table.contents.frames == ((1, 20),)
    record = read_provenance(tmp_path / "out" / f"walk{suffix}")
    assert record.kind == "detections"
    assert record.inputs["detections"] == file_sha256(sequence / "det" / "det.txt")
    assert record.configuration == {"classes": [], "format": kind, "split": "full"}
    assert (record.split, record.numbering) == ("full", "kept")


def test_without_output_and_format_it_is_text_in_a_folder_that_is_named(faimtrack, make_sequence):
    done = faimtrack("detect", make_sequence())
    assert done.out == "detections: faimtrack-detections/walk.txt\n"


@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_many_sequences_are_detected_and_tracked_by_folder(
    faimtrack, make_sequence, tmp_path, jobs
):
    for name in ("a", "b", "c"):
        make_sequence(name)
    options = ["--format", "parquet", "--output", "dets", "--jobs", jobs]
    done = faimtrack("detect", "data", *options)
    assert (done.status, done.out) == (0, "detections: 3 files in dets\n")
    faimtrack("track", "data", "--output", "one")
    done = faimtrack("track", "data", "--detections", "dets", "--output", "two", "--jobs", jobs)
    assert done.status == 0, done.err
    for name in ("a", "b", "c"):
        one, two = (tmp_path / folder / f"{name}.txt" for folder in ("one", "two"))
        assert one.read_bytes() == two.read_bytes() != b""


def test_a_split_of_detections_keeps_its_frame_numbers(
    faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence()
    options = ["--split", "val-half", "--output", "out", "--set", "numbering=from-1"]
    assert faimtrack("detect", sequence, *options).status == 0
    table = read_detections(tmp_path / "out" / "walk.txt")
    assert (table.frames.min(), table.frames.max()) == (12, 20)
    assert table.contents.frames == ((12, 20),)
    half = ["--detections", "out", "--split", "val-half"]
    assert faimtrack("track", sequence, *half, "--output", "half").status == 0
    done = faimtrack("track", sequence, "--detections", "out", "--output", "all")
    assert done.status == 1
    expected = "out/walk.txt: expected detections of frames 1 to 20, got those of 12 to 20"
    assert complaint(done.err) == expected


def test_empty_frames_were_looked_at(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(detections="")
    done = faimtrack("detect", sequence, "--allow-empty", "--output", "out")
    assert done.status == 0
    assert "warning: walk: not a single detection in any frame" in done.err
    assert (tmp_path / "out" / "walk.txt").read_bytes() == b""
    # No --allow-empty: the sidecar tells that all frames were looked at.
    assert faimtrack("track", sequence, "--detections", "out", "--output", "t").status == 0


@pytest.mark.parametrize(("kind", "suffix"), FORMAT_SUFFIXES)
def test_resume_keeps_refuses_and_overwrites_as_track_does(
    faimtrack, make_sequence, complaint, tmp_path, kind, suffix
):
    sequence = make_sequence()
    out = ["--output", "out", "--format", kind]
    path = tmp_path / "out" / f"walk{suffix}"
    faimtrack("detect", sequence, *out)
    whole, made = path.read_bytes(), path.stat().st_mtime_ns
    done = faimtrack("detect", sequence, *out)
    assert done.status == 1
    assert complaint(done.err).startswith(f"out/walk{suffix}: already there; --resume keeps")
    assert "kept" in faimtrack("detect", sequence, *out, "--resume").err
    assert path.stat().st_mtime_ns == made

    path.write_bytes(whole[:-20])
    done = faimtrack("detect", sequence, *out, "--resume")
    assert f"detected again: walk{suffix} is not the file that its sidecar describes" in done.err
    assert path.read_bytes() == whole
    done = faimtrack("detect", sequence, *out, "--resume", "--split", "train-half")
    assert "detected again: it was made with another configuration.split, split" in done.err
    assert faimtrack("detect", sequence, *out, "--overwrite").status == 0
    assert path.read_bytes() == whole


def test_an_output_never_replaces_what_is_read(faimtrack, make_sequence, complaint, tmp_path):
    sequence = make_sequence()
    shutil.copy(sequence / "det" / "det.txt", tmp_path / "walk.txt")
    options = ["--detections", "walk.txt", "--output", ".", "--overwrite"]
    done = faimtrack("detect", sequence, *options)
    assert done.status == 1
    assert complaint(done.err) == "walk.txt: expected an output of its own, got an input's name"


def test_two_files_of_one_sequence_in_a_folder_of_detections_are_refused(
    faimtrack, make_sequence, complaint
):
    sequence = make_sequence()
    for kind in ("mot", "coco"):
        faimtrack("detect", sequence, "--format", kind, "--output", "dets")
    done = faimtrack("track", sequence, "--detections", "dets", "--output", "out")
    assert done.status == 1
    expected = "dets: expected one file of detections for walk, got walk.txt and walk.json"
    assert complaint(done.err) == expected


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--format", "xml"], 2, "'xml' is not one of 'mot', 'coco', 'parquet'"),
        (["--resume", "--overwrite"], 2, "expected either --resume or --overwrite, got both"),
        (["--classes", "a,,b"], 2, "expected names between commas"),
        (["--classes", "a,b"], 1, "expected one name for"),
        (["--detections", "nothing.json"], 1, "nothing.json: No such file or directory"),
        (["--set", "score_treshold=1"], 1, "unknown key"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_line(
    faimtrack, make_sequence, complaint, tmp_path, arguments, status, message
):
    done = faimtrack("detect", make_sequence(), "--output", "out", *arguments)
    assert done.status == status
    assert message in complaint(done.err)
    assert not list(tmp_path.glob("out/*"))


@pytest.mark.parametrize(("kind", "suffix"), FORMAT_SUFFIXES)
def test_frames_before_an_error_are_kept_and_can_be_read(
    faimtrack, make_sequence, complaint, monkeypatch, tmp_path, kind, suffix
):
    from faimtrack.detectors.recorded import RecordedDetections

    answer = RecordedDetections.answer

    def broken(self, frame):
        if frame == 12:
            raise ValueError("the detector is broken")
        return answer(self, frame)

    sequence = make_sequence()
    monkeypatch.setattr(RecordedDetections, "answer", broken)
    done = faimtrack("detect", sequence, "--format", kind, "--output", "out")
    assert done.status == 1
    assert complaint(done.err) == (
        f"the detector is broken; frames 1 to 11 are kept in out/walk{suffix}.partial"
    )
    assert names_in(tmp_path / "out") == [f"walk{suffix}.partial"]
    kept = read_detections(tmp_path / "out" / f"walk{suffix}.partial")
    assert kept.frames.max() == 11
    monkeypatch.undo()
    os.chdir(tmp_path)
    assert faimtrack("detect", sequence, "--format", kind, "--output", "out").status == 0
    assert names_in(tmp_path / "out") == [f"walk{suffix}", f"walk{suffix}.json"]


SLOW = """
    import signal, sys, time
    from faimtrack.detectors.recorded import RecordedDetections

    signal.signal(signal.SIGINT, signal.default_int_handler)
    answer = RecordedDetections.answer

    def slow(self, frame):
        if frame == 12:
            print("half way", flush=True)
            time.sleep(60)
        return answer(self, frame)

    RecordedDetections.answer = slow
    from faimtrack.cli.main import run
    run(sys.argv[1:])
"""


@pytest.mark.parametrize("kind", ["mot", pytest.param("parquet", marks=pytest.mark.slow)])
def test_ctrl_c_keeps_frames(start, make_sequence, tmp_path, kind):
    options = ["--format", kind, "--output", "out"]
    process = start("detect", make_sequence(), *options, code=textwrap.dedent(SLOW))
    assert process.stdout.readline() == "half way\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == "faimtrack: error: interrupted; --resume does the rest\n"
    (partial,) = (tmp_path / "out").iterdir()
    assert read_detections(partial).frames.max() == 11


def test_a_killed_run_leaves_the_lines_of_its_frames(start, make_sequence, tmp_path):
    process = start("detect", make_sequence(), "--output", "out", code=textwrap.dedent(SLOW))
    assert process.stdout.readline() == "half way\n"
    process.kill()
    process.communicate(timeout=20)
    assert read_detections(tmp_path / "out" / "walk.txt.partial").frames.max() == 11


# Detections of other frames


def test_a_replay_of_other_frames_is_refused(faimtrack, make_sequence, complaint, tmp_path):
    sequence = make_sequence(images=True)
    other = make_sequence("other", images=True)
    faimtrack("detect", sequence, "--output", "dets")
    # Of text alone no hash is known; the name is.
    done = faimtrack("track", other, "--detections", "dets/walk.txt", "--output", "out")
    assert done.status == 1
    assert complaint(done.err) == "dets/walk.txt: expected detections of other, got those of walk"
    ini = sequence / "seqinfo.ini"
    ini.write_text(ini.read_text().replace("imWidth=128", "imWidth=129"))
    done = faimtrack("track", sequence, "--detections", "dets", "--output", "out")
    assert complaint(done.err) == (
        "dets/walk.txt: expected detections in 129 x 64 pixels as walk has, got them in 128 x 64"
    )


def test_a_replay_of_frames_that_have_changed_is_refused(
    faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence(images=True)
    faimtrack("track", sequence, "--output", "made", "--video", "clip.mp4")
    det = ["--detections", sequence / "det" / "det.txt"]
    faimtrack("detect", "clip.mp4", *det, "--output", "dets", "--format", "parquet")
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "renamed.mp4")
    replay = ["--detections", "dets/clip.parquet", "--output", "out"]
    assert faimtrack("track", "renamed.mp4", *replay).status == 0  # the same frames
    cv2.imwrite(str(sequence / "img1" / "000003.jpg"), np.zeros((64, 128, 3), np.uint8))
    faimtrack("track", sequence, "--output", "again", "--video", "clip.mp4", "--overwrite")
    for left_over in (None, "dets/clip.parquet.json"):
        if left_over is not None:
            (tmp_path / left_over).unlink()  # Parquet has it inside as well
        done = faimtrack("track", "clip.mp4", *replay)
        assert done.status == 1
        said = complaint(done.err)
        assert "expected detections of the frames of clip.mp4, got those of other frames" in said


# With a network


def test_tracks_from_any_file_are_those_of_the_detector_byte_for_byte(
    faimtrack, clip, nano, tmp_path
):
    sequence = clip()
    done = faimtrack("track", sequence, *nano, "--output", "net", "--cache", "cache")
    assert done.status == 0, done.err
    expected = (tmp_path / "net" / "clip.txt").read_bytes()
    assert expected.count(b"\n") > 10
    for kind, suffix in FORMAT_SUFFIXES:
        done = faimtrack("detect", sequence, *nano, "--format", kind, "--output", f"d-{kind}")
        assert done.status == 0, done.err
        file = tmp_path / f"d-{kind}" / f"clip{suffix}"
        for number, option in enumerate(("--detections", "--detector")):
            out = f"t-{kind}-{number}"
            done = faimtrack("track", sequence, option, file, "--output", out)
            assert done.status == 0, done.err
            assert (tmp_path / out / "clip.txt").read_bytes() == expected
        record = read_provenance(tmp_path / out / "clip.txt")
        of_network = read_provenance(tmp_path / "net" / "clip.txt")
        assert record.weights == of_network.weights
        assert record.inputs["frames"] == of_network.inputs["frames"]
        made = record.configuration["detections"]
        assert made["detector"] == of_network.configuration["detector"]
    # From one format to the other, and only some of the classes.
    options = ["--detections", "d-coco", "--format", "parquet", "--classes", "person"]
    assert faimtrack("detect", sequence, *options, "--output", "some").status == 0
    table = read_detections(tmp_path / "some" / "clip.parquet")
    assert table.class_names == ("person",)
    assert read_provenance(tmp_path / "some" / "clip.parquet").weights == of_network.weights
    for out, options in (
        ("p-net", [*nano, "--classes", "person"]),
        ("p-all", ["--detections", "d-mot", "--classes", "person"]),
        ("p-some", ["--detections", "some"]),
    ):
        assert faimtrack("track", sequence, *options, "--output", out).status == 0
        rows = (tmp_path / out / "clip.txt").read_bytes()
        assert rows == (tmp_path / "p-net" / "clip.txt").read_bytes() != expected


def test_detections_of_some_classes_keep_their_numbers(faimtrack, clip, nano, tmp_path):
    sequence = clip(frames=2)
    options = [*nano, "--classes", "person,skateboard", "--output", "out"]
    assert faimtrack("detect", sequence, *options).status == 0
    rows = (tmp_path / "out" / "clip.txt").read_text().splitlines()
    assert {row.split(",")[7] for row in rows} <= {"1", "37"}
    record = json.loads((tmp_path / "out" / "clip.txt.json").read_text())
    assert record["contents"]["class_names"][36] == "skateboard"


def test_a_crowd_tracks_alike_from_every_format(faimtrack, tmp_path):
    size = ["--frames", "30", "--people", "40", "--size", "640x360"]
    assert faimtrack("crowd", "crowd", *size, "--seed", "4", "--no-images").status == 0
    assert faimtrack("track", "crowd", "--output", "one").status == 0
    expected = (tmp_path / "one" / "crowd.txt").read_bytes()
    for kind in FORMATS:
        faimtrack("detect", "crowd", "--format", kind, "--output", f"d-{kind}")
        out = ["--detections", f"d-{kind}", "--output", f"t-{kind}"]
        assert faimtrack("track", "crowd", *out).status == 0
        assert (tmp_path / f"t-{kind}" / "crowd.txt").read_bytes() == expected


# Caches


def cached(folder):
    return sorted(path.name for path in folder.glob("*"))


def test_a_second_run_replays_what_the_detector_found(
    faimtrack, clip, nano, monkeypatch, tmp_path
):
    from faimtrack.pipeline.loader import NetworkLoader

    sequence = clip(frames=3)
    cache = ["--cache", "kept"]
    assert faimtrack("track", sequence, *nano, "--output", "one", *cache).status == 0
    (name,) = cached(tmp_path / "kept")
    assert name.startswith("clip-")
    assert name.endswith(".parquet")

    def never(*arguments):
        raise AssertionError("the network was loaded")

    monkeypatch.setattr(NetworkLoader, "load", never)
    done = faimtrack("track", sequence, *nano, "--output", "two", *cache)
    assert done.status == 0, done.err
    assert f"faimtrack: clip: detections replayed from kept/{name}\n" in done.err
    for each in ("clip.txt", "clip.txt.json"):
        assert (tmp_path / "one" / each).read_bytes() == (tmp_path / "two" / each).read_bytes()
    # What is tracked how does not matter.
    other = ["--tracker", "sort", "--numbering", "from-1", "--output", "three"]
    assert "replayed" in faimtrack("track", sequence, *nano, *other, *cache).err


def test_what_is_kept_of_other_settings_frames_or_weights_is_not_used(
    faimtrack, clip, nano, shared_data, tmp_path
):
    sequence = clip(frames=3)
    run = ["track", sequence, "--output", "out", "--overwrite", "--cache", "kept"]
    faimtrack(*run, *nano)

    def said(*options):
        done = faimtrack(*run, *options)
        assert done.status == 0, done.err
        return done.err

    again = "clip: detected again: what is kept was made with another"
    threshold = "configuration.detector.score_threshold"
    assert f"{again} {threshold}\n" in said(*nano, "--set", "score_threshold=0.3")
    assert f"{again} configuration.classes\n" in said(*nano, "--classes", "person")
    assert f"{again} split\n" in said(*nano, "--split", "val-half")
    # The same weights by another name are the same; others by the same name are not.
    shutil.copy(nano[1], tmp_path / "model.onnx")
    assert "replayed" in said("--detector", "model.onnx")
    with (tmp_path / "model.onnx").open("ab") as file:
        file.write(b"\x72\x00")  # an empty field that no reader looks at
    assert f"{again} weights.detector\n" in said("--detector", "model.onnx")
    picture = sequence / "img1" / "000001.png"
    cv2.imwrite(str(picture), np.zeros((720, 1280, 3), np.uint8))
    assert f"{again} inputs.frames\n" in said(*nano)
    assert len(cached(tmp_path / "kept")) == 6


def test_what_is_kept_but_damaged_is_told_and_made_anew(faimtrack, clip, nano, tmp_path):
    sequence = clip(frames=2)
    run = ["track", sequence, *nano, "--output", "out", "--overwrite", "--cache", "kept"]
    faimtrack(*run)
    (path,) = (tmp_path / "kept").iterdir()
    tracks, whole = (tmp_path / "out" / "clip.txt").read_bytes(), path.read_bytes()
    damages = [whole[:-9], b"", whole[:300] + b"????" + whole[304:], b"not a table"]
    for damage in damages:
        path.write_bytes(damage)
        done = faimtrack(*run)
        assert done.status == 0, done.err
        assert "warning: clip: detected again, for what was kept is no good: kept/" in done.err
        assert path.read_bytes() == whole
        assert (tmp_path / "out" / "clip.txt").read_bytes() == tracks
    # Another sequence's, under this one's name.
    other = ["--set", "score_threshold=0.4"]
    faimtrack(*run, *other)
    (second,) = set((tmp_path / "kept").iterdir()) - {path}
    path.write_bytes(second.read_bytes())
    assert "it was made with another configuration.detector.score_thresh" in faimtrack(*run).err


def test_a_run_that_fails_leaves_nothing_in_the_cache(faimtrack, clip, nano, complaint, tmp_path):
    sequence = clip(frames=4)
    picture = sequence / "img1" / "000003.png"
    picture.write_bytes(picture.read_bytes()[:2000])
    done = faimtrack("track", sequence, *nano, "--output", "out", "--cache", "kept")
    assert done.status == 1
    assert "frames 1 to 2 are kept in out/clip.txt.partial" in complaint(done.err)
    assert cached(tmp_path / "kept") == []


def test_a_cache_without_a_detector_makes_no_sense(faimtrack, make_sequence, complaint):
    done = faimtrack("track", make_sequence(), "--cache", "kept")
    assert done.status == 1
    expected = "kept: expected a detector whose answers can be kept, got none"
    assert complaint(done.err) == expected
