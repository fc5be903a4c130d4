import json
import shutil

import av
import pytest

from faimtrack.motfile import read_mot
from faimtrack.provenance import file_sha256, read_provenance

# The issue's own tolerance for reference files; tracks made anew meet it as well.
TRACKED_AGAIN = 1e-9


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_sequence_becomes_a_file_in_ten_columns_with_a_sidecar(
    faimtrack, make_sequence, tmp_path
):
    sequence = make_sequence()
    done = faimtrack("track", sequence, "--output", "out")
    assert (done.status, done.out) == (0, "tracks: out/walk.txt\n")
    assert "[1/1] walk  20 frames, 2 tracks," in done.err
    assert names_in(tmp_path / "out") == ["walk.txt", "walk.txt.json"]
    rows = (tmp_path / "out" / "walk.txt").read_text().splitlines()
    assert len(rows) == 40
    assert rows[0] == "1,1,2.00,10.00,12.00,30.00,0.9,-1,-1,-1"
    record = read_provenance(tmp_path / "out" / "walk.txt")
    assert record.kind == "tracks"
    assert record.inputs == {
        "detections": file_sha256(sequence / "det" / "det.txt"),
        "seqinfo": file_sha256(sequence / "seqinfo.ini"),
    }
    assert record.configuration["tracker"]["name"] == "bytetrack"
    assert (record.split, record.numbering, record.mode) == ("full", "kept", "online")


def test_without_output_the_results_are_in_a_folder_that_is_named(faimtrack, make_sequence):
    done = faimtrack("track", make_sequence())
    assert done.out == "tracks: faimtrack-results/walk.txt\n"


def test_the_same_command_gives_the_same_bytes_anywhere(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(images=True)
    moved = shutil.copytree(sequence, tmp_path / "elsewhere" / "walk")
    faimtrack("track", sequence, "--output", "one", "--video")
    faimtrack("track", moved, "--output", "two", "--video")
    assert names_in(tmp_path / "one") == [
        "walk.mp4",
        "walk.mp4.json",
        "walk.txt",
        "walk.txt.json",
    ]
    for name in names_in(tmp_path / "one"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_folder_of_sequences_stands_for_all_of_them(faimtrack, make_sequence, tmp_path, jobs):
    for name in ("a", "b", "c"):
        make_sequence(name)
    done = faimtrack("track", "data", "--output", "out", "--jobs", jobs)
    assert (done.status, done.out) == (0, "tracks: 3 files in out\n")
    assert [name for name in names_in(tmp_path / "out") if name.endswith(".txt")] == [
        "a.txt",
        "b.txt",
        "c.txt",
    ]
    first = (tmp_path / "out" / "a.txt").read_bytes()
    assert first == (tmp_path / "out" / "c.txt").read_bytes() != b""


def test_two_sequences_of_one_name_are_refused_before_anything_is_done(
    faimtrack, make_sequence, complaint, tmp_path
):
    make_sequence("a", folder="x")
    make_sequence("a", folder="y")
    done = faimtrack("track", "x/a", "y/a", "--output", "out")
    assert done.status == 1
    assert complaint(done.err) == "sources: expected sequences of different names, got a twice"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("split", "numbering", "first", "last"),
    [
        ("full", "kept", 1, 20),
        ("train-half", "kept", 1, 11),
        ("val-half", "kept", 12, 20),
        ("val-half", "from-1", 1, 9),
    ],
)
def test_splits_keep_frame_numbers_unless_asked(
    faimtrack, make_sequence, tmp_path, split, numbering, first, last
):
    options = ["--split", split, "--numbering", numbering]
    assert faimtrack("track", make_sequence(), *options, "--output", "out").status == 0
    frames = read_mot(tmp_path / "out" / "walk.txt", "results").frames
    assert (frames.min(), frames.max()) == (first, last)
    record = read_provenance(tmp_path / "out" / "walk.txt")
    assert (record.split, record.numbering) == (split, numbering)


def test_detections_come_from_a_file_or_from_a_folder_by_name(faimtrack, make_sequence, tmp_path):
    for name in ("a", "b"):
        sequence = make_sequence(name)
        (tmp_path / "dets").mkdir(exist_ok=True)
        (sequence / "det" / "det.txt").rename(tmp_path / "dets" / f"{name}.txt")
    done = faimtrack("track", "data", "--detections", "dets", "--output", "all")
    assert done.status == 0, done.err
    one = ["--detections", "dets/b.txt", "--output", "one"]
    assert faimtrack("track", "data/b", *one).status == 0
    assert (tmp_path / "all/b.txt").read_bytes() == (tmp_path / "one/b.txt").read_bytes()


def test_one_detection_file_for_several_sequences_is_refused(
    faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence("a")
    make_sequence("b")
    done = faimtrack("track", "data", "--detections", sequence / "det" / "det.txt")
    assert done.status == 1
    assert "expected a folder of <sequence>.txt for 2 sequences, got a file" in complaint(done.err)


def test_settings_reach_the_tracker_and_the_sidecar(faimtrack, make_sequence, tmp_path):
    options = ["--tracker", "sort", "--set", "preset=reference", "--set", "min_hits=1"]
    done = faimtrack("track", make_sequence(), *options, "--output", "out")
    assert done.status == 0, done.err
    tracker = read_provenance(tmp_path / "out" / "walk.txt").configuration["tracker"]
    assert (tracker["name"], tracker["min_hits"], tracker["solver"]) == ("sort", 1, "lapjv")


def test_a_recipe_by_name_sets_split_and_tracker(faimtrack, make_sequence, tmp_path):
    options = ["--recipe", "mot17-val-half/sort", "--output", "out"]
    assert faimtrack("track", make_sequence(), *options).status == 0
    record = read_provenance(tmp_path / "out" / "walk.txt")
    assert (record.split, record.configuration["tracker"]["name"]) == ("val-half", "sort")


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--set", "track_treshold=1"], 1, "unknown key; the nearest is track_threshold"),
        (["--set", "track_threshold=high"], 1, "expected a valid number, got 'high'"),
        (["--recipe", "nothing"], 1, "recipe 'nothing': expected a YAML file or one of"),
        (["--tracker", "sor"], 1, "got 'sor'; the nearest is sort"),
        (["--split", "half"], 2, "'half' is not one of 'full', 'train-half', 'val-half'"),
        (["--jobs", "0"], 2, "--jobs"),
        (["--frobnicate"], 2, "--frobnicate"),
        (["--classes", "a,,b"], 2, "expected names between commas"),
        (["--classes", "a,b"], 1, "expected one name for"),
        (["--resume", "--overwrite"], 2, "expected either --resume or --overwrite, got both"),
        (
            ["--detector", "yolox-s", "--detections", "d.txt"],
            2,
            "detections or a detector, got both",
        ),
        (["--detections", "nothing.txt"], 1, "nothing.txt: No such file or directory"),
        (["--detector", "nothing.onnx"], 1, "nothing.onnx"),
        (["--video", "out.avi"], 1, "out.avi: expected a name that ends in .mp4, or a folder"),
    ],
)
def test_a_command_that_makes_no_sense_is_one_line_and_leaves_no_result(
    faimtrack, make_sequence, complaint, tmp_path, arguments, status, message
):
    done = faimtrack("track", make_sequence(), "--output", "out", *arguments)
    assert done.status == status
    assert message in complaint(done.err)
    assert "Traceback" not in done.err
    assert done.out == ""
    assert not list(tmp_path.glob("out/*.txt"))


def test_no_source_and_no_verb_are_told_in_one_line(faimtrack, complaint):
    done = faimtrack("track")
    assert done.status == 2
    assert complaint(done.err) == "Missing argument 'SOURCE'. (see faimtrack track --help)"
    done = faimtrack("trak")
    assert done.status == 2
    assert "got 'trak'; did you mean track?" in complaint(done.err)


# Outputs that are there


def test_results_that_are_there_are_not_touched_unless_asked(
    faimtrack, make_sequence, complaint, tmp_path
):
    make_sequence("a")
    make_sequence("b")
    assert faimtrack("track", "data/b", "--output", "out").status == 0
    before = (tmp_path / "out" / "b.txt").stat().st_mtime_ns
    done = faimtrack("track", "data", "--output", "out")
    assert done.status == 1
    assert complaint(done.err) == (
        "out/b.txt: already there; --resume keeps what is finished, --overwrite starts again"
    )
    assert not (tmp_path / "out" / "a.txt").exists()  # told before any work
    assert faimtrack("track", "data", "--output", "out", "--overwrite").status == 0
    assert (tmp_path / "out" / "b.txt").stat().st_mtime_ns != before


def test_a_result_that_another_run_ends_meanwhile_is_not_touched(
    faimtrack, make_sequence, complaint, monkeypatch, tmp_path
):
    from faimtrack.pipeline import tracking

    def late(task, source, loader):
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "walk.txt").write_text("theirs\n")
        return make_detector(task, source, loader)

    make_detector = tracking.make_detector
    monkeypatch.setattr(tracking, "make_detector", late)
    done = faimtrack("track", make_sequence(), "--output", "out")
    assert done.status == 1
    assert complaint(done.err).startswith("out/walk.txt: already there")
    assert names_in(tmp_path / "out") == ["walk.txt"]
    assert (tmp_path / "out" / "walk.txt").read_text() == "theirs\n"


def test_resume_keeps_what_is_finished_and_does_the_rest(faimtrack, make_sequence, tmp_path):
    make_sequence("a")
    make_sequence("b")
    faimtrack("track", "data/b", "--output", "out")
    before = (tmp_path / "out" / "b.txt").stat().st_mtime_ns
    done = faimtrack("track", "data", "--output", "out", "--resume")
    assert done.status == 0
    assert "[2/2] b  finished before; kept" in done.err
    assert "[1/2] a  20 frames" in done.err
    assert (tmp_path / "out" / "b.txt").stat().st_mtime_ns == before


def test_resume_tracks_again_what_was_made_otherwise(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence()
    out, result = ["--output", "out"], tmp_path / "out" / "walk.txt"
    faimtrack("track", sequence, *out)
    whole = result.read_bytes()

    done = faimtrack("track", sequence, *out, "--resume", "--set", "track_threshold=0.5")
    assert "walk: tracked again: it was made with another configuration.tracker.track" in done.err

    detections = sequence / "det" / "det.txt"
    detections.write_text(detections.read_text() + "20,-1,60,60,2,2,0.1\n")
    done = faimtrack("track", sequence, *out, "--resume", "--set", "track_threshold=0.5")
    assert "tracked again: it was made with another inputs.detections" in done.err

    done = faimtrack("track", sequence, *out, "--resume", "--set", "track_threshold=0.5")
    assert "kept" in done.err

    result.write_bytes(whole[:100])
    done = faimtrack("track", sequence, *out, "--resume")
    assert "tracked again: walk.txt is not the file that its sidecar describes" in done.err
    assert result.read_bytes() == whole

    (tmp_path / "out" / "walk.txt.json").unlink()
    done = faimtrack("track", sequence, *out, "--resume")
    assert "tracked again: walk.txt or its sidecar walk.txt.json is not there whole" in done.err
    assert done.status == 0


def test_resume_with_a_video_makes_the_video_that_is_missing(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(images=True)
    faimtrack("track", sequence, "--output", "out")
    done = faimtrack("track", sequence, "--output", "out", "--video", "--resume")
    assert done.status == 0
    assert (tmp_path / "out" / "walk.mp4").exists()
    assert "kept" in faimtrack("track", sequence, "--output", "out", "--video", "--resume").err


# Video


def frames_in(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (["--video"], "out/walk.mp4"),
        (["--video", "clips"], "clips/walk.mp4"),
        (["--video", "own.mp4"], "own.mp4"),
        (["--video=own.mp4"], "own.mp4"),
    ],
)
def test_a_video_goes_where_a_user_expects_it(
    faimtrack, make_sequence, tmp_path, option, expected
):
    done = faimtrack("track", make_sequence(images=True), "--output", "out", *option)
    assert (done.status, done.out) == (0, f"tracks: out/walk.txt\nvideo: {expected}\n")
    images = frames_in(tmp_path / expected)
    assert len(images) == 20
    assert images[0].shape == (64, 128, 3)
    # The boxes are drawn: more than one colour in a picture that was of one.
    assert images[5].std() > 10
    record = read_provenance(tmp_path / expected)
    assert record.kind == "video"
    assert set(record.inputs) == {"detections", "seqinfo", "frames"}


def test_the_video_of_a_split_begins_at_its_own_zero(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(images=True)
    faimtrack("track", sequence, "--split", "val-half", "--video", "own.mp4")
    with av.open(str(tmp_path / "own.mp4")) as container:
        times = [float(frame.time) for frame in container.decode(video=0)]
    assert times == pytest.approx([k / 25 for k in range(9)], abs=1e-3)


def test_after_two_dashes_all_are_sources(faimtrack, make_sequence, tmp_path):
    make_sequence("--video", folder=".")
    done = faimtrack("track", "--output", "out", "--", "--video")
    assert (done.status, done.out) == (0, "tracks: out/--video.txt\n")


def test_videos_of_several_sequences_need_a_folder(faimtrack, make_sequence, complaint):
    make_sequence("a", images=True)
    make_sequence("b", images=True)
    done = faimtrack("track", "data", "--video", "own.mp4")
    assert done.status == 1
    expected = "own.mp4: expected a folder for 2 sequences, got one file's name"
    assert complaint(done.err) == expected
    done = faimtrack("track", "data", "--output", "out", "--video")
    assert done.out == "tracks: 2 files in out\nvideo: 2 files in out\n"


def test_an_output_never_replaces_what_is_read(faimtrack, make_sequence, complaint, tmp_path):
    faimtrack("track", make_sequence(images=True), "--video", "clip.mp4")
    (tmp_path / "dets.txt").write_text("1,-1,1,1,5,5,0.9\n")
    before = (tmp_path / "clip.mp4").read_bytes()
    done = faimtrack(
        "track", "clip.mp4", "--detections", "dets.txt", "--video", "clip.mp4", "--overwrite"
    )
    assert done.status == 1
    assert complaint(done.err) == "clip.mp4: expected an output of its own, got an input's name"
    assert (tmp_path / "clip.mp4").read_bytes() == before


def test_a_video_is_tracked_from_recorded_detections(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(images=True)
    faimtrack("track", sequence, "--output", "a", "--video", "clip.mp4")
    detections = ["--detections", sequence / "det" / "det.txt"]
    done = faimtrack("track", "clip.mp4", *detections, "--output", "b")
    assert done.status == 0, done.err
    assert (tmp_path / "b" / "clip.txt").read_bytes() == (tmp_path / "a/walk.txt").read_bytes()
    assert read_provenance(tmp_path / "b" / "clip.txt").inputs["frames"] == file_sha256(
        tmp_path / "clip.mp4"
    )


def test_a_folder_of_images_is_tracked_from_recorded_detections(
    faimtrack, make_sequence, tmp_path
):
    sequence = make_sequence(images=True)
    detections = ["--detections", sequence / "det" / "det.txt"]
    done = faimtrack("track", sequence / "img1", *detections, "--output", "out", "--video")
    assert done.status == 0, done.err
    assert names_in(tmp_path / "out") == [
        "walk.mp4",
        "walk.mp4.json",
        "walk.txt",
        "walk.txt.json",
    ]


# Real data


@pytest.mark.parametrize(
    ("data", "tracker", "rows"),
    [
        ("mot17", "bytetrack", "MOT17-val/byte"),
        ("mot17", "ocsort", "MOT17-val/ocsort"),
        ("mot20", "bytetrack", "MOT20-val/byte"),
        ("mot20", "ocsort", "MOT20-val/ocsort"),
    ],
)
def test_recipes_track_and_score_to_the_digits_of_the_authors_own_tracks(
    faimtrack, shared_data, tmp_path, data, tracker, rows
):
    recipe = f"{data}-val-half/{tracker}"
    done = faimtrack("track", shared_data / data, "--recipe", recipe, "--output", "out")
    assert done.status == 0, done.err
    split = ["--split", "val-half", "--results", "out", "--json", "scores.json"]
    done = faimtrack("eval", "--data", shared_data / data, *split)
    assert done.status == 0, done.err
    scores = json.loads((tmp_path / "scores.json").read_text())["sequences"]
    reference = json.loads((shared_data / "reference" / "trackeval_metrics.json").read_text())
    checked = 0
    for name, metrics in reference[rows].items():
        if name not in scores:
            assert "COMBINED" in name.upper(), f"{name} was not scored"
            continue
        for metric, value in metrics.items():
            assert scores[name][metric] == pytest.approx(value, abs=TRACKED_AGAIN), metric
            checked += 1
    assert checked >= 15 * len(scores)


def test_snakeboard_is_tracked_by_a_real_detector_with_a_video(faimtrack, shared_data, tmp_path):
    done = faimtrack(
        "track",
        shared_data / "video" / "snakeboard.mp4",
        *["--detector", shared_data / "models" / "yolox_nano.onnx"],
        *["--classes", "person", "--video", "out.mp4"],
    )
    assert done.status == 0, done.err
    table = read_mot(tmp_path / "faimtrack-results" / "snakeboard.txt", "results")
    assert len(set(table.ids.tolist())) >= 4
    assert len(frames_in(tmp_path / "out.mp4")) == 109
    record = read_provenance(tmp_path / "out.mp4")
    assert set(record.weights) == {"detector"}
    assert record.configuration["classes"] == ["person"]


def test_tracks_of_several_classes_say_theirs_in_column_eight(faimtrack, shared_data, tmp_path):
    done = faimtrack(
        *["track", shared_data / "video" / "snakeboard.mp4", "--output", tmp_path],
        *["--detector", shared_data / "models" / "yolox_nano.onnx"],
        *["--classes", "person,skateboard"],
    )
    assert done.status == 0
    rows = (tmp_path / "snakeboard.txt").read_text().splitlines()
    assert {row.split(",")[7] for row in rows} == {"1", "37"}  # COCO's, counted from 1


def test_an_unknown_class_of_a_detector_is_one_line(faimtrack, shared_data, complaint):
    done = faimtrack(
        "track",
        shared_data / "video" / "snakeboard.mp4",
        *["--detector", shared_data / "models" / "yolox_nano.onnx", "--classes", "persn"],
    )
    assert done.status == 1
    assert "persn" in complaint(done.err)
    assert "person" in complaint(done.err)
