import dataclasses

import pytest

from faimtrack.motfile import read_mot
from faimtrack.pipeline import plan_tasks, run_task, track_sequence, tracking
from faimtrack.provenance import read_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.structures import Frame, SourceInfo
from faimtrack.video import FrameSource


@pytest.fixture
def gap(make_text_sequence):
    """A person who is not seen in frames 9 to 12."""
    sequence = make_text_sequence("walk")
    path = sequence / "det" / "det.txt"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:8] + rows[12:]))
    return sequence


def task_of(source, folder, *overrides, **more):
    (task,) = plan_tasks([str(source)], resolve_recipe(overrides=overrides), folder, **more)
    return task


def test_gaps_are_filled_and_the_result_is_marked_offline(gap, tmp_path):
    online = task_of(gap, tmp_path / "online")
    offline = task_of(gap, tmp_path / "offline", "postprocess.interpolation=linear")
    assert track_sequence(online).summary.rows == track_sequence(offline).summary.rows
    frames = [read_mot(task.output, "results").frames.tolist() for task in (online, offline)]
    assert set(frames[1]) - set(frames[0]) == {9, 10, 11, 12}
    assert frames[1] == sorted(frames[1])
    record = read_provenance(offline.output)
    assert record.mode == "offline"
    assert record.configuration["postprocess"]["interpolation"] == "linear"
    assert read_provenance(online.output).mode == "online"
    assert "postprocess" not in read_provenance(online.output).configuration
    assert sorted(path.name for path in (tmp_path / "offline").iterdir()) == [
        "walk.txt",
        "walk.txt.json",
    ]


def test_frame_numbers_from_one_are_those_of_the_file(gap, tmp_path):
    settings = ["split=val-half", "numbering=from-1", "postprocess.interpolation=linear"]
    task = task_of(gap, tmp_path / "out", *settings)
    track_sequence(task)
    # 12 is the split's first, 13 the first with a detection, 14 the first that is believed.
    assert min(read_mot(task.output, "results").frames) == 3
    assert max(read_mot(task.output, "results").frames) == 9


def test_resume_sees_another_postprocessing(gap, tmp_path):
    first = task_of(gap, tmp_path / "out")
    track_sequence(first)
    second = task_of(gap, tmp_path / "out", "postprocess.interpolation=linear", existing="resume")
    notes = track_sequence(second).notes
    assert len(notes) == 1
    assert notes[0].startswith("tracked again: it was made with another configuration.postprocess")
    assert "mode" in notes[0]
    assert track_sequence(second).summary is None


def test_settings_of_steps_that_are_not_taken_change_nothing(gap, tmp_path):
    first = task_of(gap, tmp_path / "out")
    track_sequence(first)
    again = task_of(gap, tmp_path / "out", "postprocess.max_gap_frames=3", existing="resume")
    assert track_sequence(again).summary is None


def test_an_error_leaves_the_tracks_as_they_came(gap, tmp_path, monkeypatch):
    from faimtrack.pipeline import postprocessing

    def fail(rows, config):
        raise ValueError("smoothing: expected longer tracks")

    monkeypatch.setattr(postprocessing, "postprocess", fail)
    task = task_of(gap, tmp_path / "out", "postprocess.interpolation=linear")
    outcome = run_task(task, lambda *_: None)
    assert outcome.error.startswith(
        "smoothing: expected longer tracks; frames 1 to 20 are kept in"
    )
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["walk.txt.partial"]
    plain = task_of(gap, tmp_path / "plain")
    track_sequence(plain)
    assert (tmp_path / "out" / "walk.txt.partial").read_bytes() == plain.output.read_bytes()


def test_a_video_shows_the_tracks_as_they_came_and_says_so(make_picture_sequence, tmp_path):
    task = task_of(
        make_picture_sequence("walk"),
        tmp_path / "out",
        "postprocess.minimum_length_frames=9",
        video=tmp_path / "out",
    )
    result = track_sequence(task)
    assert result.notes == (
        "postprocessing changes the tracks alone; as they came they are in: video",
    )
    assert task.output.read_text() == ""
    assert read_provenance(task.video).mode == "online"
    assert read_provenance(task.output).mode == "offline"


class Camera(FrameSource):
    is_live = True
    info = SourceInfo(name="camera-0", width=64, height=48)

    def __iter__(self):
        yield Frame(1, time_s=0.0)


def test_a_live_source_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "open_source", lambda *_, **__: Camera())
    path = tmp_path / "det.txt"
    path.write_text("1,-1,1,2,10,20,0.9\n")
    task = task_of("0", tmp_path / "out", "postprocess.interpolation=linear", detections=path)
    with pytest.raises(ValueError, match="camera-0: expected a source that ends for postprocess"):
        track_sequence(task)
    plain = dataclasses.replace(task, recipe=resolve_recipe())
    assert track_sequence(plain).summary.frames == 1
