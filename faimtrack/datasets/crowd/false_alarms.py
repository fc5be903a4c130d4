"""What a simulated detector reports although nobody is there, or reports twice."""

from __future__ import annotations

import numpy as np

from faimtrack.datasets.crowd.annotations import VISIBILITY_ONE, Annotations
from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import Draws, Integers
from faimtrack.datasets.crowd.scene import SUBPIXELS, ZOOM_ONE, CameraPath, Scene

_PEOPLE_A_LURE = 9  # One place of the background that looks like a person for so many people.


def false_alarms(
    config: CrowdConfig,
    annotations: Annotations,
    rows: slice,
    camera: CameraPath,
    frame: int,
    draws: Draws,
) -> tuple[Integers, Integers]:
    """Everything that one frame's detections hold too much.

    Args:
        config: The crowd.
        annotations: Its ground truth.
        rows: The rows of this frame.
        camera: Where the camera looks.
        frame: Which frame, from 1.
        draws: The crowd's random integers.

    Returns:
        `(N, 4)` boxes `x1 y1 x2 y2` in 1/10 px, and `(N,)` scores in 1/1000.
    """
    box = annotations.boxes_xywh[rows]
    corners = 10 * np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)
    hidden = 1000 - annotations.visibility[rows] * 1000 // VISIBILITY_ONE
    ids = annotations.track_ids[rows]
    parts = [
        _doubles(corners, hidden, ids, frame, draws),
        _mergers(corners, hidden, ids, frame, draws),
        _flashes(corners, hidden, ids, frame, draws),
        _lures(config, camera, frame, draws),
    ]
    boxes, scores = zip(*parts, strict=True)
    return np.concatenate(boxes), np.concatenate(scores)


def _doubles(
    corners: Integers, hidden: Integers, ids: Integers, frame: int, draws: Draws
) -> tuple[Integers, Integers]:
    """A second box on a figure: its upper part, or a wider one; for a few frames at a time."""
    spell = frame // 5
    chance = draws.between("double", ids, 0, 999, spell)
    rows = np.flatnonzero(chance < 22 + hidden * 50 // 1000)
    left, top, right, bottom = corners[rows].T
    part = draws.between("double part", ids[rows], 420, 760, spell)
    aside = draws.between("double aside", ids[rows], -180, 180, spell) * (right - left) // 1000
    boxes = np.stack(
        [left + aside, top, right + aside, top + (bottom - top) * part // 1000], axis=1
    )
    return boxes, _low_scores(draws, "double score", ids[rows], frame, 520)


def _mergers(
    corners: Integers, hidden: Integers, ids: Integers, frame: int, draws: Draws
) -> tuple[Integers, Integers]:
    """One box around somebody half hidden and the nearest neighbour: the two taken for one."""
    if len(ids) < 2:
        return _nothing()
    chance = draws.between("merger", ids, 0, 999, frame // 8)
    rows = np.flatnonzero(chance < hidden * 30 // 1000)
    centres = corners[:, :2] + corners[:, 2:]
    gaps = np.abs(centres[rows, None] - centres[None]).sum(axis=2)
    gaps[np.arange(len(rows)), rows] = 1 << 40
    mates = gaps.argmin(axis=1)
    low = np.minimum(corners[rows, :2], corners[mates, :2])
    high = np.maximum(corners[rows, 2:], corners[mates, 2:])
    boxes = np.concatenate([low, high], axis=1)
    return boxes, _low_scores(draws, "merger score", ids[rows], frame, 700)


def _flashes(
    corners: Integers, hidden: Integers, ids: Integers, frame: int, draws: Draws
) -> tuple[Integers, Integers]:
    """Boxes for one frame near figures; most of them near hidden ones, most with low scores."""
    chance = draws.between("flash", ids, 0, 999, frame)
    rows = np.flatnonzero(chance < 60 + hidden * 190 // 1000)
    left, top, right, bottom = corners[rows].T
    away_x = draws.between("flash x", ids[rows], -1300, 1300, frame) * (right - left) // 1000
    away_y = draws.between("flash y", ids[rows], -420, 420, frame) * (bottom - top) // 1000
    shrink = draws.between("flash size", ids[rows], -150, 350, frame)
    inset_x, inset_y = (right - left) * shrink // 2000, (bottom - top) * shrink // 2000
    boxes = np.stack(
        [
            left + away_x + inset_x,
            top + away_y + inset_y,
            right + away_x - inset_x,
            bottom + away_y - inset_y,
        ],
        axis=1,
    )
    return boxes, _low_scores(draws, "flash score", ids[rows], frame, 620)


def lure_boxes(config: CrowdConfig, scene: Scene, draws: Draws) -> Integers:
    """`(N, 4)` boxes `x1 y1 x2 y2` in canvas subpixels of what looks like a person but is not."""
    places = np.arange(config.people_a_frame // _PEOPLE_A_LURE, dtype=np.int64)
    columns = draws.between("lure column", places, scene.left, scene.right)
    rows = draws.between("lure row", places, scene.far_row, scene.near_row)
    z = scene.ground(columns, rows)[1]
    tall = scene.lengths(draws.between("lure size", places, 1_100_000, 1_700_000), z)
    wide = tall * draws.between("lure width", places, 330, 520) // 1000
    return np.stack([columns - wide // 2, rows - tall, columns + wide // 2, rows], axis=1)


def _lures(
    config: CrowdConfig, camera: CameraPath, frame: int, draws: Draws
) -> tuple[Integers, Integers]:
    """Places of the background that are taken for people for seconds at a time."""
    full = lure_boxes(config, Scene.of(config), draws)
    if not len(full):
        return _nothing()
    places = np.arange(len(full), dtype=np.int64)
    spell = (frame + draws.one("lure clock", 0, 0, 999)) // (2 * config.frame_rate)
    active = draws.between("lure", places, 0, 999, spell) < 300
    zoom, shift = int(camera.zoom[frame - 1]), camera.shift[frame - 1]
    box = (full * zoom // ZOOM_ONE + np.concatenate([shift, shift])) * 10 // SUBPIXELS
    strays = draws.bell("lure strays", places, frame)[:, None] * (box[:, 2:3] - box[:, :1])
    score = draws.between("lure score", places, 120, 690, spell)
    score = score + draws.bell("lure wobble", places, frame) * 45 // 1024
    kept = np.flatnonzero(active & (score > 60))
    return (box + strays // (1024 * 30))[kept], np.clip(score, 10, 900)[kept]


def _low_scores(draws: Draws, stream: str, ids: Integers, frame: int, highest: int) -> Integers:
    """Scores in 1/1000 of which most are very low: the fourth power of an even draw."""
    even = draws.between(stream, ids, 0, 1000, frame)
    return 10 + even**4 // 1000**3 * highest // 1000


def _nothing() -> tuple[Integers, Integers]:
    return np.zeros((0, 4), dtype=np.int64), np.zeros(0, dtype=np.int64)
