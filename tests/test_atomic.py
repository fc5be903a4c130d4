import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from faimtrack.atomic import atomic_directory, atomic_file, check_writable, claimed


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "deep" / "er" / "out.txt"
    with atomic_file(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.suffix == ".txt"
        assert temporary.parent == path.parent
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["out.txt"]


@pytest.mark.parametrize(
    "error", [ValueError("bad"), KeyboardInterrupt(), OSError(errno.ENOSPC, "full")]
)
def test_after_an_error_the_old_file_is_as_it_was_and_nothing_else_is_there(tmp_path, error):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(type(error)), atomic_file(path) as temporary:  # noqa: PT012
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["out.txt"]


def test_a_file_has_the_permissions_that_any_new_file_would_have(tmp_path):
    before = os.umask(0o027)
    try:
        with atomic_file(tmp_path / "out.txt") as temporary:
            temporary.write_text("")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "out.txt").stat().st_mode) == 0o640


def test_a_parent_that_is_a_file_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError), atomic_file(tmp_path / "file" / "out.txt"):  # noqa: PT011
        raise AssertionError("must not come here")


def test_a_directory_appears_when_the_block_ends_well(tmp_path):
    path = tmp_path / "deep" / "crowd"
    with atomic_directory(path) as temporary:
        (temporary / "gt").mkdir()
        (temporary / "gt" / "gt.txt").write_text("rows")
        assert not path.exists()
    assert (path / "gt" / "gt.txt").read_text() == "rows"
    assert names_in(path.parent) == ["crowd"]


def test_a_directory_that_is_there_is_refused_unless_told_to_replace_it(tmp_path):
    path = tmp_path / "crowd"
    path.mkdir()
    (path / "old").write_text("")
    with pytest.raises(FileExistsError, match="already there"), atomic_directory(path):
        raise AssertionError("must not come here")
    with atomic_directory(path, overwrite=True) as temporary:
        (temporary / "new").write_text("")
    assert names_in(path) == ["new"]
    assert names_in(tmp_path) == ["crowd"]


def test_after_an_error_the_old_directory_is_as_it_was(tmp_path):
    path = tmp_path / "crowd"
    path.mkdir()
    (path / "old").write_text("")
    with (  # noqa: PT012
        pytest.raises(ValueError, match="bad"),
        atomic_directory(path, overwrite=True) as half,
    ):
        (half / "new").write_text("")
        raise ValueError("bad")
    assert names_in(path) == ["old"]
    assert names_in(tmp_path) == ["crowd"]


@pytest.mark.parametrize("appear", [atomic_file, atomic_directory])
def test_a_full_disk_is_told_with_the_name_of_what_was_to_be_written(tmp_path, appear):
    with pytest.raises(OSError, match="No space left") as caught, appear(tmp_path / "a"):
        raise OSError(28, "No space left on device")
    assert caught.value.filename == str(tmp_path / "a")


def test_a_name_that_an_error_has_already_is_kept(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, atomic_file(tmp_path / "a"):
        (tmp_path / "b").read_text()
    assert caught.value.filename == str(tmp_path / "b")


def test_the_working_directory_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / "mine" / "deep").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "mine" / "deep")
    for path in (".", "..", tmp_path / "mine"):
        with (
            pytest.raises(ValueError, match="expected another folder than the one that this runs"),
            atomic_directory(path, overwrite=True),
        ):
            pass
    assert names_in(tmp_path) == ["mine"]


def test_a_file_is_not_replaced_by_a_directory(tmp_path):
    (tmp_path / "a").write_text("mine")
    with (
        pytest.raises(NotADirectoryError, match="expected a folder to replace, got a file"),
        atomic_directory(tmp_path / "a", overwrite=True),
    ):
        pass
    assert (tmp_path / "a").read_text() == "mine"


def test_the_old_directory_goes_only_when_the_new_one_has_its_name(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "old").write_text("old")
    replace = Path.replace

    def fail_to_name_the_new_one(path, target):
        if path.suffix == ".partial":
            raise OSError(5, "Input/output error", str(path))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail_to_name_the_new_one)
    with (
        pytest.raises(OSError, match="Input/output"),
        atomic_directory(tmp_path / "a", overwrite=True) as temporary,
    ):
        (temporary / "new").write_text("new")
    assert names_in(tmp_path) == ["a"]
    assert names_in(tmp_path / "a") == ["old"]


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to("a")
    with atomic_directory(tmp_path / "link", overwrite=True) as temporary:
        (temporary / "new").write_text("new")
    assert (tmp_path / "link").is_symlink()
    assert names_in(tmp_path / "a") == ["new"]


# Claims a file, forks a worker that only waits, and says its number.
HOLDER = """
import os, sys, time
from faimtrack.atomic import claimed
with claimed(sys.argv[1], across_forks=sys.argv[2] == "True"):
    worker = os.fork()
    if worker:
        print(worker, flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows knows no claims")
@pytest.mark.parametrize("across_forks", [True, False])
def test_a_claim_ends_with_its_process_or_with_all_that_were_forked(tmp_path, across_forks):
    path = tmp_path / "claim"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(across_forks)], stdout=subprocess.PIPE
    )
    with holder.stdout as lines:
        worker = int(lines.readline())

    def claim():
        with claimed(path, across_forks=across_forks):
            assert names_in(tmp_path) == ["claim"]

    try:
        with pytest.raises(BlockingIOError, match="claim: expected to write it alone"):
            claim()
        holder.kill()
        holder.wait(30)
        if across_forks:
            with pytest.raises(BlockingIOError):
                claim()
        else:
            claim()
            assert names_in(tmp_path) == []
    finally:
        holder.kill()
        os.kill(worker, signal.SIGKILL)


def test_a_file_that_can_be_written_is_not_made_by_asking(tmp_path):
    (tmp_path / "there").write_text("mine")
    for name in ("there", "new", "folder/below/new"):
        check_writable(tmp_path / name)
    assert names_in(tmp_path) == ["there"]
    assert (tmp_path / "there").read_text() == "mine"


def test_what_cannot_be_written_is_known_before(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IsADirectoryError, match="expected a file to write, got a folder"):
        check_writable(tmp_path)
    for path in ("file/a.json", "file/below/a.json"):
        with pytest.raises(NotADirectoryError, match=r"^file: expected a folder for a\.json, got"):
            check_writable(path)
    monkeypatch.setattr("os.access", lambda *_: False)  # whoever runs this may be allowed all
    with pytest.raises(PermissionError, match=r"^\.: expected a folder for a, got one that may"):
        check_writable("a")
