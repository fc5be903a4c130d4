"""Annotations of a scene of objects: boxes, kinds, visibility, and how each is seen."""

from __future__ import annotations

import numpy as np

from faimtrack.datasets.crowd.annotations import Annotations, visibility
from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.figure import Figures
from faimtrack.datasets.crowd.integers import Draws, Integers, divide_rounded
from faimtrack.datasets.crowd.objects.clutter import Clutter, clutter
from faimtrack.datasets.crowd.objects.lives import Lives
from faimtrack.datasets.crowd.objects.states import ObjectStates, join_states, silhouettes
from faimtrack.datasets.crowd.scene import SUBPIXELS, CameraPath

_LEAST_PART_IN_VIEW = 16  # 1/16 of an object's box must lie in the image for an annotation.
_FRAMES_AT_ONCE = 256  # The discs of so many frames are held in memory.


def simulate_objects(
    config: CrowdConfig, draws: Draws, camera: CameraPath
) -> tuple[Annotations, ObjectStates]:
    """Simulate a scene of objects without drawing it.

    Returns:
        Annotations without figures, and, row by row, how each of them is seen.
    """
    lives = Lives(config, draws, camera)
    kept: list[ObjectStates] = []
    boxes, frame_numbers, distances = [], [], []
    for slot in range(lives.count):
        for start in range(1, config.frames + 1, _FRAMES_AT_ONCE):
            stop = min(start + _FRAMES_AT_ONCE, config.frames + 1)
            frames = np.arange(start, stop, dtype=np.int64)
            states = lives.states(slot, frames)
            # A mask holds the pixels that are at least half covered: borders round the same way.
            full = divide_rounded(silhouettes(lives.kind(slot), states).boxes, SUBPIXELS)
            corners, rows = _in_view(full, config)
            kept.append(states.select(rows))
            boxes.append(corners[rows])
            frame_numbers.append(frames[rows])
            distances.append(np.full(len(rows), lives.distance(slot), dtype=np.int64))
    states = join_states(kept)
    frames, corners = np.concatenate(frame_numbers), np.concatenate(boxes)
    distance = np.concatenate(distances)
    order = np.lexsort((states.ids, frames))
    states, frames = states.select(order), frames[order]
    corners, distance = corners[order], distance[order]
    seen = _visibility(config, frames, corners, distance, clutter(config, draws), camera)
    nobody = np.zeros(0, dtype=np.int64)
    annotations = Annotations(
        frames=frames,
        track_ids=states.ids,
        boxes_xywh=np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1),
        class_ids=states.kinds,
        considered=np.ones(len(states), dtype=bool),
        visibility=seen,
        figures=Figures(**dict.fromkeys(Figures.__dataclass_fields__, nobody)),
        distance=distance,
    )
    return annotations, states


def _in_view(full: Integers, config: CrowdConfig) -> tuple[Integers, Integers]:
    """Boxes cut at the image's borders, and the rows of those that are seen enough."""
    area = (full[:, 2] - full[:, 0]) * (full[:, 3] - full[:, 1])
    corners = np.clip(full, 0, np.array([config.width, config.height] * 2))
    sides = corners[:, 2:] - corners[:, :2]
    inside = np.prod(sides, axis=1) * _LEAST_PART_IN_VIEW >= area
    return corners, np.flatnonzero(inside & (sides > 0).all(axis=1))


def _visibility(
    config: CrowdConfig,
    frames: Integers,
    corners: Integers,
    distance: Integers,
    things: list[Clutter],
    camera: CameraPath,
) -> Integers:
    """`(N,)` in 1/100000: which share of each box no nearer box and no clutter's core covers."""
    result = np.zeros(len(frames), dtype=np.int64)
    limit = np.array([config.width, config.height] * 2)
    away = np.array([thing.distance for thing in things], dtype=np.int64)
    for frame in np.unique(frames).tolist():
        first, end = np.searchsorted(frames, [frame, frame + 1])
        cores = [divide_rounded(thing.core_seen(camera, frame), SUBPIXELS) for thing in things]
        hiding = np.clip(np.array(cores, dtype=np.int64).reshape(-1, 4), 0, limit)
        found = visibility(
            np.concatenate([corners[first:end], hiding]),
            np.concatenate([distance[first:end], away]),
            (config.height, config.width),
        )
        result[first:end] = found[: end - first]
    return result
