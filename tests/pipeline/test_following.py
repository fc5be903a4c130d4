import dataclasses

import numpy as np
import pytest

from faimtrack.detectors.faster_rcnn.config import FasterRcnnConfig
from faimtrack.pipeline import loader as loading
from faimtrack.pipeline import plan_tasks, run_tasks, track_sequence
from faimtrack.provenance import file_sha256, read_provenance
from faimtrack.recipes import resolve_recipe
from faimtrack.structures import Detections


class Regressor:
    """A detector that finds one person, and knows where anybody is: a pixel to the right."""

    class_names = ("person",)

    def __init__(self, name):
        self.name = name
        self.asked = []

    def open(self, info):
        return self

    def push(self, frames):
        return [(frame, Detections([[10, 5, 30, 60]], [0.9])) for frame in frames]

    def finish(self):
        return []

    def regress(self, frame, boxes, class_ids=None):
        self.asked.append((frame.index, len(boxes)))
        frame.features = self.name
        return boxes + np.array([1.0, 0, 1, 0]), np.full(len(boxes), 0.9)


@pytest.fixture
def networks(monkeypatch):
    """What was loaded, by the name of its file, with what else it was told."""
    loaded = {}

    def open_detector(weights, config, *, classes, keep_features=False):
        assert weights.name not in loaded, "loaded twice"
        loaded[weights.name] = Regressor(weights.name), keep_features
        return loaded[weights.name][0]

    from faimtrack.pipeline import following

    monkeypatch.setattr(loading, "open_detector", open_detector)
    monkeypatch.setattr(following, "can_regress", lambda path: path.suffix == ".pth")
    return loaded


@pytest.fixture
def file(tmp_path):
    def make(name):
        path = tmp_path / name
        path.write_bytes(name.encode())
        return path

    return make


def plan(source, folder, **more):
    (task,) = plan_tasks([str(source)], resolve_recipe(tracker="tracktor"), folder, **more)
    return task


def test_the_detector_itself_moves_boxes_if_nobody_else_does(
    networks, file, make_picture_sequence, tmp_path
):
    task = plan(make_picture_sequence("walk"), tmp_path / "out", weights=file("own.pth"))
    result = track_sequence(task)
    assert (result.summary.rows, result.remarks) == (3, ())
    regressor, keeps_features = networks["own.pth"]
    assert keeps_features  # its backbone runs once a frame
    assert [index for index, _ in regressor.asked] == [2, 3]
    record = read_provenance(task.output)
    assert set(record.weights) == {"detector"}
    assert "regressor" not in record.configuration


def test_another_network_moves_the_boxes_of_a_file_of_detections(
    networks, file, make_picture_sequence, tmp_path
):
    regressor = file("other.pth")
    task = plan(make_picture_sequence("walk"), tmp_path / "out", regressor=regressor)
    result = track_sequence(task)
    assert result.summary.tracks >= 1
    assert result.remarks[0].startswith(
        "the detections are not the regressor's own: with --set pu"
    )
    assert list(networks) == ["other.pth"]
    record = read_provenance(task.output)
    assert record.weights == {"regressor": file_sha256(regressor)}
    assert record.configuration["regressor"]["weights"] == "other.pth"  # no recipe named it
    assert {"detections", "frames", "seqinfo"} == set(record.inputs)


def test_a_detector_that_describes_people_beside_a_regressor_runs_once_a_frame(
    networks, file, make_picture_sequence, tmp_path, monkeypatch
):
    seen = []

    class Looks:
        name, dimension = "own", 2

        def embed(self, frame, boxes):
            seen.append(frame.features)
            return np.tile(np.array([[0.6, 0.8]], np.float32), (len(boxes), 1))

    class Detector(Regressor):
        """Leaves something in each frame."""

        def push(self, frames):
            for frame in frames:
                frame.features = self.name
            return super().push(frames)

    from faimtrack.pipeline import following

    monkeypatch.setattr(following, "_own_features", lambda network, kind: Looks())
    monkeypatch.setitem(globals(), "Regressor", Detector)
    recipe = dataclasses.replace(
        resolve_recipe(tracker="tracktor"), detector=FasterRcnnConfig(keep="mask_features")
    )
    (task,) = plan_tasks(
        [str(make_picture_sequence("walk"))],
        recipe,
        tmp_path / "out",
        weights=file("own.pth"),
        regressor=file("other.pth"),
    )
    track_sequence(task)
    assert {name: keeps for name, (_, keeps) in networks.items()} == {
        "own.pth": True,
        "other.pth": False,
    }
    assert networks["other.pth"][0].asked  # and left its own features nowhere
    assert seen == ["own.pth"] * 3


def test_detections_that_are_replayed_still_need_the_network(
    networks, file, make_picture_sequence, tmp_path
):
    source, weights = make_picture_sequence("walk"), file("own.pth")
    made = []
    for folder in ("a", "b"):
        networks.clear()
        task = plan(source, tmp_path / folder, weights=weights, cache=tmp_path / "cache")
        track_sequence(task)
        made.append(task.output.read_bytes())
        assert list(networks) == ["own.pth"]
    assert made[0] == made[1]


def test_several_sequences_load_each_network_once(networks, file, make_picture_sequence, tmp_path):
    sources = [str(make_picture_sequence(name)) for name in ("a", "b")]
    tasks = plan_tasks(
        sources,
        resolve_recipe(tracker="tracktor"),
        tmp_path / "out",
        weights=file("own.pth"),
        regressor=file("other.pth"),
    )
    assert [outcome.error for outcome in run_tasks(tasks)] == [None, None]
    assert {name: keeps for name, (_, keeps) in networks.items()} == {
        "own.pth": False,
        "other.pth": False,
    }


def test_a_tracker_that_moves_boxes_without_a_network_is_one_line(
    networks, file, make_text_sequence, tmp_path
):
    source = make_text_sequence("walk")
    with pytest.raises(ValueError, match="tracktor: expected a network that moves boxes, got non"):
        plan(source, tmp_path / "out")
    with pytest.raises(
        ValueError, match=r"yolox\.onnx: expected a network that moves boxes for tr"
    ):
        plan(source, tmp_path / "out", weights=file("yolox.onnx"))
    task = plan(source, tmp_path / "out", regressor=file("own.pth"))
    with pytest.raises(
        ValueError, match="walk: expected images for a regressor, got a sequence w"
    ):
        track_sequence(task)


def test_a_regressor_that_the_tracker_has_no_use_for_is_left_aside(
    networks, file, make_text_sequence, tmp_path
):
    recipe = resolve_recipe(
        tracker="sort", settings={"regressor.weights": "faster-rcnn-resnet50-fpn"}
    )
    (task,) = plan_tasks(
        [str(make_text_sequence("walk"))], recipe, tmp_path / "out", regressor=file("own.pth")
    )
    assert task.regressor is None
    track_sequence(task)
    assert "regressor" not in read_provenance(task.output).configuration
