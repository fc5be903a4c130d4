import multiprocessing
import os
import signal
import threading
import time

import pytest

from faimtrack.pipeline import plan_tasks, run_tasks
from faimtrack.recipes import resolve_recipe


@pytest.fixture
def tasks(make_text_sequence, tmp_path):
    sources = [str(make_text_sequence(name)) for name in ("a", "b", "c")]
    return plan_tasks(sources, resolve_recipe(), tmp_path / "out")


def children():
    return [process.pid for process in multiprocessing.active_children()]


def test_sequences_one_after_the_other_come_out_in_their_order(tasks):
    seen = []
    outcomes = list(
        run_tasks(tasks, report=lambda name, done, total: seen.append((name, done, total)))
    )
    assert [outcome.task.name for outcome in outcomes] == ["a", "b", "c"]
    assert all(outcome.result.summary.frames == 20 for outcome in outcomes)
    # The first and the last frame of each are always reported.
    for name in "abc":
        assert {(name, 1, 20), (name, 20, 20)} <= set(seen)


def test_several_processes_give_the_same_files(tasks, make_text_sequence, tmp_path):
    list(run_tasks(tasks))
    again = plan_tasks([str(tmp_path / "data")], resolve_recipe(), tmp_path / "again")
    seen = []
    outcomes = list(
        run_tasks(again, jobs=2, report=lambda name, done, total: seen.append((name, done)))
    )
    assert sorted(outcome.task.name for outcome in outcomes) == ["a", "b", "c"]
    assert {("a", 20), ("b", 20), ("c", 20)} <= set(seen)
    for name in ("a.txt", "a.txt.json", "b.txt", "c.txt"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    assert children() == []


def long_tasks(make_text_sequence, tmp_path, **names_and_frames):
    sources = [
        str(make_text_sequence(name, frames=frames)) for name, frames in names_and_frames.items()
    ]
    return plan_tasks(sources, resolve_recipe(), tmp_path / "out")


def test_a_process_that_dies_fails_its_own_sequence_only(make_text_sequence, tmp_path):
    tasks = long_tasks(make_text_sequence, tmp_path, long=200_000, short=20, other=20)
    killed = []

    def kill_the_long_one(name, done, total):
        if name == "long" and not killed:
            # The workers were started in the order of their first tasks.
            killed.append(min(children()))
            os.kill(killed[0], signal.SIGKILL)

    outcomes = {o.task.name: o for o in run_tasks(tasks, jobs=2, report=kill_the_long_one)}
    assert outcomes["long"].result is None
    assert "its process ended with signal 9" in outcomes["long"].error
    assert f"{tmp_path / 'out' / 'long.txt.partial'}" in outcomes["long"].error
    assert outcomes["short"].error is outcomes["other"].error is None
    assert children() == []


def test_leaving_early_stops_the_processes_and_keeps_their_frames(make_text_sequence, tmp_path):
    tasks = long_tasks(make_text_sequence, tmp_path, x=200_000, y=200_000)
    started = threading.Event()
    outcomes = run_tasks(tasks, jobs=2, report=lambda *_: interrupt(started))
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        list(outcomes)
    assert time.monotonic() - begun < 30
    assert children() == []
    partial = [path.name for path in (tmp_path / "out").iterdir()]
    assert partial
    assert all(name.endswith(".txt.partial") for name in partial)


def interrupt(started):
    if not started.is_set():
        started.set()
        raise KeyboardInterrupt


def test_no_jobs_at_all_is_an_error(tasks):
    with pytest.raises(ValueError, match="jobs: expected 1 or more, got 0"):
        next(run_tasks(tasks, jobs=0))


def test_no_tasks_are_no_outcomes():
    assert list(run_tasks([], jobs=4)) == []
