"""Where people of a crowd stand, go, meet, come in and leave."""

from __future__ import annotations

import numpy as np

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import Draws, Integers
from faimtrack.datasets.crowd.scene import Scene

_THICK_PERMILLE = 880  # So many of 1000 places are near one of the crowd's thick spots.
_MEETING_S = 12  # Meeting places move that often.
_RING_UM = 1000


class Places:
    """Draws places on the ground for ids and steps; keeps nothing."""

    def __init__(self, config: CrowdConfig, scene: Scene, draws: Draws) -> None:
        self._scene = scene
        self._draws = draws
        self._rate = config.frame_rate
        # Large crowds have more thick spots, and narrower ones.
        self._spot_count = 4 + config.people_a_frame // 25
        self._spot_parts = 16 + config.people_a_frame // 14, 10 + config.people_a_frame // 25

    def spots(self, stream: str, entities: Integers, step: int = 0) -> tuple[Integers, Integers]:
        """Columns and rows on the canvas: many near the crowd's thick spots, some anywhere."""
        draws, scene = self._draws, self._scene
        columns = draws.between(f"{stream} column", entities, scene.left, scene.right, step)
        rows = draws.between(f"{stream} row", entities, scene.far_row, scene.near_row, step)
        spot = draws.between(f"{stream} spot", entities, 0, self._spot_count - 1, step)
        wide = (scene.right - scene.left) // self._spot_parts[0]
        tall = (scene.near_row - scene.far_row) // self._spot_parts[1]
        near_x = draws.between("thick column", spot, scene.left, scene.right)
        near_x += draws.bell(f"{stream} near x", entities, step) * wide // 1024
        near_y = draws.between("thick row", spot, scene.far_row, scene.near_row)
        near_y += draws.bell(f"{stream} near y", entities, step) * tall // 1024
        thick = draws.between(f"{stream} thick", entities, 0, 999, step) < _THICK_PERMILLE
        columns, rows = np.where(thick, near_x, columns), np.where(thick, near_y, rows)
        return columns, np.clip(rows, scene.far_row, scene.near_row)

    def goals(self, ids: Integers, step: int) -> tuple[Integers, Integers]:
        """Ground points in the scene to walk to."""
        return self._scene.ground(*self.spots("goal", ids, step))

    def meetings(self, ids: Integers, step: int) -> tuple[Integers, Integers]:
        """Ground points around one of four places that many choose at the same time."""
        draws, scene = self._draws, self._scene
        epoch = step // (_MEETING_S * self._rate)
        place = draws.between("place", ids, 0, 3, step)
        x, z = scene.ground(
            draws.between("place column", place, scene.left, scene.right, epoch),
            draws.between("place row", place, scene.far_row, scene.near_row, epoch),
        )
        x = x + draws.between("ring x", ids, -900, 900, step) * _RING_UM
        z = z + draws.between("ring z", ids, -900, 900, step) * _RING_UM
        return x, z

    def ways_out(self, ids: Integers) -> tuple[Integers, Integers]:
        """Ground points outside the canvas: left, right or towards the camera."""
        draws, scene = self._draws, self._scene
        side = draws.between("way out", ids, 0, 99)
        rows = self.spots("way out", ids)[1]
        columns = draws.between("way out column", ids, scene.left, scene.right)
        wide = (scene.right - scene.left) // 4
        columns = np.where(side < 40, scene.left - wide, columns)
        columns = np.where((side >= 40) & (side < 80), scene.right + wide, columns)
        rows = np.where(side < 80, rows, scene.near_row + (scene.bottom - scene.top) // 2)
        return scene.ground(columns, rows)

    def ways_in(self, ids: Integers, stature: Integers) -> tuple[Integers, Integers]:
        """Ground points just outside the canvas: left, right or below."""
        draws, scene = self._draws, self._scene
        side = draws.between("way in", ids, 0, 99)
        rows = self.spots("way in", ids)[1]
        columns = draws.between("way in column", ids, scene.left, scene.right)
        # A figure's box is less than half as wide as it is high.
        tall = scene.lengths(stature, scene.ground(columns, rows)[1])
        columns = np.where(side < 42, scene.left - tall // 3, columns)
        columns = np.where((side >= 42) & (side < 84), scene.right + tall // 3, columns)
        x, z = scene.ground(columns, rows)
        below = scene.focal * (scene.camera_height - stature)
        return x, np.where(side >= 84, below // (scene.bottom - scene.horizon), z)
