from pathlib import Path

import pytest

from faimtrack.pipeline import plan_tasks, run_task, track_sequence
from faimtrack.pipeline.motion import motion_path
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.recipes import resolve_recipe


def write_motion(path, frames):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{index} 1 0 2 0 1 0\n" for index in range(frames)))
    return path


def task_of(source, folder, file, **settings):
    recipe = resolve_recipe(settings={"camera_motion.file": str(file), **settings})
    (task,) = plan_tasks([str(source)], recipe, folder)
    return task


@pytest.mark.parametrize(
    ("name", "file", "found"),
    [
        ("walk", "walk.txt", "walk.txt"),
        ("walk", "GMC-walk.txt", "GMC-walk.txt"),
        ("MOT17-02-FRCNN", "GMC-MOT17-02.txt", "GMC-MOT17-02.txt"),
        ("MOT20-02", "GMC-MOT20-02.txt", "GMC-MOT20-02.txt"),
        ("run", "walk.txt", "run.txt"),
    ],
)
def test_a_sequence_has_its_file_in_a_folder(tmp_path, name, file, found):
    write_motion(tmp_path / file, 1)
    assert motion_path(name, "data/any", str(tmp_path)) == tmp_path / found


def test_a_file_stands_for_itself_and_a_word_for_the_sequences_own(tmp_path):
    assert motion_path("walk", "data/walk", "motion.txt") == Path("motion.txt")
    assert motion_path("walk", "data/walk", "sequence") == Path("data/walk/camera_motion.txt")


def test_two_files_of_one_sequence_are_refused(tmp_path):
    for name in ("walk.txt", "GMC-walk.txt"):
        write_motion(tmp_path / name, 1)
    with pytest.raises(ValueError, match=r"one file of camera motion for walk, got walk\.txt and"):
        motion_path("walk", "data/walk", str(tmp_path))


def test_a_file_of_transforms_needs_no_pixels_and_is_in_the_provenance(
    make_text_sequence, tmp_path
):
    source = make_text_sequence("walk")
    file = write_motion(tmp_path / "GMC" / "GMC-walk.txt", 20)
    for given in (file, file.parent):
        task = task_of(source, tmp_path / f"out-{given.name}", given)
        result = track_sequence(task)
        assert result.summary.frames == 20
        assert "motion" in result.summary.stage_seconds
        record = read_provenance(task.output)
        assert record.inputs["camera_motion"] == file_sha256(file)
        assert record.configuration["camera_motion"]["method"] == "file"
        assert record.configuration["camera_motion"]["file"] == "GMC-walk.txt"


def test_a_file_that_is_shorter_than_the_sequence_is_told_before_the_first_frame(
    make_text_sequence, tmp_path
):
    task = task_of(
        make_text_sequence("walk"), tmp_path / "out", write_motion(tmp_path / "walk.txt", 19)
    )
    outcome = run_task(task, lambda *_: None)
    assert "walk.txt: expected line 20 for frame 20, got 19 lines" in outcome.error
    assert not (tmp_path / "out").exists()


def test_of_a_split_the_file_must_reach_to_its_last_frame_only(make_text_sequence, tmp_path):
    source = make_text_sequence("walk")
    file = write_motion(tmp_path / "walk.txt", 11)
    assert run_task(
        task_of(source, tmp_path / "a", file, split="train-half"), lambda *_: None
    ).result
    outcome = run_task(task_of(source, tmp_path / "b", file, split="val-half"), lambda *_: None)
    assert "expected line 20" in outcome.error


def test_a_file_that_is_missing_fails_its_own_sequence_only(make_text_sequence, tmp_path):
    sources = [str(make_text_sequence(name)) for name in ("a", "b")]
    write_motion(tmp_path / "GMC" / "b.txt", 20)
    recipe = resolve_recipe(settings={"camera_motion.file": str(tmp_path / "GMC")})
    outcomes = [
        run_task(task, lambda *_: None) for task in plan_tasks(sources, recipe, tmp_path / "out")
    ]
    assert outcomes[0].error == (
        f"{tmp_path / 'GMC'}: expected camera motion of a in a.txt or GMC-a.txt, got no such file"
    )
    assert outcomes[1].error is None


def test_one_file_for_several_sequences_is_refused(make_text_sequence, tmp_path):
    sources = [str(make_text_sequence(name)) for name in ("a", "b")]
    file = write_motion(tmp_path / "motion.txt", 20)
    recipe = resolve_recipe(settings={"camera_motion.file": str(file)})
    with pytest.raises(ValueError, match="with the camera motion of 2 sequences, got a file"):
        plan_tasks(sources, recipe, tmp_path / "out")


def test_camera_motion_of_a_sequence_without_images_is_one_line(make_text_sequence, tmp_path):
    recipe = resolve_recipe(settings={"camera_motion.method": "orb"})
    (task,) = plan_tasks([str(make_text_sequence("walk"))], recipe, tmp_path / "out")
    assert run_task(task, lambda *_: None).error == (
        "walk: expected images for camera motion by orb, got a sequence without any"
    )


def test_nothing_to_hold_on_to_is_said_at_the_end(make_picture_sequence, tmp_path):
    source = make_picture_sequence("walk", frames=3)
    recipe = resolve_recipe(settings={"camera_motion.method": "sparse-flow"})
    (task,) = plan_tasks([str(source)], recipe, tmp_path / "out")
    result = track_sequence(task)
    assert result.notes == (
        "camera motion: nothing to hold on to in 2 of 3 frames; taken as still there",
    )
