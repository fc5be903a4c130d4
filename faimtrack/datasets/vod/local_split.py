"""Splits of our own, where the published test sets hold their annotations back."""

from __future__ import annotations

import hashlib


def is_held_out(name: str, one_in: int, *, salt: str) -> bool:
    """Whether a video belongs to the held-out part, by nothing but its name.

    So the split is the same on every machine, whatever part of the data is there.

    Args:
        name: Of the video.
        one_in: How many videos there are to one that is held out, on average.
        salt: Tells splits apart.
    """
    digest = hashlib.sha256(f"{salt}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % one_in == 0
