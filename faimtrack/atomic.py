"""Outputs that appear under their final name only when they are whole."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO

if sys.platform != "win32":
    import fcntl


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary path beside `path`; rename it on success, remove it on any failure.

    The temporary name keeps the suffix, so that writers that choose a format by it work. Missing
    parent folders are made.

    Raises:
        OSError: The folder cannot be written or the disk is full; `path` is then as it was before.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{final.stem}.", suffix=f".partial{final.suffix}", dir=final.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(final)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        name_error(error, final)
        raise


def check_writable(path: str | os.PathLike[str]) -> None:
    """Refuse a file that could not be written, before the work that it is to hold.

    Nothing is made or touched; a disk that is full is found out later.

    Raises:
        IsADirectoryError: `path` is a folder.
        NotADirectoryError: What is to be its folder is a file.
        PermissionError: Nothing may be written where it is to lie.
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(f"{path}: expected a file to write, got a folder")
    folder = next((each for each in path.parents if each.exists()), Path())
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: expected a folder for {path.name}, got a file")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(
            f"{folder}: expected a folder for {path.name}, got one that may not be written"
        )


@contextmanager
def atomic_directory(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside `path`; rename it on success, remove it on any failure.

    With `overwrite` all that is in `path` goes: callers make sure that it may. It goes when the
    new folder has its name, and until then nothing in it is touched.

    Raises:
        FileExistsError: `path` is there already and `overwrite` is off.
        NotADirectoryError: `path` is a file.
        ValueError: `path` is the working directory, or holds it.
    """
    final = Path(path).resolve()  # a link stays, what it leads to is replaced
    if final.exists() and not overwrite:
        raise FileExistsError(f"{path}: already there")
    if Path.cwd().is_relative_to(final):
        raise ValueError(f"{path}: expected another folder than the one that this runs in")
    if final.exists() and not final.is_dir():
        raise NotADirectoryError(f"{path}: expected a folder to replace, got a file")
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(
        tempfile.mkdtemp(prefix=f".{final.name}.", suffix=".partial", dir=final.parent)
    )
    temporary.chmod(0o777 & ~_umask())
    try:
        yield temporary
        if final.exists():
            aside = temporary.with_suffix(".old")
            final.replace(aside)
            try:
                temporary.replace(final)
            except BaseException:
                aside.replace(final)
                raise
            shutil.rmtree(aside, ignore_errors=True)
        else:
            temporary.replace(final)
    except BaseException as error:
        shutil.rmtree(temporary, ignore_errors=True)
        name_error(error, final)
        raise


def open_alone(path: str | os.PathLike[str], *, across_forks: bool = True) -> IO[str]:
    """Open a text file to write it from its beginning, as long as nobody else is writing it.

    Without that, two runs at once would mix their lines in one file. The claim ends when the file
    is closed or the process is killed. Where the system knows no claims it is not made.

    Args:
        path: The file.
        across_forks: Whether processes that are forked from this one hold the claim too, so that
            it lasts as long as any of them. If not, only other processes are refused, not another
            thread of this one.

    Raises:
        BlockingIOError: Somebody else is writing it; it is left as it is.
        OSError: The file cannot be written.
    """
    path = Path(path)
    while True:
        file = path.open("a", encoding="ascii", newline="\n")
        try:
            _claim(file, across_forks)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                file.truncate(0)
                return file
            file.close()  # finished and renamed by its writer in between
        except BlockingIOError:
            file.close()
            raise BlockingIOError(
                f"{path}: expected to write it alone, but another run is at it"
            ) from None
        except BaseException:
            file.close()
            raise


@contextmanager
def claimed(path: str | os.PathLike[str], *, across_forks: bool = True) -> Iterator[None]:
    """Hold a file of no content, which says that something is in use, while a block runs.

    Args:
        path: The file; it is removed in the end.
        across_forks: As `open_alone` takes it.

    Raises:
        BlockingIOError: Somebody else holds it.
        OSError: The file cannot be written.
    """
    file = open_alone(path, across_forks=across_forks)
    try:
        yield
    finally:
        with suppress(OSError):  # some systems keep what is open
            Path(path).unlink()
        file.close()


class PartialFile:
    """A file that grows for as long as it takes, and gets its name when it is whole.

    While it is written it is called ``NAME.partial``; when the `with` block ends well it gets its
    name. After an error, or a kill, the partial file stays up to what was kept last. A second
    writer of the same file is refused, for their bytes would mix.

    Attributes:
        path: Where the whole file will be.
        partial_path: Where it is until then.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.partial_path = self.path.with_name(f"{self.path.name}.partial")
        self._file: IO[str] | None = None
        self._kept_bytes: int | None = None

    def __enter__(self) -> PartialFile:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = open_alone(self.partial_path)
        self._kept_bytes = None
        return self

    @property
    def stream(self) -> BinaryIO:
        """For who writes bytes; `keep` then says up to where they make sense."""
        return self._open.buffer  # type: ignore[attr-defined, no-any-return]

    @property
    def _open(self) -> IO[str]:
        assert self._file is not None, "used outside of its with block"
        return self._file

    def write(self, text: str) -> None:
        """Append ASCII text; it is on its way to the disk when this returns.

        Raises:
            OSError: There is no room.
        """
        try:
            self._open.write(text)
            self._open.flush()
        except OSError as error:
            name_error(error, self.partial_path)
            raise

    def keep(self) -> None:
        """Say that all up to here is whole: after an error the file is cut off here.

        Nothing stays of a file of which nothing was kept.
        """
        self._kept_bytes = os.fstat(self._open.fileno()).st_size

    def drop(self) -> None:
        """Say that nothing is worth keeping after an error."""
        self._kept_bytes = None

    def cut(self) -> None:
        """Take away what was written after the last `keep`."""
        os.truncate(self._open.fileno(), self._kept_bytes or 0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        file, self._file = self._open, None
        # A second handle keeps the claim until all is done; Windows, which renames no open file,
        # knows no claims either.
        claim = None if sys.platform == "win32" else os.dup(file.fileno())
        try:
            self._finish(error, file)
        except OSError as failure:
            name_error(failure, self.partial_path)
            raise
        finally:
            if claim is not None:
                os.close(claim)

    def _finish(self, error: BaseException | None, file: IO[str]) -> None:
        """Close the file; give it its name, or keep what is whole."""
        try:
            if error is None:
                file.flush()
                os.fsync(file.fileno())
        finally:
            _close_quietly_after(error, file)
        if error is None:
            self.partial_path.replace(self.path)
        elif self._kept_bytes is None:
            self.partial_path.unlink(missing_ok=True)
        else:
            os.truncate(self.partial_path, self._kept_bytes)


def _close_quietly_after(error: BaseException | None, file: IO[str]) -> None:
    """Close; on a full disk closing fails once more, which is no news after an error."""
    try:
        file.close()
    except OSError:
        if error is None:
            raise


def _claim(file: IO[str], across_forks: bool) -> None:
    """Claim an open file for this process; some file systems know no claims."""
    if sys.platform != "win32":
        lock = fcntl.flock if across_forks else fcntl.lockf
        try:
            lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:
            return


def name_error(error: BaseException, path: Path) -> None:
    """Let a system's error that names no file name `path`; writing to an open file gives such."""
    if isinstance(error, OSError) and error.errno is not None and error.filename is None:
        error.filename = str(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
