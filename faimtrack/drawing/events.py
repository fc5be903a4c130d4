"""Hits, misses, false alarms and identity switches on a frame, told apart with and without colour.

Colours are Okabe and Ito's, which people with any kind of colour vision tell apart; green for what
is found, blue for an identity gone wrong and red for what is missed are also what the paper's
Figure III has. Each kind has lines of its own besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from faimtrack.drawing.lettering import Colour
from faimtrack.drawing.strokes import Style, draw_box, draw_label, on_pixels
from faimtrack.structures import Image

EventKind = Literal["hit", "miss", "false alarm", "identity switch", "not counted"]
EVENT_KINDS: tuple[EventKind, ...] = get_args(EventKind)

EVENT_COLOURS: Mapping[EventKind, Colour] = MappingProxyType(
    {
        "hit": (0, 158, 115),
        "miss": (213, 94, 0),
        "false alarm": (240, 228, 66),
        "identity switch": (86, 180, 233),
        "not counted": (150, 150, 150),
    }
)
_Draw: TypeAlias = Callable[[Image, list[int], Colour, Style], None]


@dataclass(frozen=True, eq=False, kw_only=True)
class EventBoxes:
    """The boxes of one frame and what each of them is.

    Attributes:
        boxes: `(N, 4)` corners ``x1 y1 x2 y2`` in pixels.
        kinds: `N` kinds.
        switch_labels: `N` texts about an identity, such as ``7>12``; empty for none.
    """

    boxes: NDArray[np.float64]
    kinds: tuple[EventKind, ...]
    switch_labels: tuple[str, ...]

    def __post_init__(self) -> None:
        lengths = len(self.boxes), len(self.kinds), len(self.switch_labels)
        if len(set(lengths)) != 1 or self.boxes.shape[1:] != (4,):
            raise ValueError(
                "event boxes: expected (N, 4) boxes, N kinds and N labels, got "
                f"{self.boxes.shape}, {lengths[1]} and {lengths[2]}"
            )


def draw_events(image: Image, marks: EventBoxes) -> Image:
    """Draw each box in the colour and lines of its kind; what went wrong lies over what is right.

    A hit has plain lines, a miss broken ones, a false alarm is struck through, an identity switch
    has double lines, and of what counts as nothing there are only corners.

    Args:
        image: `(H, W, 3)` uint8 RGB; not modified.
        marks: What to draw.

    Returns:
        A new image of the same size.
    """
    drawn = np.array(image, dtype=np.uint8, order="C")
    style = Style.of(drawn)
    corners = on_pixels(marks.boxes)
    importance = np.array([_IMPORTANCE[kind] for kind in marks.kinds], dtype=np.int64)
    order = np.lexsort((corners[:, 3], importance)).tolist()
    # What went wrong is to be seen at a glance, in a crowd of what is right.
    bold = replace(style, line_width=style.line_width + 1)
    for row in order:
        kind = marks.kinds[row]
        draw_event(drawn, corners[row].tolist(), kind, bold if kind in _FAULTS else style)
    for row in order:
        text = marks.switch_labels[row]
        if text:
            colour = EVENT_COLOURS["identity switch"]
            draw_label(drawn, corners[row].tolist(), colour, ("", text), style)
    return drawn


def draw_event(image: Image, corners: list[int], kind: EventKind, style: Style) -> None:
    """Draw one box, ``x1 y1 x2 y2`` in whole pixels, into the image."""
    _LINES[kind](image, corners, EVENT_COLOURS[kind], style)


def _whole(image: Image, corners: list[int], colour: Colour, style: Style) -> None:
    draw_box(image, corners, colour, True, style)


def _corners_only(image: Image, corners: list[int], colour: Colour, style: Style) -> None:
    draw_box(image, corners, colour, False, style)


def _broken(image: Image, corners: list[int], colour: Colour, style: Style) -> None:
    import cv2

    left, top, right, bottom = corners
    dash = 4 * style.line_width + 2
    height, width = image.shape[:2]
    # Boxes may reach far beyond the picture: dashes that nobody sees are not drawn.
    for x in range(left, right, 2 * dash):
        if -dash <= x < width:
            for y in (top, bottom):
                cv2.line(image, (x, y), (min(x + dash, right), y), colour, style.line_width)
    for y in range(top, bottom, 2 * dash):
        if -dash <= y < height:
            for x in (left, right):
                cv2.line(image, (x, y), (x, min(y + dash, bottom)), colour, style.line_width)


def _struck_through(image: Image, corners: list[int], colour: Colour, style: Style) -> None:
    import cv2

    draw_box(image, corners, colour, True, style)
    left, top, right, bottom = corners
    cv2.line(image, (left, bottom), (right, top), colour, style.line_width)


def _doubled(image: Image, corners: list[int], colour: Colour, style: Style) -> None:
    draw_box(image, corners, colour, True, style)
    gap = style.line_width + 2
    left, top, right, bottom = corners
    outer = [left - gap, top - gap, right + gap, bottom + gap]
    draw_box(image, outer, colour, True, style)


_LINES: Mapping[EventKind, _Draw] = MappingProxyType(
    {
        "hit": _whole,
        "miss": _broken,
        "false alarm": _struck_through,
        "identity switch": _doubled,
        "not counted": _corners_only,
    }
)
_FAULTS = frozenset[EventKind]({"miss", "false alarm", "identity switch"})
_IMPORTANCE: Mapping[EventKind, int] = MappingProxyType(
    {"not counted": 0, "hit": 1, "miss": 2, "false alarm": 3, "identity switch": 4}
)
