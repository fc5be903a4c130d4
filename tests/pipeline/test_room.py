import dataclasses
import socket

import pytest

from faimtrack.pipeline import plan_tasks
from faimtrack.pipeline.cluster import run_tasks_on_cluster
from faimtrack.pipeline.cluster.room import WorkerRoom, room_for
from faimtrack.pipeline.threads import ThreadCounts
from faimtrack.recipes import resolve_recipe

EIGHT_CORES = {"CPU": 8.0, "memory": 1e9}
TWO_GPUS = {"CPU": 4.0, "GPU": 2.0}


@pytest.fixture
def tasks(make_text_sequence, tmp_path):
    sources = [str(make_text_sequence(f"s{index:02d}", frames=1)) for index in range(20)]
    return plan_tasks(sources, resolve_recipe(), tmp_path / "out")


def with_network(tasks, device="auto"):
    recipe = resolve_recipe(overrides=[f"detector.device={device}"])
    return [dataclasses.replace(task, weights="net.onnx", recipe=recipe) for task in tasks]


def room(tasks, *nodes, jobs=None, library=8, torch=None):
    return room_for(tasks, nodes, jobs=jobs, threads=ThreadCounts(library=library, torch=torch))


def test_a_replay_holds_one_core(tasks):
    assert room(tasks, EIGHT_CORES, EIGHT_CORES) == WorkerRoom(workers=16, cpus=1)


def test_there_are_no_more_workers_than_tasks(tasks):
    assert room(tasks[:3], EIGHT_CORES) == WorkerRoom(workers=3, cpus=1)
    assert room(with_network(tasks[:1]), TWO_GPUS).workers == 1


def test_a_network_holds_as_many_cores_as_it_has_threads(tasks):
    network = with_network(tasks)
    assert room(network, EIGHT_CORES, EIGHT_CORES) == WorkerRoom(workers=2, cpus=8)
    assert room(network, EIGHT_CORES, library=8, torch=4) == WorkerRoom(workers=2, cpus=4)
    # More threads than a node has cores: what is asked for must be there to be had.
    assert room(network, EIGHT_CORES, library=64) == WorkerRoom(workers=1, cpus=8)


def test_the_jobs_that_a_person_asks_for_share_what_is_there(tasks):
    network = with_network(tasks)
    assert room(network, EIGHT_CORES, EIGHT_CORES, jobs=6) == WorkerRoom(workers=6, cpus=2)
    assert room(network, EIGHT_CORES, jobs=20) == WorkerRoom(workers=20, cpus=1)


def test_a_network_takes_a_gpu_where_there_are_some_unless_told_otherwise(tasks):
    one_each = WorkerRoom(workers=2, cpus=1, gpus=1)
    assert room(with_network(tasks), EIGHT_CORES, TWO_GPUS) == one_each
    assert room(with_network(tasks, "cuda"), TWO_GPUS) == one_each
    assert room(with_network(tasks, "cpu"), TWO_GPUS, library=4) == WorkerRoom(workers=1, cpus=4)
    assert room(tasks, TWO_GPUS) == WorkerRoom(workers=4, cpus=1)


def test_a_cluster_that_has_no_node_yet_is_asked_for_one_worker(tasks):
    assert room(tasks) == WorkerRoom(workers=1, cpus=1)


def run(tasks, address, **keywords):
    return list(run_tasks_on_cluster(tasks, address, **keywords))


def test_what_is_no_address_is_told(tasks):
    with pytest.raises(ValueError, match=r"expected local, auto, HOST:PORT or .*, got 'here'"):
        run(tasks, "here")


@pytest.mark.parametrize("prefix", ["", "ray://"])
def test_where_nobody_listens_there_is_no_cluster(tasks, prefix):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"{prefix}127.0.0.1:{port}"
    with pytest.raises(ConnectionError, match=f"{address}: expected a Ray cluster, got: Connec"):
        run(tasks, address)


def test_no_jobs_at_all_is_an_error(tasks):
    with pytest.raises(ValueError, match="jobs: expected 1 or more, got 0"):
        run(tasks, "local", jobs=0)


def test_no_tasks_need_no_cluster():
    assert run([], "nowhere") == []
