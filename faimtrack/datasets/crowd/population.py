"""Who is where: people walk, stop, meet, keep together and make way, in whole numbers only."""

from __future__ import annotations

import numpy as np

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import SINE_ONE, Draws, Integers, rough_length, sine
from faimtrack.datasets.crowd.kinds import KINDS
from faimtrack.datasets.crowd.places import Places
from faimtrack.datasets.crowd.scene import SUBPIXELS, Scene

_MM = 1000
_REACH = 460 * _MM  # People closer than this push each other apart.
_WARM_UP_S = 3
_NOBODY = -1

CROSSER, WANDERER, MEETER = 0, 1, 2


class Population:
    """The moving state of everyone in a scene: one slot a figure, its next tenant a new id.

    Attributes:
        ids: `(N,)` track ids from 1; `kinds`: `(N,)` indices into `KINDS`.
        x, z: `(N,)` places on the ground in micrometres; `vx`, `vz` their change a frame.
        facing_x, facing_z: `(N,)` unit vectors, 1024 to 1120 long.
        phase: `(N,)` of the gait, 1024 for two steps; `swing`: `(N,)` 0 standing, 1024 striding.
        stature: `(N,)` micrometres.
    """

    def __init__(self, config: CrowdConfig, scene: Scene, draws: Draws) -> None:
        self._scene = scene
        self._draws = draws
        self._rate = config.frame_rate
        self._step = 0
        self._places = Places(config, scene, draws)
        self.kinds = _slots(config, scene)
        count = len(self.kinds)
        self._moving = np.array([kind.moves for kind in KINDS], dtype=bool)[self.kinds]
        slots = np.arange(count, dtype=np.int64)
        self.ids = slots + 1
        self._next_id = count + 1
        for name in ("x", "z", "vx", "vz", "phase", "swing", "facing_x", "facing_z", "stature"):
            setattr(self, name, np.zeros(count, dtype=np.int64))
        for name in ("_goal_x", "_goal_z", "_speed", "_pause", "_role", "_entered"):
            setattr(self, name, np.zeros(count, dtype=np.int64))
        self._leader = np.full(count, _NOBODY, dtype=np.int64)
        self._leader_id = np.full(count, _NOBODY, dtype=np.int64)
        self._groups(slots)
        if count:
            self._settle(slots)
        for _ in range(_WARM_UP_S * self._rate if count else 0):
            self.step()

    # Declared for readers and type checkers; filled in __init__.
    x: Integers
    z: Integers
    vx: Integers
    vz: Integers
    phase: Integers
    swing: Integers
    facing_x: Integers
    facing_z: Integers
    stature: Integers
    _goal_x: Integers
    _goal_z: Integers
    _speed: Integers
    _pause: Integers
    _role: Integers
    _entered: Integers

    def _groups(self, slots: Integers) -> None:
        """Let some people follow the slot before them, or the one before that: twos to fours."""
        person = self.kinds == 0
        chance = self._draws.between("group", slots, 0, 999)
        for slot in slots[1:].tolist():
            if person[slot] and person[slot - 1] and chance[slot] < 420:
                leader = self._leader[slot - 1]
                leader = slot - 1 if leader == _NOBODY else leader
                if slot - leader < 4:
                    self._leader[slot] = leader

    def _become(self, slots: Integers) -> None:
        """Draw who the new tenants of `slots` are."""
        draws, ids = self._draws, self.ids[slots]
        child = draws.between("child", ids, 0, 99) < 5
        adult = 1_690_000 + draws.bell("stature", ids) * 80
        self.stature[slots] = np.where(
            child, draws.between("child stature", ids, 1_100_000, 1_450_000), adult
        )
        brisk = 780_000 + draws.bell("speed", ids) * 230
        cyclist = self.kinds[slots] == 2
        pace = np.clip(brisk, 280_000, 1_500_000) * np.where(cyclist, 2, 1)
        self._speed[slots] = pace // self._rate
        dice = draws.between("role", ids, 0, 999)
        self._role[slots] = np.where(dice < 560, CROSSER, np.where(dice < 820, WANDERER, MEETER))
        self._role[slots] = np.where(cyclist, CROSSER, self._role[slots])
        self.phase[slots] = draws.between("phase", ids, 0, 1023)
        self.vx[slots] = 0
        self.vz[slots] = 0
        self._pause[slots] = 0
        self._entered[slots] = self._step
        followed = self._leader[slots]
        recent = self._step - self._entered[followed] < 4 * self._rate
        joins = (followed != _NOBODY) & recent
        self._leader_id[slots] = np.where(joins, self.ids[followed], _NOBODY)

    def _settle(self, slots: Integers) -> None:
        """Spread everyone evenly over the image at the start."""
        draws, scene = self._draws, self._scene
        self._become(slots)
        columns, rows = self._places.spots("start", slots)
        wall = np.array([kind.shape == "reflection" for kind in KINDS])[self.kinds]
        rows = np.where(wall, scene.far_row + SUBPIXELS, rows)
        self.x, self.z = scene.ground(columns, rows)
        beside = self._leader_id != _NOBODY
        offset_x, offset_z = self._places_in_group()
        self.x = np.where(beside, self.x[self._leader] + offset_x, self.x)
        self.z = np.where(beside, self.z[self._leader] + offset_z, self.z)
        self.z = np.clip(self.z, scene.nearest, scene.farthest)
        angle = draws.between("facing", slots, 0, 3)
        still = ~self._moving
        self.facing_x = np.array([724, -724, 300, -300])[angle]
        self.facing_z = np.where(still, -900, np.array([724, -724, -970, 970])[angle])
        self._choose_goals(slots)

    def _places_in_group(self) -> tuple[Integers, Integers]:
        """Where followers want to be, seen from their leader, in micrometres."""
        slots = np.arange(len(self.ids))
        side = self._draws.between("beside x", slots, -900, 900) * _MM
        back = self._draws.between("beside z", slots, -500, 500) * _MM
        near = np.abs(side) < 450 * _MM
        return np.where(near, side + np.where(side < 0, -1, 1) * 450 * _MM, side), back

    def _choose_goals(self, slots: Integers) -> None:
        """Give `slots` somewhere to go: across, around, or to a place where people meet."""
        scene, step = self._scene, self._step
        ids = self.ids[slots]
        x, z = self._places.goals(ids, step)
        # Wanderers keep to their neighbourhood: a third of the way to anywhere.
        x = np.where(self._role[slots] == WANDERER, (2 * self.x[slots] + x) // 3, x)
        z = np.where(self._role[slots] == WANDERER, (2 * self.z[slots] + z) // 3, z)
        meet_x, meet_z = self._places.meetings(ids, step)
        meets = self._role[slots] == MEETER
        x, z = np.where(meets, meet_x, x), np.where(meets, meet_z, z)
        out_x, out_z = self._places.ways_out(ids)
        crosses = self._role[slots] == CROSSER
        self._goal_x[slots] = np.where(crosses, out_x, x)
        self._goal_z[slots] = np.where(crosses, out_z, np.clip(z, scene.nearest, scene.farthest))

    def _enter(self, slots: Integers) -> None:
        """Put the new tenants of `slots` just outside a border, on their way in."""
        ids = self.ids[slots]
        self.x[slots], self.z[slots] = self._places.ways_in(ids, self.stature[slots])
        offset_x, offset_z = self._places_in_group()
        joins = self._leader_id[slots] != _NOBODY
        leader = self._leader[slots]
        self.x[slots] = np.where(joins, self.x[leader] + offset_x[slots], self.x[slots])
        self.z[slots] = np.where(joins, self.z[leader] + offset_z[slots], self.z[slots])
        self._choose_goals(slots)
        self.facing_x[slots] = np.where(self._goal_x[slots] < self.x[slots], -970, 970)
        self.facing_z[slots] = np.where(self._goal_z[slots] < self.z[slots], -300, 300)

    def step(self) -> None:
        """Move everyone by one frame."""
        self._step += 1
        self._follow()
        to_x, to_z = self._goal_x - self.x, self._goal_z - self.z
        distance = rough_length(to_x, to_z)
        self._arrive(distance)
        walking = self._moving & (self._pause == 0)
        # Followers who fell behind hurry; who comes near slows down.
        speed = np.where(self._leader_id != _NOBODY, self._speed * 5 // 4, self._speed)
        speed = np.where(walking, np.minimum(speed, distance // 6), 0)
        push_x, push_z = self._pushes()
        sway_x, sway_z = self._sway()
        want_x = to_x * speed // distance + push_x + sway_x
        want_z = to_z * speed // distance + push_z + sway_z
        self.vx = np.where(self._moving, (self.vx * 7 + want_x) // 8, 0)
        self.vz = np.where(self._moving, (self.vz * 7 + want_z) // 8, 0)
        length = rough_length(self.vx, self.vz)
        limit = 2_000_000 // self._rate * np.where(self.kinds == 2, 2, 1)
        slower = np.minimum(length, limit)
        self.vx, self.vz = self.vx * slower // length, self.vz * slower // length
        self.x, self.z = self.x + self.vx, self.z + self.vz
        self.z = np.minimum(self.z, self._scene.farthest)
        self._walk_the_legs(np.minimum(length, limit))
        self._replace_leavers()

    def _follow(self) -> None:
        """Let followers aim beside their leader, or for the leader's last goal if it has left."""
        led = self._leader_id != _NOBODY
        gone = led & (self.ids[self._leader] != self._leader_id)
        self._leader_id = np.where(gone, _NOBODY, self._leader_id)
        self._role = np.where(gone, CROSSER, self._role)
        if gone.any():
            self._choose_goals(np.flatnonzero(gone))
        led &= ~gone
        offset_x, offset_z = self._places_in_group()
        self._goal_x = np.where(led, self.x[self._leader] + offset_x, self._goal_x)
        self._goal_z = np.where(led, self.z[self._leader] + offset_z, self._goal_z)

    def _arrive(self, distance: Integers) -> None:
        """Rest where the goal is reached, and set out again after the rest."""
        led = self._leader_id != _NOBODY
        ends = self._moving & ~led & (self._pause == 1)
        self._pause = np.maximum(self._pause - 1, 0)
        arrived = self._moving & ~led & (self._pause == 0) & ~ends & (distance < 250 * _MM)
        slots = np.flatnonzero(arrived)
        if len(slots):
            ids = self.ids[slots]
            longest = np.where(self._role[slots] == MEETER, 9, 4) * self._rate
            rest = self._draws.between("rest", ids, 200, 1000, self._step)
            self._pause[slots] = rest * longest // 1000 + 1
        done = np.flatnonzero(ends)
        if len(done):
            # Who has met goes on across or around; everyone leaves in the end.
            turn = self._draws.between("next role", self.ids[done], 0, 2, self._step)
            self._role[done] = turn
            self._choose_goals(done)

    def _pushes(self) -> tuple[Integers, Integers]:
        """`(N,)` velocities away from those who are too close, with a step to the right."""
        count = len(self.ids)
        apart_x = self.x[:, None] - self.x[None, :]
        apart_z = self.z[:, None] - self.z[None, :]
        close = (np.abs(apart_x) < _REACH) & (np.abs(apart_z) < _REACH)
        np.fill_diagonal(close, False)
        one, other = np.nonzero(close)
        x, z = apart_x[one, other], apart_z[one, other]
        length = rough_length(x, z)
        strength = np.maximum(_REACH - length, 0) * 2 // self._rate
        push_x, push_z = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        np.add.at(push_x, one, (x + z // 3) * strength // length)
        np.add.at(push_z, one, (z - x // 3) * strength // length)
        return push_x, push_z

    def _sway(self) -> tuple[Integers, Integers]:
        """`(N,)` velocities of shifting one's weight: nobody stands as still as a post."""
        pace = self._draws.between("sway pace", self.ids, 2, 5)
        start = self._draws.between("sway start", self.ids, 0, 1023)
        angle = start + self._step * 1024 // (pace * self._rate)
        reach = 110 * _MM // self._rate
        return sine(angle) * reach // SINE_ONE, sine(angle * 3 // 4) * reach // SINE_ONE

    def _walk_the_legs(self, speed: Integers) -> None:
        """Turn the bodies where they go and advance the gait with the ground covered."""
        moves = speed > 200_000 // self._rate
        turn_x = self.facing_x * 7 + np.where(moves, self.vx * SINE_ONE // np.maximum(speed, 1), 0)
        turn_z = self.facing_z * 7 + np.where(moves, self.vz * SINE_ONE // np.maximum(speed, 1), 0)
        length = rough_length(turn_x, turn_z)
        turns = moves & self._moving
        self.facing_x = np.where(turns, turn_x * SINE_ONE // length, self.facing_x)
        self.facing_z = np.where(turns, turn_z * SINE_ONE // length, self.facing_z)
        stride = np.maximum(self.stature * 3 // 4, 1)
        self.phase = (self.phase + np.where(moves, speed * 1024 // stride, 0)) % 1024
        wanted = np.where(moves, np.minimum(speed * self._rate * SINE_ONE // 1_100_000, 1024), 0)
        self.swing = (self.swing * 7 + wanted) // 8

    def _replace_leavers(self) -> None:
        """Give the slots of those who left the canvas to newcomers."""
        scene = self._scene
        columns, rows = scene.columns(self.x, self.z), scene.rows(self.z)
        tall = scene.lengths(self.stature, self.z)
        gone = (columns < scene.left - tall // 2) | (columns > scene.right + tall // 2)
        gone |= rows - tall > scene.bottom + tall // 8
        slots = np.flatnonzero(gone & self._moving)
        if len(slots):
            self.ids[slots] = self._next_id + np.arange(len(slots))
            self._next_id += len(slots)
            self._become(slots)
            self._enter(slots)


def _slots(config: CrowdConfig, scene: Scene) -> Integers:
    """The kinds of all slots: enough for the wanted number in view, people first."""
    view = config.width * SUBPIXELS
    # A moving camera looks at the thicker middle of its canvas more than at the ends.
    canvas = view if config.camera == "static" else (scene.right - scene.left) * 86 // 100
    counts = []
    for kind in KINDS:
        if kind is not KINDS[0] and not config.distractors:
            break
        wanted = config.people_a_frame * kind.share_permille * canvas
        counts.append((2 * wanted + 1000 * view) // (2000 * view))
    return np.repeat(np.arange(len(counts), dtype=np.int64), counts)
