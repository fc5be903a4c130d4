"""Far corners of boxes that survive being written as left, top, width and height.

Two float64 numbers do not always have a float64 difference that leads from the one to the other:
then the width is written with more than the 17 digits that a float64 can need. Such a text says
more than the number it is read as, and the far corner is the exact sum, rounded once.
"""

from __future__ import annotations

import math
import re
from decimal import Context, Decimal

MOST_DIGITS = 17
"""A float64's shortest text never has more."""

_LONGEST_TEXT = 1200
# Enough for the difference of any two float64.
_EXACT = Context(prec=2200, Emin=-10_000, Emax=10_000)
_MAYBE_EXACT = re.compile(rf"[0-9.]{{{MOST_DIGITS + 2}}}")


def number_text(value: float) -> str:
    """The shortest text that is read as this very number.

    >>> number_text(12.0), number_text(0.1)
    ('12', '0.1')
    """
    return repr(value).removesuffix(".0")


def extent_text(near: float, far: float) -> str:
    """A width or height, such that `far_corner` leads from `near` to `far` bit for bit.

    >>> extent_text(10.0, 12.5)
    '2.5'
    >>> far_corner(0.7, extent_text(0.7, 2.1)) == 2.1
    True
    """
    extent = far - near
    for candidate in (extent, math.nextafter(extent, math.inf), math.nextafter(extent, 0.0)):
        if near + candidate == far:
            return number_text(candidate)
    exact = _EXACT.subtract(Decimal(far), Decimal(near))
    for digits in (MOST_DIGITS + 1, MOST_DIGITS + 4, MOST_DIGITS + 8, 2 * MOST_DIGITS):
        text = _long_text(Context(prec=digits).plus(exact))
        if far_corner(near, text) == far:
            return text
    return _long_text(exact)


def _long_text(value: Decimal) -> str:
    """All digits of a number, and zeros up to those that make it exact."""
    text = format(value, "f")
    missing = MOST_DIGITS + 1 - _digits(text)
    if missing <= 0:
        return text
    return text + ("" if "." in text else ".") + "0" * missing


def is_exact(text: str) -> bool:
    """Whether a width or height says more than a float64 can."""
    return (
        len(text) <= _LONGEST_TEXT
        and _MAYBE_EXACT.search(text) is not None
        and text.replace(".", "", 1).isdigit()
        and _digits(text) > MOST_DIGITS
    )


def may_hold_exact(text: str) -> bool:
    """Whether there may be an exact width or height in a longer text; quick, and never misses."""
    return _MAYBE_EXACT.search(text) is not None


def _digits(text: str) -> int:
    return len(text.replace(".", "").lstrip("0"))


def far_corner(near: float, extent: str) -> float:
    """The coordinate that is a width or height away from another."""
    if is_exact(extent):
        return float(_EXACT.add(Decimal(near), Decimal(extent)))
    return near + float(extent)
