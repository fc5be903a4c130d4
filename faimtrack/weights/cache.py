"""The user's cache of weights: a folder a name, with the file and the record of its hash."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from faimtrack.atomic import atomic_file, claimed
from faimtrack.provenance import file_sha256
from faimtrack.weights.files import check_content
from faimtrack.weights.registry import WeightsEntry, weights_entries, weights_entry

FORMAT_VERSION = 1
_RECORD = ".record.json"
_CLAIM = ".claim"
_PATIENCE_S = 3600.0
_BUNDLED = Path(__file__).parent / "bundled"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class CachedWeights:
    """A file in the cache and what was recorded when it came.

    Attributes:
        name: Under which it is found.
        path: The file.
        sha256: Its hash when it came.
        size_bytes: Its size when it came.
        is_pinned: Whether nobody but that record knows its hash.
    """

    name: str
    path: Path
    sha256: str
    size_bytes: int
    is_pinned: bool


@dataclass(frozen=True, kw_only=True)
class WeightsCheck:
    """What became of a file since it came.

    Attributes:
        name: Under which it is found.
        path: The file.
        problem: What is wrong, in one line; None if nothing is.
    """

    name: str
    path: Path
    problem: str | None


def cache_folder() -> Path:
    """Where faimtrack keeps what it can fetch again; weights are in `weights/` below it.

    FAIMTRACK_HOME if that is set, else `faimtrack` in XDG_CACHE_HOME, else `~/.cache/faimtrack`.

    Raises:
        FileNotFoundError: There is no home folder and none of the two is set.
    """
    if own := os.environ.get("FAIMTRACK_HOME"):
        return Path(own).expanduser().absolute()
    shared = os.environ.get("XDG_CACHE_HOME", "")
    if Path(shared).is_absolute():  # the standard says to pass over others
        return Path(shared) / "faimtrack"
    try:
        return Path.home() / ".cache" / "faimtrack"
    except RuntimeError:
        raise FileNotFoundError(
            "FAIMTRACK_HOME: expected a folder, as there is no home folder, got none"
        ) from None


def find_weights(name: str) -> Path:
    """The file of weights in the cache.

    A file that was put there by hand is checked against the known hash when it is first found;
    later only its size is looked at (`verify_weights` reads all of it).

    Args:
        name: Of the registry, or one that was given to `add_weights`.

    Raises:
        FileNotFoundError: It is not in the cache; the message says how it comes there.
        ValueError: Nothing is known under that name, or the file is not what it should be.
        OSError: The file cannot be read.
    """
    cached = read_record(name)
    if cached is None:
        entry = weights_entry(name)
        path = weights_path(entry)
        if not path.is_file():
            raise _missing(entry)
        digest = check_hash(path, entry)
        if not entry.is_bundled:
            with suppress(OSError):  # a cache of others that may only be read
                accept(name, path, entry, digest)
        return path
    size = cached.path.stat().st_size if cached.path.is_file() else None
    if size != cached.size_bytes:
        got = "no file" if size is None else f"{size:,}"
        raise ValueError(
            f"{cached.path}: expected {cached.size_bytes:,} bytes, got {got}; {_repair(name)}"
        )
    return cached.path


def cached_weights() -> list[CachedWeights]:
    """All that is in the cache with a record, sorted by name.

    Raises:
        ValueError: A record cannot be read.
    """
    folders = sorted((cache_folder() / "weights").glob(f"*/{_RECORD}"))
    found = [read_record(folder.parent.name) for folder in folders]
    return [each for each in found if each is not None and each.path.is_file()]


def verify_weights(names: list[str] | None = None) -> list[WeightsCheck]:
    """Read every byte of files in the cache and compare their hashes.

    Args:
        names: Which; none: all that are there.

    Raises:
        FileNotFoundError: A name is not in the cache.
        ValueError: Nothing is known under a name.
    """
    if not names:
        by_hand = [entry.name for entry in weights_entries() if weights_path(entry).is_file()]
        names = sorted({*by_hand, *_recorded_names()})
    return [_check(name) for name in names]


def _recorded_names() -> list[str]:
    return [path.parent.name for path in (cache_folder() / "weights").glob(f"*/{_RECORD}")]


def _check(name: str) -> WeightsCheck:
    cached = read_record(name)
    if cached is None:
        path = weights_path(weights_entry(name))
        if not path.is_file():
            raise _missing(weights_entry(name))
    else:
        path = cached.path
    entry = _entry_or_none(name)
    try:
        digest = check_hash(path, entry)
        if cached is not None and digest != cached.sha256:
            raise ValueError(f"{path}: expected SHA-256 {cached.sha256}, got {digest}")
    except (OSError, ValueError) as error:
        return WeightsCheck(name=name, path=path, problem=f"{error}; {_repair(name)}")
    if cached is None and not (entry is not None and entry.is_bundled):
        accept(name, path, entry)
    return WeightsCheck(name=name, path=path, problem=None)


def _repair(name: str) -> str:
    entry = _entry_or_none(name)
    if entry is not None and entry.is_bundled:
        return "installing faimtrack again brings it back"
    if entry is None:
        return f"remove it and `faimtrack weights add FILE --name {name}` puts it there again"
    return f"`faimtrack weights pull {name}` fetches it again"


def _entry_or_none(name: str) -> WeightsEntry | None:
    return next((entry for entry in weights_entries() if entry.name == name), None)


def weights_folder(name: str) -> Path:
    """The folder of a name in the cache.

    Raises:
        ValueError: The name is none: it holds separators, say.
    """
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"name: expected letters, digits, - _ and dots, got {name!r}")
    return cache_folder() / "weights" / name


def weights_path(entry: WeightsEntry) -> Path:
    """Where the file of an entry is, or would be."""
    if entry.is_bundled:
        return _BUNDLED / entry.file_name
    return weights_folder(entry.name) / entry.file_name


def by_hand(entry: WeightsEntry) -> str:
    """How a person brings the file of an entry here without a net."""
    return (
        f"fetch {entry.url} on another machine and put it at {weights_path(entry)} or run "
        f"`faimtrack weights add FILE --name {entry.name}`"
    )


def _missing(entry: WeightsEntry) -> FileNotFoundError:
    if entry.is_bundled:
        return FileNotFoundError(
            f"{weights_path(entry)}: expected what comes with faimtrack, got no such file; "
            f"{_repair(entry.name)}"
        )
    return FileNotFoundError(
        f"{entry.name}: not in the cache; `faimtrack weights pull {entry.name}` fetches it. "
        f"Offline: {by_hand(entry)}"
    )


def read_record(name: str) -> CachedWeights | None:
    """What was recorded of a name; None if nothing was.

    Raises:
        ValueError: The record cannot be read, or a newer version of faimtrack wrote it.
    """
    path = weights_folder(name) / _RECORD
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values.pop("format_version")
        file_name = values.pop("file_name")
        if version != FORMAT_VERSION:
            raise ValueError(version)
        # `with_name` takes no separators: the file lies beside its record.
        return CachedWeights(name=name, path=path.with_name(file_name), **values)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ValueError(
            f"{path}: expected a record of format {FORMAT_VERSION}, got something else; without "
            "it the file beside it counts as new"
        ) from None


def check_hash(path: Path, entry: WeightsEntry | None) -> str:
    """The SHA-256 of a file, which is that of the entry as far as that is known.

    Raises:
        ValueError: It is another, or the file is no weights at all.
        OSError: The file cannot be read.
    """
    digest = file_sha256(path)
    if entry is None or entry.sha256 is None:
        check_content(path)
    elif not digest.startswith(entry.sha256):
        dots = "" if entry.is_hash_whole else "..."
        raise ValueError(f"{path}: expected SHA-256 {entry.sha256}{dots}, got {digest}")
    return digest


def accept(
    name: str, path: Path, entry: WeightsEntry | None, digest: str | None = None
) -> CachedWeights:
    """Record a file that is in its place in the cache.

    Args:
        name: Under which it is found from now on.
        path: The file.
        entry: What is known of it; None if it is the user's own.
        digest: Its SHA-256, if that was just computed.

    Raises:
        OSError: The file cannot be read or the record not be written.
    """
    cached = CachedWeights(
        name=name,
        path=path,
        sha256=file_sha256(path) if digest is None else digest,
        size_bytes=path.stat().st_size,
        is_pinned=entry is None or entry.sha256 is None,
    )
    values = dataclasses.asdict(cached)
    del values["name"], values["path"]
    values |= {"format_version": FORMAT_VERSION, "file_name": path.name}
    with atomic_file(path.with_name(_RECORD)) as temporary:
        temporary.write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return cached


@contextmanager
def claim(name: str) -> Iterator[None]:
    """Have the folder of a name alone; wait for another process that has it.

    Raises:
        BlockingIOError: The other did not end within an hour.
        OSError: The cache cannot be written.
    """
    path = weights_folder(name) / _CLAIM
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + _PATIENCE_S
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(claimed(path))
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield
