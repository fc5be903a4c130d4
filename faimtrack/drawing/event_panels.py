"""Results beside each other, each under its name, its counts so far and what its colours mean."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from faimtrack.drawing.events import EVENT_KINDS, EventBoxes, EventKind, draw_event, draw_events
from faimtrack.drawing.lettering import PAPER, text_size, text_thickness
from faimtrack.drawing.sheets import side_by_side
from faimtrack.drawing.strokes import Style
from faimtrack.structures import Image

Counts = Mapping[EventKind, int]

_DARK_PAPER = tuple(255 - part for part in PAPER)
_LEAST_WIDTH = 64
_NAMES: Mapping[EventKind, str] = MappingProxyType(
    {
        "hit": "hits",
        "miss": "misses",
        "false alarm": "false alarms",
        "identity switch": "identity switches",
        "not counted": "not counted",
    }
)


@dataclass(frozen=True)
class _Entry:
    """Where one kind stands in the legend, in pixels from the upper left of its panel."""

    kind: EventKind
    x: int
    y: int


class EventPanels:
    """Draws one frame after another; all pictures of one sequence have the same size."""

    def __init__(self, titles: Sequence[str], totals: Sequence[Counts], width: int) -> None:
        """Lay out the panels.

        Args:
            titles: Names of the results, one a panel.
            totals: For each panel the highest counts that will come: they say how much room the
                legend needs. What is in none of them is left out.
            width: Of one panel in pixels.

        Raises:
            ValueError: There is no panel, titles and totals do not match, or the width is too
                small to write on.
        """
        if not titles or len(titles) != len(totals):
            raise ValueError(f"titles: expected {len(totals)}, one a panel, got {len(titles)}")
        if width < _LEAST_WIDTH:
            raise ValueError(f"width: expected at least {_LEAST_WIDTH} pixels, got {width}")
        self._titles = tuple(titles)
        self._width = width
        self._font_scale = min(1.2, max(0.32, 0.43 * width / 720))
        self._line = 2 * text_size("0", self._font_scale)[1] + 4
        self._kinds = [
            kind
            for kind in EVENT_KINDS
            if kind != "not counted" or any(total.get(kind, 0) for total in totals)
        ]
        most = {kind: max(total.get(kind, 0) for total in totals) for kind in self._kinds}
        self._entries = self._lay_out(most)
        self._head_height = self._entries[-1].y + self._line + self._line // 4

    def draw(
        self, image: Image, marks: Sequence[EventBoxes], counts: Sequence[Counts], note: str = ""
    ) -> Image:
        """Draw one frame.

        Args:
            image: `(H, W, 3)` uint8 RGB; not modified.
            marks: The frame's boxes in pixels of `image`, for each panel.
            counts: The counts so far, for each panel.
            note: Written at the right above each panel, such as the frame's number.

        Returns:
            The panels beside each other, higher than the image by their heads.
        """
        import cv2

        scale = self._width / image.shape[1]
        height = max(1, round(image.shape[0] * scale))
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        scaled = cv2.resize(image, (self._width, height), interpolation=method)
        stretch = np.tile([scale, height / image.shape[0]], 2)
        panels = []
        for title, of_panel, so_far in zip(self._titles, marks, counts, strict=True):
            moved = EventBoxes(
                boxes=of_panel.boxes * stretch,
                kinds=of_panel.kinds,
                switch_labels=of_panel.switch_labels,
            )
            head = self._head(title, so_far, note)
            panels.append(np.concatenate([head, draw_events(scaled, moved)]))
        return side_by_side(panels)

    def _lay_out(self, most: Counts) -> list[_Entry]:
        """Kinds from left to right, in as many lines as they need."""
        gap = self._line // 3
        x, y = gap, self._line
        entries = []
        for kind in self._kinds:
            width = self._swatch + gap + text_size(_words(kind, most[kind]), self._font_scale)[0]
            if x > gap and x + width > self._width - gap:
                x, y = gap, y + self._line
            entries.append(_Entry(kind, x, y))
            x += width + self._line
        return entries

    @property
    def _swatch(self) -> int:
        """Width of the sample box of a kind in pixels."""
        return self._line

    def _head(self, title: str, counts: Counts, note: str) -> Image:
        head: Image = np.full((self._head_height, self._width, 3), _DARK_PAPER, np.uint8)
        gap = self._line // 3
        room = self._width - 2 * gap - text_size(note, self._font_scale)[0] - gap
        self._write(head, _shortened(title, room, self._font_scale), gap, 0)
        self._write(head, note, self._width - gap - text_size(note, self._font_scale)[0], 0)
        style = Style(max(1, self._line // 14), self._font_scale, 1)
        for entry in self._entries:
            top = entry.y + self._line // 5
            box = [entry.x, top, entry.x + self._swatch, top + self._line * 3 // 5]
            draw_event(head, box, entry.kind, style)
            words = _words(entry.kind, counts.get(entry.kind, 0))
            self._write(head, words, entry.x + self._swatch + gap, entry.y)
        return head

    def _write(self, head: Image, text: str, x: int, y: int) -> None:
        """Write a line whose upper left corner is given."""
        import cv2

        text_height = text_size("0", self._font_scale)[1]
        cv2.putText(
            head, text, (x, y + (self._line + text_height) // 2), cv2.FONT_HERSHEY_SIMPLEX,
            self._font_scale, PAPER, text_thickness(self._font_scale), cv2.LINE_AA,
        )  # fmt: skip


def _words(kind: EventKind, count: int) -> str:
    return f"{_NAMES[kind]} {count}"


def _shortened(text: str, room: int, font_scale: float) -> str:
    """As much of a text as there is room for, in pixels."""
    if text_size(text, font_scale)[0] <= room:
        return text
    while text and text_size(f"{text}...", font_scale)[0] > room:
        text = text[:-1]
    return f"{text}..." if text else ""
