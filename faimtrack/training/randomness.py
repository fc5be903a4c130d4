"""Random numbers as pure functions of what they are for, so that a resumed run draws the same."""

from __future__ import annotations

import hashlib

import numpy as np


def random_key(seed: int, *purpose: int | str) -> int:
    """A whole number of 63 bits for `seed` and a purpose; the same on every machine.

    >>> random_key(0, "flip", 3) == random_key(0, "flip", 3)
    True
    >>> random_key(0, "flip", 3) == random_key(0, "flip", 4)
    False

    Args:
        seed: Of the run.
        purpose: What the number is for, such as ``"sample", epoch, index``.
    """
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (seed, *purpose))
    digest = hashlib.sha256(text.encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def random_generator(seed: int, *purpose: int | str) -> np.random.Generator:
    """A generator that belongs to `seed` and a purpose alone, as in `random_key`."""
    return np.random.default_rng(random_key(seed, *purpose))
