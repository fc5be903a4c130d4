"""Which networks tasks run decides threads, rooms on a cluster and what is the same elsewhere."""

from pathlib import Path

import pytest

from faimtrack.pipeline.cluster.room import room_for
from faimtrack.pipeline.cluster.run import _portable
from faimtrack.pipeline.tasks import SequenceTask
from faimtrack.pipeline.threads import ThreadCounts, runs_network, runs_torch
from faimtrack.recipes import resolve_recipe


def task(**fields):
    recipe = fields.pop("recipe", resolve_recipe())
    return SequenceTask(name="a", source="a.mp4", output=Path("a.txt"), recipe=recipe, **fields)


@pytest.mark.parametrize(
    ("fields", "network", "in_torch"),
    [
        ({}, False, False),
        ({"embedder": Path("osnet.onnx")}, True, False),
        ({"embedder": "colours"}, True, False),
        ({"embedder": Path("own.safetensors")}, True, True),
        ({"regressor": Path("tracktor.pth")}, True, True),
        ({"weights": Path("yolox.onnx")}, True, False),
    ],
)
def test_embedders_and_regressors_are_networks_too(fields, network, in_torch):
    assert runs_network(task(**fields)) is network
    assert runs_torch(task(**fields)) is in_torch


def test_an_embedder_takes_a_gpu_unless_told_otherwise():
    nodes, threads = [{"GPU": 1.0, "CPU": 4.0}], ThreadCounts(library=2)
    tasks = [task(embedder=Path("osnet.onnx"))]
    assert room_for(tasks, nodes, jobs=None, threads=threads).gpus == 1
    recipe = resolve_recipe(overrides=["embedder.device=cpu"])
    tasks = [task(embedder=Path("osnet.onnx"), recipe=recipe)]
    assert room_for(tasks, nodes, jobs=None, threads=threads).gpus == 0


def test_a_task_for_another_folder_names_all_its_files_from_the_root():
    files = {
        name: Path(f"{name}.file") for name in ("embedder", "regressor", "camera_motion", "cache")
    }
    moved = _portable(task(**files))
    assert {name: getattr(moved, name) for name in files} == {
        name: path.absolute() for name, path in files.items()
    }
    assert _portable(task(embedder="colours")).embedder == "colours"
