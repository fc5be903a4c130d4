"""What a file of detections says of itself, beside its rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Spans = tuple[tuple[int, int], ...]
"""First and last number, both included, of each run of frames; rising and apart."""


@dataclass(frozen=True, kw_only=True)
class FileContents:
    """What a file of detections says of itself.

    Attributes:
        class_names: What its class ids mean.
        frames: Which frames were looked at: one of them that has no rows is empty, and of others
            nothing is known.
        sequence: Name of the sequence; None if unknown.
        width: Of the frames, in pixels; None if unknown.
        height: Of the frames, in pixels; None if unknown.
    """

    class_names: tuple[str, ...]
    frames: Spans
    sequence: str | None = None
    width: int | None = None
    height: int | None = None

    def to_tree(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {
            "class_names": list(self.class_names),
            "frames": [list(span) for span in self.frames],
            "sequence": self.sequence,
            "width": self.width,
            "height": self.height,
        }

    @classmethod
    def from_tree(cls, where: str, tree: object) -> FileContents:
        """Read what `to_tree` gave.

        Args:
            where: The file, for messages.
            tree: What was found there.

        Raises:
            ValueError: Something is missing or of another type.
        """

        def refuse(expected: str, came: object) -> ValueError:
            return ValueError(f"{where}: expected {expected}, got {came!r}")

        if not isinstance(tree, Mapping):
            raise refuse("what the file contains", tree)
        names, spans = tree.get("class_names"), tree.get("frames")
        if not _is_names(names):
            raise refuse("class_names to be different names", names)
        if not _is_spans(spans):
            raise refuse("frames to be pairs of first and last frame, rising", spans)
        if not isinstance(tree.get("sequence"), (str, type(None))):
            raise refuse("the name of a sequence", tree.get("sequence"))
        for key in ("width", "height"):
            if not (tree.get(key) is None or _is_count(tree[key])):
                raise refuse(f"{key} to be a number of pixels", tree[key])
        return cls(
            class_names=tuple(names),  # type: ignore[arg-type]
            frames=tuple((first, last) for first, last in spans),  # type: ignore[union-attr]
            sequence=tree.get("sequence"),
            width=tree.get("width"),
            height=tree.get("height"),
        )


def _is_names(value: object) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(name, str) for name in value) and len(set(value)) == len(value)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value < 2**53


def _is_spans(value: object) -> bool:
    if not isinstance(value, list):
        return False
    end = 0
    for span in value:
        is_pair = isinstance(span, list) and len(span) == 2 and all(map(_is_count, span))
        if not is_pair or not end < span[0] <= span[1]:
            return False
        end = span[1]
    return True


def add_frame(spans: list[tuple[int, int]], frame: int) -> None:
    """Put a frame that comes after all others into a list of runs.

    >>> spans = [(1, 3)]
    >>> add_frame(spans, 4)
    >>> add_frame(spans, 6)
    >>> spans
    [(1, 4), (6, 6)]
    """
    if spans and spans[-1][1] == frame - 1:
        spans[-1] = (spans[-1][0], frame)
    else:
        spans.append((frame, frame))


def spans_of(frames: Iterable[int]) -> Spans:
    """The runs of frames in rising, different numbers.

    >>> spans_of([1, 2, 3, 7])
    ((1, 3), (7, 7))
    """
    spans: list[tuple[int, int]] = []
    for frame in frames:
        add_frame(spans, frame)
    return tuple(spans)


def is_within(spans: Spans, first: int, last: int) -> bool:
    """Whether all frames from `first` to `last` are among the runs."""
    return any(start <= first and last <= end for start, end in spans)


def spans_text(spans: Spans) -> str:
    """The runs for a message; of many the first three.

    >>> spans_text(((1, 3), (7, 7)))
    '1 to 3, 7'
    """
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in spans[:3]]
    return ", ".join([*texts, *(["..."] if len(spans) > 3 else [])]) or "none"
