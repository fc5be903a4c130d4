"""A cluster of two workers on this machine; Ray takes its time to start, so most of it is slow."""

import logging
import os
import signal
import sys
import time
import types
from pathlib import Path

import pytest

import faimtrack
from faimtrack.onnx import available_threads
from faimtrack.pipeline import plan_detection, plan_tasks, run_tasks
from faimtrack.pipeline.cluster import run as cluster_run
from faimtrack.pipeline.cluster import run_tasks_on_cluster
from faimtrack.pipeline.cluster.worker import ClusterWorker
from faimtrack.recipes import resolve_recipe

pytestmark = [
    # Ray's own: it leaves sockets and processes to the garbage collector, and warns of GPUs.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray"),
]


@pytest.fixture(scope="module")
def two_workers():
    """The process is connected to it: whatever address is named, this is taken."""
    import ray

    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
        object_store_memory=100 * 2**20,
    )
    yield "local"
    ray.shutdown()


def recording_worker(folder):
    """A worker that leaves notes in `folder`: files `<what>-<process>`, a line an event."""

    class RecordingWorker(ClusterWorker):
        def __init__(self, threads):
            super().__init__(threads)
            from faimtrack.pipeline import loader

            open_detector = loader.open_detector

            def noted(*arguments, **keywords):
                self.note("load", arguments[0])
                return open_detector(*arguments, **keywords)

            loader.open_detector = noted

        def note(self, what, text=""):
            with Path(folder, f"{what}-{os.getpid()}").open("a") as file:
                file.write(f"{text}\n")

        def work(self, task):
            self.note(task.name)
            outcome = super().work(task)
            if "torch" in sys.modules:
                self.note("torch", sys.modules["torch"].get_num_threads())
            self.note("library", available_threads())
            return outcome

    return RecordingWorker


@pytest.fixture
def notes(two_workers, monkeypatch, tmp_path):
    """The folder of what the workers note."""
    folder = tmp_path / "notes"
    folder.mkdir()
    monkeypatch.setattr(cluster_run, "ClusterWorker", recording_worker(folder))
    return folder


def processes(notes, what):
    return [int(path.name.rpartition("-")[2]) for path in notes.glob(f"{what}-*")]


def run(tasks, **keywords):
    outcomes = run_tasks_on_cluster(tasks, "local", jobs=2, **keywords)
    return {outcome.task.name: outcome for outcome in outcomes}


def assert_same_files(one, other):
    names = sorted(path.name for path in one.iterdir())
    assert names == sorted(path.name for path in other.iterdir())
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name


def errors(outcomes):
    outcomes = outcomes.values() if isinstance(outcomes, dict) else outcomes
    return [outcome.error for outcome in outcomes]


def test_two_workers_give_the_files_of_a_local_run(
    two_workers, make_text_sequence, monkeypatch, tmp_path
):
    sources = [str(make_text_sequence(name)) for name in ("a", "b", "c")]
    assert (
        errors(run_tasks(plan_tasks(sources, resolve_recipe(), tmp_path / "here"))) == [None] * 3
    )
    monkeypatch.chdir(tmp_path)  # names that are relative reach the workers' folder too
    tasks = plan_tasks(["data/a", "data/b", "data/c"], resolve_recipe(), Path("there"))
    seen = []
    outcomes = run(tasks, report=lambda *progress: seen.append(progress))
    assert errors(outcomes) == [None] * 3
    assert [outcomes[task.name].task for task in tasks] == tasks
    assert {("a", 20, 20), ("b", 20, 20), ("c", 20, 20)} <= set(seen)
    assert_same_files(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
@pytest.mark.parametrize("plan", [plan_tasks, plan_detection])
def test_an_onnx_network_is_loaded_once_a_worker_and_finds_the_same(
    notes, make_picture_sequence, shared_data, tmp_path, plan
):
    weights = shared_data / "models" / "yolox_nano.onnx"
    sources = [str(make_picture_sequence(name, frames=4)) for name in ("a", "bb", "ccc", "dddd")]
    recipe = resolve_recipe(detector=str(weights), overrides=["detector.score_threshold=0.01"])
    videos = {"video": tmp_path / "videos"} if plan is plan_tasks else {"format": "parquet"}
    options = {"weights": weights, **videos}
    assert errors(run_tasks(plan(sources, recipe, tmp_path / "here", **options))) == [None] * 4
    if plan is plan_tasks:
        options["video"] = tmp_path / "other-videos"
    outcomes = run(plan(sources, recipe, tmp_path / "there", **options))
    assert errors(outcomes) == [None] * 4
    assert all(outcome.result.summary.detections for outcome in outcomes.values())
    assert_same_files(tmp_path / "here", tmp_path / "there")
    if plan is plan_tasks:
        assert_same_files(tmp_path / "videos", tmp_path / "other-videos")
    loads = [path.read_text().splitlines() for path in notes.glob("load-*")]
    assert loads == [[str(weights)]] * len(set(processes(notes, "*")))


@pytest.mark.slow
def test_a_torch_network_finds_the_same_with_the_same_threads(
    notes, make_picture_sequence, tmp_path
):
    import torch

    from faimtrack.detectors.yolox.network import Yolox

    torch.manual_seed(0)
    weights = tmp_path / "nano.pth"
    torch.save({"model": Yolox("nano", 80).state_dict()}, weights)
    sources = [str(make_picture_sequence(name, frames=2)) for name in ("a", "bb", "ccc")]
    recipe = resolve_recipe(detector=str(weights), overrides=["detector.score_threshold=0.00001"])
    before = torch.get_num_threads()
    torch.set_num_threads(3)  # as no worker would by itself
    try:
        for folder, do in (("here", run_tasks), ("there", run)):
            tasks = plan_detection(sources, recipe, tmp_path / folder, weights=weights)
            outcomes = do(tasks)
            assert errors(outcomes) == [None] * 3
    finally:
        torch.set_num_threads(before)
    assert (tmp_path / "here" / "a.txt").stat().st_size > 1000
    assert_same_files(tmp_path / "here", tmp_path / "there")
    for what, expected in (("torch", 3), ("library", available_threads())):
        noted = {line for path in notes.glob(f"{what}-*") for line in path.read_text().split()}
        assert noted == {str(expected)}


@pytest.mark.slow
def test_what_a_killed_worker_had_in_hand_is_done_again(notes, make_text_sequence, tmp_path):
    sources = [str(make_text_sequence(n, frames=f)) for n, f in (("long", 20_000), ("short", 20))]
    list(run_tasks(plan_tasks(sources, resolve_recipe(), tmp_path / "here")))
    killed, seen = [], []

    def kill_once(name, done, total):
        seen.append((name, done))
        if name == "long" and not killed:
            killed.extend(processes(notes, "long"))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = run(plan_tasks(sources, resolve_recipe(), tmp_path / "there"), report=kill_once)
    assert errors(outcomes) == [None, None]
    assert len(killed) == 1
    assert len(processes(notes, "long")) == 2
    done = [done for name, done in seen if name == "long"]
    assert done[0] < 20_000  # killed midway, not at its end
    (note,) = outcomes["long"].result.notes
    assert note == "done again, for its worker was lost (try 2 of 3)"
    assert outcomes["short"].result.notes == ()
    assert_same_files(tmp_path / "here", tmp_path / "there")


@pytest.mark.slow
def test_a_worker_lost_after_its_file_was_whole_leaves_no_refusal(
    two_workers, make_text_sequence, monkeypatch, tmp_path
):
    class DiesAtTheEnd(ClusterWorker):
        def work(self, task):
            outcome = super().work(task)
            if task.existing == "refuse":
                Path(f"{task.output}.json").unlink()  # it died before the sidecar was there
                os._exit(1)
            return outcome

    monkeypatch.setattr(cluster_run, "ClusterWorker", by_value(DiesAtTheEnd))
    (outcome,) = run(
        plan_tasks([str(make_text_sequence("a"))], resolve_recipe(), tmp_path / "out")
    ).values()
    assert outcome.error is None
    assert (tmp_path / "out" / "a.txt.json").is_file()


@pytest.mark.slow
def test_a_sequence_that_loses_every_worker_fails_and_the_others_go_on(
    two_workers, make_text_sequence, monkeypatch, tmp_path
):
    class DiesOfOne(ClusterWorker):
        def work(self, task):
            if task.name == "deadly":
                os._exit(1)
            return super().work(task)

    monkeypatch.setattr(cluster_run, "ClusterWorker", by_value(DiesOfOne))
    sources = [str(make_text_sequence(name)) for name in ("deadly", "a", "b")]
    outcomes = run(plan_tasks(sources, resolve_recipe(), tmp_path / "out"))
    assert "its worker was lost 3 times" in outcomes["deadly"].error
    assert "\n" not in outcomes["deadly"].error
    assert outcomes["a"].error is outcomes["b"].error is None


def by_value(worker_class):
    """The class for workers that cannot import this module."""
    import ray.cloudpickle

    ray.cloudpickle.register_pickle_by_value(sys.modules[worker_class.__module__])
    return worker_class


@pytest.mark.slow
def test_a_faulty_sequence_is_an_outcome_at_once(notes, make_text_sequence, tmp_path):
    faulty = make_text_sequence("faulty")
    (faulty / "det" / "det.txt").write_text("1,-1,nonsense\n")
    tasks = plan_tasks(
        [str(faulty), str(make_text_sequence("good"))], resolve_recipe(), tmp_path / "out"
    )
    here = {outcome.task.name: outcome.error for outcome in run_tasks(tasks[:1])}
    outcomes = run(tasks)
    assert outcomes["faulty"].error == here["faulty"]
    assert outcomes["good"].error is None
    assert len(processes(notes, "faulty")) == 1


@pytest.mark.slow
def test_leaving_early_ends_the_workers_and_keeps_their_frames(
    notes, make_text_sequence, tmp_path
):
    tasks = plan_tasks(
        [str(make_text_sequence(name, frames=50_000)) for name in ("x", "y")],
        resolve_recipe(),
        tmp_path / "out",
    )

    def interrupt(name, done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tasks, report=interrupt)
    wait_for_the_end_of(processes(notes, "[xy]"))
    partial = list((tmp_path / "out").iterdir())
    assert partial
    for path in partial:
        assert path.name.endswith(".txt.partial")
        assert path.read_text().endswith("-1,-1,-1\n")  # whole frames


def wait_for_the_end_of(numbers):
    assert numbers
    deadline_s = time.monotonic() + 30
    while any(Path(f"/proc/{number}").exists() for number in numbers):
        assert time.monotonic() < deadline_s
        time.sleep(0.1)


@pytest.mark.slow
def test_workers_of_another_version_are_refused(
    two_workers, make_text_sequence, monkeypatch, tmp_path
):
    tasks = plan_tasks([str(make_text_sequence("a"))], resolve_recipe(), tmp_path / "out")
    version = faimtrack.__version__
    monkeypatch.setattr(faimtrack, "__version__", "99.0")
    with pytest.raises(ValueError, match=f"expected faimtrack 99.0 on every node, got {version}"):
        run(tasks)


@pytest.mark.slow
def test_workers_that_cannot_import_faimtrack_are_told(
    two_workers, make_text_sequence, monkeypatch, tmp_path
):
    module = types.ModuleType("only_here")
    module.Worker = type("Worker", (ClusterWorker,), {"__module__": "only_here"})
    monkeypatch.setitem(sys.modules, "only_here", module)
    monkeypatch.setattr(cluster_run, "ClusterWorker", module.Worker)
    tasks = plan_tasks([str(make_text_sequence("a"))], resolve_recipe(), tmp_path / "out")
    expected = r"faimtrack .* on every node, got: .*No module named 'only_here'"
    with pytest.raises(ConnectionError, match=expected):
        run(tasks)
