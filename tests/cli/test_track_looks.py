"""What helps a tracker, from the command line: appearance, camera motion, postprocessing."""

import json

import pytest

from faimtrack.detectors.files import read_detections
from faimtrack.motfile import read_mot
from faimtrack.provenance import file_sha256, read_provenance


@pytest.fixture
def osnet(shared_data):
    return shared_data / "models" / "osnet_x0_25_msmt17.onnx"


@pytest.fixture
def sequence(make_sequence):
    return make_sequence(frames=4, images=True)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_model_of_the_users_own_tells_people_apart_and_is_asked_once(
    faimtrack, sequence, osnet, tmp_path
):
    options = ["--embedder", osnet, "--cache", "cache"]
    done = faimtrack("track", sequence, *options, "--output", "one")
    assert done.status == 0, done.err
    (kept,) = names(tmp_path / "cache")
    assert kept.endswith(".embeddings.parquet")
    assert read_detections(tmp_path / "cache" / kept).embeddings.shape == (8, 512)
    again = faimtrack("track", sequence, *options, "--output", "two", "--set", "match_threshold=1")
    assert f"embeddings replayed from cache/{kept}" in again.err
    record = read_provenance(tmp_path / "one" / "walk.txt")
    assert record.weights == {"embedder": file_sha256(osnet)}
    assert record.configuration["embedder"]["weights"] == osnet.name
    assert record.inputs["frames"] is not None
    resumed = faimtrack("track", sequence, "--embedder", osnet, "--output", "one", "--resume")
    assert "finished before; kept" in resumed.err
    without = faimtrack("track", sequence, "--output", "one", "--resume")
    assert "tracked again: it was made with another configuration.embedder" in without.err


def test_embeddings_written_by_detect_are_those_of_track(faimtrack, sequence, osnet, tmp_path):
    options = ["--embedder", osnet, "--format", "parquet", "--output", "found"]
    assert faimtrack("detect", sequence, *options).status == 0
    assert read_detections(tmp_path / "found" / "walk.parquet").embeddings.shape == (8, 512)
    assert "embedder" in read_provenance(tmp_path / "found" / "walk.parquet").weights
    direct = faimtrack("track", sequence, "--embedder", osnet, "--output", "direct")
    replay = faimtrack("track", sequence, "--detections", "found", "--output", "replay")
    assert (direct.status, replay.status) == (0, 0)
    made = [(tmp_path / folder / "walk.txt").read_bytes() for folder in ("direct", "replay")]
    assert made[0] == made[1]
    left_out = faimtrack("detect", sequence, "--detections", "found", "--output", "text")
    assert "embeddings are left out: the format mot has no place for them" in left_out.err


def test_embeddings_of_two_models_are_not_mixed(faimtrack, sequence, osnet, complaint, tmp_path):
    options = ["--embedder", "colours", "--format", "parquet", "--output", "found"]
    assert faimtrack("detect", sequence, *options).status == 0
    done = faimtrack("track", sequence, "--detections", "found", "--embedder", osnet)
    assert done.status == 1
    assert "walk: expected detections without embeddings or with those of the embedder" in (
        complaint(done.err)
    )
    same = faimtrack("track", sequence, "--detections", "found", "--embedder", "colours")
    assert same.status == 0
    assert "embeddings are those of the file of detections" in same.err


@pytest.mark.parametrize("kind", ["instance", "mask"])
def test_a_detector_with_a_mask_branch_tells_people_apart_itself(
    faimtrack, make_sequence, twin_weights, tmp_path, kind
):
    sequence = make_sequence(frames=2, detections=None, images=True)
    options = ["--detector", twin_weights.masks, "--embedder", f"{kind}-features"]
    done = faimtrack("track", sequence, *options, "--cache", "cache", "--output", "one")
    assert done.status == 0, done.err
    (kept,) = names(tmp_path / "cache")
    table = read_detections(tmp_path / "cache" / kept)
    assert table.embedding_name is not None
    assert len(table.embeddings) == len(table) > 0
    again = faimtrack("track", sequence, *options, "--cache", "cache", "--output", "two")
    assert f"detections replayed from cache/{kept}" in again.err
    made = [(tmp_path / folder / "walk.txt").read_bytes() for folder in ("one", "two")]
    assert made[0] == made[1]
    record = read_provenance(tmp_path / "one" / "walk.txt")
    assert record.configuration["detector"]["keep"] == f"{kind}_features"
    assert "embedder" not in record.configuration


def test_the_camera_motion_of_a_sequence_is_taken_from_its_own_file(
    faimtrack, make_sequence, tmp_path
):
    for name in ("a", "b"):
        rows = "".join(f"{index},1,0,{index},0,1,0\n" for index in range(1, 21))
        (make_sequence(name) / "camera_motion.txt").write_text(rows)
    done = faimtrack("track", "data", "--camera-motion", "sequence", "--output", "out")
    assert done.status == 0, done.err
    record = read_provenance(tmp_path / "out" / "b.txt")
    assert record.inputs["camera_motion"] == file_sha256(
        tmp_path / "data" / "b" / "camera_motion.txt"
    )
    assert faimtrack("track", "data", "--output", "still").status == 0
    texts = [(tmp_path / folder / "b.txt").read_text() for folder in ("out", "still")]
    assert texts[0] != texts[1]


def test_gaps_are_filled_afterwards_and_nobody_takes_that_for_online(
    faimtrack, make_sequence, tmp_path
):
    rows = [f"{index},-1,{2 * index},10,12,30,0.9" for index in range(1, 21) if index != 9]
    sequence = make_sequence(detections="\n".join(rows))
    done = faimtrack("track", sequence, "--postprocess", "linear", "--output", "out")
    assert done.status == 0, done.err
    assert 9 in read_mot(tmp_path / "out" / "walk.txt", "results").frames
    assert json.loads((tmp_path / "out" / "walk.txt.json").read_text())["mode"] == "offline"
    again = faimtrack("track", sequence, "--output", "out", "--resume")
    assert "mode" in again.err
    assert 9 not in read_mot(tmp_path / "out" / "walk.txt", "results").frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--embedder", "none.onnx"], "none.onnx: expected an embedder, got no such file"),
        (["--embedder", "osnett"], "embedder: expected "),
        (
            ["--embedder", "mask-features"],
            "det.txt: expected detections with embeddings, got none",
        ),
        (["--camera-motion", "gcm"], "--camera-motion: expected none, sparse-flow, orb, ecc, seq"),
        (
            ["--camera-motion", "file"],
            "--camera-motion: expected none, sparse-flow, orb, ecc, seq",
        ),
        (["--camera-motion", "data/walk/seqinfo.ini"], "seqinfo.ini, line 1: expected a frame's"),
        (["--camera-motion", "sequence"], "camera_motion.txt: expected camera motion of walk th"),
        (["--camera-motion", "orb"], "walk: expected images for camera motion by orb, got a seq"),
        (["--embedder", "colours"], "walk: expected images for an embedder, got a sequence with"),
        (["--regressor", "a.pth"], "a.pth: expected a detector, got no such file"),
        (["--regressor", "faster-rcnn-resnet50-fpn"], "--regressor: expected none for bytetrack"),
        (["--tracker", "tracktor"], "tracktor: expected a network that moves boxes, got none"),
        (["--postprocess", "cubic"], "postprocess.interpolation: expected 'none', 'linear' or 'g"),
        (
            ["--set", "camera_motion.methid=ecc"],
            "unknown key; the nearest is camera_motion.method",
        ),
    ],
)
def test_what_cannot_help_is_one_line_before_the_first_frame(
    faimtrack, make_sequence, complaint, tmp_path, options, message
):
    make_sequence()
    done = faimtrack("track", "data/walk", *options, "--output", "out")
    assert done.status != 0
    assert message in complaint(done.err)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("camera_motion", ["camera_motion how the picture moves", "longest_side"]),
        ("embedder", ["embedder how people look", "normalisation"]),
        ("postprocess", ["postprocess.preset=linear: interpolation=linear", "max_gap_frames"]),
    ],
)
def test_the_settings_of_what_helps_a_tracker_can_be_looked_up(faimtrack, name, lines):
    done = faimtrack("trackers", name)
    assert done.status == 0
    assert all(line in done.out for line in lines)


def test_settings_of_a_step_that_is_not_taken_are_refused(faimtrack, sequence):
    setting = "postprocess.max_gap_frames=5"
    done = faimtrack("track", sequence, "--set", setting, "--output", "out")
    assert done.status != 0
    assert "expected --postprocess linear or gaussian beside it" in " ".join(done.err.split())
    options = ["--postprocess", "linear", "--set", setting, "--output", "out"]
    assert faimtrack("track", sequence, *options).status == 0


def test_detections_without_scores_are_told_of(faimtrack, sequence):
    path = sequence / "det" / "det.txt"
    rows = [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
    lines = [",".join([*row[:6], "-1", *row[7:]]) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = faimtrack("track", sequence, "--output", "out")
    assert done.status == 0
    assert "none of them has a score above 0" in " ".join(done.err.split())
