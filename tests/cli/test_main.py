import os
import subprocess
import sys

import pytest

import faimtrack as package
from faimtrack.cli.main import limit_spinning


@pytest.mark.parametrize("verb", ["demo", "track", "eval", "crowd", "trackers"])
def test_each_verb_has_help(faimtrack, verb):
    done = faimtrack(verb, "--help")
    assert (done.status, done.err) == (0, "")
    assert f"Usage: faimtrack {verb} " in done.out


def test_the_version_is_the_packages(faimtrack):
    done = faimtrack("--version")
    assert (done.status, done.out) == (0, f"faimtrack {package.__version__}\n")


def test_the_package_is_the_command_too():
    command = [sys.executable, "-m", "faimtrack", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, f"faimtrack {package.__version__}\n")


def test_without_a_verb_the_help_is_shown(faimtrack):
    done = faimtrack()
    assert done.status == 0
    assert "Usage: faimtrack " in done.out


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("a file\nis bad"), 1, "a file is bad"),
        (FileNotFoundError(2, "No such file or directory", "x"), 1, "x: No such file or director"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "out of memory"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            1,
            "torch is not installed",
        ),
        (ImportError("libGL.so.1: cannot open", name="cv2"), 1, "cv2 cannot be loaded: libGL.so"),
        (RuntimeError("oh"), 1, "RuntimeError: oh (this is a fault of faimtrack; FAIMTRACK_DEB"),
        (AssertionError(), 1, "AssertionError (this is a fault of faimtrack"),
    ],
)
def test_every_error_is_one_line_with_a_status(
    faimtrack, complaint, monkeypatch, error, status, line
):
    from faimtrack.cli import trackers

    def fail():
        raise error

    monkeypatch.setattr(trackers, "tracker_names", fail)
    done = faimtrack("trackers")
    assert done.status == status
    assert complaint(done.err).startswith(line)
    assert done.err.count("\n") == 1


def test_debugging_shows_where(monkeypatch):
    from faimtrack.cli import trackers
    from faimtrack.cli.main import run

    def fail():
        raise ValueError("here")

    monkeypatch.setattr(trackers, "tracker_names", fail)
    monkeypatch.setenv("FAIMTRACK_DEBUG", "1")
    with pytest.raises(ValueError, match="here"):
        run(["trackers"])


@pytest.mark.parametrize("closed", [1, 2])
def test_a_service_may_have_closed_its_output(start, closed):
    process = start("trackers", "sort", preexec_fn=lambda: os.close(closed))
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == ""
    assert out == "" if closed == 1 else out.startswith("sort SORT")


def test_letters_that_the_terminal_lacks_are_no_error(start):
    process = start("trackers", "bytetrack", env=os.environ | {"PYTHONIOENCODING": "ascii"})
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "1 ? IoU" in out


@pytest.mark.parametrize("columns", ["0", "many"])
def test_a_width_that_is_none_hides_nothing(faimtrack, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", columns)
    assert "lost_buffer_frames" in faimtrack("trackers", "sort").out


def test_a_reader_that_has_seen_enough_is_no_error(start):
    process = start("trackers")
    process.stdout.close()
    process.stdout = None
    _, err = process.communicate(timeout=60)
    assert err == ""


@pytest.mark.parametrize(
    ("told", "spins"),
    [
        ({}, "3000"),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "active"}, None),
    ],
)
def test_torchs_threads_wait_as_the_environment_says_else_not_for_long(monkeypatch, told, spins):
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")  # so that it is put back, whatever the test sets
        monkeypatch.delenv(name)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    limit_spinning()
    assert os.environ.get("GOMP_SPINCOUNT") == spins
