"""The way to a Ray cluster, with one clear line where there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

_HOST_AND_PORT = re.compile(r"^(?:ray://)?(?P<host>\[[^]]+\]|[^:/\s]+):(?P<port>\d{1,5})$")
_CONNECT_S = 5.0
# Tasks and outcomes are small; Ray's own default is a third of the memory.
_OBJECT_STORE_BYTES = 100 * 2**20


@contextlib.contextmanager
def connected(address: str) -> Iterator[Any]:
    """Give the module `ray`, connected to a cluster; what this started ends with the block.

    A process that is connected already stays so, whatever the address.

    Args:
        address: `local` for a cluster of this machine alone that ends with the block, `auto` for
            the one that runs here already, ``HOST:PORT`` or ``ray://HOST:PORT``.

    Raises:
        ModuleNotFoundError: Ray is not installed.
        ValueError: The address is none.
        ConnectionError: No cluster answers there.
    """
    import ray

    if ray.is_initialized():
        yield ray
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    _refuse_unreachable(address)
    try:
        with _quietly():
            ray.init(address=address, log_to_driver=False, **_settings(address))
    except Exception as error:  # Ray's kinds of errors share no base but this
        ray.shutdown()  # what was begun
        text = " ".join(str(error).split()) or type(error).__name__
        raise ConnectionError(f"{address}: expected a Ray cluster, got: {text}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _settings(address: str) -> dict[str, Any]:
    settings: dict[str, Any] = {"logging_level": logging.ERROR}
    if address == "local":
        settings |= {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    return settings


def _refuse_unreachable(address: str) -> None:
    """Look whether anybody listens: Ray itself would try for minutes."""
    if address in ("local", "auto"):
        return
    match = _HOST_AND_PORT.match(address)
    if match is None:
        raise ValueError(
            f"ray: expected local, auto, HOST:PORT or ray://HOST:PORT, got {address!r}"
        )
    try:
        with socket.create_connection(
            (match["host"].strip("[]"), int(match["port"])), timeout=_CONNECT_S
        ):
            pass
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConnectionError(f"{address}: expected a Ray cluster, got: {reason}") from None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Let Ray send no statistics home and its core say nothing on stderr."""
    wanted = {"RAY_USAGE_STATS_ENABLED": "0"}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]
