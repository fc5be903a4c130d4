"""Pictures of a scene of objects, and which object each of their pixels belongs to."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from faimtrack.datasets.crowd.canvas import Canvas
from faimtrack.datasets.crowd.integers import Integers, divide_rounded
from faimtrack.datasets.crowd.objects.bodies import BODY
from faimtrack.datasets.crowd.objects.clutter import clutter
from faimtrack.datasets.crowd.objects.colours import FAR, Coat, clutter_coat, coat
from faimtrack.datasets.crowd.objects.habitat import habitat_picture
from faimtrack.datasets.crowd.objects.lives import habitat_of
from faimtrack.datasets.crowd.objects.states import ObjectStates, silhouettes
from faimtrack.datasets.crowd.rendered import RenderedFrame
from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene
from faimtrack.datasets.crowd.simulate import Crowd
from faimtrack.structures import Image

_FINE = 2  # Silhouettes are painted so many times larger and then averaged down.
_CIRCLE_POINTS = 16
_ANGLES = np.arange(_CIRCLE_POINTS) * (2 * np.pi / _CIRCLE_POINTS)
_CIRCLE = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)
_LEAST_BLUR = 0.35  # Pixels; less is not seen.
_FARTHEST_BLUR = 48


class ObjectRenderer:
    """Draws the frames of one scene, in any order; safe to use from several threads."""

    def __init__(self, crowd: Crowd, states: ObjectStates) -> None:
        config, draws = crowd.config, crowd.draws
        self._crowd = crowd
        self._states = states
        self._clutter = clutter(config, draws)
        habitat = habitat_of(draws)
        self._coats = {
            track: coat(draws, habitat, track) for track in np.unique(states.ids).tolist()
        }
        self._clutter_coats = [clutter_coat(draws, habitat, each.number) for each in self._clutter]
        random = np.random.default_rng(int(draws.bits("object sensor", [0])[0]))
        picture = habitat_picture(config, Scene.of(config), draws)
        self._canvas = Canvas(crowd, picture, random, (1.5, 4.0))
        self._softness = float(random.uniform(0.3, 0.7))
        self._clutter_softness = float(random.uniform(0.6, 2.2))
        self._flicker = random.uniform(0, 6.28, 2)

    def render(self, frame: int) -> RenderedFrame:
        """Draw one frame, which counts from 1."""
        table, camera = self._crowd.annotations, self._crowd.camera
        rows = table.rows_of(frame)
        states = self._states.select(rows)
        image = self._canvas.empty_scene(frame)
        ids = np.zeros(image.shape[:2], dtype=np.int32)
        nearest = [
            *[(away, row, True) for row, away in enumerate(table.distance[rows].tolist())],
            *[(thing.distance, row, False) for row, thing in enumerate(self._clutter)],
        ]
        for _, row, is_object in sorted(nearest, reverse=True):
            if is_object:
                self._paint_object(image, ids, states.select(slice(row, row + 1)))
            else:
                discs = self._clutter[row].seen(camera, frame)
                labels = np.full(len(discs), BODY)
                layer = _Layer(discs, labels, self._clutter_coats[row])
                layer.lay(image, ids, 0, self._clutter_softness, (0.0, 0.0))
        time_s = frame / self._crowd.config.frame_rate
        gain = 1 + 0.05 * np.sin(time_s * 0.9 + self._flicker[0])
        gain += 0.03 * np.sin(time_s * 4.1 + self._flicker[1])
        image = cv2.GaussianBlur(cv2.convertScaleAbs(image, alpha=gain), (3, 3), self._softness)
        self._canvas.add_grain(image, frame)
        return RenderedFrame(index=frame, image=image, ids=ids)

    def _paint_object(self, image: Image, ids: NDArray[np.int32], state: ObjectStates) -> None:
        kind, track = int(state.kinds[0]), int(state.ids[0])
        shape = silhouettes(kind, state)
        # Parts on the far side are darker; those nearest to the camera are painted last.
        away = shape.away[0]
        order = np.argsort(-away, kind="stable")
        labels = shape.roles + FAR * (away > 4 * 45)
        layer = _Layer(shape.discs[0][order], labels[order], self._coats[track])
        smear = (float(state.blur_x[0]) / SUBPIXELS, float(state.blur_y[0]) / SUBPIXELS)
        layer.lay(image, ids, track, float(state.defocus[0]) / SUBPIXELS, smear)


class _Layer:
    """A painted silhouette in the window of its box."""

    def __init__(self, discs: Integers, labels: NDArray[np.int64], looks: Coat) -> None:
        low = (discs[..., :2] - discs[..., 2:]).min(axis=(0, 1))
        high = (discs[..., :2] + discs[..., 2:]).max(axis=(0, 1))
        self.left, self.top = divide_rounded(low, SUBPIXELS).tolist()
        right, bottom = divide_rounded(high, SUBPIXELS).tolist()
        self.width, self.height = right - self.left, bottom - self.top
        if self.width < 1 or self.height < 1:
            return
        canvas = np.zeros((self.height * _FINE, self.width * _FINE), dtype=np.uint8)
        origin = np.array([self.left, self.top]) * SUBPIXELS
        centres = (discs[..., :2] - origin) * _FINE - SUBPIXELS // 2
        # A polygon covers half a pixel more than its corners say, all round.
        radii = np.maximum(discs[..., 2:, None] * _FINE - SUBPIXELS // 2, 0)
        rims = centres[:, :, None] + radii * _CIRCLE  # (P, 4, 16, 2)
        points = np.round(rims).astype(np.int32).reshape(len(discs), -1, 2)
        for corners, label in zip(points, labels.tolist(), strict=True):
            cv2.fillConvexPoly(canvas, cv2.convexHull(corners), label, cv2.LINE_8, 8)
        small = (self.width, self.height)
        texture = cv2.resize(
            looks.texture, (canvas.shape[1], canvas.shape[0]), interpolation=cv2.INTER_LINEAR
        )
        colours = cv2.add(looks.palette[canvas], cv2.merge([texture] * 3), dtype=cv2.CV_8U)
        cover = (canvas > 0).astype(np.uint8) * np.uint8(255)
        colours = cv2.bitwise_and(colours, colours, mask=cover)
        self.colours = cv2.resize(colours, small, interpolation=cv2.INTER_AREA)
        self.cover = cv2.resize(cover, small, interpolation=cv2.INTER_AREA)

    def lay(
        self,
        image: Image,
        ids: NDArray[np.int32],
        track_id: int,
        defocus: float,
        smear: tuple[float, float],
    ) -> None:
        """Blend it over an image, blurred, and lay its id, not blurred, over the map of ids."""
        if self.width < 1 or self.height < 1:
            return
        inside, onto = _overlap(self.left, self.top, self.cover.shape, ids.shape)
        ids[onto][self.cover[inside] >= 128] = track_id
        reach = int(min(np.ceil(3 * defocus + max(map(abs, smear)) / 2) + 1, _FARTHEST_BLUR))
        colours, cover = (
            cv2.copyMakeBorder(each, reach, reach, reach, reach, cv2.BORDER_CONSTANT, value=0)
            for each in (self.colours, self.cover)
        )
        inside, onto = _overlap(self.left - reach, self.top - reach, cover.shape, image.shape[:2])
        target = image[onto]
        if target.size:
            colours, cover = (_blurred(each, defocus, smear) for each in (colours, cover))
            rest = cv2.merge([255 - cover[inside]] * 3)
            target[:] = cv2.add(cv2.multiply(target, rest, scale=1 / 255), colours[inside])


def _overlap(
    left: int, top: int, shape: tuple[int, ...], whole: tuple[int, ...]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Rows and columns of a window that lie in the image, and those of the image."""
    x1, y1 = min(max(left, 0), whole[1]), min(max(top, 0), whole[0])
    x2 = max(min(left + shape[1], whole[1]), x1)
    y2 = max(min(top + shape[0], whole[0]), y1)
    inside = (
        slice(max(y1 - top, 0), max(y2 - top, 0)),
        slice(max(x1 - left, 0), max(x2 - left, 0)),
    )
    if x2 <= x1 or y2 <= y1:
        return (slice(0, 0), slice(0, 0)), (slice(0, 0), slice(0, 0))
    return inside, (slice(y1, y2), slice(x1, x2))


def _blurred(
    layer: NDArray[np.uint8], defocus: float, smear: tuple[float, float]
) -> NDArray[np.uint8]:
    """A layer as a moving body out of focus looks; colours are by their cover already."""
    if max(map(abs, smear)) >= 1:
        layer = cv2.filter2D(layer, -1, _line(smear), borderType=cv2.BORDER_CONSTANT)
    if defocus > _LEAST_BLUR:
        layer = cv2.GaussianBlur(layer, (0, 0), defocus, borderType=cv2.BORDER_CONSTANT)
    return layer


def _line(smear: tuple[float, float]) -> NDArray[np.float32]:
    """A kernel of a line through its middle."""
    half = min(int(np.ceil(max(map(abs, smear)) / 2)), _FARTHEST_BLUR)
    kernel = np.zeros((2 * half + 1, 2 * half + 1), dtype=np.float32)
    limit = 2 * half / max(map(abs, smear))
    scale = min(limit, 1.0) / 2
    ends = [[round((half + side * each * scale) * 256) for each in smear] for side in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0, 1, cv2.LINE_8, 8)
    kernel /= kernel.sum()
    return kernel
