import dataclasses

import numpy as np
import pytest

from faimtrack.appearance.loading import open_embedder
from faimtrack.detectors.files import read_detections
from faimtrack.pipeline import loader as loading
from faimtrack.pipeline import plan_detection, plan_tasks, run_task, run_tasks, track_sequence
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.structures import Detections

BYTETRACK = ("tracker.use_appearance=true", "track_threshold=0.5")


class Detector:
    """Two people a frame, one of them weak; its looks are of its own if it is told so."""

    class_names = ("person",)

    def __init__(self, config, runs):
        self.config, self.runs = config, runs

    def open(self, info):
        return self

    def push(self, frames):
        self.runs.append("detect")
        return [(frame, self._answer(frame.index)) for frame in frames]

    def finish(self):
        return []

    def _answer(self, index):
        found = Detections([[index, 5, index + 20, 60], [60, 5, 80, 60]], [0.9, 0.2])
        if self.config.keep == "none":
            return found
        return dataclasses.replace(
            found, embeddings=np.eye(2, dtype=np.float32), embedding_name=self.config.keep
        )


@pytest.fixture
def runs(monkeypatch):
    """What was run, in that order; the networks are fakes, but the embedder of colours is not."""
    ran = []

    def counted(weights, config):
        embedder = open_embedder("colours", config)
        embed = embedder.embed

        class Counted:
            name, dimension = f"colours-of-{weights.stem}", embedder.dimension

            def embed(self, frame, boxes):
                ran.append(f"embed {len(boxes)}")
                return embed(frame, boxes)

        ran.append("load")
        return Counted()

    monkeypatch.setattr(loading, "open_detector", lambda *a, classes, **_: Detector(a[1], ran))
    monkeypatch.setattr(loading, "open_embedder", counted)
    return ran


@pytest.fixture
def files(tmp_path):
    """Weights that nobody looks into: of a detector, and of two embedders."""
    paths = [tmp_path / name for name in ("detector.onnx", "one.onnx", "two.onnx")]
    for path in paths:
        path.write_bytes(path.name.encode())
    return paths


@pytest.fixture
def track(make_picture_sequence, tmp_path, files):
    source, count = str(make_picture_sequence("walk")), iter(range(99))

    def run(embedder=None, *, overrides=BYTETRACK, weights=files[0], cache=True, **more):
        settings = {} if embedder is None else {"embedder.weights": str(embedder)}
        recipe = resolve_recipe(settings=settings, overrides=overrides)
        (task,) = plan_tasks(
            [source],
            recipe,
            tmp_path / f"out{next(count)}",
            weights=weights,
            embedder=embedder,
            cache=tmp_path / "cache" if cache else None,
            **more,
        )
        result = track_sequence(task)
        return result, task.output.read_bytes()

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_only_detections_that_the_tracker_looks_at_are_embedded(track, runs, files):
    result, _ = track(files[1], cache=False)
    assert sorted(runs) == ["detect"] * 3 + ["embed 1"] * 3 + ["load"]
    assert "embed" in result.summary.stage_seconds
    assert result.notes == ()


def result_record(tmp_path):
    """How the tracks of the first run were made."""
    return read_provenance(tmp_path / "out0" / "walk.txt")


def test_a_tracker_that_looks_at_nobody_runs_no_embedder_and_says_so(track, runs, files, tmp_path):
    result, _ = track(files[1], overrides=["tracker.use_appearance=false"], cache=False)
    assert runs == ["detect"] * 3
    assert "embed" not in result.summary.stage_seconds
    assert result.notes == ("the embedder was not used: bytetrack as it is set looks at nobody",)
    record = result_record(tmp_path)
    assert "embedder" not in record.configuration
    assert set(record.weights) == {"detector"}


def test_an_embedder_that_the_recipe_does_not_name_is_told_and_kept_all_the_same(
    runs, files, make_picture_sequence, tmp_path
):
    recipe, source = resolve_recipe(overrides=BYTETRACK), str(make_picture_sequence("walk"))
    places = {"embedder": files[1], "cache": tmp_path / "cache"}
    (task,) = plan_tasks([source], recipe, tmp_path / "out0", weights=files[0], **places)
    track_sequence(task)
    record = result_record(tmp_path)
    assert record.configuration["embedder"]["weights"] == "one.onnx"
    assert set(record.weights) == {"detector", "embedder"}
    (task,) = plan_detection(
        [source], recipe, tmp_path / "found", format="parquet", embedder=files[1]
    )
    assert task.recipe.embedder_weights == str(files[1])
    assert recipe.embedder_weights is None


def test_a_second_run_runs_neither_detector_nor_embedder(track, runs, files, tmp_path):
    _, first = track(files[1])
    kept = names(tmp_path / "cache")
    suffixes = sorted(name.partition(".")[2] for name in kept)
    assert suffixes == ["embeddings.parquet", "parquet"]
    runs.clear()
    again, second = track(files[1])
    assert (runs, first) == ([], second)
    assert again.remarks[0].startswith("detections replayed from ")
    assert again.remarks[1].startswith("embeddings replayed from ")
    _, other_tracker = track(files[1], overrides=[*BYTETRACK, "match_threshold=0.7"])
    assert runs == []
    assert names(tmp_path / "cache") == kept
    assert other_tracker


def test_another_embedder_or_threshold_keeps_the_detections(track, runs, files, tmp_path):
    track(files[1])
    runs.clear()
    result, _ = track(files[2])
    assert "detect" not in runs
    assert runs.count("embed 1") == 3
    assert (
        result.remarks[1] == "embedded again: what is kept was made with another weights.embedder"
    )
    runs.clear()
    track(files[2], overrides=[BYTETRACK[0], "track_threshold=0.1", "low_threshold=0.05"])
    assert runs.count("embed 2") == 3
    assert len(names(tmp_path / "cache")) == 4
    runs.clear()
    track(None)
    assert runs == []  # without an embedder the detections are the same


def test_embeddings_that_are_damaged_or_of_other_boxes_are_made_anew(track, runs, files, tmp_path):
    _, first = track(files[1])
    (path,) = (tmp_path / "cache").glob("*.embeddings.parquet")
    path.write_bytes(path.read_bytes()[:-40])
    runs.clear()
    result, second = track(files[1])
    assert runs.count("embed 1") == 3
    assert "detect" not in runs
    assert "embedded again, for what was kept is no good" in result.notes[0]
    assert first == second
    # The detections are lost: the network may find other last bits now.
    next(each for each in (tmp_path / "cache").iterdir() if "embeddings" not in each.name).unlink()
    runs.clear()
    _, third = track(files[1])
    assert runs.count("embed 1") == 3
    assert third == first


def test_embeddings_of_detections_that_were_found_anew_are_made_anew_too(
    track, runs, files, tmp_path, monkeypatch
):
    """As by a network that gives other last bits after its detections were lost."""
    for embedder in files[1:]:
        track(embedder)
    next(each for each in (tmp_path / "cache").iterdir() if "embeddings" not in each.name).unlink()
    answer = Detector._answer
    shifted = lambda self, index: dataclasses.replace(  # noqa: E731
        answer(self, index), boxes=answer(self, index).boxes + 1e-6
    )
    monkeypatch.setattr(Detector, "_answer", shifted)
    track(files[1])
    runs.clear()
    result, _ = track(files[2])
    assert runs.count("embed 1") == 3
    assert "expected embeddings of the 2 detections of frame 1, got those" in result.notes[0]


@pytest.mark.parametrize("keep", ["instance_features", "mask_features"])
def test_a_detectors_own_features_are_kept_with_its_detections(track, runs, tmp_path, keep):
    overrides = [*BYTETRACK, f"detector.keep={keep}"]
    _, first = track(overrides=overrides)
    assert runs == ["detect"] * 3
    (path,) = (tmp_path / "cache").iterdir()
    assert read_detections(path).embedding_name == keep
    again, second = track(overrides=overrides)
    assert runs == ["detect"] * 3
    assert first == second
    assert again.remarks[0].startswith("detections replayed from ")


def test_recorded_detections_are_embedded_and_kept_too(track, runs, files, tmp_path):
    _, first = track(files[1], weights=None)
    (path,) = (tmp_path / "cache").iterdir()
    assert path.name.endswith(".embeddings.parquet")
    runs.clear()
    _, second = track(files[1], weights=None)
    assert (runs, first) == ([], second)


def test_detect_writes_embeddings_that_a_tracker_replays(
    track, runs, files, make_picture_sequence, tmp_path
):
    recipe = resolve_recipe(settings={"embedder.weights": "one.onnx"})
    source = str(tmp_path / "data" / "walk")
    (task,) = plan_detection(
        [source],
        recipe,
        tmp_path / "found",
        format="parquet",
        weights=files[0],
        embedder=files[1],
    )
    assert run_task(task, lambda *_: None).error is None
    assert runs.count("embed 2") == 3  # whatever they score
    assert read_detections(task.output).embedding_name == "colours-of-one"
    _, direct = track(files[1], cache=False)
    runs.clear()
    _, replayed = track(None, weights=None, detections=task.output, cache=False)
    assert (runs, replayed) == ([], direct)
    same, again = track(files[1], weights=None, detections=task.output, cache=False)
    assert (runs, again) == (["load"], direct)
    assert same.remarks == ("embeddings are those of the file of detections",)
    record = read_provenance(tmp_path / "out2" / "walk.txt")
    assert "embedder" not in record.configuration  # but in that of the detections
    assert record.configuration["detections"]["embedder"]["weights"] == "one.onnx"
    assert record.weights["embedder"] == file_sha256(files[1])
    with pytest.raises(ValueError, match="embedder, colours-of-two, got a file with those of col"):
        track(files[2], weights=None, detections=task.output, cache=False)


@pytest.mark.parametrize("kind", ["mot", "coco"])
def test_a_format_without_a_place_for_embeddings_is_refused(runs, files, tmp_path, kind):
    with pytest.raises(
        ValueError, match=f"expected parquet for detections with embed.*got {kind}"
    ):
        plan_detection(["a.mp4"], resolve_recipe(), tmp_path, format=kind, embedder=files[1])
    recipe = resolve_recipe(overrides=["detector.keep=mask_features"])
    with pytest.raises(ValueError, match="expected parquet for detections with embeddings"):
        plan_detection(["a.mp4"], recipe, tmp_path, format=kind, weights=files[0])


def test_two_who_say_how_people_look_are_refused(files, tmp_path):
    recipe = resolve_recipe(overrides=["detector.keep=instance_features"])
    with pytest.raises(ValueError, match="expected none beside a detector that gives embeddings"):
        plan_tasks(["a.mp4"], recipe, tmp_path, weights=files[0], embedder=files[1])
    with pytest.raises(ValueError, match=r"masks: expected none beside detector\.keep=instance"):
        plan_tasks(["a.mp4"], recipe, tmp_path, weights=files[0], masks=True)


def test_features_that_a_file_of_detections_lacks_are_one_line(track):
    with pytest.raises(
        ValueError, match=r"det\.txt: expected detections with embeddings, got none"
    ):
        track(overrides=["detector.keep=instance_features"], weights=None, cache=False)


def test_an_embedder_of_a_sequence_without_images_is_one_line(make_text_sequence, files, tmp_path):
    recipe = resolve_recipe(settings={"embedder.weights": "one.onnx"})
    source = str(make_text_sequence("walk"))
    (task,) = plan_tasks([source], recipe, tmp_path / "out", embedder=files[1])
    message = "walk: expected images for an embedder, got a sequence without any"
    assert run_task(task, lambda *_: None).error == message
    (task,) = plan_detection(
        [source], recipe, tmp_path / "out", format="parquet", embedder=files[1]
    )
    assert run_task(task, lambda *_: None).error == message


def test_one_run_over_several_sequences_loads_its_embedder_once(
    runs, files, make_picture_sequence, tmp_path
):
    sources = [str(make_picture_sequence(name)) for name in ("a", "b", "c")]
    recipe = resolve_recipe(settings={"embedder.weights": "one.onnx"}, overrides=BYTETRACK)
    tasks = plan_tasks(sources, recipe, tmp_path / "out", embedder=files[1])
    assert [outcome.error for outcome in run_tasks(tasks)] == [None] * 3
    assert runs.count("load") == 1
