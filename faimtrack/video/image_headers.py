"""Sizes of images from the first bytes of their files."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

_PNG_START = b"\x89PNG\r\n\x1a\n"
_NO_FRAMES = {0xC4, 0xC8, 0xCC}  # markers among those of frames that start tables
_WITHOUT_LENGTH = {0x01, *range(0xD0, 0xD8)}


def stored_size(path: Path) -> tuple[int, int] | None:
    """Height and width in pixels that a JPEG or PNG says it has; nothing is decoded.

    A camera's note that the picture lies on its side is not looked at.

    Returns:
        None if it is no JPEG or PNG, or its header is damaged.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(24)
        if start.startswith(_PNG_START) and start[12:16] == b"IHDR" and len(start) == 24:
            return int.from_bytes(start[20:24], "big"), int.from_bytes(start[16:20], "big")
        if start.startswith(b"\xff\xd8"):
            file.seek(2)
            return _jpeg_size(file)
    return None


def _jpeg_size(file: BinaryIO) -> tuple[int, int] | None:
    """The size in a JPEG's frame header, from behind the file's first marker."""
    while True:
        if file.read(1) != b"\xff":
            return None
        marker = 0xFF
        while marker == 0xFF:  # fill bytes
            byte = file.read(1)
            if not byte:
                return None
            marker = byte[0]
        if marker in _WITHOUT_LENGTH:
            continue
        header = file.read(7)
        length = int.from_bytes(header[:2], "big")
        if len(header) < 7 or length < 2 or marker in {0xD9, 0xDA}:
            return None
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            return int.from_bytes(header[3:5], "big"), int.from_bytes(header[5:7], "big")
        file.seek(length - len(header), 1)
