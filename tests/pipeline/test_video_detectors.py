"""Sequences through a video object detector: its files, and what is said of them."""

import json

import pytest

from faimtrack.detectors.files import read_detections
from faimtrack.detectors.video.making import fitted_weights
from faimtrack.pipeline import plan_detection, plan_tasks, run_tasks
from faimtrack.pipeline.detecting import detect_sequence
from faimtrack.provenance import read_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.weights import read_checkpoint, write_weights


@pytest.fixture(scope="module")
def weights(twin_weights, tmp_path_factory):
    made = fitted_weights("faim-nano", read_checkpoint(twin_weights.plain))
    path = tmp_path_factory.mktemp("video") / "faim.safetensors"
    write_weights(path, made.tensors, made.metadata)
    return path


def detect(weights, sequence, output, *overrides, **more):
    recipe = resolve_recipe(detector=str(weights), overrides=overrides)
    (task,) = plan_detection([str(sequence)], recipe, output, weights=weights, **more)
    (outcome,) = run_tasks([task])
    return task, outcome


def track(weights, sequence, output, *overrides, **more):
    recipe = resolve_recipe(detector=str(weights), overrides=overrides)
    (task,) = plan_tasks([str(sequence)], recipe, output, weights=weights, **more)
    (outcome,) = run_tasks([task])
    return task, outcome


@pytest.mark.parametrize(("sampling", "mode"), [("auto", "offline"), ("causal", "online")])
def test_results_say_whether_later_frames_were_known(
    sampling, mode, weights, make_picture_sequence, tmp_path
):
    sequence = make_picture_sequence("walk", frames=4)
    setting = f"detector.sampling={sampling}"
    task, outcome = detect(weights, sequence, tmp_path / "found", setting, format="parquet")
    assert outcome.error is None
    assert outcome.result.summary.frames == 4
    assert outcome.result.summary.detections > 4
    record = read_provenance(task.output)
    assert record.mode == mode
    assert record.configuration["detector"]["sampling"] == sampling
    assert len(read_detections(task.output)) == outcome.result.summary.detections
    task, outcome = track(weights, sequence, tmp_path / "tracks", setting)
    assert outcome.error is None
    assert read_provenance(task.output).mode == mode
    # Tracks of recorded detections are what those were.
    recipe = resolve_recipe()
    found = tmp_path / "found"
    (again,) = plan_tasks([str(sequence)], recipe, tmp_path / "again", detections=found)
    (outcome,) = run_tasks([again])
    assert outcome.error is None
    assert read_provenance(again.output).mode == mode
    assert again.output.read_text() == task.output.read_text()


def test_a_second_pass_draws_what_the_first_found(weights, make_picture_sequence, tmp_path):
    sequence = make_picture_sequence("walk", frames=4)
    video = tmp_path / "walk.mp4"
    _, outcome = track(weights, sequence, tmp_path / "tracks", video=video)
    assert outcome.error is None
    assert video.stat().st_size > 0
    assert json.loads((tmp_path / "walk.mp4.json").read_text())["mode"] == "offline"


def test_kept_answers_are_replayed(weights, make_picture_sequence, tmp_path):
    sequence = make_picture_sequence("walk", frames=4)
    cache = tmp_path / "cache"
    first, outcome = track(weights, sequence, tmp_path / "one", cache=cache)
    assert outcome.error is None
    second, outcome = track(weights, sequence, tmp_path / "two", cache=cache)
    assert "detections replayed" in outcome.result.remarks[0]
    assert first.output.read_bytes() == second.output.read_bytes()
    assert read_provenance(second.output).mode == "offline"


def test_frames_before_a_broken_picture_are_kept(weights, make_picture_sequence, tmp_path):
    sequence = make_picture_sequence("walk", frames=4)
    (sequence / "img1" / "000003.jpg").write_bytes(b"no picture")
    task, outcome = track(weights, sequence, tmp_path / "tracks")
    assert "000003.jpg" in outcome.error
    assert "frames 1 to 2 are kept in" in outcome.error
    assert task.output.with_name("walk.txt.partial").exists()


@pytest.mark.parametrize("setting", ["detector.keep=masks", "detector.keep=instance_features"])
def test_masks_and_looks_are_refused_in_one_line(
    setting, weights, make_picture_sequence, tmp_path
):
    sequence = make_picture_sequence("walk", frames=2)
    with pytest.raises(ValueError, match=r"^detector\.keep: expected none, for a video object"):
        detect(weights, sequence, tmp_path / "found", setting, format="parquet")


def test_recipes_that_train_video_detectors_may_set_them(tmp_path):
    path = tmp_path / "own.yaml"
    for name, knows in (("faim-s", True), ("yolov-l", True), ("yolox-s", False)):
        path.write_text(
            f"network:\n  name: {name}\ndetector:\n  proposals: 400\n  group_frames: 16\n"
        )
        if knows:
            detector = resolve_recipe(path).detector
            assert (detector.proposals, detector.group_frames) == (400, 16)
        else:
            with pytest.raises(ValueError, match="proposals: unknown key"):
                resolve_recipe(path)


def test_progress_counts_both_passes(weights, make_picture_sequence, tmp_path):
    sequence = make_picture_sequence("walk", frames=3)
    recipe = resolve_recipe(detector=str(weights))
    (task,) = plan_detection([str(sequence)], recipe, tmp_path / "found", weights=weights)
    told = []
    detect_sequence(task, lambda done, total: told.append((done, total)))
    assert told == 2 * [(1, 3), (2, 3), (3, 3)]
