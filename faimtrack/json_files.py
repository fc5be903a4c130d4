"""JSON that others have written, read so that the message says where it is broken."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn


def read_json(
    path: str | os.PathLike[str],
    what: str,
    *,
    parse_float: Callable[[str], Any] | None = None,
) -> Any:
    """Read a file of JSON, whatever value it holds; a byte order mark does no harm.

    Args:
        path: The file.
        what: What is expected in it, for messages.
        parse_float: Makes a value of the text of a number that is no whole one; None: `float`.

    Raises:
        ValueError: It is no text or no JSON (the message says in which line and column), has
            numbers that JSON does not know (NaN, Infinity) or whole ones of thousands of digits,
            or is nested too deeply.
        OSError: It cannot be read.
    """
    path = Path(path)
    try:
        return json.loads(
            path.read_bytes(), parse_float=parse_float, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError:
        raise ValueError(f"{path}: expected JSON, got a file that is not text") from None
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path}, line {error.lineno}, column {error.colno}: expected whole JSON, got: "
            f"{error.msg}"
        ) from None
    except RecursionError:
        raise ValueError(f"{path}: expected {what}, got lists in lists in lists") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {name}")
