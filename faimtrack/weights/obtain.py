"""Weights into the cache: from their publisher, or from a file that is here."""

from __future__ import annotations

import logging
import os
import shutil
from contextlib import suppress
from pathlib import Path

from faimtrack.atomic import atomic_file
from faimtrack.provenance import file_sha256
from faimtrack.weights.cache import (
    accept,
    by_hand,
    check_hash,
    claim,
    find_weights,
    read_record,
    weights_folder,
    weights_path,
)
from faimtrack.weights.download import Report, download, forget_part
from faimtrack.weights.identity import weights_files
from faimtrack.weights.registry import WeightsEntry, weights_entries, weights_entry

_LOG = logging.getLogger(__name__)


def pull_weights(name: str, report: Report | None = None) -> Path:
    """Have published weights in the cache: nothing is fetched if they are there and right.

    A download that broke off goes on where it stopped. A hash that nobody publishes is recorded
    at the first download, and what comes later must be the same.

    Args:
        name: Of the registry.
        report: Called with the bytes that are there and those of all (None: not known).

    Returns:
        The file in the cache.

    Raises:
        ValueError: There is no such name, or what came has another hash; it is then removed.
        OSError: It cannot be fetched or written; the message says how to do it by hand.
    """
    entry = weights_entry(name)
    path = weights_path(entry)
    if entry.url is None:
        return find_weights(name)
    if path.is_file() and _is_right(path, entry):
        return path
    with claim(name):
        if path.is_file() and _is_right(path, entry):
            return path
        part = path.with_name(f"{path.name}.part")
        try:
            download(entry.url, part, report)
        except OSError as error:
            if error.errno is not None:  # of this machine, not of the net
                raise
            raise OSError(f"{error}. By hand: {by_hand(entry)}") from None
        digest = _checked(part, entry)
        part.replace(path)
        forget_part(part)
        cached = accept(name, path, entry, digest)
    if cached.is_pinned:
        _LOG.info("%s: no published SHA-256; pinned at this download: %s", name, digest)
    return path


def _is_right(path: Path, entry: WeightsEntry) -> bool:
    """Whether the file that is there is the one that it should be; it is recorded then."""
    cached = read_record(entry.name)
    try:
        digest = check_hash(path, entry)
    except ValueError:
        return False
    if cached is None:
        with suppress(OSError):  # a cache of others that may only be read
            accept(entry.name, path, entry, digest)
    return cached is None or cached.sha256 == digest


def _checked(part: Path, entry: WeightsEntry) -> str:
    """The hash of what came.

    Raises:
        ValueError: It is not what was to come; it is removed.
    """
    cached = read_record(entry.name)
    try:
        digest = check_hash(part, entry)
        if cached is not None and digest != cached.sha256:
            raise ValueError(
                f"{part}: expected SHA-256 {cached.sha256} as at the first download, got {digest}"
            )
    except ValueError as error:
        forget_part(part)
        raise ValueError(f"{entry.url}: not accepted and removed: {error}") from None
    return digest


def add_weights(file: str | os.PathLike[str], name: str | None = None) -> Path:
    """Copy a file of weights into the cache.

    Args:
        file: A checkpoint, safetensors or an ONNX model.
        name: Of the registry, or one of your own; None: it is known by its hash or file name.

    Returns:
        The file in the cache.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not known and has no name, the name holds separators, its hash is not
            the one of that name, or it is no file of weights.
        FileExistsError: Other weights have that name.
        OSError: It cannot be read or copied.
    """
    file = Path(file)
    if not file.is_file():
        got = "a folder" if file.is_dir() else "no such file"
        raise FileNotFoundError(f"{file}: expected a file of weights, got {got}")
    if len(weights_files(file)) > 1:
        raise ValueError(
            f"{file}: expected weights in one file, got an ONNX model with others beside it"
        )
    name = _recognise(file) if name is None else name
    entry = next((entry for entry in weights_entries() if entry.name == name), None)
    if entry is not None and entry.is_bundled:
        raise ValueError(f"{name}: comes with faimtrack: expected no file for it, got {file}")
    path = weights_folder(name) / (f"{name}{file.suffix}" if entry is None else entry.file_name)
    with claim(name):
        if path.exists() and path.samefile(file):
            _refuse_other(name, check_hash(path, entry))
            return accept(name, path, entry).path
        with atomic_file(path) as temporary:
            shutil.copyfile(file, temporary)
            try:
                digest = check_hash(temporary, entry)
            except ValueError as error:
                raise ValueError(str(error).replace(str(temporary), str(file))) from None
            _refuse_other(name, digest)
        return accept(name, path, entry, digest).path


def _refuse_other(name: str, digest: str) -> None:
    cached = read_record(name)
    if cached is not None and cached.sha256 != digest:
        raise FileExistsError(
            f"{name}: expected SHA-256 {cached.sha256} as recorded, got {digest}; choose another "
            f"name, or remove {cached.path.parent} first"
        )


def _recognise(file: Path) -> str:
    """The name of a published file, by its hash, else by its file name.

    Raises:
        ValueError: It is none, or one of two.
    """
    digest = file_sha256(file)
    for entry in weights_entries():
        if entry.sha256 is not None and digest.startswith(entry.sha256):
            return entry.name
    same = [entry for entry in weights_entries() if entry.file_name == file.name]
    if len(same) == 1 and same[0].sha256 is None:
        return same[0].name
    names = " or ".join(f"`--name {entry.name}`" for entry in same if entry.sha256 is None)
    hint = f"{names} if it is that, or " if names else ""
    raise ValueError(
        f"{file}: expected a published file of weights, got SHA-256 {digest}, which is not known; "
        f"give {hint}a name of your own (`--name NAME`)"
    )
