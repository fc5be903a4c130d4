"""The one way in which a conformance suite complains."""

from __future__ import annotations


def require(holds: bool, message: str) -> None:
    """Raise an AssertionError with `message` unless `holds`; `python -O` leaves it on."""
    if not holds:
        raise AssertionError(message)
