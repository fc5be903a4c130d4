"""The way to a Ray cluster, with one clear line where there is none."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import warnings
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
    with _quietly(address):
        import ray

    if ray.is_initialized():
        yield ray
        return
    if address == "auto":
        address = os.environ.get("RAY_ADDRESS") or address
    _refuse_unreachable(address)
    try:
        try:
            with _quietly(address):
                ray.init(address=address, log_to_driver=False, **_settings(address))
        except Exception as error:  # Ray's kinds of errors share no base but this
            raise ConnectionError(
                f"{address}: expected a Ray cluster, got: {last_line(error)}"
            ) from error
        yield ray
    finally:
        with undisturbed():
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


def last_line(error: BaseException) -> str:
    """Ray's errors carry a traceback as text; its last line is what happened."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Ignore a further Ctrl-C: tidying up that is broken off would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def _quietly(address: str) -> Iterator[None]:
    """Let a Ray that is imported or started here send no statistics home and print nothing."""
    # The messages of a cluster go to stdout else, whatever `log_to_driver` says.
    wanted = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS_SKIP_REGEX": "."}
    if address != "local":
        wanted["RAY_NUM_REDIS_GET_RETRIES"] = "1"  # 40 s; its own 20 would be a quarter hour
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for name in added:
            os.environ.pop(name, None)
