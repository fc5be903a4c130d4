"""Boxes, ids, labels, masks and trails on one frame after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faimtrack.drawing.lettering import Colour, colour_of, ink_on, text_size, text_thickness
from faimtrack.run_lengths import decode_window
from faimtrack.structures import Detections, Image, RunLengthMask, Tracks

Mask: TypeAlias = RunLengthMask | NDArray[np.bool_]
"""Run lengths, or `(H, W)` of the frame."""

_MASK_OPACITY = 0.45


@dataclass(frozen=True)
class _Style:
    """Sizes that fit an image: at 360 rows a line of one pixel, at 1080 one of three."""

    line_width: int
    font_scale: float
    padding: int

    @classmethod
    def of(cls, image: Image) -> _Style:
        scale = min(image.shape[0] / 1080, image.shape[1] / 1440)
        return cls(
            max(1, round(2.6 * scale)), min(1.6, max(0.32, 0.63 * scale)), max(1, round(4 * scale))
        )


def draw_tracks(
    image: Image,
    tracks: Tracks,
    *,
    class_names: Sequence[str] = (),
    masks: Sequence[Mask] | None = None,
    trails: Mapping[int, NDArray[np.float64]] | None = None,
) -> Image:
    """Draw tracks in the colours of their ids.

    A label is the id and, if there are several classes, the class; where the box is too narrow for
    that, the id alone. Nearer objects (lower in the frame) lie over farther ones. A box that was
    predicted, not detected, has only its corners drawn.

    Args:
        image: `(H, W, 3)` uint8 RGB; not modified.
        tracks: The frame's tracks.
        class_names: What the class ids mean; empty or one name: classes are not written.
        masks: One a track; None draws none.
        trails: By id, `(K, 2)` points ``x y`` in pixels, the oldest first.

    Returns:
        A new image of the same size.
    """
    drawn = np.array(image, dtype=np.uint8, order="C")
    style = _Style.of(drawn)
    colours = [colour_of(int(number)) for number in tracks.ids]
    if masks is not None:
        _draw_masks(drawn, masks, colours)
    for track_id, points in (trails or {}).items():
        _draw_trail(drawn, points, colour_of(track_id), style)
    labels = []
    for track_id, class_id in zip(tracks.ids.tolist(), tracks.class_ids.tolist(), strict=True):
        is_named = len(class_names) > 1 and 0 <= class_id < len(class_names)
        labels.append((f"{track_id} {class_names[class_id]}" if is_named else "", str(track_id)))
    _draw_boxes(drawn, tracks.boxes, colours, labels, tracks.detection_indices >= 0, style)
    return drawn


def draw_detections(image: Image, detections: Detections) -> Image:
    """Draw detections in the colours of their classes, with score where there is room.

    Where there are several classes, theirs is written too.

    Args:
        image: `(H, W, 3)` uint8 RGB; not modified.
        detections: The frame's detections; their masks are drawn if they have any.
    """
    drawn = np.array(image, dtype=np.uint8, order="C")
    style = _Style.of(drawn)
    colours = [colour_of(int(number) + 1) for number in detections.class_ids]
    if detections.masks is not None:
        _draw_masks(drawn, detections.masks, colours)
    names = detections.class_names
    labels = [
        (f"{names[class_id]} {score:.2f}" if len(names) > 1 else "", f"{score:.2f}".lstrip("0"))
        for class_id, score in zip(
            detections.class_ids.tolist(), detections.scores.tolist(), strict=True
        )
    ]
    whole = np.ones(len(detections), dtype=bool)
    _draw_boxes(drawn, detections.boxes, colours, labels, whole, style)
    return drawn


class TrackDrawer:
    """Draws the frames of one sequence and remembers where each track came from.

    Trails are made of the middle of the boxes' lower edges: where people stand. A track that has
    not been seen for `trail_length_frames` frames is forgotten, so memory is bounded.
    """

    def __init__(self, class_names: Sequence[str] = (), *, trail_length_frames: int = 30) -> None:
        """Begin a sequence; a trail length of 0 draws no trails."""
        if trail_length_frames < 0:
            raise ValueError(f"trail_length_frames: expected 0 or more, got {trail_length_frames}")
        self._class_names = tuple(class_names)
        self._length = trail_length_frames
        self._trails: dict[int, deque[tuple[int, float, float]]] = {}
        self._frame_count = 0

    def draw(self, image: Image, tracks: Tracks, *, masks: Sequence[Mask] | None = None) -> Image:
        """Draw the next frame; as `draw_tracks`, with trails."""
        self.remember(tracks)
        shown = set(tracks.ids.tolist())
        trails = {
            track_id: np.array([(x, y) for _, x, y in points])
            for track_id, points in self._trails.items()
            if track_id in shown
        }
        return draw_tracks(
            image, tracks, class_names=self._class_names, masks=masks, trails=trails
        )

    def remember(self, tracks: Tracks) -> None:
        """Take a frame into account without drawing it."""
        self._frame_count += 1
        if not self._length:
            return
        feet_x = tracks.boxes[:, [0, 2]].mean(axis=1).tolist()
        feet_y = tracks.boxes[:, 3].tolist()
        for track_id, x, y in zip(tracks.ids.tolist(), feet_x, feet_y, strict=True):
            points = self._trails.setdefault(track_id, deque())
            points.append((self._frame_count, x, y))
        oldest = self._frame_count - self._length
        for track_id in list(self._trails):
            points = self._trails[track_id]
            while points and points[0][0] <= oldest:
                points.popleft()
            if not points:
                del self._trails[track_id]


def _draw_boxes(
    image: Image,
    boxes: NDArray[np.float64],
    colours: Sequence[Colour],
    labels: Sequence[tuple[str, str]],
    is_whole: NDArray[np.bool_],
    style: _Style,
) -> None:
    """Boxes from far to near, then labels in the same order."""
    corners = np.clip(np.rint(boxes), -32000, 32000).astype(int)
    order = np.argsort(corners[:, 3], kind="stable").tolist()
    for row in order:
        _draw_box(image, corners[row].tolist(), colours[row], bool(is_whole[row]), style)
    for row in order:
        _draw_label(image, corners[row].tolist(), colours[row], labels[row], style)


def _draw_box(
    image: Image, corners: list[int], colour: Colour, is_whole: bool, style: _Style
) -> None:
    import cv2

    left, top, right, bottom = corners
    if is_whole:
        cv2.rectangle(image, (left, top), (right, bottom), colour, style.line_width)
        return
    arm_x, arm_y = (right - left) // 4, (bottom - top) // 4
    for x, step_x in ((left, arm_x), (right, -arm_x)):
        for y, step_y in ((top, arm_y), (bottom, -arm_y)):
            cv2.line(image, (x, y), (x + step_x, y), colour, style.line_width)
            cv2.line(image, (x, y), (x, y + step_y), colour, style.line_width)


def _draw_label(
    image: Image, corners: list[int], colour: Colour, label: tuple[str, str], style: _Style
) -> None:
    """A tag on the box's upper edge: the long text if the box is about as wide, else the short."""
    import cv2

    left, top, right, bottom = corners
    if right < 0 or bottom < 0 or left >= image.shape[1] or top >= image.shape[0]:
        return
    text, size = label[0], text_size(label[0], style.font_scale)
    if not text or size[0] + 2 * style.padding > 1.2 * (right - left):
        text, size = label[1], text_size(label[1], style.font_scale)
    width, height = size[0] + 2 * style.padding, size[1] + 2 * style.padding
    x = min(max(left, 0), max(image.shape[1] - width, 0))
    y = top - height if top >= height else max(top, 0)
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), colour, cv2.FILLED)
    cv2.putText(
        image, text, (x + style.padding, y + height - style.padding - 1),
        cv2.FONT_HERSHEY_SIMPLEX, style.font_scale, ink_on(colour),
        text_thickness(style.font_scale), cv2.LINE_AA,
    )  # fmt: skip


def _draw_trail(image: Image, points: NDArray[np.float64], colour: Colour, style: _Style) -> None:
    """A line that is thin where it is old."""
    import cv2

    if len(points) < 2:
        return
    # cv2 draws between pixels if coordinates carry four fractional bits.
    fixed = np.rint(np.clip(points, -2000, 30000) * 16).astype(np.int32)
    half = len(points) // 2
    for part, width in ((fixed[: half + 1], max(1, style.line_width - 1)),
                        (fixed[half:], style.line_width)):  # fmt: skip
        cv2.polylines(image, [part[:, None]], False, colour, width, cv2.LINE_AA, 4)


def _draw_masks(image: Image, masks: Sequence[Mask], colours: Sequence[Colour]) -> None:
    """Tint what each mask covers."""
    import cv2

    if len(masks) != len(colours):
        raise ValueError(f"masks: expected {len(colours)}, one a box, got {len(masks)}")
    for mask, colour in zip(masks, colours, strict=True):
        size = tuple(mask.shape if isinstance(mask, np.ndarray) else mask["size"])
        if size != image.shape[:2]:
            raise ValueError(f"masks: expected {image.shape[:2]} pixels, got {size}")
        window, inside = _covered(mask)
        if inside.size:
            pixels = np.ascontiguousarray(image[window])
            tinted = cv2.LUT(pixels, _tint(colour))
            image[window] = cv2.copyTo(tinted, inside.astype(np.uint8), pixels)


def _tint(colour: Colour) -> NDArray[np.uint8]:
    """`(1, 256, 3)`: what each brightness becomes under a mask of this colour."""
    levels = np.arange(256)[None, :, None] * (1 - _MASK_OPACITY)
    table: NDArray[np.uint8] = np.rint(levels + np.array(colour) * _MASK_OPACITY).astype(np.uint8)
    return table


def _covered(mask: Mask) -> tuple[tuple[slice, slice], NDArray[np.bool_]]:
    """The window of the frame that a mask lies in, and what it covers there."""
    if not isinstance(mask, np.ndarray):
        return decode_window(mask)
    import cv2

    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    window = np.s_[y : y + height, x : x + width]
    return window, mask[window].astype(bool)
