"""How objects move, turn, bend and blur over time: functions of the frame in whole numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faimtrack.datasets.crowd.config import CrowdConfig
from faimtrack.datasets.crowd.integers import SINE_ONE, Draws, Integers, rough_length, sine
from faimtrack.datasets.crowd.objects.kinds import HABITATS, Habitat, kinds_of
from faimtrack.datasets.crowd.objects.states import ObjectStates
from faimtrack.datasets.crowd.scene import SUBPIXELS, ZOOM_ONE, CameraPath

_FINE = 64  # Angles have so many parts of a step of the sine table.


@dataclass(frozen=True, kw_only=True)
class _Pace:
    """How lively an object is: ranges from which its own numbers are drawn."""

    share_permille: int
    reach_permille: tuple[int, int]  # how far it swings to and fro, of the image's width
    period_ms: tuple[int, int]
    swing_permille: tuple[int, int]
    growth_permille: tuple[int, int]  # how much it comes nearer and goes away
    turn_permille: int  # how far it turns away from its course now and then; 0: it never turns
    curl_permille: int  # how far it curls up now and then


_PACES = (
    _Pace(share_permille=430, reach_permille=(0, 8), period_ms=(4000, 8000),
          swing_permille=(0, 60), growth_permille=(0, 12), turn_permille=0, curl_permille=0),
    _Pace(share_permille=310, reach_permille=(60, 170), period_ms=(7000, 14000),
          swing_permille=(60, 260), growth_permille=(20, 80), turn_permille=180,
          curl_permille=450),
    _Pace(share_permille=260, reach_permille=(220, 460), period_ms=(2000, 4000),
          swing_permille=(500, 1000), growth_permille=(40, 240), turn_permille=1000,
          curl_permille=1000),
)  # fmt: skip
"""Still, moderate and fast."""


@dataclass(frozen=True, kw_only=True)
class _Stage:
    """Where a habitat's objects are; rows in 1/1000 of the image's height."""

    rows_permille: tuple[int, int]
    rise_permille: int  # how far they go up and down, of how far to the sides
    elevation: tuple[int, int]
    roll: int


_STAGES: dict[Habitat, _Stage] = {
    "grass": _Stage(rows_permille=(220, 840), rise_permille=500, elevation=(120, 200), roll=90),
    "water": _Stage(rows_permille=(480, 860), rise_permille=60, elevation=(14, 44), roll=8),
    "sky": _Stage(rows_permille=(160, 840), rise_permille=450, elevation=(-120, 120), roll=70),
    "woods": _Stage(rows_permille=(420, 760), rise_permille=120, elevation=(12, 56), roll=6),
}
_COUNTS = (1, 1, 1, 2, 2, 2, 2, 3, 3, 4)  # How many objects a scene has, each as likely.
_SIZE_PERMILLE = (340, 860)  # How long bodies are, of the image's height;
_CROWDED_PERMILLE = 90  # so much less at the upper end for each further object.


def habitat_of(draws: Draws) -> Habitat:
    """Where a scene plays."""
    return HABITATS[draws.one("object habitat", 0, 0, len(HABITATS) - 1)]


def object_count(draws: Draws) -> int:
    """How many objects a scene has."""
    return _COUNTS[draws.one("object count", 0, 0, len(_COUNTS) - 1)]


def wave(
    draws: Draws, stream: str, entity: int, frames: Integers, period: tuple[int, int]
) -> tuple[Integers, Integers]:
    """A sine over time whose start and period (1/1000 frames) are drawn.

    Returns:
        `(F,)` its values, 1024 for 1, and `(F,)` its angles in steps.
    """
    length = draws.one(f"{stream} period", entity, *period)
    start = draws.one(f"{stream} start", entity, 0, SINE_ONE - 1)
    angle = start * _FINE + frames * (SINE_ONE * _FINE * 1000) // max(length, 1)
    whole, rest = angle // _FINE, angle % _FINE
    return (sine(whole) * (_FINE - rest) + sine(whole + 1) * rest) // _FINE, whole


def episodes(
    draws: Draws, stream: str, entity: int, frames: Integers, rate: int, threshold: int
) -> Integers:
    """`(F,)` 0 to 1024: what comes for some tenths of a second, smoothly, and goes again.

    Args:
        draws: Random integers.
        stream: What comes and goes.
        entity: To whom.
        frames: `(F,)` frame numbers.
        rate: Frames a second.
        threshold: −1024 almost always, 1024 hardly ever.
    """
    slow = wave(draws, f"{stream} slow", entity, frames, (1100 * rate, 2100 * rate))[0]
    quick = wave(draws, f"{stream} quick", entity, frames, (500 * rate, 900 * rate))[0]
    level: Integers = np.clip(((2 * slow + quick) // 3 - threshold) * 3, 0, SINE_ONE)
    # 3 t² − 2 t³: without a jerk at either end.
    return level * level * (3 * SINE_ONE - 2 * level) // (SINE_ONE * SINE_ONE)


class Lives:
    """The objects of one scene."""

    def __init__(self, config: CrowdConfig, draws: Draws, camera: CameraPath) -> None:
        self._config = config
        self._draws = draws
        self._camera = camera
        self._stage = _STAGES[habitat_of(draws)]
        self._pair = kinds_of(habitat_of(draws))
        self.count = object_count(draws)
        # A lens that hunts for focus, a shutter that is slow: in some scenes more than in others.
        self._shutter = draws.one("object shutter", 0, 150, 800)
        self._order = np.argsort(draws.bits("object order", np.arange(self.count))).tolist()

    def kind(self, slot: int) -> int:
        """The row of `OBJECT_KINDS` of an object, whose number counts from 0."""
        return self._pair[self._draws.one("object kind", slot, 0, 1)]

    def pace(self, slot: int) -> int:
        """0 still, 1 moderate, 2 fast."""
        drawn = self._draws.one("object pace", slot, 0, 999)
        return int(drawn >= _PACES[0].share_permille) + int(
            drawn >= _PACES[0].share_permille + _PACES[1].share_permille
        )

    def distance(self, slot: int) -> int:
        """Micrometres from the camera: what stands lower in the image is nearer."""
        return (20_000_000 - 15_000 * self._row_permille(slot)) + slot

    def _row_permille(self, slot: int) -> int:
        return self._draws.one("object row", slot, *self._stage.rows_permille)

    def states(self, slot: int, frames: Integers) -> ObjectStates:
        """One object in some frames, as the camera sees it."""
        draws, pace = self._draws, _PACES[self.pace(slot)]
        rate = self._config.frame_rate
        x, y, size, heading = self._path(slot, frames)
        old_x, old_y, _, _ = self._path(slot, frames - 1)
        poses = self._poses(slot, frames, heading)
        beat = draws.one("object beat", slot, 380 * rate, 760 * rate)
        phase = draws.one("object phase", slot, 0, 1023) + frames * (1024 * 1000) // max(beat, 1)
        swing = draws.one("object swing", slot, *pace.swing_permille) * SINE_ONE // 1000
        defocus = episodes(draws, "object defocus", slot, frames, rate, -60)
        worst = draws.one("object worst defocus", slot, 22, 62)
        return ObjectStates(
            ids=np.full(frames.shape, slot + 1, dtype=np.int64),
            kinds=np.full(frames.shape, self.kind(slot), dtype=np.int64),
            x=x,
            y=y,
            size=size,
            phase=phase % SINE_ONE,
            swing=np.full(frames.shape, swing, dtype=np.int64),
            defocus=defocus * worst * size // (SINE_ONE * 1000),
            blur_x=(x - old_x) * self._shutter // 1000,
            blur_y=(y - old_y) * self._shutter // 1000,
            **poses,
        )

    def _path(self, slot: int, frames: Integers) -> tuple[Integers, Integers, Integers, Integers]:
        """Where it is in the frames and how large, and the angle of its way to and fro."""
        draws, config, stage = self._draws, self._config, self._stage
        pace = _PACES[self.pace(slot)]
        width, height = config.width * SUBPIXELS, config.height * SUBPIXELS
        period = (pace.period_ms[0] * config.frame_rate, pace.period_ms[1] * config.frame_rate)
        swing_x, heading = wave(draws, "object way", slot, frames, period)
        swing_y, _ = wave(draws, "object rise", slot, frames, (period[0], period[1] * 3 // 2))
        reach = width * draws.one("object reach", slot, *pace.reach_permille) // 1000
        part = (self._order[slot] * 2 + 1) * 500 // self.count
        spread = 420 // self.count
        place = part + draws.one("object place", slot, -spread, spread)
        rise = min(reach * stage.rise_permille // 1000, height * 3 // 10)
        x = width * place // 1000 + reach * swing_x // SINE_ONE
        y = height * self._row_permille(slot) // 1000 + rise * swing_y // SINE_ONE
        growth, _ = wave(draws, "object growth", slot, frames, period)
        least, most = _SIZE_PERMILLE[0], _SIZE_PERMILLE[1] - _CROWDED_PERMILLE * (self.count - 1)
        long = height * draws.one("object size", slot, least, most) // 1000
        growth = growth * draws.one("object approach", slot, *pace.growth_permille) // 1000
        size = long * (SINE_ONE + growth) // SINE_ONE
        zoom, shift = self._view(frames)
        x = x * zoom // ZOOM_ONE + shift[:, 0]
        y = y * zoom // ZOOM_ONE + shift[:, 1]
        return x, y, size * zoom // ZOOM_ONE, heading

    def _view(self, frames: Integers) -> tuple[Integers, Integers]:
        """Zoom and shift of the frames; before the first the camera stands still."""
        rows = np.maximum(frames, 1) - 1
        return self._camera.zoom[rows], self._camera.shift[rows]

    def _poses(self, slot: int, frames: Integers, heading: Integers) -> dict[str, Integers]:
        """Yaw, elevation, roll and curl."""
        draws, stage = self._draws, self._stage
        pace, rate = _PACES[self.pace(slot)], self._config.frame_rate
        sway, _ = wave(draws, "object sway", slot, frames, (2000 * rate, 4000 * rate))
        if pace.turn_permille:
            # Heading where it goes, but quicker about the turning points: foreshortened poses
            # are the rare ones.
            yaw = heading - 57 * sine(2 * heading) // SINE_ONE
            turned = episodes(draws, "object turn", slot, frames, rate, 420)
            side = 2 * draws.one("object turn side", slot, 0, 1) - 1
            yaw = yaw + side * turned * 210 * pace.turn_permille // (SINE_ONE * 1000)
            curl = episodes(draws, "object curl", slot, frames, rate, 160)
            curl = curl * pace.curl_permille // 1000
        else:
            yaw = draws.one("object heading", slot, 0, 1) * 512 + np.zeros_like(frames)
            yaw = yaw + draws.one("object yaw", slot, -150, 150) + sway * 4 // SINE_ONE
            curl = np.full(frames.shape, max(draws.one("object still curl", slot, -1500, 600), 0))
        tilt = draws.one("object roll", slot, -stage.roll, stage.roll)
        swaying = sway * stage.roll * pace.turn_permille // (3 * SINE_ONE * 1000)
        return {
            "yaw": yaw % SINE_ONE,
            "elevation": np.full(frames.shape, draws.one("object view", slot, *stage.elevation)),
            "roll": tilt + swaying,
            "curl": curl.astype(np.int64),
        }


def blur_length(states: ObjectStates) -> Integers:
    """`(N,)` how far they are smeared, in subpixels."""
    return rough_length(states.blur_x, states.blur_y) - 1
