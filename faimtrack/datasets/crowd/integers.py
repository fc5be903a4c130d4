"""Whole-number arithmetic that gives the same answer on every machine: hashes, sines, lengths."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

Integers = NDArray[np.int64]

SINE_STEPS = 1024
"""Steps of one full turn in `SINE`."""
SINE_ONE = 1024
"""What stands for 1.0 in `SINE`, in facings and in other fractions of the simulation."""

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix_number(value: int) -> int:
    """Splitmix64's finaliser on a Python integer."""
    value = (value + _GOLDEN) & _WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _WORD
    return value ^ (value >> 31)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64's finaliser on an array; products wrap at 64 bits."""
    values = values + np.uint64(_GOLDEN)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def stream_key(*parts: int | str) -> int:
    """One 64-bit key for a seed, a generator version and the name of what is drawn."""
    key = 0
    for part in parts:
        numbers = part.encode() if isinstance(part, str) else (part,)
        for number in numbers:
            key = _mix_number(key ^ (number & _WORD))
        key = _mix_number(key)
    return key


class Draws:
    """Counter-based random integers: each is a pure function of key, stream, entity and step."""

    def __init__(self, *key: int | str) -> None:
        self._key = stream_key(*key)
        self._streams: dict[str, int] = {}

    def bits(self, stream: str, entities: ArrayLike, step: int = 0) -> NDArray[np.uint64]:
        """`(N,)` uint64 hashes for `entities`, which are whole numbers of at least zero."""
        if stream not in self._streams:
            self._streams[stream] = stream_key(self._key, stream)
        key = _mix_number(self._streams[stream] ^ _mix_number(step & _WORD))
        return _mix(np.atleast_1d(np.asarray(entities)).astype(np.uint64) ^ np.uint64(key))

    def between(
        self, stream: str, entities: ArrayLike, low: int, high: int, step: int = 0
    ) -> Integers:
        """`(N,)` whole numbers, low ≤ number ≤ high; the range must be narrower than 2**31."""
        upper = self.bits(stream, entities, step) >> np.uint64(32)
        drawn = (upper * np.uint64(high - low + 1)) >> np.uint64(32)
        return drawn.astype(np.int64) + low

    def bell(self, stream: str, entities: ArrayLike, step: int = 0) -> Integers:
        """`(N,)` nearly normal numbers of mean 0 and deviation 1024: a sum of eight bytes."""
        words = self.bits(stream, entities, step)
        total = np.zeros(words.shape, dtype=np.int64)
        for shift in range(0, 64, 8):
            total += ((words >> np.uint64(shift)) & np.uint64(255)).astype(np.int64)
        # Eight uniform bytes have mean 1020 and standard deviation 209.0.
        return (total - 1020) * 1024 // 209

    def one(self, stream: str, entity: int, low: int, high: int, step: int = 0) -> int:
        """One whole number, low ≤ number ≤ high."""
        return int(self.between(stream, [entity], low, high, step)[0])


def _sine_table() -> Integers:
    """One turn of sines by a Taylor series on big integers: no libm, so no machine differs."""
    one = 1 << 80
    half_pi = 1898976236818169290393997  # round(pi / 2 * 2**80)
    quarter = []
    for step in range(SINE_STEPS // 4 + 1):
        angle = half_pi * step * 4 // SINE_STEPS
        term, total = angle, angle
        for order in range(3, 40, 2):
            term = -(term * angle // one) * angle // one // (order * (order - 1))
            total += term
        quarter.append((total * SINE_ONE + one // 2) // one)
    half = quarter[:-1] + quarter[:0:-1]
    return np.array(half + [-value for value in half], dtype=np.int64)


SINE = _sine_table()
"""`(1024,)` one turn of sines, 1024 for 1.0."""


def sine(angle: Integers) -> Integers:
    """Sine, 1024 for 1.0, of angles of which 1024 make one turn."""
    return SINE[angle % SINE_STEPS]


def cosine(angle: Integers) -> Integers:
    """Cosine, 1024 for 1.0, of angles of which 1024 make one turn."""
    return SINE[(angle + SINE_STEPS // 4) % SINE_STEPS]


def rough_length(x: Integers, y: Integers) -> Integers:
    """Length of vectors, up to 9 % too short: an octagon instead of a circle, no square root."""
    x, y = np.abs(x), np.abs(y)
    larger, smaller = np.maximum(x, y), np.minimum(x, y)
    length: Integers = np.maximum(larger * 62, larger * 51 + smaller * 32) // 64 + 1
    return length


def divide_rounded(numerator: Integers, denominator: ArrayLike) -> Integers:
    """The nearest whole number to a quotient; halves go up. Denominators are above zero."""
    below = np.asarray(denominator, dtype=np.int64)
    result: Integers = (2 * numerator + below) // (2 * below)
    return result


def interpolate(values: Integers, knots: tuple[tuple[int, int], ...]) -> Integers:
    """A piecewise linear function through `knots` (x rising), constant outside them."""
    result = np.full(values.shape, knots[0][1], dtype=np.int64)
    for (x0, y0), (x1, y1) in pairwise(knots):
        inside = values >= x0
        reached = np.minimum(values, x1) - x0
        result = np.where(inside, y0 + (y1 - y0) * reached // (x1 - x0), result)
    return result
