"""A checksum inside a Parquet file, which every Parquet reader passes over.

Parquet guards its pages, but not their headers nor the file's footer: a damaged footer was seen
to abort the whole process inside the Parquet library. A sealed file holds twelve bytes between
its data and its footer, where nothing points to: eight letters, and the CRC-32 of all other bytes.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import BinaryIO

_LETTERS = b"FAIMSEAL"
_SEAL_BYTES = len(_LETTERS) + 4
_TAIL_BYTES = 8  # The footer's length and `PAR1`.
_BLOCK_BYTES = 1 << 20


def seal_parquet(path: Path) -> None:
    """Put the checksum into a Parquet file that has none."""
    with path.open("r+b") as file:
        footer_start = _footer_start(path, file)
        file.seek(footer_start)
        footer = file.read()
        checksum = _checksum(file, footer_start, footer)
        file.seek(footer_start)
        file.write(_LETTERS + checksum.to_bytes(4, "little") + footer)


def check_seal(path: Path) -> bool:
    """Compare a file with its checksum; a file that another program wrote has none.

    Returns:
        Whether it has one.

    Raises:
        ValueError: The file is no Parquet, is cut or damaged.
        OSError: It cannot be read.
    """
    with path.open("rb") as file:
        footer_start = _footer_start(path, file)
        seal_start = footer_start - _SEAL_BYTES
        if seal_start < 4:
            return False
        file.seek(seal_start)
        seal, footer = file.read(_SEAL_BYTES), file.read()
        if not seal.startswith(_LETTERS):
            return False
        expected = int.from_bytes(seal[len(_LETTERS) :], "little")
        if _checksum(file, seal_start, footer) != expected:
            raise ValueError(
                f"{path}: expected a whole Parquet file, got a damaged one: its checksum differs"
            )
        return True


def _footer_start(path: Path, file: BinaryIO) -> int:
    """Where the footer begins, from the file's last eight bytes."""
    size = file.seek(0, os.SEEK_END)
    tail = b""
    if size >= 4 + _TAIL_BYTES:
        file.seek(size - _TAIL_BYTES)
        tail = file.read(_TAIL_BYTES)
    start = size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    if tail[4:] != b"PAR1" or start < 4:
        raise ValueError(f"{path}: expected a whole Parquet file, got another or a part of one")
    return start


def _checksum(file: BinaryIO, end: int, footer: bytes) -> int:
    """CRC-32 of a file's bytes before `end`, and of its footer."""
    file.seek(0)
    checksum, left = 0, end
    while left:
        block = file.read(min(left, _BLOCK_BYTES))
        if not block:
            break
        checksum = zlib.crc32(block, checksum)
        left -= len(block)
    return zlib.crc32(footer, checksum)
