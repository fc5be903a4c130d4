"""Bodies of parts that bend at joints, in whole numbers.

A body is about 1024 long. Its own axes are x ahead, y up and z to its left. A part is what the
convex hull of up to four discs covers, once they are projected.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from faimtrack.datasets.crowd.integers import SINE_ONE, Integers, sine

BODY, LIGHT, DARK, LIMB, GLASS, SPRAY = range(1, 7)
"""What a part is coloured as."""

Length = int | Integers
Disc = tuple[Length, Length, Length, Length]
"""x, y, z and radius; each a number, or `(N,)` of them."""


@dataclass(frozen=True, kw_only=True)
class Joints:
    """How bodies of one kind are bent; all arrays are `(N,)` int64.

    Attributes:
        phase: Of the gait: 1024 for two steps, or one stroke of wings.
        swing: 0 standing, 1024 at full stride.
        curl: 0 the usual pose, 1024 the rare one: curled up, wings folded, low in the water.
    """

    phase: Integers
    swing: Integers
    curl: Integers

    def wave(self, shift: int, amplitude: int) -> Integers:
        """`(N,)` a swing of a joint, `shift` of 1024 behind the gait."""
        return sine(self.phase + shift) * self.swing * amplitude // (SINE_ONE * SINE_ONE)

    def between(self, usual: Length, rare: Length) -> Integers:
        """`(N,)` from the usual length to that of the rare pose."""
        return (usual * (SINE_ONE - self.curl) + rare * self.curl) // SINE_ONE


class Body:
    """Parts of one kind's bodies, collected one by one."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._parts: list[Integers] = []
        self._roles: list[int] = []

    def part(self, role: int, *discs: Disc) -> None:
        """Add the hull of one to four discs."""
        whole = [*discs, *[discs[-1]] * (4 - len(discs))]
        part = np.empty((self._count, 4, 4), dtype=np.int64)
        for number, disc in enumerate(whole):
            for axis, length in enumerate(disc):
                part[:, number, axis] = length
        self._parts.append(part)
        self._roles.append(role)

    def chain(self, role: int, *discs: Disc) -> None:
        """Add a limb: a part between each disc and the next."""
        for first, second in pairwise(discs):
            self.part(role, first, second)

    @property
    def parts(self) -> Integers:
        """`(N, P, 4, 4)` x, y, z and radius of the four discs of each part."""
        return np.stack(self._parts, axis=1)

    @property
    def roles(self) -> Integers:
        """`(P,)` what each part is coloured as."""
        return np.array(self._roles, dtype=np.int64)
