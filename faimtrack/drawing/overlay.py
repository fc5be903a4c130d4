"""Boxes, ids, labels, masks and trails on one frame after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from faimtrack.drawing.lettering import Colour, colour_of
from faimtrack.drawing.strokes import Style, draw_box, draw_label, on_pixels
from faimtrack.run_lengths import decode_window
from faimtrack.structures import Detections, Image, RunLengthMask, Tracks

Mask: TypeAlias = RunLengthMask | NDArray[np.bool_]
"""Run lengths, or `(H, W)` of the frame."""

_MASK_OPACITY = 0.45


def draw_tracks(
    image: Image,
    tracks: Tracks,
    *,
    class_names: Sequence[str] = (),
    masks: Sequence[Mask | None] | None = None,
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
        masks: One a track, None for a track without; None draws none.
        trails: By id, `(K, 2)` points ``x y`` in pixels, the oldest first.

    Returns:
        A new image of the same size.
    """
    drawn = np.array(image, dtype=np.uint8, order="C")
    style = Style.of(drawn)
    colours = [colour_of(int(number)) for number in tracks.ids]
    if masks is not None:
        _draw_masks(drawn, masks, tracks.boxes, colours)
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
    style = Style.of(drawn)
    colours = [colour_of(int(number) + 1) for number in detections.class_ids]
    if detections.masks is not None:
        _draw_masks(drawn, detections.masks, detections.boxes, colours)
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

    def draw(
        self, image: Image, tracks: Tracks, *, masks: Sequence[Mask | None] | None = None
    ) -> Image:
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
    style: Style,
) -> None:
    """Boxes from far to near, then labels in the same order."""
    corners = on_pixels(boxes)
    order = _from_far_to_near(boxes)
    for row in order:
        draw_box(image, corners[row].tolist(), colours[row], bool(is_whole[row]), style)
    for row in order:
        draw_label(image, corners[row].tolist(), colours[row], labels[row], style)


def _draw_trail(image: Image, points: NDArray[np.float64], colour: Colour, style: Style) -> None:
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


def _from_far_to_near(boxes: NDArray[np.float64]) -> list[int]:
    """Rows in the order of their lower edges: who is lower in the frame is nearer."""
    order: list[int] = np.argsort(np.rint(boxes[:, 3]), kind="stable").tolist()
    return order


def _draw_masks(
    image: Image,
    masks: Sequence[Mask | None],
    boxes: NDArray[np.float64],
    colours: Sequence[Colour],
) -> None:
    """Tint what each mask covers, from far to near."""
    import cv2

    if len(masks) != len(colours):
        raise ValueError(f"masks: expected {len(colours)}, one a box, got {len(masks)}")
    for row in _from_far_to_near(boxes):
        mask, colour = masks[row], colours[row]
        if mask is None:
            continue
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
