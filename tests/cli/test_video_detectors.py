"""`--detector faim-s --weights ...`: networks by their names."""

import pytest

from faimtrack.cli.progress import SequenceProgress
from faimtrack.provenance import read_provenance


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FAIMTRACK_HOME", str(tmp_path / "home"))


SMALL = ("--set", "detector.input_height=64", "--set", "detector.input_width=64")


def test_a_random_network_detects_and_tracks(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(frames=3, images=True)
    network = ("--detector", "faim-nano", "--weights", "random", *SMALL)
    done = faimtrack("track", sequence, *network, "--output", "out")
    assert (done.status, done.out) == (0, "tracks: out/walk.txt\n")
    record = read_provenance(tmp_path / "out" / "walk.txt")
    assert record.mode == "offline"
    name = record.configuration["detector"]["weights"]
    assert name.startswith("faim-nano-random-")
    assert [each.name for each in (tmp_path / "home" / "made").iterdir()] == [name]
    weak = ("--set", "detector.preset=vod", "--set", "detector.score_threshold=0.0001")
    done = faimtrack("detect", sequence, *network, *weak, "--output", "found")
    assert (done.status, done.out) == (0, "detections: found/walk.txt\n")
    assert (tmp_path / "found" / "walk.txt").read_text()
    # --resume sees that nothing has changed, weights that were made included.
    done = faimtrack("track", sequence, *network, "--output", "out", "--resume")
    assert done.status == 0
    assert "kept" in done.err


def test_random_weights_of_a_yolox_look_at_each_frame_alone(faimtrack, make_sequence, tmp_path):
    sequence = make_sequence(frames=2, images=True)
    done = faimtrack(
        "track", sequence, "--detector", "yolox-nano", "--weights", "random", *SMALL
    )  # fmt: skip
    assert done.status == 0
    assert read_provenance(tmp_path / "faimtrack-results" / "walk.txt").mode == "online"


def test_what_does_not_fit_is_one_line(faimtrack, make_sequence, twin_weights):
    sequence = make_sequence(frames=2, images=True)
    done = faimtrack("track", sequence, "--detector", "faim-nano", "--weights", twin_weights.plain)
    assert done.status == 0
    warnings = [line for line in done.err.splitlines() if "random: " in line]
    assert len(warnings) == 1
    assert warnings[0].startswith("faimtrack: warning: faim-nano with plain.safetensors: random: ")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--detector", "faim-s"], "expected weights for the network faim-s, got none: --weights"),
        (["--weights", "random"], "--weights random: expected a network beside it, --detector"),
        (
            ["--detector", "faim", "--weights", "random"],
            "expected a network beside it, --detector faim-nano, ",
        ),
        (
            ["--detector", "faim-s", "--weights", "none.pth"],
            "--weights: none.pth: expected a detector, got no such file",
        ),
        (
            ["--detector", "faim-s", "--weights", "nobody"],
            "--weights: expected a file or one of yolox-nano, ",
        ),
        (
            ["--detector", "faim-nano", "--weights", "random", "--set", "detector.keep=masks"],
            "detector.keep: expected none, for a video object detector gives boxes alone, got mas",
        ),
        (
            ["--detector", "faim-nano", "--weights", "random", "--tracker", "tracktor"],
            "expected a network that moves boxes for tracktor",
        ),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments, expected, faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence(frames=2, images=True)
    done = faimtrack("track", sequence, *arguments)
    assert done.status != 0
    assert expected in complaint(done.err)
    results = tmp_path / "faimtrack-results"
    assert not results.exists() or not list(results.glob("*.txt"))


@pytest.mark.parametrize("verb", ["detect", "track"])
@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("detector.score_treshold=1", "score_treshold: unknown key; the nearest is detector.scor"),
        ("detector.keep=masks", "detector.keep: expected none, for a video object detector"),
        ("detector.group_frames=1", "detector.group_frames: expected 2 or more, got 1"),
    ],
)
def test_settings_are_looked_at_before_weights_are_made(
    verb, override, expected, faimtrack, make_sequence, complaint, tmp_path
):
    sequence = make_sequence(frames=2, images=True)
    network = ("--detector", "faim-nano", "--weights", "random")
    done = faimtrack(verb, sequence, *network, "--set", override)
    assert done.status == 1
    assert expected in complaint(done.err)
    assert not (tmp_path / "home" / "made").exists()


def test_weights_of_another_size_are_one_line(faimtrack, make_sequence, twin_weights, complaint):
    sequence = make_sequence(frames=2, images=True)
    done = faimtrack("track", sequence, "--detector", "faim-s", "--weights", twin_weights.plain)
    assert "expected weights of size s for faim-s, got size nano" in complaint(done.err)


def test_a_bar_begins_again_when_a_video_is_gone_through_again():
    with SequenceProgress(["walk"]) as progress:
        for done in (1, 2, 3, 1):
            progress.report("walk", done, 3)
        (bar,) = progress._bars.tasks
        assert (bar.completed, bar.total, bar.finished) == (1, 3, False)
