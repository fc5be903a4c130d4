import dataclasses
import os

import pytest

from faimtrack.detectors.yolox.config import YoloxOnnxConfig
from faimtrack.pipeline import loader as loading
from faimtrack.pipeline import plan_detection, plan_tasks, run_tasks
from faimtrack.pipeline.loader import NetworkLoader
from faimtrack.recipes import resolve_recipe

CONFIG = YoloxOnnxConfig()


@pytest.fixture
def loads(monkeypatch):
    """What was loaded, in that order; nothing is a network here."""
    loaded = []

    def open_detector(weights, config, *, classes):
        loaded.append((weights.name, config, classes))
        return object()

    monkeypatch.setattr(loading, "open_detector", open_detector)
    return loaded


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "network.onnx"
    path.write_bytes(b"first")
    return path


def test_the_same_detector_is_loaded_once(loads, weights):
    loader = NetworkLoader()
    first = loader.load(weights, CONFIG, ("person",))
    assert loader.load(weights, YoloxOnnxConfig(), ("person",)) is first
    assert loads == [("network.onnx", CONFIG, ("person",))]


def test_another_file_configuration_or_class_is_loaded_anew(loads, weights, tmp_path):
    loader = NetworkLoader()
    other = tmp_path / "other.onnx"
    other.write_bytes(b"first")
    strict = dataclasses.replace(CONFIG, score_threshold=0.9)
    asked = [
        (weights, CONFIG, ()),
        (other, CONFIG, ()),
        (other, strict, ()),
        (other, strict, ("person",)),
    ]
    made = [loader.load(*each) for each in asked]
    assert len(set(map(id, made))) == len(loads) == 4
    assert loads[0] == ("network.onnx", CONFIG, None)


def test_weights_that_were_replaced_are_loaded_anew(loads, weights):
    loader = NetworkLoader()
    first = loader.load(weights, CONFIG)
    weights.write_bytes(b"second, and longer")
    second = loader.load(weights, CONFIG)
    assert second is not first
    weights.write_bytes(b"third,  and longer")  # as long as the second
    os.utime(weights, ns=(0, 0))
    assert loader.load(weights, CONFIG) is not second


def test_after_weights_that_cannot_be_loaded_the_next_ones_are(monkeypatch, weights):
    answers = [ValueError("expected a YOLOX"), object()]

    def open_detector(weights, config, *, classes):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(loading, "open_detector", open_detector)
    loader = NetworkLoader()
    with pytest.raises(ValueError, match="expected a YOLOX"):
        loader.load(weights, CONFIG)
    assert loader.load(weights, CONFIG) is not None


def test_one_run_over_several_sequences_loads_its_network_once(
    make_picture_sequence, shared_data, monkeypatch, tmp_path
):
    loaded = []
    open_detector = loading.open_detector

    def counted(*arguments, **keywords):
        loaded.append(arguments)
        return open_detector(*arguments, **keywords)

    monkeypatch.setattr(loading, "open_detector", counted)
    weights = shared_data / "models" / "yolox_nano.onnx"
    sources = [str(make_picture_sequence(name)) for name in ("a", "b", "c")]
    recipe = resolve_recipe(detector=str(weights))
    for plan, folder in ((plan_tasks, "tracks"), (plan_detection, "found")):
        outcomes = list(run_tasks(plan(sources, recipe, tmp_path / folder, weights=weights)))
        assert [outcome.error for outcome in outcomes] == [None] * 3
    assert len(loaded) == 2
