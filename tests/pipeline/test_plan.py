from pathlib import Path

import pytest

from faimtrack.pipeline import plan_tasks
from faimtrack.recipes import resolve_recipe

OUT = Path("out")


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("walk.mp4", "walk"),
        ("some/where/walk.of.people.mp4", "walk.of.people"),
        ("rtsp://user:secret@host/live/door.sdp?x=1", "door"),
        ("http://host/", "host"),
        ("rtsp://user:secret@10.0.0.5:554", "10.0.0.5"),
        ("rtsp://user:secret@[fe80::1]/", "fe80--1"),
        ("0", "camera-0"),
        ("frames/*.jpg", "frames"),
        ("walk/img1/*.jpg", "walk"),
        ("frames/**/*.jpg", "frames"),
    ],
)
def test_a_source_names_its_outputs(source, name):
    (task,) = plan_tasks([source], resolve_recipe(), OUT)
    assert (task.name, task.source, task.output) == (name, source, OUT / f"{name}.txt")
    assert "secret" not in str(task.output)


def test_a_sequence_is_called_what_its_seqinfo_says(make_text_sequence):
    folder = make_text_sequence("inner", folder="x")
    renamed = folder.rename(folder.parent / "outer")
    (task,) = plan_tasks([str(renamed)], resolve_recipe(), OUT)
    assert task.name == "inner"


def test_a_folder_of_sequences_is_all_of_them_and_a_folder_of_images_is_itself(
    make_text_sequence, tmp_path
):
    make_text_sequence("b")
    make_text_sequence("a")
    (tmp_path / "pictures").mkdir()
    tasks = plan_tasks(["data", "pictures"], resolve_recipe(), OUT)
    assert [task.name for task in tasks] == ["a", "b", "pictures"]


def test_videos_go_into_a_folder_or_a_file():
    (task,) = plan_tasks(["walk.mp4"], resolve_recipe(), OUT, video=Path("clips"))
    assert task.video == Path("clips/walk.mp4")
    (task,) = plan_tasks(["walk.mp4"], resolve_recipe(), OUT, video=Path("own.MP4"))
    assert task.video == Path("own.MP4")


def test_a_folder_that_is_called_like_a_video_is_a_folder(tmp_path):
    (tmp_path / "clips.mp4").mkdir()
    (task,) = plan_tasks(["walk.mp4"], resolve_recipe(), OUT, video=Path("clips.mp4"))
    assert task.video == Path("clips.mp4/walk.mp4")


def test_detections_and_a_detector_exclude_each_other():
    with pytest.raises(ValueError, match="expected either detections or a detector, got both"):
        plan_tasks(["a.mp4"], resolve_recipe(), OUT, detections=Path("d"), weights=Path("w"))


def test_an_empty_source_is_not_the_working_directory():
    with pytest.raises(ValueError, match="sources: expected a name each, got an empty one"):
        plan_tasks([""], resolve_recipe(), OUT)
