"""Pictures of a crowd of people, and which figure each of their pixels belongs to."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.appearance import Appearance, appearance
from faimtrack.datasets.crowd.background import background
from faimtrack.datasets.crowd.brush import Brush, paint_person, paint_rigid
from faimtrack.datasets.crowd.canvas import Canvas
from faimtrack.datasets.crowd.figure import RIGID_SHAPES, Figures, habits, outlines, pose
from faimtrack.datasets.crowd.integers import Integers, divide_rounded
from faimtrack.datasets.crowd.kinds import KINDS
from faimtrack.datasets.crowd.light import Light
from faimtrack.datasets.crowd.rendered import RenderedFrame
from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene
from faimtrack.datasets.crowd.simulate import Crowd
from faimtrack.structures import Image

_FINE, _FINEST = 2, 3  # Figures are painted so many times larger and then averaged down;
_SMALL_PX = 40  # figures less high than this the finest.


class PeopleRenderer:
    """Draws the frames of one crowd of people, in any order."""

    def __init__(self, crowd: Crowd) -> None:
        config, draws = crowd.config, crowd.draws
        scene = Scene.of(config)
        self._crowd = crowd
        self._light = Light(config, scene, crowd.camera, draws)
        ids = np.unique(crowd.annotations.track_ids).tolist()
        self._looks: dict[int, Appearance] = {each: appearance(draws, each) for each in ids}
        random = np.random.default_rng(int(draws.bits("sensor", [0])[0]))
        self._canvas = Canvas(crowd, background(config, scene, draws), random, (1.6, 3.6))
        self._softness = float(random.uniform(0.35, 0.6))

    def render(self, frame: int) -> RenderedFrame:
        """Draw one frame, which counts from 1."""
        table = self._crowd.annotations
        rows = table.rows_of(frame)
        figures = table.figures.select(rows)
        image = self._canvas.empty_scene(frame)
        self._light.cast_shadows(image, figures)
        ids = np.zeros(image.shape[:2], dtype=np.int32)
        order = np.argsort(-table.distance[rows], kind="stable")
        self._paint(image, ids, figures.select(order))
        cv2.multiply(image, self._light.field(frame), dst=image, scale=1 / 128)
        image = cv2.GaussianBlur(image, (3, 3), self._softness)
        self._canvas.add_grain(image, frame)
        return RenderedFrame(index=frame, image=image, ids=ids)

    def _paint(self, image: Image, ids: NDArray[np.int32], figures: Figures) -> None:
        """Paint all figures, the farthest first."""
        habit = habits(self._crowd.draws, figures)
        boxes = outlines(figures, habit)
        joints = pose(figures, habit)
        for row in range(len(figures)):
            window = _window(boxes[row], image.shape[:2])
            fine = _FINEST if window.height < _SMALL_PX else _FINE
            brush = Brush(fine * window.height, fine * window.width)
            origin = np.array([window.left, window.top]) * SUBPIXELS
            kind = KINDS[int(figures.kinds[row])]
            look = self._looks[int(figures.ids[row])]
            place = np.array([figures.x[row], figures.y[row]])
            if kind.shape in RIGID_SHAPES:
                box = _on_canvas(boxes[row].reshape(2, 2) - origin, fine).ravel().tolist()
                ground = int(_on_canvas(place - origin, fine)[1])
                paint_rigid(brush, box, kind.shape, ground)
            else:
                points = np.stack([joints.x[row], joints.y[row]], axis=1) + place - origin
                paint_person(
                    brush,
                    _on_canvas(points, fine),
                    joints.radius[row] * fine,
                    joints.away[row],
                    (int(figures.facing_x[row]), int(figures.facing_z[row])),
                    int(habit.bag[row]),
                    look,
                )
            opacity = 150 if kind.shape == "reflection" else 256
            _blend(image, ids, window, brush.labels, look, int(figures.ids[row]), opacity)


@dataclass(frozen=True, kw_only=True)
class _Window:
    """The part of the image that one figure may touch: its box, whatever the strokes round to."""

    left: int
    top: int
    width: int
    height: int
    inside: tuple[slice, slice]
    """Rows and columns of the window that are in the image."""
    onto: tuple[slice, slice]
    """Rows and columns of the image that the window covers."""


def _window(box: Integers, size: tuple[int, ...]) -> _Window:
    left, top, right, bottom = divide_rounded(box, SUBPIXELS).tolist()
    x1, y1 = max(left, 0), max(top, 0)
    x2, y2 = min(right, size[1]), min(bottom, size[0])
    return _Window(
        left=left,
        top=top,
        width=right - left,
        height=bottom - top,
        inside=(slice(y1 - top, y2 - top), slice(x1 - left, x2 - left)),
        onto=(slice(y1, y2), slice(x1, x2)),
    )


def _on_canvas(points: Integers, fine: int) -> Integers:
    """Subpixels of the window → 1/256 canvas pixels, whose integers are pixel centres."""
    return points * fine - SUBPIXELS // 2


def _blend(
    image: Image,
    ids: NDArray[np.int32],
    window: _Window,
    labels: NDArray[np.uint8],
    look: Appearance,
    track_id: int,
    opacity: int,
) -> None:
    """Lay a painted figure over the image, and its id over the map of ids."""
    rows, columns = labels.shape
    down = np.arange(rows) * 64 // rows
    across = np.arange(columns) * 64 // columns
    there = labels > 0
    labels = labels + look.pattern[down[:, None], across]
    weave = look.weave[down[:, None], across] + 8
    cloth = cv2.add(look.palette[labels], cv2.merge([weave] * 3), dtype=cv2.CV_8U)
    cover = there.astype(np.uint8) * np.uint8(255)
    cloth = cv2.bitwise_and(cloth, cloth, mask=cover)
    small = (window.width, window.height)
    cloth = cv2.resize(cloth, small, interpolation=cv2.INTER_AREA)[window.inside]
    cover = cv2.resize(cover, small, interpolation=cv2.INTER_AREA)[window.inside]
    target = image[window.onto]
    rest = (255 * 256 - cover.astype(np.int32) * opacity)[..., None]
    mixed = (target * rest + cloth.astype(np.int32) * (255 * opacity)) // (255 * 256)
    target[:] = np.minimum(mixed, 255)
    ids[window.onto][cover >= 128] = track_id
