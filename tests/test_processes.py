"""Work in processes that may die."""

import os
import signal
import threading

import pytest

from faimtrack.processes import do_many


class Doubles:
    """Doubles numbers; at 13 its process dies, at 99 it fails in a way that nobody expected."""

    def __call__(self, task, report):
        report(str(task), 1, 1)
        if task == 13:
            os.kill(os.getpid(), signal.SIGKILL)
        if task == 99:
            return threading.Lock()  # cannot be sent
        return 2 * task


def cannot_begin():
    raise OSError("no such library")


def died(task, ending):
    return f"{task}: {ending}"


@pytest.mark.parametrize("jobs", [1, 3])
def test_all_is_done_and_reported(jobs):
    seen = []
    done = do_many([1, 2, 3, 4], Doubles, died, jobs=jobs, report=lambda *each: seen.append(each))
    assert sorted(done) == [2, 4, 6, 8]
    assert sorted(seen) == [(str(each), 1, 1) for each in (1, 2, 3, 4)]


@pytest.mark.parametrize(("bad", "ending"), [(13, "signal 9"), (99, "status 1")])
def test_a_task_that_takes_its_process_along_leaves_the_others_alone(bad, ending, capfd):
    done = list(do_many([bad, 1, bad, 2], Doubles, died, jobs=2))
    assert sorted(map(str, done)) == sorted([f"{bad}: {ending}"] * 2 + ["2", "4"])
    assert ("cannot pickle" in capfd.readouterr().err) == (bad == 99)


def test_why_work_cannot_begin_is_said(capfd):
    done = list(do_many([1, 2], cannot_begin, died, jobs=2))
    assert sorted(done) == ["1: status 1", "2: status 1"]
    assert "OSError: no such library" in capfd.readouterr().err
    with pytest.raises(OSError, match="no such library"):
        list(do_many([1], cannot_begin, died))
