"""Errors in one line, for people."""

from __future__ import annotations

import os
import traceback


def describe_error(error: BaseException) -> str:
    """An error in one line: what a person can act on, without numbers of the system.

    The type is named where the text alone would not be understood.

    >>> describe_error(FileNotFoundError(2, "No such file or directory", "det.txt"))
    'det.txt: No such file or directory'
    >>> describe_error(KeyError("width"))
    "KeyError: 'width'"
    """
    if isinstance(error, OSError) and error.strerror and error.errno is not None:
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        return f"{' -> '.join(names)}: {error.strerror}" if names else error.strerror
    text = " ".join(str(error).split())
    if isinstance(error, (ValueError, OSError)) and text:
        return text
    if isinstance(error, MemoryError):
        return "out of memory"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def shown(value: object) -> str:
    """A value for a message, cut where it is long.

    >>> shown([1, 2]), shown(list(range(100))), len(shown("a" * 100))
    ('[1, 2]', 'list of 100', 60)
    """
    if isinstance(value, (list, dict)) and len(value) > 8:
        return f"{type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def describe_failure(error: BaseException) -> str:
    """`describe_error`, or the traceback where `wants_tracebacks`."""
    if wants_tracebacks():
        return "".join(traceback.format_exception(error)).rstrip()
    return describe_error(error)


def wants_tracebacks() -> bool:
    """Whether the environment says FAIMTRACK_DEBUG=1."""
    return os.environ.get("FAIMTRACK_DEBUG") == "1"
