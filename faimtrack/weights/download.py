"""A file from a web server: resumed where it broke off, and whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import faimtrack

Report = Callable[[int, int | None], None]
"""Takes the bytes that are there and the bytes of all, None if not known."""

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = 30.0
_PAUSE_S = 1.0
_TRIES = 4
_REDIRECTS = 5
_PART_CONTENT = 206
_RANGE_NOT_SATISFIABLE = 416


@dataclass(frozen=True)
class _Part:
    """What is known of a download that is not finished.

    Attributes:
        path: The bytes so far.
        url: Where they come from.
        validator: The server's name for this very content; empty if it has none.
        total: Bytes of all; None if the server does not say.
    """

    path: Path
    url: str
    validator: str = ""
    total: int | None = None

    @property
    def done(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0


def download(url: str, part: Path, report: Report | None = None) -> None:
    """Bring a file here, going on where an earlier call stopped.

    Args:
        url: `http` or `https`.
        part: The file; a note of the server's lies beside it until `forget_part`. What it holds
            when an error is raised is what the next call goes on with.
        report: Called now and then.

    Raises:
        OSError: The server cannot be reached or does not give the file, the connection broke
            several times, or the disk is full. The message names the URL or the file.
    """
    tries = 0
    while True:
        known = _read_note(part, url)
        before = known.done
        try:
            _go_on(known, report)
            return
        except _CutError as error:
            now = part.stat().st_size if part.exists() else 0
            tries = 1 if now > before else tries + 1
            if tries >= _TRIES:
                kept = f"; {_bytes(now)} are kept, the same command goes on from there"
                raise OSError(f"{url}: {error}{kept if now else ''}") from None
            time.sleep(_PAUSE_S)


def forget_part(part: Path) -> None:
    """Remove an unfinished download with its note."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


class _CutError(Exception):
    """The connection broke before the end; another try may help."""


def _go_on(part: _Part, report: Report | None) -> None:
    """Fetch what is missing.

    Raises:
        _CutError: The connection broke.
        OSError: Anything else is wrong.
    """
    if part.total is not None and part.done == part.total:
        return
    if part.done and not part.validator:
        forget_part(part.path)  # nobody can tell whether it belongs to what the server has now
    try:
        response = _open(part)
    except _StaleError:
        forget_part(part.path)
        return _go_on(_Part(part.path, part.url), report)
    with response:
        offset = part.done if response.status == _PART_CONTENT else 0
        total = _total(part.url, response, offset)
        _check_room(part.path, total, offset)
        _write_note(_Part(part.path, part.url, _validator(response), total))
        _receive(response, part, offset, total, report)


class _StaleError(Exception):
    """What is here already does not belong to what the server has."""


def _open(part: _Part) -> Any:
    """Ask for the file, or for what is missing of it."""
    import urllib.error
    from urllib.request import Request

    _check_scheme(part.url)
    headers = {
        "User-Agent": f"faimtrack/{faimtrack.__version__}",
        "Accept-Encoding": "identity",
    }
    offset = part.done
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.validator}
    try:
        response = _opener().open(Request(part.url, headers=headers), timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        with error:
            if offset and error.code == _RANGE_NOT_SATISFIABLE:
                raise _StaleError from None
            reason = " ".join(str(error.reason).split())
            raise OSError(f"{part.url}: got HTTP {error.code} {reason}") from None
    except (OSError, ValueError) as error:
        raise OSError(f"{part.url}: {_why(error)}") from None
    if response.status == _PART_CONTENT:
        begins = response.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
        if not offset or begins != str(offset):
            response.close()
            raise _StaleError
    return response


def _opener() -> Any:
    """What opens a URL: by HTTP only, and never from an encrypted one to an open one."""
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        max_redirections = _REDIRECTS

        def redirect_request(self, *asked: Any) -> Any:
            before, *_, newurl = asked
            _check_scheme(newurl)
            if urlsplit(before.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
                raise ValueError(f"refused: it leads on to an open connection, {newurl}")
            return super().redirect_request(*asked)

    director = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.UnknownHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        Redirects(),
        request.HTTPErrorProcessor(),
    ):
        director.add_handler(handler)
    return director


def _check_scheme(url: str) -> None:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError(f"expected an address of http or https, got {url}")


def _why(error: OSError | ValueError) -> str:
    """Why a server was not reached, in a few words."""
    import socket
    import ssl

    reason = getattr(error, "reason", error)
    if isinstance(reason, socket.gaierror):
        return "its host is not known here (is this machine offline?)"
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {reason.verify_message}"
    if isinstance(reason, TimeoutError):
        return f"no answer within {_TIMEOUT_S:.0f} s"
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return " ".join(str(reason).split()) or type(reason).__name__


def _total(url: str, response: Any, offset: int) -> int | None:
    """Bytes of all; None for a transfer in chunks, which tells its end by itself.

    Raises:
        OSError: Its end could not be told from a broken connection.
    """
    if response.length is not None:
        return offset + int(response.length)
    if response.chunked:
        return None
    raise OSError(f"{url}: the server does not say how long the file is")


def _validator(response: Any) -> str:
    """What names this content: an ETag, if it is not a weak one, else when it was changed."""
    tag = str(response.headers.get("ETag", ""))
    return tag if tag.startswith('"') else str(response.headers.get("Last-Modified", ""))


def _check_room(part: Path, total: int | None, offset: int) -> None:
    """Refuse to begin what does not fit.

    Raises:
        OSError: The disk has too little room.
    """
    # What is written anew takes the place of what is there.
    freed = part.stat().st_size if part.exists() and not offset else 0
    free = shutil.disk_usage(part.parent).free + freed
    if total is not None and total - offset > free:
        raise OSError(
            errno.ENOSPC,
            f"expected {_bytes(total - offset)} of free disk, got {_bytes(free)}",
            str(part),
        )


def _receive(
    response: Any, part: _Part, offset: int, total: int | None, report: Report | None
) -> None:
    """Write what comes behind the first `offset` bytes."""
    from http.client import HTTPException

    done = offset
    with part.path.open("ab") as file:
        file.truncate(offset)
        while total is None or done < total:
            if report is not None:
                report(done, total)
            try:
                block = response.read(_BLOCK_BYTES)
            except (OSError, HTTPException) as error:
                why = _why(error) if isinstance(error, OSError) else "the connection broke"
                raise _CutError(f"{why} after {_bytes(done)}") from None
            if not block:
                break
            _write(file, block, part, done)
            done += len(block)
        file.flush()
        os.fsync(file.fileno())
    if total is not None and done != total:
        raise _CutError(f"the connection broke after {_bytes(done)} of {_bytes(total)}")
    if report is not None:
        report(done, done)


def _write(file: Any, block: bytes, part: _Part, done: int) -> None:
    """Write a block.

    Raises:
        OSError: It cannot be written: on a full disk, say.
    """
    try:
        file.write(block)
        file.flush()
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror or error}: {_bytes(done)} are kept, the same command goes on "
            "when there is room",
            str(part.path),
        ) from None


def _note(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _write_note(part: _Part) -> None:
    values = {"url": part.url, "validator": part.validator, "total": part.total}
    _note(part.path).write_text(json.dumps(values), encoding="utf-8")


def _read_note(part: Path, url: str) -> _Part:
    """What is known of the beginning that is there; nothing if it is of another address."""
    try:
        values = json.loads(_note(part).read_text(encoding="utf-8"))
        if values["url"] == url:
            return _Part(part, url, str(values["validator"]), values["total"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return _Part(part, url)


def _bytes(count: int) -> str:
    """A number of bytes for people.

    >>> _bytes(7_694_953)
    '7.7 MB'
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
